"""Moving groups between living nodes: standby, failback, and what was acquired at the start.

Source: heartbeat-v1.md sections 8 (rules 2 to 6, 8) and 9.  Functions on `State`; effects are
returned.
"""

from __future__ import annotations

from collections.abc import Iterable

from crmd.haresources import several
from crmd.haresources.claims import Claim, claim_of
from crmd.haresources.standby import Turn
from crmd.haresources.takeover_events import Effect, Say
from crmd.haresources.takeover_state import Peer, Phase, State
from crmd.haresources.work import Purpose, Work, gives, takes

LOOK_AGAIN_S = 1.0


def request(s: State, which: Claim, now: float) -> list[Effect]:
    """We want to give `which` to another node."""
    if not s.standby.is_idle:
        return [Say("WARN", s.standby.busy_text(s.me, now))]
    flux = s.flux
    if not s.is_pair and which is not Claim.LOCAL:
        flux = "With more than two nodes only hb_standby local is possible; a CIB can do more."
    if not flux and not any(not peer.gave_up for peer in s.living):
        flux = "No other node lives."
    if flux:
        return [Say("WARN", f"standby message [me] from {s.me} ignored. {flux}")]
    return s.standby.request(which, now)


def asked(
    s: State, peer: Peer, info: str, word: str | None, home: str | None, now: float
) -> list[Effect]:
    """A message of the handshake; `home`: the one node that it is meant for."""
    which, turn = claim_of(word), s.standby.turn
    if home is not None and home != s.me:
        return []  # between two others
    if which is None or which is Claim.NONE:
        return [Say("ERROR", f"standby message [{info}] from {peer.name} names no resources")]
    if info == "me":
        return _wants(s, peer, which, home, now)
    if info == "other" and s.standby.home not in ("", peer.name):
        return []  # meant for another one
    if info == "other" and turn is Turn.ME:
        return _give(s, peer, now)
    if info == "done" and turn is Turn.OTHER and peer.name == s.standby.peer:
        s.standby.accepted(now)
        mine = s.standby.which.mirrored
        said: list[Effect] = [Say("info", f"acquire {mine.word} HA resources (standby).")]
        keys = s.keys(mine)
        if not s.is_pair:  # foreign is more than the other node's
            home = s.me if mine is Claim.LOCAL else peer.name
            others = several.elsewhere(s, but=peer.name)
            keys = [g.key for g in s.groups if g.home == home and g.key not in others]
        return said + list(s.work.add(Work(Purpose.TAKE, takes(keys), mine)))
    if info == "done" and turn is Turn.DONE and peer.name == s.standby.peer:
        text = f"Other node completed standby takeover of {s.standby.which.word} resources."
        s.standby.reset()
        return [Say("info", text), s.resource(stable=True)]
    if not s.is_pair and peer.name != s.standby.peer:
        return []  # between two others
    text = f"Ignored standby message '{info}' from {peer.name} in state {turn.value}"
    return [Say("ERROR", text)]


def _wants(s: State, peer: Peer, which: Claim, home: str | None, now: float) -> list[Effect]:
    if not s.standby.is_idle:
        return [Say("WARN", s.standby.busy_text(peer.name, now))]
    said: list[Effect] = [Say("info", f"{peer.name} wants to go standby [{which.word}]")]
    flux = s.flux
    if flux:
        return [*said, Say("WARN", f"standby message [me] from {peer.name} ignored. {flux}")]
    if home is None and not s.am_taker(peer.name):
        return said
    return said + s.standby.granted(peer.name, which, now)


def _give(s: State, peer: Peer, now: float) -> list[Effect]:
    which, home = s.standby.which, s.standby.home
    out = s.standby.answered(peer.name, now)
    peer.is_stable = False
    s.offered = s.i_hold & which
    keys = several.of_home(s, home) if home else s.active_keys(which)
    s.offered_keys = list(reversed(keys))
    if not home or set(s.active_keys(which)) == set(keys):
        s.i_hold &= ~which
        if Claim.FOREIGN in which:
            s.needs_failback = False
    out.append(s.resource(stable=False, info="standby"))
    out.append(Say("info", f"give up {which.word} HA resources (standby)."))
    return out + list(s.work.add(Work(Purpose.GIVE, gives(keys), which)))


def given(s: State, work: Work, now: float) -> list[Effect]:
    """What was offered in a standby is released."""
    if s.standby.turn is not Turn.ME:
        # the other node died meanwhile: it never heard that it may start, so that we may
        s.i_hold |= s.offered
        keys = s.keys(s.offered) if s.is_pair else s.offered_keys
        return list(s.work.add(Work(Purpose.RETRY, takes(keys), s.offered)))
    peer = s.peer(s.standby.peer)
    peer.claim = (peer.claim or Claim.NONE) | work.claim.mirrored
    text = f"{work.claim.word} HA resource release completed (standby)."
    return [Say("info", text), *s.standby.released(now)]


def taken(s: State, work: Work) -> list[Effect]:
    """What was offered to us in a standby is started."""
    s.i_hold |= work.claim
    text = f"{work.claim.word} HA resource acquisition completed (standby)."
    out: list[Effect] = [Say("info", text)]
    if s.standby.turn is Turn.OTHER:
        out += s.standby.taken()
    return [*out, s.resource(stable=True)]


def adopt(s: State, half: Claim) -> list[Effect]:
    """Take a half that nobody holds."""
    if half not in held_by_nobody(s):
        return []
    keys = s.keys(half) if s.is_pair else several.free(s, half)
    whose = "our local" if half is Claim.LOCAL else "foreign"
    out: list[Effect] = [Say("WARN", f"No one owns {whose} resources! Taking them.")]
    s.i_hold |= half
    if half is Claim.FOREIGN:
        s.needs_failback = s.policy.auto_failback == "on"
    run = s.work.add(Work(Purpose.RETRY, takes(keys), half))
    return [*out, s.resource(stable=True), *run]


def held_by_nobody(s: State) -> Claim:
    """Halves of which something is held by nobody, and is ours to take."""
    if s.is_pair:
        return s.held_by_nobody()
    calm = s.is_settled and s.phase is Phase.STABLE and not s.is_leaving
    if not calm or not all(peer.held is not None or peer.gave_up for peer in s.living):
        return Claim.NONE
    halves = (Claim.LOCAL, Claim.FOREIGN)
    # what did not start is not unheld: `give-up` sees to it
    return sum_of(half for half in halves if set(several.free(s, half)) - s.failed)


def sum_of(halves: Iterable[Claim]) -> Claim:
    """All of the halves together."""
    made = Claim.NONE
    for half in halves:
        made |= half
    return made


def consider_failback(s: State, now: float) -> list[Effect]:
    """auto_failback on: what we hold of a returned node goes back to it."""
    s.timers.pop("failback", None)
    if not s.needs_failback or Claim.FOREIGN not in s.i_hold:
        return []
    home = ""
    if s.is_pair:
        if not any(peer.is_stable and not peer.gave_up for peer in s.living):
            return []
    elif (peer := several.returned_home(s)) is not None:
        home = peer.name
    else:
        return []
    s.timers["failback"] = now + LOOK_AGAIN_S
    if s.flux or not s.standby.is_idle:
        return []
    return s.standby.request(Claim.FOREIGN, now, home)


# --- the start ----------------------------------------------------------------------------------


def acquire_own(s: State, reason: str = "") -> list[Effect]:
    """Take the local groups; `reason` ends the initial acquisition, if that is not told yet."""
    s.i_hold |= Claim.LOCAL
    out: list[Effect] = [*(s.first_time("local", reason) if reason else [])]
    keys = s.keys(Claim.LOCAL) if s.is_pair else several.free(s, Claim.LOCAL)
    return [*out, *s.work.add(Work(Purpose.OWN, takes(keys), Claim.LOCAL))]


def transition_over(s: State, text: str, now: float) -> list[Effect]:
    """The claims of all are known: take what is ours and nobody holds."""
    s.timers.pop("transition", None)
    out: list[Effect] = [Say("info", text)]
    wanted, s.wanted = s.wanted, Claim.NONE
    s.phase = Phase.STABLE
    if not s.is_pair:
        return out + _transition_of_several(s, now)
    elsewhere = s.held_elsewhere()
    own: list[Effect] = []
    if Claim.LOCAL not in elsewhere | s.i_hold:
        own = acquire_own(s)
    else:
        out.append(Say("info", "Local Resource acquisition completed. (none)"))
    if wanted & Claim.FOREIGN & ~elsewhere & ~s.i_hold:
        s.i_hold |= Claim.FOREIGN
        own += s.work.add(Work(Purpose.RETRY, takes(s.keys(Claim.FOREIGN)), Claim.FOREIGN))
    out += s.first_time("foreign", "T_RESOURCES(them)")
    return [*out, s.resource(stable=True), *own, *consider_failback(s, now)]


def _transition_of_several(s: State, now: float) -> list[Effect]:
    out: list[Effect] = []
    own: list[Effect] = []
    if several.free(s, Claim.LOCAL):
        own = acquire_own(s)
    else:
        out.append(Say("info", "Local Resource acquisition completed. (none)"))
    left = several.free(s, Claim.FOREIGN)
    if left:
        s.i_hold |= Claim.FOREIGN
        s.needs_failback = s.policy.auto_failback == "on"
        own += s.work.add(Work(Purpose.RETRY, takes(left), Claim.FOREIGN))
    out += s.first_time("foreign", "T_RESOURCES(them)")
    return [*out, s.resource(stable=True), *own, *consider_failback(s, now)]


def look_whether_settled(s: State, now: float) -> list[Effect]:
    """All living peers are starting like us and have said that they hold nothing: no need to wait.

    The original waits 10 s here (rule 4).
    """
    if s.phase is not Phase.RECEIVED:
        return []
    if all(p.claim is Claim.NONE and p.is_starting and not p.is_stable for p in s.living):
        return transition_over(s, "local resource transition completed.", now)
    return []
