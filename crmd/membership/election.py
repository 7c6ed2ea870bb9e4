"""Who decides: election of the DC (designated controller) and the peace between two of them.

No messages are sent here and no CIB is touched: the controller turns `SendPoll` into a message and
`Lead`, `Follow`, `Seek` into duties.

Theory of operation.  Every node tells its peers where it stands in one kind of message, a *poll*:
round, phase, whom it follows, what its CIB is worth, whom it hears.  A node without a DC is
*waiting* (just started) or *voting*; an election ends as soon as every live node's poll of this
round is in, so it takes one round trip and no fixed time.  The winner *leads* and makes offers; a
node accepts at most one DC per round and never one of an older round (I8).  A follower of a live DC
is not drawn into elections of others: it answers whom it follows, and is then left out of their
count (partial meshes end as one leader with followers and nodes alone, without oscillation).
Of two leaders that meet, the one with quorum, else the better CIB, raises its round and absorbs the
other side.  Source: cluster-behaviour.md 1.1 to 1.3, reliability.md I7, I8.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from crmd.membership.pledge import Pledge

FEATURE = 1
"""Version of what controllers tell each other; the lowest of a cluster leads (rolling upgrade)."""

POLL_EVERY_S = 5.0
"""A leader and its followers tell each other that they are there."""
SILENT_AFTER_S = 15.0
"""A live node whose controller says nothing for so long has no controller."""


class Phase(Enum):
    """Where a node stands."""

    WAITING = "waiting"
    VOTING = "voting"
    FOLLOWING = "following"
    LEADING = "leading"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node is worth as DC.

    `lineage`: rank and version of its CIB; `pledge`: the newest round it has joined, and under
    whom.  It joins no older one, even after a power cut.
    """

    node: str
    lineage: tuple[int, int, int, int] = (0, 0, 0, 0)
    is_eligible: bool = True
    has_quorum: bool = False
    members: int = 0
    feature: int = FEATURE
    pledge: Pledge = field(default_factory=Pledge)


@dataclass(frozen=True, slots=True)
class Poll:
    """Where one node stands, as it tells its peers."""

    standing: Standing
    round: int
    phase: Phase
    dc: str
    incarnation: str
    live: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendPoll:
    """Tell one peer (or all, if None) where we stand."""

    to: str | None = None


@dataclass(frozen=True, slots=True)
class Lead:
    """We are the DC of `round`; make offers to `to` (None: to every live node)."""

    round: int
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Follow:
    """We accepted `dc` for `round`."""

    dc: str
    round: int


@dataclass(frozen=True, slots=True)
class Seek:
    """We have no DC any more, nor are we one."""

    reason: str


Output = SendPoll | Lead | Follow | Seek


def voter_key(standing: Standing) -> tuple[object, ...]:
    """Greater is better: among nodes without a DC."""
    return (
        standing.is_eligible,
        -standing.feature,
        standing.lineage,
        _Reversed(standing.node),
    )


def leader_key(standing: Standing) -> tuple[object, ...]:
    """Greater is better: between two that lead already."""
    return (
        standing.is_eligible,
        standing.has_quorum,
        standing.lineage,
        standing.members,
        _Reversed(standing.node),
    )


@dataclass(frozen=True, slots=True)
class _Reversed:
    text: str

    def __lt__(self, other: _Reversed) -> bool:
        return self.text > other.text


@dataclass(slots=True)
class Election:
    """One node's part in elections. `standing` is kept up to date by its owner."""

    node: str
    configured: tuple[str, ...]
    incarnation: str
    standing: Standing
    timeout_s: float = 2.0
    form_after_s: float = 20.0
    phase: Phase = Phase.WAITING
    round: int = 0
    dc: str | None = None
    polls: dict[str, Poll] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    _heard: dict[str, float] = field(default_factory=dict)
    _newest_round: int = 0
    _deadline: float | None = None
    _awaited: str | None = None
    _passed_over: set[str] = field(default_factory=set)
    _next_poll: float = 0.0

    # --- events -----------------------------------------------------------------------------

    def start(self, now: float) -> list[Output]:
        """We exist. Waits for the configured nodes, at most `form_after_s`."""
        self._deadline = now + self.form_after_s
        self._newest_round = max(self._newest_round, self.pledge.round)
        self._next_poll = now + POLL_EVERY_S
        return [SendPoll(), *self._leave_waiting(now)]

    def peer_up(self, peer: str, now: float) -> list[Output]:
        """The messaging layer hears a peer."""
        self.live.add(peer)
        self.down.discard(peer)
        self._heard[peer] = now
        out: list[Output] = [SendPoll(peer)]
        if self.phase is Phase.VOTING and self._awaited is None:
            self._deadline = now + self.timeout_s
        return out

    def peer_down(self, peer: str, now: float) -> list[Output]:
        """The messaging layer has lost a peer."""
        self.live.discard(peer)
        self.down.add(peer)
        for other in [p for p, poll in self.polls.items() if p == peer or poll.dc == peer]:
            del self.polls[other]  # what they said of a lost DC may be out of date: they say anew
        self._heard.pop(peer, None)
        if self.phase is Phase.FOLLOWING and self.dc == peer:
            return self.seek(f"DC {peer} is lost", now)
        if self.phase is Phase.VOTING:
            if self._awaited == peer:
                return self._vote(self._newest_round + 1, now)
            return self._count(now)
        if self.phase is Phase.WAITING:
            return self._leave_waiting(now)
        return []

    def poll(self, peer: str, poll: Poll, now: float) -> list[Output]:
        """A peer tells where it stands."""
        self.polls[peer] = poll
        self._heard[peer] = now
        self._newest_round = max(self._newest_round, poll.round, poll.standing.pledge.round)
        if peer not in self.live:
            return []  # its PeerUp will come; we answer then
        match self.phase:
            case Phase.WAITING:
                return self._poll_while_waiting(poll, now)
            case Phase.VOTING:
                return self._poll_while_voting(peer, poll, now)
            case Phase.FOLLOWING:
                return self._poll_while_following(peer, poll, now)
            case Phase.LEADING:
                return self._poll_while_leading(peer, poll, now)

    def heard(self, peer: str, now: float) -> None:
        """A peer's controller has said something, whatever it was."""
        self._heard[peer] = now

    def offer(self, peer: str, round_: int, now: float) -> list[Output]:
        """A peer that leads wants us as member; `Follow` if we accept."""
        self._newest_round = max(self._newest_round, round_)
        self._heard[peer] = now
        again = Pledge(round_, peer) == self.pledge
        if (
            peer not in self.live
            or (not again and round_ <= self.pledge.round)
            or round_ < self.round
        ):
            return [SendPoll(peer)] if peer in self.live else []
        if self.phase is Phase.FOLLOWING and self.dc != peer:
            return [SendPoll(peer)]  # our DC lives; if it gives way, it will say so itself
        if self.phase is Phase.LEADING:
            rival = self.polls.get(peer)
            if rival is None or not leader_key(self.standing) < leader_key(rival.standing):
                return [SendPoll(peer)]
        self.phase, self.dc, self.round = Phase.FOLLOWING, peer, round_
        self._pledge(round_, peer)
        self._deadline, self._awaited = None, None
        self._passed_over.clear()
        return [Follow(peer, round_)]

    def seek(self, reason: str, now: float) -> list[Output]:
        """Give up DC or lead, and call an election."""
        return [Seek(reason), *self._vote(self._newest_round + 1, now)]

    def abdicate(self, reason: str, now: float) -> list[Output]:
        """Stop leading and wait for a better leader's offer."""
        self.phase, self.dc = Phase.WAITING, None
        self._deadline = now + self.timeout_s
        return [Seek(reason), SendPoll()]

    def tick(self, now: float) -> list[Output]:
        """Time has passed."""
        out: list[Output] = []
        if self._deadline is not None and now >= self._deadline:
            out += self._time_is_up(now)
        if self.phase in (Phase.FOLLOWING, Phase.LEADING) and now >= self._next_poll:
            self._next_poll = now + POLL_EVERY_S
            out.append(SendPoll(None if self.phase is Phase.LEADING else self.dc))
        if self.phase is Phase.FOLLOWING and self.dc is not None:
            if now - self._heard.get(self.dc, now) >= SILENT_AFTER_S:
                self.polls.pop(self.dc, None)
                self._passed_over.add(self.dc)
                out += self.seek(f"the controller of DC {self.dc} is silent", now)
        return out

    def deadline(self) -> float | None:
        """When `tick` can next change anything."""
        times = [] if self._deadline is None else [self._deadline]
        if self.phase in (Phase.FOLLOWING, Phase.LEADING):
            times.append(self._next_poll)
        if self.phase is Phase.FOLLOWING and self.dc in self._heard:
            times.append(self._heard[self.dc] + SILENT_AFTER_S)
        return min(times, default=None)

    def silent(self, now: float) -> list[str]:
        """Live peers whose controller has said nothing for too long."""
        return sorted(p for p in self.live if now - self._heard.get(p, now) >= SILENT_AFTER_S)

    def my_poll(self) -> Poll:
        """What we tell our peers."""
        return Poll(
            self.standing,
            self.round,
            self.phase,
            self.dc or "",
            self.incarnation,
            tuple(sorted(self.live)),
        )

    @property
    def pledge(self) -> Pledge:
        """The newest round we have joined, and under whom."""
        return self.standing.pledge

    def _pledge(self, round_: int, node: str) -> None:
        self.standing = replace(self.standing, pledge=Pledge(round_, node))

    # --- phases -----------------------------------------------------------------------------

    def _poll_while_waiting(self, poll: Poll, now: float) -> list[Output]:
        if poll.phase is Phase.LEADING:
            soon = now + self.timeout_s
            self._deadline = max(soon, self._deadline or soon)
            return []
        if poll.phase is Phase.VOTING:
            return self._vote(max(poll.round, self._newest_round), now)
        return self._leave_waiting(now)

    def _leave_waiting(self, now: float) -> list[Output]:
        """Vote as soon as every configured node is heard or known to be down."""
        others = [n for n in self.configured if n != self.node]
        if all(n in self.down or (n in self.live and n in self.polls) for n in others):
            if not any(self.polls[n].phase is Phase.LEADING for n in others if n in self.polls):
                return self._vote(self._newest_round + 1, now)
        return []

    def _poll_while_voting(self, peer: str, poll: Poll, now: float) -> list[Output]:
        out: list[Output] = []
        if poll.phase is Phase.VOTING and poll.round > self.round:
            return self._vote(poll.round, now)
        if poll.phase is Phase.WAITING or (poll.phase is Phase.VOTING and poll.round < self.round):
            out.append(SendPoll(peer))
        elif poll.phase is Phase.FOLLOWING and poll.dc == self.node:
            out.append(SendPoll(peer))  # it has not heard that we do not lead any more
        elif poll.phase is Phase.LEADING:
            self._deadline = now + self.timeout_s
            out.append(SendPoll(peer))
            return out
        return out + self._count(now)

    def _poll_while_following(self, peer: str, poll: Poll, now: float) -> list[Output]:
        if peer == self.dc:
            if poll.phase is not Phase.LEADING:
                return self.seek(f"DC {peer} does not lead any more", now)
            return []
        if poll.phase in (Phase.WAITING, Phase.VOTING):
            return [SendPoll(peer)]
        return []

    def _poll_while_leading(self, peer: str, poll: Poll, now: float) -> list[Output]:
        if poll.phase is Phase.FOLLOWING:
            if poll.dc == self.node and poll.round != self.round:
                return [Lead(self.round, peer)]
            return []
        if self.node not in poll.live:
            return []  # it does not hear us: an offer would not arrive
        if poll.phase is Phase.LEADING:
            if leader_key(self.standing) < leader_key(poll.standing):
                return self.abdicate(f"{peer} leads with the better claim", now)
            return self._raise_round(None)
        better = voter_key(self.standing) < voter_key(poll.standing)
        if better and not self.standing.has_quorum:
            return self.seek(f"{peer} has the better claim", now)
        pledge = poll.standing.pledge
        other = pledge.round == self.round and pledge.node != self.node
        if poll.round > self.round or pledge.round > self.round or other:
            return self._raise_round(None)
        return [Lead(self.round, peer)]

    def _raise_round(self, to: str | None) -> list[Output]:
        self._newest_round = max(self._newest_round, self.pledge.round) + 1
        self.round = self._newest_round
        self._pledge(self.round, self.node)
        return [Lead(self.round, to)]

    # --- voting -----------------------------------------------------------------------------

    def _vote(self, round_: int, now: float) -> list[Output]:
        self.phase, self.dc, self._awaited = Phase.VOTING, None, None
        self.round = max(round_, self.pledge.round + 1)
        self._newest_round = max(self._newest_round, self.round)
        self._deadline = now + self.timeout_s
        return [SendPoll(), *self._count(now)]

    def _votes(self) -> dict[str, Standing]:
        votes = {
            peer: poll.standing
            for peer, poll in sorted(self.polls.items())
            if peer in self.live
            and poll.phase is Phase.VOTING
            and poll.round == self.round
            and self.node in poll.live
        }
        votes[self.node] = self.standing
        return votes

    def is_taken(self, peer: str) -> bool:
        """Whether a peer follows a DC that we do not hear: it will not follow us."""
        poll = self.polls.get(peer)
        return (
            poll is not None
            and poll.phase is Phase.FOLLOWING
            and poll.dc != self.node
            and poll.dc not in self.live
        )

    def _count(self, now: float) -> list[Output]:
        if self._awaited is not None:
            return []
        votes = self._votes()
        expected = {p for p in self.live if not self.is_taken(p) and p not in self._passed_over}
        if any(p not in votes for p in expected):
            return []
        return self._decide(votes, now)

    def _decide(self, votes: dict[str, Standing], now: float) -> list[Output]:
        candidates = [s for name, s in votes.items() if name not in self._passed_over]
        winner = max(candidates, key=voter_key).node if candidates else self.node
        if winner != self.node:
            self._awaited = winner
            self._deadline = now + self.timeout_s
            return []
        self.phase, self.dc = Phase.LEADING, self.node
        self._pledge(self.round, self.node)
        self._deadline = None
        self._passed_over.clear()
        self._heard = {peer: now for peer in self._heard}  # they told others, not us
        return [Lead(self.round)]

    def _time_is_up(self, now: float) -> list[Output]:
        self._deadline = None
        if self.phase is Phase.WAITING:
            return self._vote(self._newest_round + 1, now)
        if self.phase is not Phase.VOTING:
            return []
        if self._awaited is not None:
            self._passed_over.add(self._awaited)
            return self._vote(self._newest_round + 1, now)
        return self._decide(self._votes(), now)

    def update(self, **changes: object) -> None:
        """Change parts of our standing."""
        if any(getattr(self.standing, name) != value for name, value in changes.items()):
            self.standing = replace(self.standing, **changes)  # type: ignore[arg-type]
