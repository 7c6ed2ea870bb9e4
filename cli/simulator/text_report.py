"""The text of `crm_simulate`, section by section.  Facts: scheduler-2-actions.md 16.2, 17, 18."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from cli.simulator.report import Change
from cli.status.listing import Listing, render
from cli.status.model import ClusterStatus
from cli.status.steps import step_line
from cli.status.text import MAINTENANCE_BANNER, counts_line, simulator_status
from crmd.transition.imagine import ResourceStep, Step


class TextReport:
    """Writes each section as it becomes known, with empty lines between them."""

    def __init__(self, out: TextIO, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet
        self._printed = False

    def _write(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._out.write(line + "\n")
            self._printed = True

    def _spacer(self) -> None:
        if self._printed or not self._quiet:
            self._write([""])

    def clock(self, text: str) -> None:
        """The time that counts as now; a message that also quiet mode prints."""
        if not self._quiet:
            self._write([text])

    def message(self, text: str) -> None:
        """Something worth knowing that belongs to no section."""
        self._write([text])

    def status_before(self, status: ClusterStatus, extra: Sequence[Listing]) -> None:
        """Banner, counts and `Current cluster status`."""
        if self._quiet:
            return
        banner = status.options.maintenance_mode
        counts = counts_line(status)
        if banner:
            self._write(MAINTENANCE_BANNER)
        if counts:
            if banner:
                self._write([""])
            self._write([counts])
        if banner or counts:
            self._write([""])
        items = simulator_status(status, pending=True, extra=tuple(extra))
        self._write(render([Listing("Current cluster status", items)]))

    def modifications(self, changes: Sequence[Change]) -> None:
        """`Performing Requested Modifications`; only its empty line when quiet."""
        if self._quiet:
            self._out.write("\n")
            return
        self._write([""])
        items: list[str | Listing] = [change.line for change in changes]
        self._write(render([Listing("Performing Requested Modifications", items)]))

    def scores(
        self, lines: Sequence[str], *, messages: Sequence[str], scores: bool, utilization: bool
    ) -> None:
        """`Assignment Scores` and its relatives; bare lines when quiet."""
        if self._quiet:
            self._write(lines)
            return
        title = "Utilization Information"
        if scores:
            title = "Assignment Scores and Utilization Information"
            if not utilization:
                title = "Assignment Scores"
        self._write(["", f"{title}:", *messages])
        self._write(f"  * {line}" for line in lines)

    def summary(self, lines: Sequence[str]) -> None:
        """`Transition Summary`."""
        if self._quiet:
            return
        self._write([""])
        self._write(render([Listing("Transition Summary", list(lines))]))

    def execution(self, steps: Sequence[Step]) -> None:
        """`Executing Cluster Transition`."""
        if self._quiet:
            if self._printed:
                self._write([""])
            return
        self._write(["", "Executing Cluster Transition:"])
        for step in steps:
            self._write([f"  * {step_line(step)}"])
            if isinstance(step, ResourceStep) and step.failed_rc is not None:
                pretended = f"Pretending action {step.action_id} failed with rc={step.failed_rc}"
                self._write([pretended])

    def status_after(self, status: ClusterStatus, extra: Sequence[Listing]) -> None:
        """`Revised Cluster Status`."""
        if self._quiet:
            return
        self._write([""])
        items = simulator_status(status, pending=False, extra=tuple(extra))
        self._write(render([Listing("Revised Cluster Status", items)]))

    def explanation(self, lines: Sequence[str]) -> None:
        """What the scores of one resource are made of (ours)."""
        self._spacer()
        self._write(lines)
