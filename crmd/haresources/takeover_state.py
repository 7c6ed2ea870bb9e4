"""What one node knows in the v1 resource protocol, and the questions asked of it.

Source: heartbeat-v1.md section 8.  No decision is made here (takeover.py and its neighbours).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from crmd.haresources.claims import Claim, Group
from crmd.haresources.deaths import Deaths
from crmd.haresources.standby import Standby
from crmd.haresources.takeover_events import Keep, Policy, Say, Send
from crmd.haresources.work import Purpose, WorkQueue


class Phase(enum.Enum):
    """Where this node is in its life."""

    INIT = "init"
    STARTING = "starting"
    RECEIVED = "received"
    """A peer's claim is known, its transition is not over."""
    STABLE = "stable"
    SHUTDOWN = "shutdown"
    ENDED = "ended"


@dataclass(slots=True)
class Peer:
    """What we know of another node."""

    name: str
    alive: bool | None = None
    is_ours: bool = False
    generation: int = 0
    claim: Claim | None = None
    """What it said that it holds; None: it never said."""
    held: frozenset[str] | None = None
    """Keys of the groups it said that it holds; None: it does not name them."""
    is_stable: bool = False
    is_starting: bool = False
    gave_up: bool = False
    """It said `shutdone`."""
    was_taken: bool = False
    """We took over from it, and it has not returned."""
    newest_report: tuple[int, int] = (0, 0)
    """Generation and number of its newest `resource`; messages may overtake each other."""
    before_death: tuple[Claim, Claim] | None = None
    """Our claim and its claim when it fell silent."""


@dataclass(slots=True)
class State:
    """One node."""

    me: str
    groups: tuple[Group, ...]
    policy: Policy
    phase: Phase = Phase.INIT
    i_hold: Claim = Claim.NONE
    peers: dict[str, Peer] = field(default_factory=dict)
    work: WorkQueue = field(default_factory=WorkQueue)
    standby: Standby = field(init=False)
    deaths: Deaths = field(init=False)
    needs_failback: bool = False
    is_leaving: bool = False
    hands_over: bool = False
    offered: Claim = Claim.NONE
    """What we held of the set we give away in a standby."""
    offered_keys: list[str] = field(default_factory=list)
    """The groups of it, where more than two nodes live."""
    is_repeating: bool = False
    is_delay_told: bool = False
    is_void: bool = False
    """The activity under way was overtaken by a stall: nothing follows from it."""
    is_excluded: bool = False
    """The disk lock says that the silent peer goes on, and not we."""
    owes_report: bool = False
    """A starting peer was told that we are in flux."""
    wanted: Claim = Claim.NONE
    """Held before a stall, to be taken again unless a peer holds it."""
    timers: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    """Groups whose start failed, for the next `give-up`."""
    acquired: set[str] = field(default_factory=set)
    """Halves whose first acquisition was told in the log."""
    was_heard: bool = False
    """Somebody lived when we said `starting`."""
    kept: Keep = field(default_factory=lambda: Keep(Claim.NONE, ()))

    def __post_init__(self) -> None:
        self.standby = Standby(self.me)
        self.deaths = Deaths(self.policy)
        for name in self.policy.nodes:
            if name != self.me:
                self.peers[name] = Peer(name)

    def use_nodes(self, nodes: tuple[str, ...]) -> None:
        """Nodes were added or deleted; a deleted one is dead, and its groups are taken already."""
        self.policy = replace(self.policy, nodes=nodes)
        for name in sorted({*self.peers} - {*nodes}):
            del self.peers[name]
        for name in nodes:
            if name != self.me:
                self.peer(name)

    # --- questions ------------------------------------------------------------------------------

    @property
    def living(self) -> list[Peer]:
        """Peers that are heard, in order of their names."""
        return [peer for _, peer in sorted(self.peers.items()) if peer.alive]

    @property
    def is_pair(self) -> bool:
        """The claims of two nodes mirror each other; those of more do not."""
        return len(self.peers) == 1

    @property
    def is_settled(self) -> bool:
        """Nothing moves: `cl_status rscstatus` then prints the claim, else `transition`."""
        quiet = self.work.is_idle and self.standby.is_idle and not self.deaths.are_pending
        calm = all(peer.is_stable for peer in self.living)
        return quiet and calm and self.phase in (Phase.STABLE, Phase.SHUTDOWN, Phase.INIT)

    @property
    def flux(self) -> str:
        """Why nothing can be moved now; empty: it can."""
        if self.phase is not Phase.STABLE or not self.work.is_idle or self.is_leaving:
            return "local resources in flux."
        if not all(peer.is_stable for peer in self.living):
            return "Other side is in flux."
        return ""

    def peer(self, name: str) -> Peer:
        return self.peers.setdefault(name, Peer(name))

    def keys(self, claim: Claim) -> list[str]:
        """Keys of the groups in a claim of ours, in the order of the file."""
        return [
            group.key
            for group in self.groups
            if (Claim.LOCAL if group.home == self.me else Claim.FOREIGN) in claim
        ]

    def half(self, key: str) -> Claim:
        """The half a group belongs to."""
        homes = {group.key: group.home for group in self.groups}
        return Claim.LOCAL if homes.get(key) == self.me else Claim.FOREIGN

    def active_keys(self, claim: Claim = Claim.ALL) -> list[str]:
        """Those of them that may run here, last one first: the order to stop them in."""
        return [key for key in reversed(self.keys(claim)) if key in self.work.active]

    def held_elsewhere(self) -> Claim:
        """What the living peers of a pair hold, seen from us."""
        held = Claim.NONE
        for peer in self.living:
            held |= (peer.claim or Claim.NONE).mirrored
        return held

    def conflict(self, peer: Peer) -> Claim:
        """What both we and a settled peer say that we hold, seen from us."""
        if not self.is_pair or not peer.alive or not peer.is_stable or not self.is_settled:
            return Claim.NONE
        return (peer.claim or Claim.NONE).mirrored & self.i_hold

    def held_by_nobody(self) -> Claim:
        """Halves that neither we nor the living, settled peer of a pair holds."""
        living = self.living
        if not self.is_pair or not living or not self.is_settled or self.is_leaving:
            return Claim.NONE
        if self.phase is not Phase.STABLE or living[0].claim is None or living[0].gave_up:
            return Claim.NONE
        return Claim.ALL & ~(self.i_hold | living[0].claim.mirrored)

    def am_taker(self, node: str) -> bool:
        """Whether what `node` leaves is ours to take."""
        return self.taker(node) == self.me

    def taker(self, node: str) -> str:
        """Who takes what `node` leaves.

        A real Heartbeat always takes, so that we must not; of our own kind the first in ha.cf does.
        """
        others = [p for p in self.living if p.name != node and not p.gave_up]
        for peer in others:
            if not peer.is_ours:
                return peer.name
        names = {self.me, *(peer.name for peer in others)}
        return next((name for name in self.policy.nodes if name in names), self.me)

    # --- words ----------------------------------------------------------------------------------

    def resource(self, *, stable: bool, info: str = "") -> Send:
        """The report of what we hold."""
        fields = (
            ("t", "resource"),
            ("rsc_hold", self.i_hold.word),
            ("rtype", "full"),
            ("isstable", "1" if stable else "0"),
        )
        more = [("info", info)] if info else []
        if not self.is_pair:
            more.append(("pkheld", " ".join(sorted(self.work.held))))
        return Send((*fields, *more))

    def answer(self) -> Send:
        """What we hold or are about to, for a peer that starts."""
        stable = self.phase is Phase.STABLE and self.work.is_idle
        self.owes_report = self.phase is Phase.STABLE and not stable
        coming = self.work.taking
        current = self.work.current
        if current is not None and current.purpose is Purpose.GIVE and self.standby.is_idle:
            coming |= self.offered  # the standby is cancelled: we take it again
        held, self.i_hold = self.i_hold, self.i_hold | coming
        report = self.resource(stable=stable)
        self.i_hold = held
        return report

    def first_time(self, half: str, reason: str) -> list[Say]:
        """The line that both halves have been seen to once."""
        if half in self.acquired:
            return []
        self.acquired.add(half)
        if self.acquired != {"local", "foreign"}:
            return []
        return [Say("info", f"Initial resource acquisition complete ({reason})")]


STARTING = Send((("t", "starting"),))
