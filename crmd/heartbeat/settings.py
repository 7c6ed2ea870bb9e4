"""What ha.cf says, as values: the finished Config, findings, and the draft while reading.

Facts: heartbeat-v1.md section 12.  No parsing here (config.py, directives.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from crmd.heartbeat.media import DEFAULT_PORT, Medium, Ping

MAX_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding; errors refuse the start, warnings do not."""

    file: str
    line: int
    text: str
    is_error: bool = True

    def __str__(self) -> str:
        where = f"{self.file} line {self.line}" if self.line else self.file
        return f"{where}: {'' if self.is_error else 'warning: '}{self.text}"


@dataclass(frozen=True, slots=True)
class Child:
    """A program of a `respawn` or `failfast` line."""

    user: str
    argv: tuple[str, ...]
    failfast: bool = False


@dataclass(frozen=True, slots=True)
class ApiAuth:
    """Who may connect as the named client."""

    client: str
    uids: tuple[str, ...] = ()
    gids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stonith:
    """A reset device: `stonith TYPE FILE` or `stonith_host HOST TYPE PARAMETERS`."""

    host: str
    type: str
    parameters: tuple[str, ...] = ()
    file: str | None = None


DEFAULT_APIAUTH = (
    ApiAuth("ipfail", uids=("hacluster",)),
    ApiAuth("ccm", uids=("hacluster",)),
    ApiAuth("ping", gids=("haclient",)),
    ApiAuth("lha-snmpagent", uids=("root",)),
    ApiAuth("anon", uids=("root",), gids=("haclient",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that ha.cf says, with the defaults filled in.  Times are seconds."""

    nodes: tuple[str, ...] = ()
    media: tuple[Medium, ...] = ()
    keepalive_s: float = 1.0
    deadtime_s: float = 30.0
    warntime_s: float = 15.0
    initdead_s: float = 60.0
    deadping_s: float = 30.0
    hopfudge: int = 1
    auto_failback: str = "legacy"
    udpport: int = DEFAULT_PORT
    baud: int = 19200
    cluster: str = "linux-ha"
    logfile: str | None = None
    debugfile: str | None = None
    logfacility: str | None = None
    use_logd: bool | None = None
    conn_logd_time_s: float = 60.0
    """After so long a log that could not be opened is tried again."""
    syslogmsgfmt: bool = True
    debug: int = 0
    watchdog: str | None = None
    realtime: bool = True
    rtprio: int = 1
    memreserve_kb: int = 0
    """Memory held back for a moment of want; 0: the line is not there."""
    hbgenmethod: str = "file"
    uuidfrom: str = "file"
    autojoin: str = "none"
    children: tuple[Child, ...] = ()
    apiauth: tuple[ApiAuth, ...] = DEFAULT_APIAUTH
    stonith: tuple[Stonith, ...] = ()
    msgfmt: str = "classic"
    compression: str = "zlib"
    compression_threshold_kb: int = 2
    traditional_compression: bool = False
    max_rexmit_delay_s: float = 0.25
    log_badpack: bool = True
    coredumps: bool | None = None
    """None: not said, the limits stay as they are."""
    coreroot: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    crm: str = "off"
    auth_downgrade_s: float = 0.0
    """Our extension: crc is believed beside a keyed method for this long after the start."""
    takeover_manual: bool = False
    """Our extension: `takeover manual`, only a person takes over from a silent node."""
    takeover_delay_s: float = 0.0
    """Our extension: an alarm first, the take-over so much later."""
    disklock: str | None = None
    """Our extension: shared device or file; of two nodes that lost each other one goes on."""
    disklock_release_s: float = 20.0
    """Our extension: within this the loser has released everything, or reboots."""
    ipfail_reboot: bool = False
    """Our extension: who gives up for lack of ping nodes reboots once all is released."""
    arp_watch: bool = True
    """Our extension: alarm when another machine claims an address that is ours."""
    as_written: tuple[tuple[str, str], ...] = ()
    """Directive and last value as written, for `cl_status hbparameter`."""

    @property
    def ping_nodes(self) -> tuple[str, ...]:
        return tuple(m.node for m in self.media if isinstance(m, Ping))

    @property
    def ttl(self) -> int:
        """Hop count announced in every message: hopfudge + nodes, ping nodes included."""
        return self.hopfudge + len(self.nodes) + len(self.ping_nodes)


@dataclass(slots=True)
class Draft:
    """State while one file is read; `values` are the keyword arguments of Config so far."""

    file: str
    interfaces: Collection[str] | None = None
    line: int = 0
    directive: str = ""
    values: dict[str, object] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    media: list[Medium] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    apiauth: dict[str, ApiAuth] = field(default_factory=dict)
    stonith: list[Stonith] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    as_written: dict[str, str] = field(default_factory=dict)
    udpport: int = DEFAULT_PORT
    baud: int = 19200
    problems: list[Problem] = field(default_factory=list)

    def error(self, text: str, line: int | None = None) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(self.file, self.line if line is None else line, text))

    def warning(self, text: str, line: int | None = None) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(
                Problem(self.file, self.line if line is None else line, text, is_error=False)
            )
