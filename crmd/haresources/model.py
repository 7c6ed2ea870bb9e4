"""The values of an import: what was read, what it becomes, and every decision on the way.

No logic beyond small look-ups.  Source: cli.md section 8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from crmd.haresources.parse import Place
from ocf.calls import AgentRef


class Style(Enum):
    """How far the import leaves Heartbeat's own way (cli.md section 8.2 and 8.7)."""

    AUTO = "auto"
    """Modern where the modern agent is installed, compat otherwise."""
    MODERN = "modern"
    COMPAT = "compat"
    EXACT = "exact"


class Severity(Enum):
    """How serious a finding is; errors and critical ones must be acknowledged before apply."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """One lint result: `code` is stable (H001 ...), `text` one sentence, `remedy` what to do."""

    code: str
    severity: Severity
    place: Place | None
    text: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.severity.value} {self.code}: {self.text}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one word or directive became, why, and how to get something else."""

    place: Place | None
    source: str
    became: str
    why: str
    change: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        tail = f" (to change: {self.change})" if self.change else ""
        return f"{where}{self.source} -> {self.became}: {self.why}{tail}"


@dataclass(frozen=True, slots=True)
class PingTarget:
    """A `ping` node or `ping_group` of ha.cf."""

    name: str
    addresses: tuple[str, ...]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class StonithLine:
    """`stonith_host HOST TYPE ARGS` or `stonith TYPE FILE`; host `*` means any node."""

    host: str
    type: str
    args: tuple[str, ...]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Directive:
    """Another directive of ha.cf, which an import only reports on."""

    name: str
    value: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """What the import needs of ha.cf. Times in seconds; None where the file is silent."""

    nodes: tuple[str, ...]
    auto_failback: str | None = None
    """`on`, `off`, `legacy`, or None when absent."""
    keepalive_s: float | None = None
    deadtime_s: float | None = None
    warntime_s: float | None = None
    initdead_s: float | None = None
    paths: int = 0
    """Number of heartbeat media."""
    pings: tuple[PingTarget, ...] = ()
    ipfail: bool = False
    stonith: tuple[StonithLine, ...] = ()
    directives: tuple[Directive, ...] = ()
    file: str = "ha.cf"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is installed on the host whose files are imported. Names only, no paths."""

    resource_d: frozenset[str] = frozenset()
    init_d: frozenset[str] = frozenset()
    not_executable: frozenset[str] = frozenset()
    """Scripts that exist in either folder but cannot be run."""
    units: frozenset[str] = frozenset()
    """systemd units (without .service); empty where systemd does not run."""
    boot_enabled: frozenset[str] = frozenset()
    """Services that start at boot."""
    ocf_agents: frozenset[str] = frozenset()
    """`provider:type` of installed OCF agents."""
    fstab_auto: frozenset[str] = frozenset()
    """Mount points in fstab without noauto."""
    static_addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of a primitive. Times in seconds."""

    name: str
    interval_s: int
    timeout_s: int
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Primitive:
    """A resource to be; `params` in writing order."""

    id: str
    agent: AgentRef
    params: tuple[tuple[str, str], ...] = ()
    ops: tuple[Op, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    source: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Members in start order."""

    id: str
    members: tuple[Primitive, ...]


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone of one primitive; promotable if its meta says so."""

    id: str
    child: Primitive
    meta: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LocationRule:
    """`rsc` prefers `node` by `score`; or, without a node, an expression that bans."""

    id: str
    rsc: str
    score: str
    node: str | None = None
    role: str | None = None
    undefined_attribute: str | None = None
    """Ban where this node attribute is not defined or not above 0."""


@dataclass(frozen=True, slots=True)
class ColocationRule:
    """`rsc` only where `with_rsc` is (in that role)."""

    id: str
    rsc: str
    with_rsc: str
    with_role: str | None = None


@dataclass(frozen=True, slots=True)
class OrderRule:
    """`first` before `then`."""

    id: str
    first: str
    first_action: str
    then: str
    then_action: str = "start"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert with one recipient."""

    id: str
    path: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The cluster that an import proposes, with all that was decided and found."""

    nodes: tuple[str, ...]
    resources: tuple[Primitive | Group | Clone, ...]
    locations: tuple[LocationRule, ...]
    colocations: tuple[ColocationRule, ...]
    orders: tuple[OrderRule, ...]
    alerts: tuple[AlertRule, ...]
    properties: tuple[tuple[str, str], ...]
    rsc_defaults: tuple[tuple[str, str], ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]

    def primitives(self) -> list[Primitive]:
        """Every primitive, in file order."""
        found: list[Primitive] = []
        for item in self.resources:
            match item:
                case Primitive():
                    found.append(item)
                case Group(members=members):
                    found.extend(members)
                case Clone(child=child):
                    found.append(child)
        return found

    def with_findings(self, findings: tuple[Finding, ...]) -> Plan:
        """The same plan with these findings instead of its own."""
        return replace(self, findings=findings)

    def without_monitors(self) -> Plan:
        """The same plan with every monitor left out."""

        def bare(rsc: Primitive) -> Primitive:
            return replace(rsc, ops=tuple(op for op in rsc.ops if op.name != "monitor"))

        def strip(item: Primitive | Group | Clone) -> Primitive | Group | Clone:
            match item:
                case Primitive():
                    return bare(item)
                case Group(members=members):
                    return replace(item, members=tuple(bare(m) for m in members))
                case Clone(child=child):
                    return replace(item, child=bare(child))

        return replace(self, resources=tuple(strip(item) for item in self.resources))
