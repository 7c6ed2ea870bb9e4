"""The v1 resource protocol of `auto_failback on` and `off`, as one machine.

`step(event, now) -> effects`; `deadline()` names the next useful Tick.  No I/O, no clock; the
daemon is crmd/daemon/haresourcesd.py.  Source: heartbeat-v1.md sections 8 to 10 and 18.  On the
wire it behaves as the original did in the recorded packets (tests/haresources/test_replay.py);
where the original is weak and the peer does not mind, ours differs:

- two nodes that start together do not wait 10 s once both have said that they hold nothing;
- a failed stop never says `done`: this node reboots, the peer takes over after its death;
- a group that did not start and finds no taker is tried again here (18.20);
- after a healed split each node goes back to what it held before, nobody releases everything;
- after a stall this node lets go first and asks then;
- where both say for 5 s that they hold the same half, the one that is not its home lets go;
- a half that nobody holds for 5 s is taken by its home, after 10 s by the other node (a node that
  was back before its death was noticed does not hold what it held);
- where three nodes live, one of them takes over, the first in ha.cf (18.16); what it took stays;
- `hb_takeover failback` moves what its name says (18.24).
"""

from __future__ import annotations

from typing import assert_never

from crmd.haresources import moves, partings, several
from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim, Group, claim_of, standby_set
from crmd.haresources.takeover_events import Effect, Say, Send
from crmd.haresources.takeover_state import STARTING, Peer, Phase, State
from crmd.haresources.work import Purpose, Work, gives, takes

TRANSITION_S = 10.0
GIVE_UP_S = 30.0
CONFLICT_S = 5.0
REPEAT_S = 2.0
"""A report is repeated once when all is quiet: a real peer takes messages as they come, and an
older report that was sent again may have come last."""
ORPHAN_S = {"local": 5.0, "foreign": 10.0}
"""How long a half may be held by nobody before it is taken: its home comes first."""


class TakeOverMachine:
    """One node's share of the protocol."""

    def __init__(self, me: str, groups: tuple[Group, ...], policy: ev.Policy) -> None:
        self.state = State(me, groups, policy)

    # --- the face -------------------------------------------------------------------------------

    def step(self, event: ev.Event, now: float) -> list[Effect]:
        """Take one event; `now` is monotonic seconds."""
        s = self.state
        s.standby.several = not s.is_pair
        out = self._step(event, now)
        out += self._ripe(now)
        if any(isinstance(e, Send) and e.fields[0] == ("t", "resource") for e in out):
            if s.phase not in (Phase.SHUTDOWN, Phase.ENDED) and not s.is_repeating:
                s.timers["repeat"] = now + REPEAT_S
        s.is_repeating = False
        keep = ev.Keep(s.i_hold, tuple(sorted(s.work.active)), s.needs_failback)
        if keep != s.kept and s.phase is not Phase.ENDED:
            s.kept = keep
            first_run = next((i for i, e in enumerate(out) if isinstance(e, ev.Run)), len(out))
            out.insert(first_run, keep)
        return out

    def deadline(self) -> float | None:
        """Absolute time of the next useful Tick."""
        s = self.state
        if s.phase is Phase.ENDED:
            return None
        times = [*s.timers.values()]
        times += [at for at in (s.standby.until, s.deaths.deadline()) if at is not None]
        return min(times, default=None)

    def _step(self, event: ev.Event, now: float) -> list[Effect]:
        s = self.state
        if s.phase is Phase.ENDED:
            return []
        match event:
            case ev.Begin():
                return self._begin(event, now)
            case ev.PeerHeard(node, generation):
                return partings.heard(s, s.peer(node), generation, now)
            case ev.PeerGone(node, _) if s.peer(node).alive is False:
                return []
            case ev.PeerGone(node, why):
                return partings.gone(s, s.peer(node), why, now)
            case ev.PeerKind(node, is_ours):
                s.peer(node).is_ours = is_ours
            case ev.Said():
                return self._said(s.peer(event.origin), event, now)
            case ev.Done():
                return self._done(event, now)
            case ev.Fenced(node):
                ready, out = s.deaths.fenced(event, now)
                return out + (partings.take_over(s, s.peer(node)) if ready else [])
            case ev.LockSays():
                return partings.lock_says(s, s.peer(event.node), event)
            case ev.GoStandby(which):
                return moves.request(s, which, now)
            case ev.TakeOver(word):
                sent = "local" if word == "failback" else word
                return [Send((("t", "hb_takeover"), ("rsc_hold", sent)))]
            case ev.Stalled(gap_s):
                return partings.stalled(s, gap_s)
            case ev.NewGroups(groups):
                s.groups = groups
                return [Say("info", f"haresources was read again: {len(groups)} groups")]
            case ev.NewNodes(nodes):
                s.use_nodes(nodes)
            case ev.Shutdown():
                s.is_leaving = True
            case ev.HandOver():
                s.is_leaving = s.hands_over = True
            case ev.Tick():
                pass
            case _:
                assert_never(event)
        return []

    # --- start ----------------------------------------------------------------------------------

    def _begin(self, event: ev.Begin, now: float) -> list[Effect]:
        s = self.state
        for name, alive, generation in event.peers:
            s.peer(name).alive, s.peer(name).generation = alive, generation
        s.i_hold = Claim.NONE if s.is_excluded else event.kept
        s.work.active = set(event.running)
        s.needs_failback = event.needs_failback
        left = [key for key in s.active_keys() if key not in s.keys(s.i_hold)]
        if left:  # nobody may hear that we do not hold it while it runs
            return [*s.work.add(Work(Purpose.LEFTOVER, gives(left)))]
        return self._begin_clean(now)

    def _begin_clean(self, now: float) -> list[Effect]:
        s = self.state
        s.phase, s.was_heard = Phase.STARTING, bool(s.living)
        out: list[Effect] = [STARTING]
        if s.i_hold:  # a former run may have ended in the middle of starting them
            keys = s.keys(s.i_hold)
            if not s.is_pair:  # what is ours or foreign may be held by others
                keys = [key for key in keys if key in s.work.active]
            out += s.work.add(Work(Purpose.RETRY, takes(keys), s.i_hold))
        for name in sorted(s.peers):
            if s.peers[name].alive is False:
                out += partings.gone(s, s.peers[name], "silent", now)
        if not s.peers:
            s.phase = Phase.STABLE
            out += moves.acquire_own(s, "status")
        return out

    # --- messages -------------------------------------------------------------------------------

    def _said(self, peer: Peer, said: ev.Said, now: float) -> list[Effect]:
        s = self.state
        match said.type:
            case "starting":
                return self._peer_starts(peer)
            case "resource":
                return self._claims(peer, said, now)
            case "ask_resources":
                info = said.get("info") or ""
                home = said.get(several.HOME_FIELD)
                return moves.asked(s, peer, info, said.get("rsc_hold"), home, now)
            case "hb_takeover":
                which = standby_set(said.get("rsc_hold") or "all")
                if which is None:
                    return [Say("ERROR", f"hb_takeover from {peer.name} names no resources")]
                return moves.request(s, which.mirrored, now)
            case "shutdone":
                return partings.shut_down(s, peer)
            case "ip-request":
                text = f"{peer.name} asks by ip-request: its auto_failback is legacy, ours is not"
                return [Say("ERROR", text)]
        return []

    def _peer_starts(self, peer: Peer) -> list[Effect]:
        s = self.state
        peer.is_stable, peer.is_starting = False, True
        if s.phase is Phase.INIT:
            return [Say("WARN", f"{peer.name} starts its resources before we are ready")]
        out: list[Effect] = [*partings.cancel_standby(s, peer), s.answer()]
        if s.phase is Phase.STARTING and not s.was_heard:
            s.was_heard = True
            out.append(STARTING)
        return out

    def _claims(self, peer: Peer, said: ev.Said, now: float) -> list[Effect]:
        s = self.state
        claim = claim_of(said.get("rsc_hold"))
        if claim is None:
            return [Say("ERROR", f"{peer.name} claims '{said.get('rsc_hold')}': ignored")]
        if (number := said.number) is not None:
            if number < peer.newest_report:
                return []  # sent again, and overtaken by a newer one
            peer.newest_report = number
        if said.get("rtype") == "full" or claim is Claim.NONE:
            peer.claim = claim
        else:
            peer.claim = (peer.claim or Claim.NONE) | claim
        if (held := several.read_held(said.get(several.HELD_FIELD))) is not None:
            peer.held = held
        if s.phase is Phase.STARTING:
            s.phase = Phase.RECEIVED
            s.timers["transition"] = now + TRANSITION_S
        was_stable, stable = peer.is_stable, said.get("isstable")
        if stable == "0" and said.get("info") is None and s.phase is Phase.RECEIVED:
            peer.is_starting = True  # a settled node would have answered that it is stable
        if stable is not None:
            peer.is_stable = stable == "1"
        if stable == "0" and peer.name == s.standby.peer:
            s.standby.accepted(now)
        out: list[Effect] = []
        is_over = any(p.is_stable for p in s.living) and several.everybody_told(s)
        if is_over and s.phase is Phase.RECEIVED:
            peer.is_starting = peer.is_starting and not peer.is_stable
            out.append(s.resource(stable=False))
            out += moves.transition_over(s, "remote resource transition completed.", now)
        elif peer.is_stable and s.phase is Phase.STABLE and not was_stable:
            peer.is_starting = False
            out.append(Say("info", "remote resource transition completed."))
            out.append(s.resource(stable=True))
            out += moves.consider_failback(s, now)
        else:
            out += moves.look_whether_settled(s, now)
        return out + self._audit(peer, now)

    def _audit(self, peer: Peer, now: float) -> list[Effect]:
        """Both hold the same half: say so, and act if it lasts."""
        s, timer = self.state, f"conflict {peer.name}"
        both = s.conflict(peer)
        if not s.is_pair and peer.alive and peer.is_stable and s.is_settled:
            both = moves.sum_of(s.half(key) for key in s.work.active & (peer.held or frozenset()))
        if not both:
            self.state.timers.pop(timer, None)
            return []
        self.state.timers.setdefault(timer, now + CONFLICT_S)
        whose = "our" if Claim.LOCAL in both else "foreign"
        return [Say("ERROR", f"Both machines own {whose} resources!")]

    # --- activities that ended ------------------------------------------------------------------

    def _done(self, done: ev.Done, now: float) -> list[Effect]:
        s = self.state
        work = s.work.finish(done)
        if work is None:
            return []
        if done.not_stopped:
            s.phase = Phase.ENDED
            return [
                Say("CRIT", "Resource STOP failure. Reboot required!", "ResourceManager"),
                ev.SelfFence(f"{', '.join(done.not_stopped)} cannot be stopped"),
            ]
        if done.not_started and s.phase is not Phase.SHUTDOWN:
            s.failed |= set(done.not_started)
            s.timers["give-up"] = now + GIVE_UP_S
        out: list[Effect] = []
        is_void, s.is_void = s.is_void, False
        healed_meanwhile = work.purpose is Purpose.MACH_DOWN and work.claim not in s.i_hold
        if is_void:
            pass  # what it took is released next, and we ask then who holds what
        elif not healed_meanwhile:
            out = self._follow_up(work, now)
        elif s.active_keys(work.claim):
            out += s.work.add(Work(Purpose.HEAL, gives(s.active_keys(work.claim)), work.claim))
        out += s.work.go_on()
        if s.owes_report and s.work.is_idle and s.phase is Phase.STABLE:
            s.owes_report = False
            out.append(s.resource(stable=True))
        return out

    def _follow_up(self, work: Work, now: float) -> list[Effect]:
        s = self.state
        match work.purpose:
            case Purpose.OWN:
                return [
                    Say("info", "Local Resource acquisition completed."),
                    *s.first_time("local", "req_our_resources()"),
                    s.resource(stable=True, info="req_our_resources()"),
                ]
            case Purpose.MACH_DOWN:
                fields = (("t", "resource"), ("rsc_hold", "foreign"), ("info", "mach_down"))
                return [
                    Say("info", f"mach_down takeover complete for node {work.node}.", "mach_down"),
                    Say("info", "mach_down takeover complete."),
                    *s.first_time("foreign", "mach_down"),
                    Send(fields),
                    *moves.consider_failback(s, now),
                ]
            case Purpose.GIVE:
                return moves.given(s, work, now)
            case Purpose.TAKE:
                return moves.taken(s, work)
            case Purpose.HEAL:
                return [STARTING] if s.phase is Phase.STARTING else [s.resource(stable=True)]
            case Purpose.SHUTDOWN:
                s.phase = Phase.ENDED
                return [
                    Say("info", "All HA resources relinquished."),
                    Send((("t", "shutdone"), ("st", "dead"))),
                    ev.Keep(Claim.NONE, ()),
                    ev.Ended(released=True),
                ]
            case Purpose.LEFTOVER:
                return self._begin_clean(now)
            case Purpose.RETRY | Purpose.ANSWER:
                return []
            case _:
                assert_never(work.purpose)

    # --- time and end ---------------------------------------------------------------------------

    def _ripe(self, now: float) -> list[Effect]:
        """What time and idleness allow now."""
        s = self.state
        if s.phase is Phase.ENDED:
            return []
        out: list[Effect] = s.standby.expired(now)
        ready, said = s.deaths.tick(now)
        out += said
        for node in ready:
            out += partings.take_over(s, s.peer(node))
        for name in sorted(name for name, at in s.timers.items() if now >= at):
            del s.timers[name]
            out += self._timer(name, now)
        self._watch_orphans(now)
        return out + (self._leave() if s.is_leaving else [])

    def _watch_orphans(self, now: float) -> None:
        unheld = moves.held_by_nobody(self.state)
        for half in (Claim.LOCAL, Claim.FOREIGN):
            timer = f"orphan {half.word}"
            if half in unheld:
                self.state.timers.setdefault(timer, now + ORPHAN_S[half.word])
            else:
                self.state.timers.pop(timer, None)

    def _timer(self, name: str, now: float) -> list[Effect]:
        s = self.state
        if name == "transition" and s.phase is Phase.RECEIVED:
            return moves.transition_over(s, "local resource transition completed.", now)
        if name == "failback":
            return moves.consider_failback(s, now)
        if name == "give-up":
            return self._give_up(now)
        if name == "repeat":
            return self._repeat(now)
        if name in ("orphan local", "orphan foreign"):
            return moves.adopt(s, Claim.LOCAL if name == "orphan local" else Claim.FOREIGN)
        if name.startswith("conflict "):
            return self._resolve(s.peer(name.removeprefix("conflict ")), now)
        return []

    def _repeat(self, now: float) -> list[Effect]:
        s = self.state
        if s.phase is not Phase.STABLE or not any(not peer.gave_up for peer in s.living):
            return []
        if not (s.work.is_idle and s.standby.is_idle):
            s.timers["repeat"] = now + REPEAT_S
            return []
        s.is_repeating = True
        return [s.resource(stable=True)]

    def _give_up(self, now: float) -> list[Effect]:
        """A group did not start 30 s ago: to the other node, else once more here."""
        s = self.state
        failed = [g for g in s.groups if g.key in s.failed and g.key not in s.work.active]
        s.failed.clear()
        which = Claim.LOCAL if any(g.home == s.me for g in failed) else Claim.FOREIGN
        if not failed or s.phase is not Phase.STABLE or which not in s.i_hold:
            return []
        s.timers["give-up"] = now + GIVE_UP_S
        s.failed |= {group.key for group in failed}
        able = [peer for peer in s.living if peer.is_stable and not peer.gave_up]
        if able and not s.flux and s.standby.is_idle:
            said = Say("info", f"Going standby [{which.word}].", "hb_standby")
            return [said, *moves.request(s, which, now)]
        if not s.work.is_idle or not s.standby.is_idle:
            return []
        keys = [group.key for group in failed]
        text = f"No other node can take {', '.join(keys)}: trying to start here again."
        return [Say("WARN", text), *s.work.add(Work(Purpose.RETRY, takes(keys), which))]

    def _resolve(self, peer: Peer, now: float) -> list[Effect]:
        """Both hold the same half for long: who is not its home lets go."""
        s = self.state
        if not s.is_pair:
            return self._resolve_of_several(peer, now)
        surplus = s.conflict(peer) & Claim.FOREIGN
        if not surplus:  # the other one should let go: it may not know
            again = self._audit(peer, now)
            return [s.resource(stable=True), *again] if again else []
        s.i_hold &= ~surplus
        return [
            Say("CRIT", f"{peer.name} holds its resources too: giving them up here."),
            s.resource(stable=False),
            *s.work.add(Work(Purpose.HEAL, gives(s.active_keys(surplus)), surplus)),
        ]

    def _resolve_of_several(self, peer: Peer, now: float) -> list[Effect]:
        s = self.state
        keys = several.surplus(s, peer)
        if not keys:
            again = self._audit(peer, now)
            return [s.resource(stable=True), *again] if again else []
        if set(s.active_keys(Claim.FOREIGN)) <= set(keys):
            s.i_hold &= ~Claim.FOREIGN
        text = f"{peer.name} holds {', '.join(sorted(keys))} too: giving up here."
        run = s.work.add(Work(Purpose.HEAL, gives(keys), Claim.FOREIGN))
        return [Say("CRIT", text), s.resource(stable=False), *run]

    def _leave(self) -> list[Effect]:
        s = self.state
        if s.phase in (Phase.SHUTDOWN, Phase.ENDED):
            return []
        if not (s.work.is_idle and s.standby.is_idle):
            if s.is_delay_told:
                return []
            s.is_delay_told = True
            return [Say("info", "Shutdown delayed until current resource activity finishes.")]
        if s.hands_over:
            s.phase = Phase.ENDED
            return [ev.Ended(released=False)]
        if s.phase is Phase.INIT:
            return []  # what a former run held is not known yet
        s.phase, s.i_hold = Phase.SHUTDOWN, Claim.NONE
        s.timers.clear()
        return [
            Say("info", "Heartbeat shutdown in progress."),
            s.resource(stable=False, info="shutdown"),
            Say("info", "Giving up all HA resources."),
            *s.work.add(Work(Purpose.SHUTDOWN, gives(s.active_keys()))),
        ]
