"""What goes into a heartbeat node and what comes out of it, as values.

Upward events are those of crmd/messaging.py and the few here that only heartbeatd's own clients
see.  Facts: heartbeat-v1.md sections 5 to 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.messaging import Delivered, LinkChanged, PeerDown, PeerUp, Stalled

# --- in -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram came in on the link called `link`."""

    link: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; `wall` is seconds since the epoch, `load` the text of /proc/loadavg."""

    wall: float
    load: str = ""


@dataclass(frozen=True, slots=True)
class Submit:
    """The application sends `payload` to `to`, or to all live nodes but ourselves if None."""

    topic: str
    payload: bytes
    to: str | None = None


@dataclass(frozen=True, slots=True)
class SubmitRaw:
    """A message of Heartbeat's own protocol (`resource`, `ask_resources`, ...), in field order."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ClientChange:
    """A named client of this node came or went."""

    client: str
    online: bool


@dataclass(frozen=True, slots=True)
class Leave:
    """Announce a clean departure; beats go on, saying so."""


@dataclass(frozen=True, slots=True)
class Rejoin:
    """Take a departure back."""


@dataclass(frozen=True, slots=True)
class ChangeNodes:
    """Somebody adds nodes (or deletes them) while the cluster runs: hb_addnode, hb_delnode."""

    names: tuple[str, ...]
    add: bool


@dataclass(frozen=True, slots=True)
class PingAnswered:
    """An address of the ping node `node` echoed `data`."""

    node: str
    data: bytes


Command = Tick | Submit | SubmitRaw | ClientChange | ChangeNodes | Leave | Rejoin | PingAnswered
Input = Received | Command

# --- out ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Put the datagram on every medium."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass a packet on to all serial lines but the one it came from (a ring)."""

    came_from: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PingOut:
    """Put the packet into an echo request to the ping node `node`."""

    node: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PeerClient:
    """A named client of another node came or went (its crmd was restarted, say)."""

    node: str
    client: str
    online: bool


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A node, which may be ourselves, announced another status word."""

    node: str
    status: str


@dataclass(frozen=True, slots=True)
class PingChanged:
    """A ping node began or ceased to answer."""

    node: str
    alive: bool


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message of Heartbeat's own protocol, for clients that speak it."""

    origin: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NodesChanged:
    """Who belongs to the cluster was changed while it runs."""

    nodes: tuple[str, ...]
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """All peers know that we are leaving, or had a dead time to learn it."""


Upward = (
    PeerUp
    | PeerDown
    | LinkChanged
    | Delivered
    | Stalled
    | PeerClient
    | StatusChanged
    | PingChanged
    | RawMessage
    | NodesChanged
    | Left
)


@dataclass(frozen=True, slots=True)
class Tell:
    """Hand `event` to the clients."""

    event: Upward


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the log: a fixed dotted name and facts."""

    level: str
    name: str
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remember:
    """A generation changed: save the replay memory soon."""


Output = Send | Forward | PingOut | Tell | Note | Remember
