"""What of the status is wanted: sections, details, filters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Section(Enum):
    """A section of `crm_mon`, by the name that --include and --exclude take."""

    TIMES = "times"
    STACK = "stack"
    DC = "dc"
    COUNTS = "counts"
    OPTIONS = "options"
    MAINT_MODE = "maint-mode"
    NODES = "nodes"
    RESOURCES = "resources"
    ATTRIBUTES = "attributes"
    OPERATIONS = "operations"
    FAILCOUNTS = "failcounts"
    FAILURES = "failures"
    FENCING_FAILED = "fencing-failed"
    FENCING_PENDING = "fencing-pending"
    FENCING_SUCCEEDED = "fencing-succeeded"
    TICKETS = "tickets"
    BANS = "bans"


SUMMARY = frozenset(
    {Section.TIMES, Section.STACK, Section.DC, Section.COUNTS, Section.OPTIONS, Section.MAINT_MODE}
)
FENCING = frozenset({Section.FENCING_FAILED, Section.FENCING_PENDING, Section.FENCING_SUCCEEDED})
ALL = frozenset(Section)


@dataclass(frozen=True, slots=True)
class Show:
    """One request for status.

    `nodes` and `resources` name what is wanted (None: everything); tags are resolved before.
    """

    inactive: bool = True
    pending: bool = True
    details: bool = False
    clone_details: bool = False
    brief: bool = False
    by_node: bool = False
    timing: bool = False
    description: bool = False
    nodes: frozenset[str] | None = None
    resources: frozenset[str] | None = None
    sections: frozenset[Section] = frozenset({Section.NODES, Section.RESOURCES})
    ban_prefix: str = ""

    def wants_node(self, name: str) -> bool:
        """Whether a node of that name passes the filter."""
        return self.nodes is None or name.lower() in self.nodes

    def wants_name(self, *names: str) -> bool:
        """Whether a resource of one of these names passes the filter."""
        return self.resources is None or any(name in self.resources for name in names)
