"""Nodes that die, leave and come back, and this node's own stall.

Source: heartbeat-v1.md sections 8 (rule 7) and 10, reliability.md section 6.10.  Functions on
`State`; effects come back.
"""

from __future__ import annotations

from crmd.haresources import moves, several
from crmd.haresources.claims import Claim
from crmd.haresources.takeover_events import Effect, LockSays, Say
from crmd.haresources.takeover_state import STARTING, Peer, Phase, State
from crmd.haresources.work import Purpose, Work, gives, takes


def heard(s: State, peer: Peer, generation: int, now: float) -> list[Effect]:
    """A peer lives."""
    was_alive, known = peer.alive, peer.generation
    peer.alive, peer.generation = True, generation
    if was_alive is False and known == generation and not peer.gave_up and not s.is_excluded:
        return _healed(s, peer)
    if s.is_excluded:  # it went on, we released everything: begin as after a boot
        s.is_excluded = peer.gave_up = peer.was_taken = False
        s.deaths.forget(peer.name)
        peer.claim, peer.is_stable, peer.is_starting = None, False, False
        text = f"node {peer.name} is heard again: asking it for what is ours"
        return [Say("info", text), *([STARTING] if s.work.is_idle else [])]
    peer.gave_up = peer.was_taken = False
    if generation != known:
        peer.claim, peer.is_stable, peer.is_starting = None, False, False
    if s.deaths.forget(peer.name):
        return [Say("info", f"node {peer.name} is back before its resources were taken")]
    return []


def _healed(s: State, peer: Peer) -> list[Effect]:
    """The peer never died: both may hold the same groups now.

    Each node goes back to what it held before; a real Heartbeat releases everything and begins
    anew, which we then hear as `shutdone`.
    """
    out: list[Effect] = [
        Say("CRIT", f"Cluster node {peer.name} returning after partition."),
        Say("info", "Deadtime may be too small, or one heartbeat path is not enough."),
    ]
    peer.is_stable = peer.is_starting = peer.was_taken = False
    was_waiting = s.deaths.forget(peer.name)
    mine, theirs = peer.before_death or (s.i_hold, peer.claim or Claim.NONE)
    peer.before_death, peer.claim = None, theirs
    s.needs_failback = False
    s.work.drop(Purpose.MACH_DOWN)
    surplus = s.i_hold & ~mine
    if was_waiting or not surplus:
        return [*out, s.resource(stable=s.phase is Phase.STABLE)]
    s.i_hold = mine
    out.append(s.resource(stable=False))
    keys = s.active_keys(Claim.ALL & ~mine)
    return out + list(s.work.add(Work(Purpose.HEAL, gives(keys), surplus)))


def gone(s: State, peer: Peer, why: str, now: float) -> list[Effect]:
    """A peer is dead, has left, or began anew."""
    if why == "restarted":
        return []  # only its heartbeatd began anew: what it holds is as it was
    if why == "rebooted":
        peer.claim, peer.is_stable, peer.is_starting = None, False, False
        return cancel_standby(s, peer)
    out = cancel_standby(s, peer)
    peer.before_death = (s.i_hold, peer.claim or Claim.NONE)
    peer.alive = False
    if s.phase in (Phase.INIT, Phase.SHUTDOWN):
        return out
    holds_nothing = peer.gave_up or why == "left" or peer.claim is Claim.NONE
    if s.is_excluded:  # the lock says `free` when that changes
        return out
    has_left = peer.gave_up or why == "left"
    ready, said = s.deaths.died(peer.name, holds_nothing, now, has_left)
    out += said
    if ready and not peer.was_taken:
        out += take_over(s, peer)
    return out


def cancel_standby(s: State, peer: Peer) -> list[Effect]:
    """The partner of the handshake is gone, or began anew."""
    if s.standby.is_idle or s.standby.peer not in ("", peer.name):
        return []
    s.standby.reset()
    return [Say("info", "Cancelling pending standby operation")]


def take_over(s: State, peer: Peer) -> list[Effect]:
    """The groups of a dead node are free; take them if that is for us to do."""
    if s.phase in (Phase.INIT, Phase.SHUTDOWN, Phase.ENDED):
        return []
    peer.claim, peer.is_stable, peer.was_taken = Claim.NONE, True, True
    others = [p for p in s.living if p is not peer]
    if not s.is_pair and s.phase is not Phase.STABLE and others:
        return []  # who holds what is not known yet: what is free is taken after the transition
    if not s.am_taker(peer.name):
        said = Say("info", f"Resources of {peer.name} are left to another node.")
        return [said, *_own_of_several(s)]
    out: list[Effect] = [Say("info", f"Resources being acquired from {peer.name}.")]
    if s.phase in (Phase.STARTING, Phase.RECEIVED) and not others:
        s.phase = Phase.STABLE
        s.timers.pop("transition", None)
    had_own = Claim.LOCAL in s.i_hold
    if not s.is_pair:
        return out + _take_of_several(s, peer)
    s.i_hold |= Claim.FOREIGN
    s.needs_failback = s.policy.auto_failback == "on"
    if had_own:
        out.append(s.resource(stable=True, info="req_our_resources()"))
    elif not any(Claim.FOREIGN in (p.claim or Claim.NONE) for p in others):
        out += moves.acquire_own(s, "status")
    keys = s.keys(Claim.FOREIGN)
    return out + list(s.work.add(Work(Purpose.MACH_DOWN, takes(keys), Claim.FOREIGN, peer.name)))


def _take_of_several(s: State, peer: Peer) -> list[Effect]:
    """What the dead node held, its own and others', as far as nobody has it."""
    out = _own_of_several(s)
    keys = several.free(s, Claim.FOREIGN)
    if keys:
        s.i_hold |= Claim.FOREIGN
        s.needs_failback = s.policy.auto_failback == "on"
    run = s.work.add(Work(Purpose.MACH_DOWN, takes(keys), s.i_hold & Claim.FOREIGN, peer.name))
    return [*out, s.resource(stable=True, info="req_our_resources()"), *run]


def _own_of_several(s: State) -> list[Effect]:
    """Our own groups that the dead node may have held (rule 6)."""
    if s.is_pair or s.phase is not Phase.STABLE or not s.standby.is_idle:
        return []
    if not several.free(s, Claim.LOCAL):
        return []
    return moves.acquire_own(s, "status")


def shut_down(s: State, peer: Peer) -> list[Effect]:
    """`shutdone`: the peer has released everything and is about to leave."""
    peer.gave_up, peer.is_starting = True, False
    out: list[Effect] = [Say("info", f"Received shutdown notice from '{peer.name}'.")]
    out += cancel_standby(s, peer)
    s.deaths.forget(peer.name)
    return out + (take_over(s, peer) if not peer.was_taken else [])


def stalled(s: State, gap_s: float) -> list[Effect]:
    """Others may have taken what we hold: let go first, then ask who holds what."""
    if s.phase not in (Phase.STABLE, Phase.RECEIVED) or not s.living:
        return []
    for peer in s.living:
        peer.is_stable = False
    text = f"This node stood still for {gap_s:.1f} s: releasing what others may have taken."
    return [Say("CRIT", text), *_let_go(s)]


def _let_go(s: State) -> list[Effect]:
    """Release everything; what is under way ends first, and nothing follows from it."""
    s.wanted, s.i_hold = s.i_hold, Claim.NONE
    s.standby.reset()
    s.timers.clear()
    s.work.waiting.clear()
    s.phase, s.is_void = Phase.STARTING, s.work.current is not None
    return list(s.work.add(Work(Purpose.HEAL, gives(s.active_keys()))))


def lock_says(s: State, peer: Peer, said: LockSays) -> list[Effect]:
    """The disk lock decided which of two nodes goes on."""
    if s.phase in (Phase.SHUTDOWN, Phase.ENDED):
        return []
    if said.word == "lost":
        s.deaths.forget(peer.name)
        out: list[Effect] = [Say("CRIT", f"Giving up all resources: {said.reason}.")]
        s.is_excluded = True
        if s.phase is not Phase.INIT:
            out += _let_go(s)
        s.wanted = Claim.NONE  # whoever goes on may have taken it
        return out
    if said.word == "over":
        was, s.is_excluded = s.is_excluded, False
        return [STARTING] if was and s.phase is Phase.STARTING and s.work.is_idle else []
    if peer.alive is not False:
        return []  # it is heard again, or not told of yet
    ready, out = s.deaths.lock_says(peer.name, said.word)
    if not ready:
        return out
    # It released everything, or is down: when it is heard again it begins anew.
    s.is_excluded, peer.gave_up = False, True
    return out + (take_over(s, peer) if not peer.was_taken else [])
