"""One run of the simulator: read, show, change, schedule, pretend, show again.

Decides the order of the steps; what each prints is the report's business, where the input comes
from is `cli.simulator.inputs`.  Facts: scheduler-2-actions.md sections 16.2 to 16.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lxml import etree

from cib.dates import DateError, DateTime, local, parse_date
from cli.command_line import CommandError
from cli.exits import Exit
from cli.simulator.explanation import Terms, explanation
from cli.simulator.injections import inject
from cli.simulator.options import Request
from cli.simulator.planning import Plan, plan, status_messages, unpack
from cli.simulator.report import Report
from cli.status.diagnostics import diagnostics
from cli.status.listing import Listing
from cli.status.model import ClusterStatus
from cli.status.show import Show
from cli.status.survey import survey
from cli.status.text_sections import attributes_section, failures_section, operations_section
from crmd.scheduler.model import Cluster
from crmd.scheduler.pipeline import effective_now
from crmd.scheduler.unpack import FEATURE_SET
from crmd.transition.history import SimulatedCib
from crmd.transition.imagine import walk
from crmd.transition.walker import WalkState


@dataclass(slots=True)
class Session:
    """The state of one run; `save` stores a document under a name (a path)."""

    request: Request
    root: etree._Element
    report: Report
    save: Callable[[str, bytes], None]
    wall_clock: float
    errors: list[str] = field(default_factory=list)
    """Lines for standard error."""
    log: Callable[[str], object] | None = None
    """Receives the libraries' messages."""
    terms: Terms | None = None
    """What the scores are made of, where an explanation is wanted."""

    def run(self) -> Exit:
        """All steps that the request asks for."""
        request = self.request
        self._clock_line()
        cluster = self._unpack()
        self._show_current(cluster)
        if request.save_input:
            self.save(request.save_input, _document(self.root))
        if request.events.any or request.events.quorum is not None:
            cluster = self._inject(cluster)
        if not request.schedules:
            return Exit.OK
        planned = plan(
            cluster,
            scores=request.scores,
            utilization=request.utilization,
            explain=self.terms,
        )
        self._show_plan(planned, cluster)
        if request.simulate:
            return self._simulate(cluster, planned)
        return Exit.OK

    # --- time ----------------------------------------------------------------------------

    def _now(self) -> tuple[float, str | None]:
        """The moment that counts as now, and the sentence that says so."""
        wall = local(self.wall_clock)
        if self.request.date is not None:
            try:
                moment = parse_date(self.request.date, wall)
            except DateError as e:
                raise CommandError(Exit.DATAERR, f"--set-datetime: {e}") from e
            return moment.epoch_s, f"Setting effective cluster time: {self.request.date}"
        original = self.root.get("execution-date")
        recorded = effective_now(self.root, self.wall_clock)
        if original is not None and recorded != self.wall_clock:
            moment = DateTime(int(recorded), local(recorded).offset_s)
            return moment.epoch_s, f"Using the original execution date of: {moment}"
        return self.wall_clock, None

    def _clock_line(self) -> None:
        _, sentence = self._now()
        if sentence is not None:
            self.report.clock(sentence)

    def _unpack(self) -> Cluster:
        now = self._now()[0]
        self.terms = Terms() if self.request.explain is not None else None
        cluster = unpack(self.root, now, self.terms)
        if cluster.unfencing_in_use and not self.request.quiet:
            for text in status_messages(self.root, now):
                self.report.message(text)
        if self.log is not None:
            for line in diagnostics(cluster):
                self.log(line)
        return cluster

    # --- steps ---------------------------------------------------------------------------

    def _show_current(self, cluster: Cluster) -> None:
        self.report.status_before(*self._status(cluster))

    def _status(self, cluster: Cluster) -> tuple[ClusterStatus, list[Listing]]:
        """The state of a cluster, and the further lists that were asked for."""
        status = survey(cluster, with_history=self.request.failcounts)
        show = Show()
        sections = []
        if self.request.attributes:
            sections.append(attributes_section(status, show))
        if self.request.failcounts:
            in_full = replace(show, details=True)
            sections += [operations_section(status, show), failures_section(status, in_full)]
        return status, [section for section in sections if section is not None]

    def _inject(self, cluster: Cluster) -> Cluster:
        fatal = cluster.options.start_failure_is_fatal
        now, complain = int(self.wall_clock), self.errors.append
        changes = inject(self.root, self.request.events, cluster, now, fatal, complain)
        if not self.request.events.any:
            return self._unpack()
        self.report.modifications(changes)
        self._clock_line()
        return self._unpack()

    def _show_plan(self, planned: Plan, cluster: Cluster) -> None:
        request = self.request
        if request.scores or request.utilization:
            self.report.scores(
                planned.scores,
                messages=planned.messages,
                scores=request.scores,
                utilization=request.utilization,
            )
        if request.graph:
            self.save(request.graph, planned.graph_xml())
        if request.dot:
            self.save(request.dot, planned.dot(request.all_actions).encode())
        self.report.summary(planned.summary)
        if request.explain is not None:
            self.report.explanation(explanation(request.explain, planned, self.terms))

    def _simulate(self, cluster: Cluster, planned: Plan) -> Exit:
        cib = SimulatedCib(
            self.root,
            now=int(self.wall_clock),
            feature_set=FEATURE_SET,
            known=lambda name: name in cluster.by_id or name in cluster.by_history_id,
            failures=self.request.failures,
            start_failure_is_fatal=cluster.options.start_failure_is_fatal,
        )
        ended = walk(planned.transition, cib.perform)
        self.report.execution(cib.steps)
        if ended is WalkState.TERMINATED:
            self.errors += ["Transition failed: terminated", "An invalid transition was produced"]
        if not self.request.quiet:
            self._clock_line()
            self.report.status_after(*self._status(self._unpack()))
        if self.request.save_output is not None:
            self.save(self.request.save_output, _document(self.root))
        return Exit.OK


def _document(root: etree._Element) -> bytes:
    return etree.tostring(root, pretty_print=True)
