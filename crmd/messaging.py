"""What the layers above need from a messaging stack, as values.

Two implementations are planned (heartbeat, corosync); the layers above cannot tell them apart.
Guarantees: messages of one sender arrive in order, at most once per generation of the sender;
there is no total order over senders.  Source: architecture.md, "Messaging stacks".
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A configured node is alive (it was not, or we start to hear it)."""

    node: str
    generation: int


@dataclass(frozen=True, slots=True)
class PeerDown:
    """A node is gone. `clean` is true when it announced its departure."""

    node: str
    clean: bool
    silent_s: float = 0.0
    """Seconds since it was last heard (0 when clean)."""
    why: str = field(default="silent", compare=False)
    """silent: for its deadtime; left: it said so; rebooted: the node itself began anew;
    restarted: only its heartbeatd did; deaf: it does not hear us; broken: messages were lost."""


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """One heartbeat path to one peer went up or down."""

    node: str
    link: str
    up: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """An application message from `origin` (which may be ourselves), in the sender's order."""

    origin: str
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Stalled:
    """This node was not running for `gap_s` seconds (longer than deadtime)."""

    gap_s: float


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send `payload` to node `to`, or to all live nodes, ourselves not included, if None."""

    topic: str
    payload: bytes
    to: str | None = None


MessagingEvent = PeerUp | PeerDown | LinkChanged | Delivered | Stalled
