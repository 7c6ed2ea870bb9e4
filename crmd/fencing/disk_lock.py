"""Of two nodes that lost each other, exactly one goes on: the decision, on a shared disk.

`step(event, now) -> outputs`; `to_write()` is the slot the shell writes in its next cycle, which is
always "write own slot if asked to, then read both".  No I/O, no clock.

Who goes on is one instance of Disk Paxos (Gafni and Lamport 2003) with one disk: two nodes never
decide differently, however slow reads and writes are.  When the winner may take the loser's
resources needs time: it waits until the loser has said on the disk that it released everything, or
until the loser must have rebooted itself (`Times.lease_s` after the decision).  The loser's side of
that promise is `_until`: counted from the last moment it knew that no claim stood against it, not
from when it noticed.  A node that neither hears its peer nor reads the disk gives up, too.

The lock is smart: while the peer is heard nothing is written, the disk is only read, and a disk
that fails costs a log line.  What it cannot prevent is in docs/split-brain.md: above all a node
that stands still as a whole (only a watchdog or a fence device helps), and a disk that is not
shared or that lies.  Two nodes only; of more, quorum decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from crmd.fencing.lock_events import (
    Ask,
    Broken,
    Cycle,
    Event,
    Free,
    Heard,
    Leaving,
    Lost,
    Note,
    Output,
    Over,
    Released,
    SelfFence,
    Silent,
    Taken,
    Tick,
    Times,
    Won,
    times_for,
)
from crmd.fencing.lock_slot import Slot, Stance

__all__ = [
    "Ask",
    "Broken",
    "Cycle",
    "DiskLock",
    "Event",
    "Free",
    "Heard",
    "Leaving",
    "Lost",
    "Note",
    "Output",
    "Over",
    "Released",
    "SelfFence",
    "Silent",
    "Taken",
    "Tick",
    "Times",
    "Won",
    "times_for",
]


@dataclass(slots=True)
class DiskLock:
    """One node's share.  `number`: 0 or 1, its place among the sorted names."""

    me: str
    peer: str
    life: str
    """Unique to this boot of the node."""
    times: Times
    stance: Stance = Stance.IDLE
    is_blind: bool = False
    """We gave up because the disk cannot be read."""
    is_silent: bool = False
    is_empty: bool = False
    """Everything was released, and nothing was taken since."""
    is_ready: bool = False
    """Our slot of a former run was read."""
    asks_at: float | None = None
    free_at: float | None = None
    instance: int = 0
    closed: int = 0
    ballot: int = 0
    accepted: int = 0
    value: str = ""
    is_second_phase: bool = False
    error: str = ""
    peer_seen: tuple[str, int] | None = None
    """Life and counter of the peer's slot, when that last changed."""
    peer_changed_at: float = 0.0
    _counter: int = 0
    _dirty: bool = True
    _is_heard: bool = False
    """The shell said so: before its first word we do not know."""
    _is_told: bool = False
    _clean_at: float | None = None
    """When the newest cycle began that showed no claim against us."""
    _linked_at: float | None = None
    _last: float | None = None
    _until: float = float("inf")
    _holds_off_until: float = 0.0
    _void_off: tuple[str, int] | None = None
    """The peer's slot when it was last heard again: should it say `off`, that is not true now."""
    _warned: set[str] = field(default_factory=set)

    @property
    def number(self) -> int:
        return sorted((self.me, self.peer)).index(self.me)

    @property
    def is_hurried(self) -> bool:
        """Whether the next cycle need not wait for the poll interval."""
        return self.is_ready and self._dirty

    # --- what to write --------------------------------------------------------------------------

    def to_write(self, now: float) -> Slot | None:
        """Our slot, if the next cycle shall write it."""
        if not self.is_ready:
            return None
        contends = self.stance is Stance.ASKING and now >= self._holds_off_until
        if not (self._dirty or contends or self.stance is Stance.OWNER):
            return None
        return self._slot(self._counter + 1)

    def _slot(self, counter: int) -> Slot:
        return Slot(
            self.me,
            self.life,
            self.stance,
            counter,
            self.instance,
            self.closed,
            self.ballot,
            self.accepted,
            self.value,
            self._until if self._until != float("inf") else 0.0,
        )

    # --- the face -------------------------------------------------------------------------------

    def step(self, event: Event, now: float) -> list[Output]:
        """Take one event; `now` is monotonic seconds."""
        if self._clean_at is None:
            self._clean_at = self._linked_at = now
        out: list[Output] = []
        match event:
            case Silent():
                self.is_silent, self._is_heard = True, False
            case Heard():
                self._heard(now)
            case Ask(handicap_s):
                if self.is_blind:
                    pass  # asked anew by itself once all is released and the disk is back
                elif self.stance is Stance.IDLE and self.asks_at is None:
                    self.asks_at = now + handicap_s
                elif self.stance is Stance.OWNER and self._is_told:
                    out.append(Free(proof=False))
            case Released():
                self._released()
            case Taken():
                self.is_empty, self._clean_at = False, now
            case Leaving():
                if self.stance is Stance.OWNER:
                    self._close(self.instance)
                self._become(Stance.OFF)
            case Cycle():
                out += self._cycle(event, now)
            case Broken(error):
                out += self._broken(error)
            case Tick():
                pass
            case _:
                assert_never(event)
        out += self._judge_time(now)
        self._note_link(now)
        return out

    def deadline(self) -> float | None:
        """When a Tick is useful although the disk hangs."""
        times = [self._until] if self._until != float("inf") else []
        if self._must_know and self._until == float("inf"):
            times.append(self._base + self.times.notice_s)
        return min(times, default=None)

    # --- time -----------------------------------------------------------------------------------

    @property
    def _base(self) -> float:
        """The newest moment at which we know that no claim stood against us."""
        clean = self._clean_at if self._clean_at is not None else 0.0
        linked = self._linked_at if self._linked_at is not None else 0.0
        return max(clean, linked - self.times.deadtime_s)

    @property
    def _must_know(self) -> bool:
        """Whether we hold what the other may claim, and the links do not tell."""
        if self.is_blind or self.is_empty or self.stance in (Stance.LOST, Stance.OFF):
            return False
        return self.is_silent or self.stance is Stance.OWNER

    def _note_link(self, now: float) -> None:
        """The peer is a member now: it had not claimed anything a dead time ago.

        After a pause of our own the first event proves nothing: what waits in the queue may be old.
        """
        is_fresh = self._last is not None and now - self._last <= self.times.deadtime_s
        if not self.is_silent and is_fresh:
            self._linked_at = now
        self._last = now

    def _judge_time(self, now: float) -> list[Output]:
        if self._until != float("inf") and now >= self._until:
            self._until = float("inf")
            return [SelfFence("resources were not released before the disk lock's lease was over")]
        if self._must_know and now >= self._base + self.times.notice_s:
            self.is_blind = True
            why = self.error or "it does not answer"
            return self._lose(f"the peer is silent and the disk lock cannot be read: {why}")
        return []

    def _lose(self, reason: str) -> list[Output]:
        self._until = self._base + self.times.notice_s + self.times.release_s
        self.asks_at = self.free_at = None
        self._is_told = False
        return [Lost(reason)]

    def _broken(self, error: str) -> list[Output]:
        was, self.error = self.error, error
        return [Note("ERROR", f"disk lock: {error}")] if was != error else []

    # --- what others tell -----------------------------------------------------------------------

    def _heard(self, now: float) -> None:
        self.is_silent, self.asks_at, self._is_heard = False, None, True
        self._linked_at = now
        if self.stance is Stance.OWNER or self.stance is Stance.ASKING:
            self._close(self.instance)
            self._become(Stance.IDLE)
        self._is_told = self.is_empty = False
        self._void_off = self.peer_seen

    def _released(self) -> None:
        self._until, self.is_empty = float("inf"), self.is_silent
        if self.is_blind:
            self.is_blind = False
            if self.stance in (Stance.OWNER, Stance.ASKING):
                self._close(self.instance)
            if self.stance is not Stance.LOST:
                self._become(Stance.RELEASED)
                return
        if self.stance is Stance.LOST:
            self._become(Stance.RELEASED)

    def _close(self, instance: int) -> None:
        self.closed = max(self.closed, instance)
        self._dirty = True

    def _become(self, stance: Stance) -> None:
        self.stance, self.is_second_phase, self._dirty = stance, False, True
        self.free_at = None

    # --- a cycle --------------------------------------------------------------------------------

    def _cycle(self, cycle: Cycle, now: float) -> list[Output]:
        if now - cycle.began > self.times.io_s:
            # Old news, and a slow write: it proves nothing, but what was written stands.
            self._wrote(cycle.wrote)
            took = now - cycle.began
            limit = self.times.io_s
            return self._broken(f"reading and writing took {took:.0f} s, the limit is {limit:g} s")
        out: list[Output] = []
        if self.error:
            out.append(Note("info", "disk lock: the area can be read and written again"))
            self.error = ""
        if not self.is_ready:
            self._resume(cycle.own, now)
        self._wrote(cycle.wrote)
        self._watch(cycle.peer, now)
        out += self._misgivings(cycle.peer)
        if not self._is_claimed(cycle.peer):
            self._clean_at = cycle.began
        self._adopt_closed(cycle.peer)
        return out + self._decide(cycle, now)

    def _wrote(self, wrote: Slot | None) -> None:
        if wrote is None:
            return
        self._counter = wrote.counter
        if wrote == self._slot(wrote.counter):
            self._dirty = False

    def _resume(self, own: Slot | None, now: float) -> None:
        """Go on from what a former run of this node wrote."""
        self.is_ready = True
        if own is None:
            return
        self._counter, self.instance, self.closed = own.counter, own.instance, own.closed
        self.ballot, self.accepted, self.value = own.ballot, own.accepted, own.value
        if own.life == self.life and own.stance in (Stance.OWNER, Stance.LOST, Stance.RELEASED):
            self.stance = own.stance
            if own.stance is Stance.OWNER:
                self.free_at = now + self.times.lease_s
            return
        if own.stance is Stance.OWNER:
            self._close(own.instance)  # that life is over, and what it held is down

    def _watch(self, peer: Slot | None, now: float) -> None:
        seen = (peer.life, peer.counter) if peer is not None else None
        if seen != self.peer_seen:
            self.peer_seen, self.peer_changed_at = seen, now

    def _misgivings(self, peer: Slot | None) -> list[Output]:
        if peer is None and not self.is_silent and "unseen" not in self._warned:
            self._warned.add("unseen")
            text = f"disk lock: {self.peer} has not written its slot yet; is the area shared?"
            return [Note("WARN", text)]
        if peer is not None:
            self._warned.discard("unseen")
        return []

    def _is_claimed(self, peer: Slot | None) -> bool:
        """Whether the peer asks for, or has, an instance that is not closed."""
        if peer is None or peer.stance not in (Stance.ASKING, Stance.OWNER):
            return False
        return peer.instance > max(self.closed, peer.closed)

    def _adopt_closed(self, peer: Slot | None) -> None:
        if peer is not None and peer.closed > self.closed:
            self._close(peer.closed)

    def _decide(self, cycle: Cycle, now: float) -> list[Output]:
        peer = cycle.peer
        match self.stance:
            case Stance.IDLE:
                return self._idle(peer, now)
            case Stance.ASKING if self.instance <= self.closed:
                self._ask_anew()
            case Stance.ASKING:
                return self._ballot(cycle, now)
            case Stance.OWNER if self.instance <= self.closed:
                self._ask_anew()
            case Stance.OWNER:
                return self._own(peer, now)
            case Stance.LOST:
                if self._until == float("inf"):  # a former run of this process lost it
                    return self._lose(f"{self.peer} holds the disk lock")
            case Stance.RELEASED:
                return self._look_for_an_end(peer, now)
            case Stance.OFF:
                pass
        return []

    def _idle(self, peer: Slot | None, now: float) -> list[Output]:
        if peer is not None and self._is_claimed(peer) and peer.stance is Stance.OWNER:
            return self._lost(peer.instance)
        if self.asks_at is not None and now >= self.asks_at:
            self.asks_at = None
            self._ask_anew()
        return []

    def _ask_anew(self) -> None:
        if self.instance != self.closed + 1:
            self.instance = self.closed + 1
            self.accepted, self.value = 0, ""
        self.ballot = self._next_ballot(self.ballot)
        self._become(Stance.ASKING)

    def _next_ballot(self, above: int) -> int:
        return (above // 2 + 1) * 2 + self.number

    def _lost(self, instance: int) -> list[Output]:
        self.instance = instance
        if self.is_empty:
            self._become(Stance.RELEASED)
            return []  # nothing to release, nobody to tell
        self._become(Stance.LOST)
        if self.is_blind:
            return []  # told already
        return self._lose(f"{self.peer} holds the disk lock")

    def _ballot(self, cycle: Cycle, now: float) -> list[Output]:
        """One phase of Disk Paxos ended, if we wrote: our ballot is on the disk, both are read."""
        peer = cycle.peer
        rival = peer if peer is not None and peer.instance == self.instance else None
        if rival is not None and rival.stance is Stance.OWNER:
            return self._lost(self.instance)
        if peer is None:
            return self._never_seen()
        if cycle.wrote is None or cycle.wrote != self._slot(cycle.wrote.counter):
            return []
        if rival is not None and rival.ballot > self.ballot:
            self.ballot, self.is_second_phase = self._next_ballot(rival.ballot), False
            self._holds_off_until = now + self.number * 2 * self.times.poll_s
            self._dirty = False
            return []
        if not self.is_second_phase:
            known = [(self.accepted, self.value)]
            known += [(rival.accepted, rival.value)] if rival is not None else []
            accepted, value = max(known)
            self.value = value if accepted else self.me
            self.accepted, self.is_second_phase = self.ballot, True
            self._dirty = True
            return []
        if self.value != self.me:
            return self._lost(self.instance)
        self._become(Stance.OWNER)
        self._clean_at = cycle.began
        self.free_at = now + self.times.lease_s
        self._is_told = self.is_empty = False
        note = Note("info", f"disk lock taken: this node goes on, {self.peer} must stop")
        return [note, Won(), *self._own(peer, now)]

    def _never_seen(self) -> list[Output]:
        if "blank" in self._warned:
            return []
        self._warned.add("blank")
        text = (
            f"disk lock: {self.peer} never wrote to this area, so that it proves nothing; "
            "nothing is taken before a person confirms that it is down"
        )
        return [Note("ALERT", text)]

    def _own(self, peer: Slot | None, now: float) -> list[Output]:
        if self._is_heard:  # a former run was the owner, and the links are back
            self._close(self.instance)
            self._become(Stance.IDLE)
            return []
        if self._is_told or self.free_at is None or peer is None:
            return []
        says = peer.stance is Stance.RELEASED and peer.instance == self.instance
        says |= peer.stance is Stance.OFF and self.peer_seen != self._void_off
        if says or now >= self.free_at:
            self._is_told = True
            return [Free(proof=says)]
        return []

    def _look_for_an_end(self, peer: Slot | None, now: float) -> list[Output]:
        """We released everything: may we come back?

        The winner may still be asking: we may know before it does what was decided.
        """
        owns = self._is_claimed(peer)
        if owns and self.is_silent and not self.is_empty:  # it was heard in between
            return self._lost(self.instance)
        if owns and (not self.is_silent or now - self.peer_changed_at < self.times.lease_s):
            return []  # if it hears us, it closes the contest itself
        if owns:
            self._close(self.instance)  # its lease is over
        if not self.is_silent:
            self._close(self.instance)
            self._become(Stance.IDLE)
            return [Over()]
        self._ask_anew()
        return []
