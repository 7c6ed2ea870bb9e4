"""Reliable delivery: numbers, gaps, acknowledgements, retransmission.

Facts: heartbeat-v1.md section 6; differences are those of reliability.md section 6.
`Inbox` is what one receiver knows of one sender, `Outbox` what a sender knows of all receivers.
Neither decides who is alive (liveness.py), nor the order of application messages (stream.py).

All numbered messages of a node share one sequence, whoever they are addressed to.  A gap is asked
for after a random wait, then again and again, until it closes, is refused by the owner, or the
peer is gone.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from crmd.heartbeat.message import Message

HISTORY = 500
MOST_MISSING = 250
MOST_PER_REQUEST = 50
ACK_EVERY = 10
WINDOW = 200
"""Unacknowledged messages above which application messages wait (heartbeats never do)."""


class Arrival(enum.Enum):
    """What an authenticated, numbered message is to its receiver."""

    FIRST = "first"
    """Nothing was known of the sender: tracking starts here."""
    RESTART = "restart"
    """A status of a newer generation: the sender was restarted; tracking starts here."""
    NEXT = "next"
    """Newer than all before; numbers in between, if any, are now missing."""
    SKIPPED = "skipped"
    """So far ahead that the numbers in between are given up: tracking starts here."""
    LATE = "late"
    """A missing number."""
    DUPLICATE = "duplicate"
    REPLAY = "replay"
    """Of an earlier generation, or at or below what was remembered from before our start."""
    EARLY = "early"
    """Of a newer generation, but not a status: unusable until a status announces it."""

    @property
    def is_new(self) -> bool:
        return self in (Arrival.FIRST, Arrival.RESTART, Arrival.NEXT, Arrival.SKIPPED, Arrival.LATE)

    @property
    def begins_tracking(self) -> bool:
        return self in (Arrival.FIRST, Arrival.RESTART, Arrival.SKIPPED)


@dataclass(slots=True)
class Inbox:
    """Tracking of one sender."""

    trigger: int
    """0..9: in-sequence numbers that end in this digit are acknowledged."""
    first_wait: Callable[[], float]
    """Random seconds before a missing number is asked for."""
    ask_again_s: float = 0.25
    floor: tuple[int, int] = (0, 0)
    """(generation, number) remembered from before our start; nothing at or below is believed."""
    generation: int | None = None
    newest: int = 0
    missing: dict[int, float] = field(default_factory=dict)
    """Missing number -> when to ask for it next."""
    acked: int = 0

    def receive(self, generation: int, seq: int, is_status: bool, now: float) -> Arrival:
        """Take note of one message."""
        if (generation, seq) <= self.floor:
            return Arrival.REPLAY
        if self.generation is None:
            self._begin(generation, seq)
            return Arrival.FIRST
        if generation < self.generation:
            return Arrival.REPLAY
        if generation > self.generation:
            if not is_status:
                return Arrival.EARLY
            self._begin(generation, seq)
            return Arrival.RESTART
        if seq <= self.newest:
            if seq not in self.missing:
                return Arrival.DUPLICATE
            del self.missing[seq]
            return Arrival.LATE
        gap = seq - self.newest - 1
        if gap + len(self.missing) > MOST_MISSING:
            self._begin(generation, seq)
            return Arrival.SKIPPED
        if gap:
            ask_at = now + self.first_wait()
            self.missing.update((number, ask_at) for number in range(self.newest + 1, seq))
        self.newest = seq
        return Arrival.NEXT

    def _begin(self, generation: int, seq: int) -> None:
        self.generation, self.newest = generation, seq
        self.missing.clear()
        self.acked = seq - 1

    @property
    def contiguous(self) -> int:
        """Highest number below which nothing is missing."""
        return min(self.missing) - 1 if self.missing else self.newest

    def due_ack(self) -> int | None:
        """Number to acknowledge now, if there is one; each is returned once."""
        number = self.contiguous - (self.contiguous - self.trigger) % ACK_EVERY
        if number <= self.acked or number <= 0:
            return None
        self.acked = number
        return number

    def due_requests(self, now: float) -> list[int]:
        """Missing numbers to ask for now, at most 50; they become due again later."""
        due = sorted(number for number, at in self.missing.items() if at <= now)
        for number in due[:MOST_PER_REQUEST]:
            self.missing[number] = now + self.ask_again_s
        return due[:MOST_PER_REQUEST]

    def give_up(self, seq: int) -> bool:
        """The owner no longer has `seq`.  True if we were waiting for it."""
        return self.missing.pop(seq, None) is not None

    def deadline(self) -> float | None:
        """When `due_requests` has something next."""
        return min(self.missing.values(), default=None)


@dataclass(frozen=True, slots=True)
class Resend:
    """Answer to a request: the messages, or the first number that is no longer kept."""

    messages: tuple[Message, ...] = ()
    gone: int | None = None


@dataclass(slots=True)
class Outbox:
    """What we sent, and what every receiver has confirmed."""

    resend_pause_s: float = 0.24
    """Requests for a number resent less than this ago are ignored."""
    newest: int = 0
    history: dict[int, Message] = field(default_factory=dict)
    acked: dict[str, int] = field(default_factory=dict)
    base: dict[str, int] = field(default_factory=dict)
    """Receiver -> our newest number when it became a receiver."""
    resent_at: dict[int, float] = field(default_factory=dict)

    def next_seq(self) -> int:
        """The number of the next message; `keep` must follow."""
        self.newest += 1
        return self.newest

    def keep(self, seq: int, message: Message) -> None:
        """Keep a sent message for retransmission; the oldest leaves at the bound."""
        self.history[seq] = message
        while len(self.history) > HISTORY:
            oldest = next(iter(self.history))
            del self.history[oldest]
            self.resent_at.pop(oldest, None)

    def add_receiver(self, node: str) -> None:
        """From now on `node` is waited for: it starts with what we send from here."""
        self.base[node] = self.newest
        self.acked.pop(node, None)

    def remove_receiver(self, node: str) -> None:
        """`node` is gone or never acknowledges: nobody waits for it."""
        self.base.pop(node, None)
        self.acked.pop(node, None)

    def acknowledge(self, node: str, seq: int) -> bool:
        """`node` has everything up to `seq`.  False: it confirms what was never sent."""
        if seq > self.newest:
            return False
        if seq > self.acked.get(node, 0):
            self.acked[node] = seq
        return True

    def confirmed(self, node: str) -> int:
        """Highest number that `node` has, or need not have."""
        return max(self.acked.get(node, 0), self.base.get(node, 0))

    def unconfirmed(self) -> int:
        """How many of our messages some receiver has not confirmed yet."""
        return self.newest - min(map(self.confirmed, self.base), default=self.newest)

    def slowest(self) -> str | None:
        """The receiver that confirmed least."""
        return min(sorted(self.base), key=self.confirmed, default=None)

    def resend(self, node: str, first: int, last: int, now: float) -> Resend:
        """Messages that `node` asked for, at most 50, less those it has or just got."""
        found: list[Message] = []
        for seq in _numbers(first, min(last, self.newest)):
            if seq <= self.acked.get(node, 0):
                continue
            kept = self.history.get(seq)
            if kept is None:
                return Resend(tuple(found), gone=seq)
            if now - self.resent_at.get(seq, float("-inf")) < self.resend_pause_s:
                continue
            self.resent_at[seq] = now
            found.append(kept)
        return Resend(tuple(found))


def _numbers(first: int, last: int) -> Iterable[int]:
    return range(max(1, first), min(last, first + MOST_PER_REQUEST - 1) + 1)
