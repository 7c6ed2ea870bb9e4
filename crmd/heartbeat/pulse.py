"""What a node says of itself: its status word, its clients, whether it leaves, and when it beats.

Facts: heartbeat-v1.md sections 7.1 and 7.2, reliability.md section 6.5.  Every change is said at
once, in a beat of its own; the scheduled ones keep their times.  No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crmd.heartbeat import events as ev
from crmd.heartbeat.events import Output, Tell
from crmd.heartbeat.liveness import Liveness
from crmd.heartbeat.message import message
from crmd.heartbeat.peer import Kind, Peer, echo_of
from crmd.heartbeat.sender import Sender


@dataclass(slots=True)
class Pulse:
    """The beats of a node."""

    sender: Sender
    live: Liveness
    peers: Mapping[str, Peer]
    next_at: float
    """When the next scheduled beat is due."""
    status: str = "init"
    clients: set[str] = field(default_factory=set)
    soon: bool = False
    """Something changed that the peers must hear: beat at the end of this step."""
    _leaving_seq: int | None = None
    _leave_until: float = 0.0
    _left_told: bool = False

    @property
    def is_leaving(self) -> bool:
        return self._leaving_seq is not None

    def deadline(self) -> float:
        """Absolute time of the next beat, or of the end of our patience when leaving."""
        if self._leaving_seq is not None and not self._left_told:
            return min(self.next_at, self._leave_until)
        return self.next_at

    def scheduled(self, out: list[Output], now: float) -> bool:
        """The scheduled beat, if it is due."""
        if now < self.next_at:
            return False
        self.beat(out, now)
        if self.status == "init":
            self.become("up", out, now)
        step = self.sender.config.keepalive_s
        self.next_at += step
        if self.next_at <= now:
            self.next_at = now + step
        return True

    def become(self, word: str, out: list[Output], now: float) -> None:
        """Take another status word."""
        self.status = word
        out.append(Tell(ev.StatusChanged(self.sender.me.name, word)))
        self.beat(out, now)

    def beat(self, out: list[Output], now: float) -> None:
        """Say our status now."""
        self.soon = False
        heard = [self.peers[n] for n in sorted(self.peers) if self.live.is_alive(n)]
        echoes = [echo_of(p) for p in heard if p.kind is Kind.PACEKEEPER]
        self.sender.beat(self.status, echoes, sorted(self.clients), self.is_leaving, out, now)

    def client(self, client: str, online: bool, out: list[Output], now: float) -> None:
        """A named client of this node came or went."""
        if (client in self.clients) == online:
            return
        (self.clients.add if online else self.clients.discard)(client)
        state = "join" if online else "leave"
        self.sender.number(message("hbapi-clstat", from_id=client, st=state).fields, out, now)
        self.beat(out, now)

    def leave(self, out: list[Output], now: float) -> None:
        """Announce a clean departure."""
        if self._leaving_seq is None:
            self._leaving_seq, self._left_told = self.sender.outbox.newest + 1, False
            self._leave_until = now + self.sender.config.deadtime_s
            self.beat(out, now)

    def rejoin(self, out: list[Output], now: float) -> None:
        """Take a departure back."""
        if self._leaving_seq is not None:
            self._leaving_seq = None
            self.beat(out, now)

    def look_whether_left(self, out: list[Output], now: float) -> None:
        """Tell, once, when all peers know that we leave or had a dead time to learn it."""
        if self._leaving_seq is None or self._left_told:
            return
        waiting = [
            p
            for p in self.peers.values()
            if p.is_member
            and p.kind is Kind.PACEKEEPER
            and self.sender.outbox.acked.get(p.name, 0) < self._leaving_seq
        ]
        if (not waiting and self.sender.is_idle) or now >= self._leave_until:
            self._left_told = True
            out.append(Tell(ev.Left()))
