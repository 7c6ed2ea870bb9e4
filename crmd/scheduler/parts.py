"""The smaller parts of the scheduler's model: kinds, histories, constraints, options.

Nodes, resources and the working set itself are in `crmd.scheduler.model`, which offers these
names too.  Not here: any rule.  Facts: scheduler-1-assignment.md sections 0.2, 4, 9, 12, 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from cib.lexical import Role

if TYPE_CHECKING:
    from lxml import etree

    from crmd.scheduler.model import Node, Resource


class Variant(IntEnum):
    """Kinds of resource, lowest first (part 1, 0.2)."""

    PRIMITIVE = 1
    GROUP = 2
    CLONE = 3
    BUNDLE = 4


class ProbeMode(IntEnum):
    """Resource discovery on a node; a higher one wins (part 1, 16.5)."""

    ALWAYS = 0
    NEVER = 1
    EXCLUSIVE = 2


class OnFail(IntEnum):
    """Failure strategies by severity (part 1, 12.17)."""

    IGNORE = 0
    DEMOTE = 1
    RESTART = 2
    RESET_REMOTE = 3
    RESTART_CONTAINER = 4
    BAN = 5
    BLOCK = 6
    STOP = 7
    STANDBY = 8
    FENCE = 9


class MultipleActive(Enum):
    """Meta-attribute `multiple-active`."""

    STOP_START = "stop_start"
    STOP_ONLY = "stop_only"
    BLOCK = "block"
    STOP_UNEXPECTED = "stop_unexpected"


@dataclass(slots=True)
class OperationConfig:
    """One `<op>` of a resource, template merged."""

    name: str
    interval_ms: int
    enabled: bool
    role: Role
    """Its `role` attribute; UNKNOWN when absent."""
    attrs: dict[str, str]
    element: etree._Element


@dataclass(slots=True, eq=False)
class HistoryEntry:
    """One `lrm_rsc_op` of the status section; unknown numbers are -1."""

    id: str
    task: str
    interval_ms: int
    rc: int
    status: int
    """Operation status: -1 pending, 0 done, ... (part 1, 12.9)."""
    call_id: int
    target_rc: int
    transition: int
    """Transition number of the transition key, -1 without a valid key."""
    transition_uuid: str
    changed_at: int
    """`last-rc-change`, seconds since the epoch, -1 when absent."""
    attrs: Mapping[str, str]
    """All attributes, looked up in the document when asked for."""

    @property
    def is_probe(self) -> bool:
        return self.task == "monitor" and self.interval_ms == 0


@dataclass(slots=True, eq=False)
class ResourceHistory:
    """One `lrm_resource` of a node: entries in document order, and sorted oldest first."""

    id: str
    node: Node
    attrs: Mapping[str, str]
    """All attributes, looked up in the document when asked for."""
    entries: list[HistoryEntry]
    resource: Resource | None = None
    """What the entry was found to belong to while status was read (None: nothing)."""
    ordered: list[HistoryEntry] = field(default_factory=list)
    """Sorted by part 1, 12.7; empty until read."""


@dataclass(slots=True)
class RecordedFailure:
    """An operation kept for display: a failure, a masked probe, an ignored or degraded result."""

    entry: HistoryEntry
    resource: Resource
    node: Node
    masked_probe: bool = False


@dataclass(slots=True)
class GroupFacts:
    """What only a group has (part 1, 9.1)."""

    ordered: bool = True
    colocated: bool = True


@dataclass(slots=True)
class CloneFacts:
    """What only a clone has (part 1, 9.2, 9.3)."""

    max: int = 1
    node_max: int = 1
    promoted_max: int = 1
    promoted_node_max: int = 1
    ordered: bool = False
    interleave: bool = False
    child_element: etree._Element | None = None
    instances_made: int = 0
    scores_added: bool = False
    """Promotion scores went into the instances' tables (22.3)."""
    promotion_constrained: bool = False
    promoted_count: int = 0
    child_id: str = ""


@dataclass(slots=True)
class PortMapping:
    id: str
    source: str
    target: str


@dataclass(slots=True)
class StorageMapping:
    source: str
    per_replica: bool
    target: str
    options: str | None


@dataclass(slots=True)
class Replica:
    """One copy of a bundle (part 1, 9.6)."""

    offset: int
    container: Resource
    address: str | None = None
    ip: Resource | None = None
    remote: Resource | None = None
    child: Resource | None = None
    node: Node | None = None
    """Its bundle node; the replica's own view of it has score 500, mode EXCLUSIVE."""


@dataclass(slots=True)
class BundleFacts:
    """What only a bundle has (part 1, 9.4 - 9.6)."""

    kind: str
    """`docker` or `podman`."""
    image: str
    promoted_max: int = 0
    per_host: int = 1
    replicas: list[Replica] = field(default_factory=list)
    clone: Resource | None = None
    """The implicit clone around the bundled primitive."""


@dataclass(slots=True, eq=False)
class Location:
    """A location constraint for one resource (part 1, 16.3 - 16.5)."""

    id: str
    resource: Resource
    role: Role
    """Filter; UNKNOWN means any role."""
    probe_mode: ProbeMode
    scores: dict[int, int]
    """Node index -> score, in the order in which they are applied."""


@dataclass(slots=True, eq=False)
class Colocation:
    """The dependent goes where the primary is (part 1, 16.6)."""

    id: str
    score: int
    dependent: Resource
    primary: Resource
    dependent_role: Role = Role.UNKNOWN
    primary_role: Role = Role.UNKNOWN
    node_attribute: str = "#uname"
    explicit: bool = True
    """Came from the configuration, not from the structure of a group or bundle."""
    influence: bool = True


class LossPolicy(Enum):
    STOP = "stop"
    DEMOTE = "demote"
    FENCE = "fence"
    FREEZE = "freeze"


@dataclass(slots=True, eq=False)
class Ticket:
    """A cluster ticket; one never seen is neither granted nor standby (part 1, 11.2)."""

    id: str
    granted: bool = False
    standby: bool = False
    last_granted: int = -1
    attrs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class TicketConstraint:
    id: str
    ticket: Ticket
    resource: Resource
    role: Role
    policy: LossPolicy


class QuorumPolicy(Enum):
    """Effective policy (part 1, 4.4)."""

    STOP = "stop"
    FREEZE = "freeze"
    IGNORE = "ignore"
    DEMOTE = "demote"
    FENCE = "fence"


@dataclass(slots=True)
class Options:
    """Cluster options that the scheduler reads (part 1, 4.3); times in milliseconds."""

    raw: dict[str, str] = field(default_factory=dict)
    """As configured, under the names of head (aliases resolved)."""
    no_quorum_policy: QuorumPolicy = QuorumPolicy.STOP
    symmetric: bool = True
    maintenance_mode: bool = False
    start_failure_is_fatal: bool = True
    startup_probes: bool = True
    fencing_enabled: bool = True
    fencing_action: str = "reboot"
    fencing_timeout_ms: int = 60_000
    fence_remote_without_quorum: bool = False
    have_watchdog: bool = False
    concurrent_fencing: bool = True
    startup_fencing: bool = True
    priority_fencing_delay_ms: int = 0
    node_pending_timeout_ms: int = 0
    shutdown_lock: bool = False
    shutdown_lock_limit_ms: int = 0
    stop_all: bool = False
    stop_removed: bool = True
    cancel_removed: bool = True
    placement: str = "default"
    health_strategy: str = "none"
    health_base: int = 0
    health: dict[str, int] = field(default_factory=lambda: {"red": 0, "yellow": 0, "green": 0})
    cluster_name: str | None = None
