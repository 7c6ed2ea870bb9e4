"""What goes into the v1 take-over machines and what they want done, as values.

Source: heartbeat-v1.md sections 5 and 8 to 10.
"""

from __future__ import annotations

from dataclasses import dataclass

from crmd.haresources.claims import Claim, Group

# --- in -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """Communication is up: our status is `active`.

    `peers`: every other node, whether it is alive (None: neither heard nor given up yet), and its
    generation.
    `kept`: what a former run of this daemon held when it ended without releasing.
    `running`: keys of groups that run, or may run, on this node already.
    """

    peers: tuple[tuple[str, bool | None, int], ...]
    kept: Claim = Claim.NONE
    running: tuple[str, ...] = ()
    needs_failback: bool = False


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """A peer is heard (again); the same generation as before its death means a healed split."""

    node: str
    generation: int


@dataclass(frozen=True, slots=True)
class PeerGone:
    """A peer is silent for its dead time, left, or began anew (`why` as in PeerDown)."""

    node: str
    why: str = "silent"


@dataclass(frozen=True, slots=True)
class PeerKind:
    """Whether a peer runs Pacekeeper."""

    node: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Said:
    """A message of Heartbeat's protocol from `origin`, which is never ourselves."""

    origin: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def type(self) -> str:
        return self.get("t") or ""

    @property
    def number(self) -> tuple[int, int] | None:
        """(generation, sequence number) of the message, if it carries them."""
        try:
            return int(self.get("hg") or "", 16), int(self.get("seq") or "", 16)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Done:
    """A `Run` ended: groups whose start, and whose stop, failed."""

    job: int
    not_started: tuple[str, ...] = ()
    not_stopped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fenced:
    """What came of a `Fence`, or a person's word that the node is down (`by_person`)."""

    node: str
    is_down: bool
    by_person: bool = False


@dataclass(frozen=True, slots=True)
class LockSays:
    """What the disk lock decided (crmd/fencing/disk_lock.py).

    `won`: we go on, `node` may still hold its resources; `free`: it holds nothing any more; `lost`:
    it goes on, or the lock cannot be read: release everything (`reason`); `over`: it hears us
    again.
    """

    node: str
    word: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GoStandby:
    """hb_standby on this node (or its like): give `which` to the other node."""

    which: Claim


@dataclass(frozen=True, slots=True)
class TakeOver:
    """hb_takeover on this node: `word` as typed."""

    word: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """This node did not run for longer than its dead time."""

    gap_s: float


@dataclass(frozen=True, slots=True)
class NewGroups:
    """haresources was changed."""

    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class NewNodes:
    """Nodes were added or deleted while the cluster runs: all that belong to it now."""

    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Release everything, then end."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """End without releasing: another manager adopts what runs."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = (
    Begin
    | PeerHeard
    | PeerGone
    | PeerKind
    | Said
    | Done
    | Fenced
    | LockSays
    | GoStandby
    | TakeOver
    | Stalled
    | NewGroups
    | NewNodes
    | Shutdown
    | HandOver
    | Tick
)

# --- out ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """A message of Heartbeat's protocol to all nodes, the type-specific fields in order."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Take or give one group."""

    take: bool
    key: str


@dataclass(frozen=True, slots=True)
class Run:
    """Do the steps one after the other, then say `Done`.  One is under way at a time."""

    job: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Fence:
    """Reset a node, then say `Fenced`."""

    node: str


@dataclass(frozen=True, slots=True)
class TakeLock:
    """Ask the disk lock to go on without `node`; `LockSays` follows."""

    node: str


@dataclass(frozen=True, slots=True)
class Say:
    """A line of the log; with a `tag` it is a script's line, as the original's scripts wrote it."""

    level: str
    text: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Keep:
    """Remember for a restart of this daemon: the claim, and the groups that may run here."""

    claim: Claim
    running: tuple[str, ...]
    needs_failback: bool = False


@dataclass(frozen=True, slots=True)
class SelfFence:
    """Reboot this node at once: something that must be down here cannot be stopped."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more to do; `released` is false after a hand-over."""

    released: bool


Effect = Send | Run | Fence | TakeLock | Say | Keep | SelfFence | Ended


@dataclass(frozen=True, slots=True)
class Policy:
    """What ha.cf says about take-over.  Times are seconds."""

    auto_failback: str = "on"
    """on, off or legacy."""
    has_stonith: bool = False
    has_disklock: bool = False
    """Before anything is taken from a silent node, the disk lock must say that we go on (ours)."""
    takeover_delay_s: float = 0.0
    """Alarm first, take over so much later (ours; a person may confirm or the node return)."""
    takeover_manual: bool = False
    """Take over from a silent node only when a person says so (ours)."""
    nodes: tuple[str, ...] = ()
    """All nodes in the order of ha.cf; the first living one takes over where there are three."""
