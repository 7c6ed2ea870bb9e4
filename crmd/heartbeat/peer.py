"""What a node knows of one peer, and when that peer counts as a member.

Facts: heartbeat-v1.md sections 4 to 7, reliability.md section 6.5.  No I/O, no clock.

A real Heartbeat node is a member once it is heard.  A node of our own kind is one only when it
*hears us too*: its status echoes the nonce of our present run and the count of its tracking of
us.  So a one-way link or a played-back recording makes no member, and when PeerUp is told, the
peer's stream of our messages has begun: nothing sent after it is missed.

The count grows whenever the peer begins to track us anew.  If it changes while the peer is a
member, it may have missed messages of ours: PeerDown and PeerUp are told, and those above start
their conversation afresh.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from crmd.heartbeat.delivery import Inbox
from crmd.heartbeat.message import Message
from crmd.heartbeat.stream import Assembly, Ordering

OWN_KIND_FIELD = "pkv"
OWN_VERSION = "1"
MAX_CLIENTS = 16


class Kind(enum.Enum):
    """What software a peer runs."""

    UNKNOWN = "unknown"
    HEARTBEAT = "heartbeat"
    PACEKEEPER = "pacekeeper"


@dataclass(slots=True)
class Bucket:
    """At most `rate` things per second, with one second's worth saved up."""

    rate: float
    level: float = 0.0
    at: float = float("-inf")

    def take(self, now: float) -> bool:
        if self.at == float("-inf"):
            self.level = self.rate
        else:
            self.level = min(self.rate, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True


@dataclass(slots=True)
class Peer:
    """One other node."""

    name: str
    inbox: Inbox
    uuid: bytes | None = None
    kind: Kind = Kind.UNKNOWN
    status: str = ""
    """Last status word it sent: init, up, active."""
    acknowledges: bool = True
    """False once it sent a status without `protocol`: it knows no acknowledgements."""
    ordering: Ordering | None = None
    assembly: Assembly = field(default_factory=Assembly)
    nonce: str = ""
    """Its nonce, which we echo."""
    boot: str = ""
    """What it said of the boot of its node."""
    count: int = 0
    """How often we began to track it, which we echo."""
    echoed: str | None = None
    """What it echoed of us when it became a member."""
    differs: tuple[str, ...] | None = None
    """Parts of its configuration that are not like ours (compare.py); None: it does not tell."""
    has_left: bool = False
    is_member: bool = False
    was_told: bool = False
    """Whether those above were ever told about it."""
    clients: frozenset[str] = frozenset()
    resends: Bucket = field(default_factory=lambda: Bucket(50.0))
    fast_resends: Bucket = field(default_factory=lambda: Bucket(1000.0))

    def begin_tracking(self, seq: int) -> None:
        """Its messages count from `seq` on; what was held or half assembled is void."""
        self.ordering = Ordering(seq)
        self.assembly = Assembly()
        self.count += 1

    @property
    def generation(self) -> int:
        return self.inbox.generation or 0


@dataclass(frozen=True, slots=True)
class Membership:
    """What a status of our own kind says beside the fields of Heartbeat."""

    nonce: str
    echoes: dict[str, str]
    has_left: bool
    clients: frozenset[str]
    boot: str


def read_membership(message: Message) -> Membership | None:
    """The fields of our own kind in a status; None: a real Heartbeat node sent it."""
    if message.text(OWN_KIND_FIELD) is None:
        return None
    echoes: dict[str, str] = {}
    for word in (message.text("pkecho") or "").split():
        name, _, echo = word.partition("=")
        echoes[name] = echo
    clients = (message.text("pkclients") or "").split()[:MAX_CLIENTS]
    return Membership(
        message.text("pknonce") or "",
        echoes,
        message.text("pkleft") == "1",
        frozenset(clients),
        message.text("pkboot") or "",
    )


def echo_of(peer: Peer) -> str:
    """How we confirm in our status that we hear `peer`."""
    return f"{peer.name}={peer.nonce}.{peer.count}"
