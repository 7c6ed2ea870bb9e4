"""What a person wants to know about a cluster, as frozen values.

Filled by `cli.status.survey` from the scheduler's unpacked state; rendered by `cli.status.text`,
`cli.status.xml` and their siblings.  Nothing here computes placement or reads a CIB.
Facts: scheduler-2-actions.md section 17, cli.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum


class NodeKind(Enum):
    """Kind of a node, with the word that its line begins with."""

    MEMBER = "Node"
    REMOTE = "RemoteNode"
    GUEST = "GuestNode"


class Role(IntEnum):
    """Role of a resource; a higher number does more."""

    UNKNOWN = 0
    STOPPED = 1
    STARTED = 2
    UNPROMOTED = 3
    PROMOTED = 4

    @property
    def word(self) -> str:
        """The role as it is written in status output."""
        return "Unknown" if self is Role.UNKNOWN else self.name.capitalize()


class Variant(Enum):
    """Shape of a resource."""

    PRIMITIVE = "primitive"
    GROUP = "group"
    CLONE = "clone"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node."""

    id: str
    name: str
    kind: NodeKind
    online: bool
    unclean: bool = False
    pending: bool = False
    standby: bool = False
    standby_onfail: bool = False
    maintenance: bool = False
    shutdown: bool = False
    expected_up: bool = False
    is_dc: bool = False
    health: int = 1
    """Below 0 is red, 0 is yellow, above is green."""
    feature_set: str | None = None
    running: tuple[str, ...] = ()
    """Ids of the primitives active there, in history order."""
    resources_running: int = 0
    """Number of them that count as resources (connections of guest nodes do not)."""
    container: str | None = None
    """For guest nodes: id of the resource that is the node."""
    host: str | None = None
    """For guest nodes: name of the node that the container is active on."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Sorted by name, without those that only the cluster reads."""
    connectivity: tuple[tuple[str, int], ...] = ()
    """Attributes that a running ping resource owns, with the value that full reach gives."""

    @property
    def health_word(self) -> str:
        """`green`, `yellow` or `red`."""
        return "green" if self.health > 0 else "yellow" if self.health == 0 else "red"

    @property
    def state(self) -> str:
        """The state in words, the first that applies."""
        if self.unclean:
            where = "online" if self.online else "pending" if self.pending else "offline"
            return f"UNCLEAN ({where})"
        if self.pending:
            return "pending"
        if self.standby_onfail and self.online:
            return "standby (on-fail)"
        if self.standby:
            if not self.online:
                return "OFFLINE (standby)"
            return "standby (with active resources)" if self.running else "standby"
        if self.maintenance:
            return "maintenance" if self.online else "OFFLINE (maintenance)"
        return "online" if self.online else "OFFLINE"

    @property
    def is_odd(self) -> bool:
        """Whether the node needs a line of its own instead of a place in a list."""
        return (
            self.unclean
            or self.pending
            or self.standby
            or self.standby_onfail
            or self.maintenance
            or self.health <= 0
        )


@dataclass(frozen=True, slots=True)
class Active:
    """A place where a resource is active."""

    node: str
    node_id: str
    online: bool = True
    unclean: bool = False


@dataclass(frozen=True, slots=True)
class MaskedProbe:
    """A failed probe that only says that the resource cannot run on the node."""

    node: str
    text: str


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """One resource; collectives have `children`."""

    variant: Variant
    id: str
    """Internal id, with the instance number."""
    plain_id: str
    """Configured id."""
    unique: bool = True
    agent: str = ""
    """`class:provider:type` or `class:type`; empty for collectives."""
    role: Role = Role.STOPPED
    managed: bool = True
    maintenance: bool = False
    blocked: bool = False
    failed: bool = False
    removed: bool = False
    failure_ignored: bool = False
    internal: bool = False
    """Made by the cluster itself (a guest's connection): not shown in lists."""
    promotable: bool = False
    """For instances too: whether the outermost resource is a promotable clone."""
    target_role: str | None = None
    """As configured, None where not set."""
    description: str | None = None
    active: tuple[Active, ...] = ()
    """In history order."""
    current: Active | None = None
    """The place that counts when there are several."""
    pending_task: str | None = None
    pending_node: Active | None = None
    locked_to: Active | None = None
    masked: tuple[MaskedProbe, ...] = ()
    children: tuple[ResourceStatus, ...] = ()
    replicas: tuple[ReplicaStatus, ...] = ()
    allowed: tuple[str, ...] = ()
    """For clones: nodes where it may run (or was probed), sorted."""
    instances_max: int = 0
    """For clones: clone-max."""
    image: str = ""
    container_type: str = ""
    maps_ports: bool = False

    @property
    def shown_id(self) -> str:
        """The id that a line shows: with the instance number only where that means something."""
        return self.id if self.unique else self.plain_id

    @property
    def target(self) -> Role | None:
        """The configured target role, None where not set or not understood."""
        words = {
            "stopped": Role.STOPPED,
            "started": Role.STARTED,
            "unpromoted": Role.UNPROMOTED,
            "slave": Role.UNPROMOTED,
            "promoted": Role.PROMOTED,
            "master": Role.PROMOTED,
        }
        return words.get((self.target_role or "").lower())

    @property
    def disabled(self) -> bool:
        """Whether the configuration keeps it from its full role."""
        target = self.target
        return target is Role.STOPPED or (target is Role.UNPROMOTED and self.promotable)

    def primitives(self) -> Iterator[ResourceStatus]:
        """The primitives inside, depth first; the resource itself if it is one."""
        if self.variant is Variant.PRIMITIVE:
            yield self
        for child in self.children:
            yield from child.primitives()
        for replica in self.replicas:
            yield from replica.parts

    def is_active(self, every: bool = False) -> bool:
        """Whether it is active; of a collective any part, or with `every` all parts."""
        if self.variant is Variant.PRIMITIVE:
            return any(place.unclean or place.online or not self.managed for place in self.active)
        results = (part.is_active(every) for part in self.parts)
        return all(results) if every else any(results)

    @property
    def parts(self) -> tuple[ResourceStatus, ...]:
        """Direct parts, whatever the variant."""
        return self.children or tuple(part for r in self.replicas for part in r.parts)


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One replica of a bundle."""

    number: int
    ip: ResourceStatus | None
    child: ResourceStatus | None
    container: ResourceStatus
    remote: ResourceStatus | None
    address: str | None = None

    @property
    def parts(self) -> tuple[ResourceStatus, ...]:
        """Address, contained resource, container, connection: those that exist."""
        every = (self.ip, self.child, self.container, self.remote)
        return tuple(part for part in every if part is not None)


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of a resource's history on a node."""

    id: str
    key: str
    task: str
    call: int
    rc: int
    status: int
    interval_ms: int
    changed_at: int | None = None
    exec_ms: int | None = None
    queue_ms: int | None = None
    exit_reason: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """History of one resource on one node, oldest operation first."""

    node: str
    resource: str
    removed: bool
    migration_threshold: int
    operations: tuple[Operation, ...]
    fail_count: int = 0
    last_failure: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed operation that is still on record."""

    node: str
    operation: Operation
    resource: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket."""

    id: str
    granted: bool
    standby: bool
    last_granted: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ban:
    """A location constraint that keeps a resource from a node."""

    id: str
    resource: str
    node: str
    score: int
    promoted_only: bool
    role: str | None = None


@dataclass(frozen=True, slots=True)
class FenceEvent:
    """One fencing action of the live cluster; `state` is success, failed or pending."""

    target: str
    action: str
    state: str
    origin: str
    delegate: str | None = None
    at: int | None = None
    """When it ended (or was asked for), seconds since the epoch."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """The cluster options that the status shows, as effective values."""

    fencing_enabled: bool = True
    fencing_timeout_ms: int = 60_000
    symmetric: bool = True
    no_quorum_policy: str = "stop"
    maintenance_mode: bool = False
    stop_all: bool = False
    priority_fencing_delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """Everything, at one moment."""

    nodes: tuple[NodeStatus, ...]
    resources: tuple[ResourceStatus, ...]
    options: Options
    stack: str | None = None
    dc: str | None = None
    """Name of the designated controller, None where there is none."""
    dc_id: str | None = None
    dc_version: str | None = None
    quorate: bool = False
    mixed_version: bool = False
    updated_at: int = 0
    last_change: str | None = None
    change_user: str | None = None
    change_client: str | None = None
    change_origin: str | None = None
    histories: tuple[History, ...] = ()
    failures: tuple[Failure, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    bans: tuple[Ban, ...] = ()
    fencing: tuple[FenceEvent, ...] = ()
    """Newest last; empty where no cluster runs."""
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def node(self, name: str) -> NodeStatus | None:
        """The node of that name."""
        return next((node for node in self.nodes if node.name == name), None)

    def counts(self) -> tuple[int, int, int]:
        """Resource instances: configured, disabled, blocked."""
        total = disabled = blocked = 0
        for resource in self.resources:
            for primitive in resource.primitives():
                if primitive.removed and primitive.role is Role.STOPPED:
                    continue
                total += 1
                disabled += primitive.disabled
                blocked += primitive.blocked
        return total, disabled, blocked
