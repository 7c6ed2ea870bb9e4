"""The v1 resource protocol of `auto_failback legacy`: each node asks for its own groups.

No claims are exchanged and there is no standby.  A node that starts asks with `ip-request` for each
of its groups; the holder releases the group first and answers then (`ip-request-resp`, I34).  On a
death the survivor takes everything.  Source: heartbeat-v1.md sections 5, 8.1 and 10; replayed
against the legacy-* recordings.  Same face as `takeover.TakeOverMachine`.

Ours differs: an unanswered request is repeated, and after a healed split each keeps its own.
"""

from __future__ import annotations

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim, Group
from crmd.haresources.takeover_events import Effect, Say, Send
from crmd.haresources.takeover_state import Peer, Phase, State
from crmd.haresources.work import Purpose, Work, gives, takes

ASK_AGAIN_S = 10.0
EARLY = 50
NEVER_ASKED_S = 15.0
"""A returned node that did not ask for its groups runs them: it was alone, and took them."""
NO_STANDBY = "Standby mode only implemented when nice_failback on"


class LegacyMachine:
    """One node's share of the protocol."""

    def __init__(self, me: str, groups: tuple[Group, ...], policy: ev.Policy) -> None:
        self.state = State(me, groups, policy)
        self._asked: dict[str, set[str]] = {}
        """Own key that we asked for -> living nodes that have not answered."""
        self._inquired: dict[str, set[str]] = {}
        """Key of a dead node -> living nodes that have not said whether they hold it."""
        self._left_to: dict[str, str] = {}
        """Dead node -> who was to take its groups."""
        """Own groups we asked for and have no answer about."""
        self._early: list[ev.Said] = []
        """Requests from before the begin, when we did not know yet what runs here."""

    def step(self, event: ev.Event, now: float) -> list[Effect]:
        """Take one event; `now` is monotonic seconds."""
        s = self.state
        out = self._step(event, now) if s.phase is not Phase.ENDED else []
        out += self._ripe(now) if s.phase is not Phase.ENDED else []
        s.i_hold = self._held()
        keep = ev.Keep(s.i_hold, tuple(sorted(s.work.active)))
        if keep != s.kept and s.phase is not Phase.ENDED:
            s.kept = keep
            first_run = next((i for i, e in enumerate(out) if isinstance(e, ev.Run)), len(out))
            out.insert(first_run, keep)
        return out

    def deadline(self) -> float | None:
        """Absolute time of the next useful Tick."""
        times = [*self.state.timers.values()]
        if (at := self.state.deaths.deadline()) is not None:
            times.append(at)
        return min(times, default=None)

    def _held(self) -> Claim:
        s, held = self.state, Claim.NONE
        for half in (Claim.LOCAL, Claim.FOREIGN):
            if s.active_keys(half):
                held |= half
        return held

    def _step(self, event: ev.Event, now: float) -> list[Effect]:
        s = self.state
        match event:
            case ev.Begin():
                return self._begin(event, now)
            case ev.PeerHeard(node, generation):
                return self._heard(s.peer(node), generation, now)
            case ev.PeerGone(node, _) if s.peer(node).alive is False:
                return []
            case ev.PeerGone(node, why):
                return self._gone(s.peer(node), why, now)
            case ev.PeerKind(node, is_ours):
                s.peer(node).is_ours = is_ours
            case ev.Said() if s.phase is Phase.INIT:
                self._early = [*self._early[-EARLY:], event]
            case ev.Said():
                return self._said(s.peer(event.origin), event)
            case ev.Done():
                return self._done(event)
            case ev.Fenced(node):
                ready, out = s.deaths.fenced(event, now)
                return out + (self._take_over(s.peer(node)) if ready else [])
            case ev.GoStandby() | ev.TakeOver():
                return [Say("ERROR", NO_STANDBY)]
            case ev.Stalled(gap_s):
                return self._stalled(gap_s, now)
            case ev.NewGroups(groups):
                s.groups = groups
            case ev.NewNodes(nodes):
                s.use_nodes(nodes)
            case ev.Shutdown():
                s.is_leaving = True
            case ev.HandOver():
                s.is_leaving = s.hands_over = True
        return []

    # --- start ----------------------------------------------------------------------------------

    def _begin(self, event: ev.Begin, now: float) -> list[Effect]:
        s = self.state
        for name, alive, generation in event.peers:
            s.peer(name).alive, s.peer(name).generation = alive, generation
        s.work.active = set(event.running)
        s.phase = Phase.STABLE
        out: list[Effect] = []
        if event.running:  # a living node has asked, or will ask, for what is its own
            foreign = s.active_keys(Claim.FOREIGN) if s.living else []
            if foreign:
                out += s.work.add(Work(Purpose.LEFTOVER, gives(foreign)))
            kept = [key for key in s.keys(Claim.ALL) if key in event.running]
            again = takes([key for key in kept if key not in foreign])
            out += s.work.add(Work(Purpose.RETRY, again))
        for name, alive, _ in sorted(event.peers):
            if alive is False and s.living and not s.is_pair:
                out += self._inquire(s.peer(name))
            elif alive is False:
                out += self._gone(s.peer(name), "silent", now)
        if s.living:
            out += self._ask(now)
        elif not s.deaths.are_pending:
            out += self._own()
        for said in self._early:
            out += self._said(s.peer(said.origin), said)
        self._early.clear()
        return out

    def _ask(self, now: float) -> list[Effect]:
        """Ask the others for our own groups that do not run here."""
        s = self.state
        missing = [key for key in s.keys(Claim.LOCAL) if key not in s.work.active]
        living = {peer.name for peer in s.living if not peer.gave_up}
        self._asked = {key: set(living) for key in missing}
        if missing:
            s.timers["ask"] = now + ASK_AGAIN_S
        return [Send((("t", "ip-request"), ("ipaddr", key))) for key in missing]

    def _inquire(self, dead: Peer) -> list[Effect]:
        """Of three nodes one was dead when we began: has another one its groups already?

        The question is ours alone (`pkquery`): a real Heartbeat takes, and is not asked.
        """
        s = self.state
        dead.was_taken = True
        if s.taker(dead.name) != s.me:
            self._left_to[dead.name] = s.taker(dead.name)
            return []
        keys = [g.key for g in s.groups if g.home == dead.name and g.key not in s.work.active]
        for key in keys:
            self._inquired[key] = {peer.name for peer in s.living if not peer.gave_up}
        query = ("pkquery", "1")
        return [Send((("t", "ip-request"), ("ipaddr", key), query)) for key in keys]

    def _told(self, peer: Peer, key: str, holds: bool) -> list[Effect]:
        waited = self._inquired[key]
        waited.discard(peer.name)
        if not holds and waited & {p.name for p in self.state.living}:
            return []
        del self._inquired[key]
        home = next((g.home for g in self.state.groups if g.key == key), "")
        if not holds and home:
            self.state.timers[f"unheld {home}"] = 0.0  # now: fenced first, then taken
        return []

    def _nobody_has(self, dead: Peer, now: float) -> list[Effect]:
        if dead.alive is not False:
            return []
        dead.was_taken = False
        return self._gone(dead, "silent", now)

    def _own(self) -> list[Effect]:
        s = self.state
        self._asked.clear()
        s.timers.pop("ask", None)
        keys = [key for key in s.keys(Claim.LOCAL) if key not in s.work.active]
        return [*s.work.add(Work(Purpose.OWN, takes(keys)))] if keys else []

    # --- messages -------------------------------------------------------------------------------

    def _said(self, peer: Peer, said: ev.Said) -> list[Effect]:
        s, key = self.state, said.get("ipaddr") or ""
        match said.type:
            case "ip-request" if said.get("pkquery") is not None:
                return [_answer(peer.name, key, "yes" if key in s.work.held else "no")]
            case "ip-request-resp" if key in self._inquired:
                return self._told(peer, key, said.get("weown") == "yes")
            case "ip-request":
                s.work.withdraw(key)
                if key in s.work.active:
                    keys = [k for k in s.active_keys() if k == key]
                    return [*s.work.add(Work(Purpose.ANSWER, gives(keys), node=peer.name))]
                return [_answer(peer.name, key, "no")]
            case "ip-request-resp" if key in self._asked and said.get("ok") == "OK":
                waited = self._asked[key]
                waited.discard(peer.name)
                if said.get("weown") == "no" and waited & {p.name for p in s.living}:
                    return []  # another living node may hold it, and says so when it is released
                del self._asked[key]
                return [*s.work.add(Work(Purpose.OWN, takes([key])))]
            case "ask_resources" | "hb_takeover":
                return [Say("ERROR", NO_STANDBY)]
            case "starting" | "resource":
                text = (
                    f"{peer.name} runs auto_failback on or off, this node legacy: make them equal"
                )
                return [Say("ERROR", text)]
            case "shutdone":
                peer.gave_up = True
                out: list[Effect] = [Say("info", f"Received shutdown notice from '{peer.name}'.")]
                return out + self._take_over(peer)
        return []

    # --- peers come and go ----------------------------------------------------------------------

    def _heard(self, peer: Peer, generation: int, now: float) -> list[Effect]:
        s = self.state
        was_alive, known = peer.alive, peer.generation
        peer.alive, peer.generation = True, generation
        healed = was_alive is False and known in (0, generation) and not peer.gave_up
        peer.gave_up = peer.was_taken = False
        self._left_to.pop(peer.name, None)
        s.deaths.forget(peer.name)
        if not healed:
            if was_alive is False:
                s.timers[f"unasked {peer.name}"] = now + NEVER_ASKED_S
            return []
        s.work.drop(Purpose.MACH_DOWN)
        surplus = s.active_keys(Claim.FOREIGN)
        out: list[Effect] = [Say("CRIT", f"Cluster node {peer.name} returning after partition.")]
        return [*out, *(s.work.add(Work(Purpose.HEAL, gives(surplus))) if surplus else [])]

    def _gone(self, peer: Peer, why: str, now: float) -> list[Effect]:
        s = self.state
        if why in ("restarted", "rebooted"):
            return []
        peer.alive = False
        if s.phase is not Phase.STABLE:
            return []
        ready, said = s.deaths.died(peer.name, peer.gave_up, now)
        return said + (self._take_over(peer) if ready else [])

    def _take_over(self, peer: Peer) -> list[Effect]:
        s = self.state
        if peer.was_taken or s.phase is not Phase.STABLE:
            return []
        peer.was_taken = True
        out: list[Effect] = []
        if not [other for other in s.living if other is not peer]:
            out += self._own()
        if (taker := s.taker(peer.name)) != s.me:
            self._left_to[peer.name] = taker
            return [*out, Say("info", f"Resources of {peer.name} are left to another node.")]
        # what it took, or was to take, from nodes that are dead still is free as well
        homes = {peer.name}
        homes |= {n for n, t in self._left_to.items() if t == peer.name and not s.peer(n).alive}
        keys = [g.key for g in s.groups if g.home in homes and g.key not in s.work.active]
        out.append(Say("info", f"Resources being acquired from {peer.name}."))
        return [*out, *s.work.add(Work(Purpose.MACH_DOWN, takes(keys), node=peer.name))]

    # --- activities, time, end ------------------------------------------------------------------

    def _done(self, done: ev.Done) -> list[Effect]:
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
        out: list[Effect] = []
        if work.purpose is Purpose.ANSWER:
            out += [_answer(work.node, step.key, "yes") for step in work.steps]
        elif work.purpose is Purpose.MACH_DOWN:
            text = f"mach_down takeover complete for node {work.node}."
            out.append(Say("info", text, "mach_down"))
        elif work.purpose is Purpose.SHUTDOWN:
            s.phase = Phase.ENDED
            out += [
                Say("info", "All HA resources relinquished."),
                Send((("t", "shutdone"), ("st", "dead"))),
                ev.Keep(Claim.NONE, ()),
                ev.Ended(released=True),
            ]
        return [*out, *s.work.go_on()]

    def _stalled(self, gap_s: float, now: float) -> list[Effect]:
        s = self.state
        if s.phase is not Phase.STABLE or not s.living:
            return []
        s.work.waiting.clear()
        s.timers["ask"] = now + 1.0
        text = f"This node stood still for {gap_s:.1f} s: releasing what others may have taken."
        return [Say("CRIT", text), *s.work.add(Work(Purpose.HEAL, gives(s.active_keys())))]

    def _never_asked(self, peer: Peer) -> list[Effect]:
        s = self.state
        homes = {group.key for group in s.groups if group.home == peer.name}
        keys = [key for key in s.active_keys() if key in homes]
        if not keys or not peer.alive or s.phase is not Phase.STABLE:
            return []
        text = f"{peer.name} returned and did not ask for its resources: giving them up here."
        return [Say("WARN", text), *s.work.add(Work(Purpose.HEAL, gives(keys)))]

    def _ripe(self, now: float) -> list[Effect]:
        s = self.state
        ready, out = s.deaths.tick(now)
        for node in ready:
            out += self._take_over(s.peer(node))
        for name in sorted(n for n, at in s.timers.items() if now >= at and n != "ask"):
            del s.timers[name]
            if name.startswith("unheld "):
                out += self._nobody_has(s.peer(name.removeprefix("unheld ")), now)
                continue
            out += self._never_asked(s.peer(name.removeprefix("unasked ")))
        if (at := s.timers.get("ask")) is not None and now >= at:
            del s.timers["ask"]
            out += self._ask(now) if s.living and not s.is_leaving else []
        if not s.is_leaving or s.phase is Phase.SHUTDOWN or not s.work.is_idle:
            return out
        if s.hands_over or s.phase is Phase.INIT:
            s.phase = Phase.ENDED
            return [*out, ev.Ended(released=not s.hands_over)]
        s.phase = Phase.SHUTDOWN
        s.timers.clear()
        out.append(Say("info", "Giving up all HA resources."))
        return [*out, *s.work.add(Work(Purpose.SHUTDOWN, gives(s.active_keys())))]


def _answer(node: str, key: str, weown: str) -> Send:
    fields = (("dest", node), ("ipaddr", key), ("weown", weown), ("ok", "OK"))
    return Send((("t", "ip-request-resp"), *fields))
