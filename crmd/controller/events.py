"""Everything that can happen to the controller of a node, and all it can ask for, as values.

The daemon shell (`crmd/daemon`) and the simulator (`tests/simulation`) feed events in and carry
effects out; nothing else knows the controller.  `Controller.step(event, now, wall)` returns the
effects, to be carried out in order; `now` is monotonic seconds, `wall` is seconds since the epoch.
`Controller.deadline()` is the monotonic time of the next useful `Tick`, or None.

It does not say what a client may ask (`requests.py`) nor what controllers tell each other
(`messages.py`).  Source: architecture.md, "event in, effects out"; reliability.md section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crmd.membership.pledge import Pledge
from crmd.messaging import (
    Delivered,
    LinkChanged,
    MessagingEvent,
    PeerDown,
    PeerUp,
    Stalled,
    Transmit,
)
from crmd.scheduler.transition import Decision
from ocf.calls import AgentCall, AgentResult


@dataclass(frozen=True, slots=True)
class ExecutorState:
    """What execd knows when crmd connects to it: all that happened, and all that goes on.

    `incarnation` changes when execd forgets (its own start), not when crmd restarts.
    `results` are the newest result of every (resource, operation, interval) since that start,
    and the newest failed one, in call order; `running` are calls whose result will still come;
    `recurring` are the calls that execd repeats.
    """

    incarnation: str
    results: tuple[AgentResult, ...] = ()
    running: tuple[AgentCall, ...] = ()
    recurring: tuple[AgentCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What is fixed while the process runs, from ha.cf and the command line. Seconds."""

    form_after_s: float = 20.0
    """How long to wait for configured nodes never heard of before forming without them."""
    election_timeout_s: float = 2.0
    """How long to wait for the vote or the join of a live node before going on without it."""
    receipt_timeout_s: float = 10.0
    """How long a client waits for the receipts of a change before it is told so."""
    takeover_delay_s: float = 0.1
    """Without fencing and with more than two nodes: lets the losing side stop first."""
    fence_delay_s: float = 3.0
    """Two nodes without configured delay: the second in the alphabet shoots this much later."""
    wait_for_all: bool = True
    """Two nodes: neither is quorate before both have been seen once."""
    cluster_stack: str = "pacekeeper"
    """Value of cluster-infrastructure; Pacemaker's schemas since 3.0 refuse `heartbeat`."""
    cluster_name: str = ""
    version: str = "1.0"


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """First event of a controller: who we are and what disk and executor remember.

    `nodes` are all configured node names; `incarnation` is new at each start of this process;
    `cib` is the newest good document on disk (None: none at all), `cib_rank` and `pledge` what is
    stored beside it; `cib_notes` are sentences about damage found (reported, never silent);
    `memory` holds what `Remember` effects stored since this boot of the node.
    """

    node: str
    nodes: tuple[str, ...]
    incarnation: str
    cib: bytes | None = None
    cib_rank: int = 0
    pledge: Pledge = field(default_factory=Pledge)
    cib_notes: tuple[str, ...] = ()
    executor: ExecutorState | None = None
    memory: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed (sent when `deadline()` is reached; more often does no harm)."""


@dataclass(frozen=True, slots=True)
class ExecutorUp:
    """execd answers (again); its state replaces what we believed."""

    state: ExecutorState


@dataclass(frozen=True, slots=True)
class ExecutorLost:
    """execd does not answer; the shell goes on trying and then sends `ExecutorUp`."""


@dataclass(frozen=True, slots=True)
class AgentDone:
    """A result of a `RunAgent`; for a recurring call the first one and every changed one."""

    result: AgentResult


@dataclass(frozen=True, slots=True)
class ScheduleDone:
    """Answer to `Schedule`; `decision` None: it could not be computed, `error` says why."""

    request_id: int
    decision: Decision | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class CommitDone:
    """Answer to `Commit`: the document and its round are durable, or why not."""

    token: int
    ok: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A client of the API socket asks something; `payload` as in `requests.py`.

    `client_id` names the connection, `tag` the request on it; every request gets exactly one
    `Reply` with the same pair, unless the client goes away first.  `uid` is the peer's.
    """

    client_id: int
    tag: int
    payload: Mapping[str, Any]
    user: str = "root"


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A client's connection ended; its replies and subscriptions are void."""

    client_id: int


@dataclass(frozen=True, slots=True)
class LockSays:
    """Of two nodes that lost each other: whether the disk lock lets this one go on.

    `word`: granted, denied, or empty (the peer is heard, nobody needs the lock).  Denied with
    `must_release`: the other one goes on, everything here must be stopped at once.
    """

    word: str
    reason: str = ""
    must_release: bool = False


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The supervisor wants this node to stop: resources move away, then `Leave` comes out."""


Event = (
    Start
    | Tick
    | MessagingEvent
    | ExecutorUp
    | ExecutorLost
    | AgentDone
    | ScheduleDone
    | CommitDone
    | ClientRequest
    | ClientGone
    | LockSays
    | Shutdown
)


# --- effects --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunAgent:
    """Give the call to execd: resource agents and (class `stonith`) fence agents alike.

    A call may be given twice around a reconnection: execd ignores a `call_id` it has seen, and the
    shell drops calls while execd does not answer (they come again after `ExecutorUp`).
    With `interval_ms` > 0 execd repeats it until cancelled, reporting the first result and
    each one whose exit code or status differs from the last reported.
    """

    call: AgentCall


@dataclass(frozen=True, slots=True)
class CancelRecurring:
    """Stop repeating and forget its results; a run under way is killed or its result dropped.

    No answer comes.
    """

    rsc: str
    operation: str
    interval_ms: int


@dataclass(frozen=True, slots=True)
class ForgetResource:
    """execd drops what it remembers of a resource (history only; nothing is stopped)."""

    rsc: str
    failures_only: bool = False
    """Only its newest failed results."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Ask the scheduler. A newer request makes older ones worthless: they may be dropped."""

    request_id: int
    cib: bytes
    now_epoch: float


@dataclass(frozen=True, slots=True)
class Commit:
    """Make the document durable, then `rank` and `pledge` beside it; answer with `CommitDone`.

    `rank` is a whole number of any size (see `crmd.replication.version`).  Order matters: rank and
    pledge may be on disk only after the document.  Commits may be grouped: a newer one may stand
    for older ones, which are then answered as well.
    """

    token: int
    cib: bytes
    rank: int
    pledge: Pledge


@dataclass(frozen=True, slots=True)
class KeepLosing:
    """Save a document whose changes lost against another one, for a person to look at."""

    cib: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer one client request."""

    client_id: int
    tag: int
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell one subscriber (`client_id`) that something changed; may be dropped when it is slow."""

    client_id: int
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remember:
    """Store a value until the node reboots (run directory); comes back in `Start.memory`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Our work here is done: announce the departure to the peers and stop the node's daemons."""

    reason: str


@dataclass(frozen=True, slots=True)
class Panic:
    """This node must stop at once (self-fencing); the shell uses the watchdog or a reboot."""

    reason: str


@dataclass(frozen=True, slots=True)
class Log:
    """One line for people: a fixed dotted word, facts as fields; level as in logging."""

    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    level: str = "info"


Effect = (
    Transmit
    | RunAgent
    | CancelRecurring
    | ForgetResource
    | Schedule
    | Commit
    | KeepLosing
    | Reply
    | Notify
    | Remember
    | Leave
    | Panic
    | Log
)

__all__ = [
    "AgentDone",
    "CancelRecurring",
    "ClientGone",
    "ClientRequest",
    "Commit",
    "CommitDone",
    "Delivered",
    "Effect",
    "Event",
    "ExecutorLost",
    "ExecutorState",
    "ExecutorUp",
    "ForgetResource",
    "KeepLosing",
    "Leave",
    "LinkChanged",
    "Log",
    "Notify",
    "Panic",
    "PeerDown",
    "PeerUp",
    "Remember",
    "Reply",
    "RunAgent",
    "Schedule",
    "ScheduleDone",
    "Settings",
    "Shutdown",
    "Stalled",
    "Start",
    "Tick",
    "Transmit",
]
