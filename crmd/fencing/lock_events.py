"""What goes into the disk lock and what comes out, as values, and its times.

The machine is `disk_lock.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from crmd.fencing.lock_slot import Slot


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds.  Both nodes must have the same."""

    deadtime_s: float
    poll_s: float
    io_s: float
    """A cycle that takes longer counts as failed."""
    release_s: float
    """Within this a node has released everything, or reboots itself."""

    @property
    def notice_s(self) -> float:
        """Within this a node knows of a claim against it, or that it cannot know."""
        return max(self.deadtime_s, self.poll_s + self.io_s)

    @property
    def lease_s(self) -> float:
        """How long after the decision a silent loser may still hold anything."""
        return self.notice_s + self.io_s + self.release_s


def times_for(deadtime_s: float, release_s: float) -> Times:
    """The times that follow from the two that people set."""
    poll_s = max(0.2, min(1.0, deadtime_s / 4))
    return Times(deadtime_s, poll_s, max(1.0, min(10.0, deadtime_s / 2)), release_s)


# --- in -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Silent:
    """All links to the peer are silent."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The peer is heard."""


@dataclass(frozen=True, slots=True)
class Ask:
    """We want to go on alone; wait `handicap_s` first, for we have less to lose."""

    handicap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Released:
    """After a `Lost`: nothing runs here any more."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Something runs here again although the lock did not say so: a person did."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """We end in good order and have released everything."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle ended: what was written (None: nothing), and both slots as read after it.

    `began`: when it began, before the write.
    """

    began: float
    wrote: Slot | None
    own: Slot | None
    peer: Slot | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A cycle failed."""

    error: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Silent | Heard | Ask | Released | Taken | Leaving | Cycle | Broken | Tick

# --- out ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Won:
    """We are the one that goes on.  The peer may still hold its resources: fence it, or wait."""


@dataclass(frozen=True, slots=True)
class Free:
    """The peer holds nothing any more.  `proof`: its own word (True), or the lease is over."""

    proof: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """We must release everything now, then say `Released`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Over:
    """The contest that we lost is over, and the peer is heard: nobody excludes us any more."""


@dataclass(frozen=True, slots=True)
class SelfFence:
    """We did not release in time: this node must go down now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line for people."""

    level: str
    text: str


Output = Won | Free | Lost | Over | SelfFence | Note
