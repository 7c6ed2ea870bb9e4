"""The scheduler's working set: nodes, resources, constraints, and what was read about them.

Not here: any rule.  Stages `unpack` and `assign` fill these objects (part 1 of the
specification), `act`, `order` and `graph` read them (part 2).  Facts and names:
scheduler-1-assignment.md section 0.2, scheduler-2-actions.md section 1.

The structure that part 1 hands to part 2 is one `Cluster`:

* `nodes` in name order, `resources` in scheduling order (both final after unpacking);
* per resource: `active_on`, `orig_role`, `next_role`, `assigned`, `scores` (the table of allowed
  nodes), `known_on`, the flags, `dangling`, `partial_src`/`partial_tgt`;
* `cluster.requests`: in the order in which they arose, everything part 1 asks of part 2
  (see `crmd.scheduler.requests`): actions created while status was read, fencing, user
  constraints in document order, resources left without a node.

Functions of part 1 that others may call: `unpack.parameters.parameters` (instance attributes for a
node), `unpack.operations.find_operation` / `operation_meta` (an `<op>` and its meta table),
`unpack.digests.compare`, `unpack.failcounts.fail_count`, `unpack.fencing.can_fence`,
`assign.criteria.active_node`, `assign.instances.compare_instances`.

A score table is three dicts keyed by `Node.index`: `scores` (which nodes are allowed, and how
good), `counts` (instances there; collectives only), `probe_modes` (absent means ALWAYS).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cib.lexical import Role
from cib.scores import INFINITY
from crmd.scheduler.parts import (
    BundleFacts,
    CloneFacts,
    Colocation,
    GroupFacts,
    HistoryEntry,
    Location,
    LossPolicy,
    MultipleActive,
    OnFail,
    OperationConfig,
    Options,
    PortMapping,
    ProbeMode,
    QuorumPolicy,
    RecordedFailure,
    Replica,
    ResourceHistory,
    StorageMapping,
    Ticket,
    TicketConstraint,
    Variant,
)

if TYPE_CHECKING:
    from lxml import etree

    from crmd.scheduler.requests import Request
    from crmd.scheduler.unpack.attributes import Attributes

__all__ = [
    "INFINITY",
    "BundleFacts",
    "CloneFacts",
    "Cluster",
    "Colocation",
    "GroupFacts",
    "HistoryEntry",
    "Location",
    "LossPolicy",
    "MultipleActive",
    "Node",
    "OnFail",
    "OperationConfig",
    "Options",
    "PortMapping",
    "ProbeMode",
    "QuorumPolicy",
    "RecordedFailure",
    "Recorder",
    "Replica",
    "Resource",
    "ResourceHistory",
    "Role",
    "StorageMapping",
    "Ticket",
    "TicketConstraint",
    "Variant",
]


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """A cluster, remote, guest or bundle node: one object, shared by all."""

    index: int
    """Position in order of creation; key of every score table."""
    id: str
    name: str
    is_remote_kind: bool = False
    """A Pacemaker Remote node of any sort: remote, guest or bundle."""
    attrs: dict[str, str] = field(default_factory=dict)
    utilization: dict[str, int] = field(default_factory=dict)
    """Capacity still free; part 1, 19.10."""
    score: int = 0
    """Base score (part 1, 6.1): what a new entry of a score table starts from."""
    probe_mode: ProbeMode = ProbeMode.ALWAYS
    online: bool = False
    unclean: bool = False
    pending: bool = False
    standby: bool = False
    fail_standby: bool = False
    maintenance: bool = False
    shutdown: bool = False
    expected_up: bool = False
    seen: bool = False
    unpacked: bool = False
    is_dc: bool = False
    remote_reset: bool = False
    remote_fenced: bool = False
    remote_maint: bool = False
    probes_allowed: bool = True
    conn: Resource | None = None
    """Connection resource of a remote, guest or bundle node."""
    running: list[Resource] = field(default_factory=list)
    n_assigned: int = 0
    priority_sum: int = 0
    state: etree._Element | None = None
    """Its `node_state`, if any."""
    failure_attributes: tuple[list[tuple[str, str]], list[tuple[str, str]]] | None = None
    """Cache of `unpack.failcounts`; None: to be collected from `attrs` again."""

    def __repr__(self) -> str:
        return f"<Node {self.name}>"

    @property
    def usable(self) -> bool:
        """`available` of part 1, 0.5, without looking at a score or a guest's host."""
        return (
            self.online
            and not self.shutdown
            and not self.unclean
            and not self.standby
            and not self.maintenance
        )

    @property
    def is_remote(self) -> bool:
        """A remote node proper: its connection is not launched by another resource."""
        return self.is_remote_kind and (self.conn is None or self.conn.launcher is None)

    @property
    def is_guest(self) -> bool:
        """A guest or bundle node: the connection is launched by a resource of the cluster."""
        return self.is_remote_kind and self.conn is not None and self.conn.launcher is not None

    @property
    def is_bundle_node(self) -> bool:
        return self.is_guest and self.conn is not None and self.conn.bundle is not None


@dataclass(slots=True, eq=False, repr=False)
class Resource:
    """A primitive, group, clone or bundle; instances and members are resources too."""

    id: str
    """Internal id; instances carry `:N`."""
    xml_id: str
    """Id as configured, without instance number."""
    variant: Variant
    element: etree._Element | None
    """Effective XML (template merged); None for removed resources and made-up ones."""
    index: int = 0
    parent: Resource | None = None
    children: list[Resource] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    klass: str = ""
    provider: str | None = None
    type: str = ""
    history_id: str | None = None
    operations: list[OperationConfig] = field(default_factory=list)
    group: GroupFacts | None = None
    clone: CloneFacts | None = None
    bundle_facts: BundleFacts | None = None
    bundle: Resource | None = None
    """The bundle somewhere above, if any ("bundled", part 1, 0.4); None for the bundle itself."""
    replica: Replica | None = None
    """For the parts of a bundle replica (container, ip, remote, child instance)."""

    scores: dict[int, int] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    probe_modes: dict[int, ProbeMode] = field(default_factory=dict)
    known_on: dict[int, Node] = field(default_factory=dict)
    active_on: list[Node] = field(default_factory=list)
    orig_role: Role = Role.STOPPED
    next_role: Role = Role.UNKNOWN
    priority: int = 0
    promotion_priority: int = 0
    stickiness: int = 0
    ban_after: int = INFINITY
    """Migration threshold; 0 disables."""
    failure_timeout_ms: int = 0
    remote_reconnect_ms: int = 0
    multiple_active: MultipleActive = MultipleActive.STOP_START
    launcher: Resource | None = None
    launched: list[Resource] = field(default_factory=list)
    utilization: dict[str, int] = field(default_factory=dict)

    assigned: Node | None = None
    assigned_score: int = 0
    """Score of the assigned node in the table at the moment of placing."""
    pending_task: str | None = None
    pending_node: Node | None = None
    lock_node: Node | None = None
    lock_time: int = 0
    partial_src: Node | None = None
    partial_tgt: Node | None = None
    dangling: list[Node] = field(default_factory=list)
    """Sources of dangling migrations, newest first."""

    locations: list[Location] = field(default_factory=list)
    """Newest first."""
    this_with: list[Colocation] = field(default_factory=list)
    with_this: list[Colocation] = field(default_factory=list)
    tickets: list[TicketConstraint] = field(default_factory=list)

    managed: bool = True
    blocked: bool = False
    maintenance: bool = False
    removed: bool = False
    removed_launched: bool = False
    failed: bool = False
    stop_if_failed: bool = False
    unique: bool = True
    promotable: bool = False
    notify: bool = False
    critical: bool = True
    migratable: bool = False
    fence_device: bool = False
    is_remote_connection: bool = False
    exclusive_probes: bool = False
    needs_quorum: bool = False
    needs_fencing: bool = False
    needs_unfencing: bool = False
    unassigned: bool = True
    assigning: bool = False
    updating: bool = False
    start_pending: bool = False
    ignore_failure: bool = False
    replica_container: bool = False
    nesting_allowed: bool = False
    stop_unexpected: bool = False
    reload: bool = False
    restarting: bool = False
    sees_host_attributes: bool = False
    """Node attributes may be those of a guest's host (part 1, 20.6); set before assignment."""

    def __repr__(self) -> str:
        return f"<Resource {self.id}>"

    @property
    def top(self) -> Resource:
        """Outermost ancestor, stopping below a bundle ("uber parent", part 1, 0.4)."""
        r = self
        while r.parent is not None and r.parent.variant is not Variant.BUNDLE:
            r = r.parent
        return r

    @property
    def root(self) -> Resource:
        """Outermost ancestor, bundles included."""
        r = self
        while r.parent is not None:
            r = r.parent
        return r

    @property
    def is_primitive(self) -> bool:
        return self.variant is Variant.PRIMITIVE

    @property
    def display_id(self) -> str:
        """History id, else id."""
        return self.history_id or self.id

    def probe_mode(self, node: Node) -> ProbeMode:
        """Discovery mode of this resource's entry for the node (ALWAYS without one)."""
        return self.probe_modes.get(node.index, ProbeMode.ALWAYS)


class Recorder(Protocol):
    """Where score terms and their reasons go; part 1 calls it only when one is given."""

    def term(self, resource: Resource, node: Node, score: int, reason: str) -> None:
        """`score` was added to the resource's entry for the node because of `reason`."""

    def mark(self) -> int:
        """How many terms there are now."""

    def withdraw(self, resource: Resource, mark: int) -> None:
        """The terms of the resource since `mark` do not count: its table was put back."""

    def remark(self, resource: Resource, text: str) -> None:
        """Scores did not decide where the resource goes; why not."""


@dataclass(slots=True)
class Cluster:
    """Everything known in one scheduling run."""

    cib: etree._Element
    now: float
    """Seconds since the epoch."""
    attributes: Attributes
    """The document's name/value sets and rules."""
    options: Options = field(default_factory=Options)
    feature_set: str = ""
    quorate: bool = False
    dc_uuid: str | None = None
    dc_node: Node | None = None
    have_fence_devices: bool = False
    unfencing_in_use: bool = False

    nodes: list[Node] = field(default_factory=list)
    """Sorted by name (part 2, 1.2.4)."""
    nodes_by_index: list[Node] = field(default_factory=list)
    nodes_by_id: dict[str, Node] = field(default_factory=dict)
    """Lower-case id -> node."""
    nodes_by_name: dict[str, Node] = field(default_factory=dict)
    """Lower-case name -> node."""
    resources: list[Resource] = field(default_factory=list)
    """Top-level resources in scheduling order; removed ones last."""
    by_id: dict[str, Resource] = field(default_factory=dict)
    """Every resource by internal id; the first in depth-first order wins."""
    by_history_id: dict[str, Resource] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    templates: dict[str, list[str]] = field(default_factory=dict)
    """Template id -> ids of the resources made from it, in unpacking order."""
    locations: list[Location] = field(default_factory=list)
    """Newest first."""
    colocations: list[Colocation] = field(default_factory=list)
    histories: dict[int, list[ResourceHistory]] = field(default_factory=dict)
    """Node index -> its `lrm_resource` entries in document order, for nodes that were read."""
    failures: list[RecordedFailure] = field(default_factory=list)
    hard_failures: list[RecordedFailure] = field(default_factory=list)
    """Results that ban a resource (the one named here) from the node until they are cleaned up."""
    requests: list[Request] = field(default_factory=list)
    cleared_failcounts: set[tuple[int, int]] = field(default_factory=set)
    """(resource index, node index) with a clear_failcount requested (part 1, 17.5)."""
    usable: list[bool] = field(default_factory=list)
    """By node index: `Node.usable` of now; kept up to date during assignment."""
    node_rank: list[int] = field(default_factory=list)
    """By node index: position in `nodes`."""
    recheck_by: int | None = None
    """Seconds since the epoch of the earliest instant worth another look."""
    n_resources: int = 0
    """Resource objects made so far; the next `Resource.index`."""
    warnings: list[str] = field(default_factory=list)
    score_lines: list[str] = field(default_factory=list)
    """Printed scores in the order of events (part 1, 25); only with `record_scores`."""
    record_scores: bool = False
    record_utilization: bool = False
    """Capacities and placements go into `score_lines` too (part 1, 25.6)."""
    explain: Recorder | None = None
    """Keeps the reason of every score term when set (`crm_simulate --explain`)."""
    effective: dict[int, tuple[etree._Element, etree._Element | None]] = field(default_factory=dict)
    """Identity of an element that uses a template -> itself and the merged one."""
    parameters: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)
    """Cache of instance attributes: (id of the element, node index or -1)."""
    operation_meta: dict[tuple[int, str, int], dict[str, str]] = field(default_factory=dict)
    digests: dict[tuple[int, int, str], object] = field(default_factory=dict)
    """Cache of computed digests: (resource index, node index, operation key)."""
    chains_followed: int = 0
    """Steps along chains of colocations so far; see `assign.colocation.MANY_CHAINS`."""
    containers_to_stop: list[Resource] = field(default_factory=list)
    """Launchers whose stop is due when all histories are read (part 1, 12.17)."""

    def node(self, name: str | None) -> Node | None:
        """Node of that name, ignoring case."""
        return None if name is None else self.nodes_by_name.get(name.lower())

    def recheck(self, at: float) -> None:
        """Lower the instant of the next look to `at` (only future instants count)."""
        if at > self.now and (self.recheck_by is None or at < self.recheck_by):
            self.recheck_by = int(at)
