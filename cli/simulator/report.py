"""What a report of `crm_simulate` is told, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cli.status.listing import Listing
from cli.status.model import ClusterStatus
from crmd.transition.imagine import Step


@dataclass(frozen=True, slots=True)
class Change:
    """One requested modification: its sentence, and its XML element."""

    line: str
    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class Report(Protocol):
    """Receives the sections in the order in which they become known."""

    def clock(self, text: str) -> None:
        """The time that counts as now."""

    def message(self, text: str) -> None:
        """Something worth knowing that belongs to no section."""

    def status_before(self, status: ClusterStatus, extra: Sequence[Listing]) -> None:
        """The cluster as it is; `extra` holds further lists for text."""

    def modifications(self, changes: Sequence[Change]) -> None:
        """What was changed before scheduling."""

    def scores(
        self, lines: Sequence[str], *, messages: Sequence[str], scores: bool, utilization: bool
    ) -> None:
        """Printed scores and utilization, in the order of events; `messages` came before them."""

    def summary(self, lines: Sequence[str]) -> None:
        """What the transition will do."""

    def execution(self, steps: Sequence[Step]) -> None:
        """The transition as it was pretended."""

    def status_after(self, status: ClusterStatus, extra: Sequence[Listing]) -> None:
        """The cluster after the transition; `extra` as before it."""

    def explanation(self, lines: Sequence[str]) -> None:
        """What the scores of one resource are made of."""
