"""The invariants of reliability.md section 2 that are checked at every step of a run.

It sees the truth of the agents and the inside of every controller, and changes nothing.  The first
broken invariant ends the run.
"""

from __future__ import annotations

import hashlib

from cib import document
from crmd.controller import events as ev
from crmd.controller import messages as msg
from crmd.controller.held import differences
from crmd.membership.election import Phase
from crmd.transition.results import Context

IN_STEP_BOUND_S = 16.0
"""Longest time for which a member is behind its DC: three polls, should messages get lost."""
MINORITY_BOUND_S = 150.0
"""Longest time until a minority runs nothing: elections, and stops that hang to the last."""


class Broken(Exception):
    """An invariant does not hold; `name` as in reliability.md."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name


class Monitor:
    def __init__(self):
        self.world = None
        self.digests = {}
        self.versions = {}
        self.acked = {}
        self.two_leaders_since = {}
        self.aborted = set()
        self.run_before = set()
        self.stop_tried = set()
        self.started = set()
        self.minority_since = {}
        self.newest = {}
        self.believed = {}
        self.fell = set()
        self.knew = {}
        self.doubts = {}
        self.out_of_step_since = {}
        self.followed = {}
        self.delivered_generation = {}
        self.stats = {}

    def broken(self, name, text):
        raise Broken(name, text)

    def count(self, what, by=1):
        self.stats[what] = self.stats.get(what, 0) + by

    # --- truth ------------------------------------------------------------------------------

    def truth_changed(self, rsc):
        where = self.world.truth.where(rsc)
        if rsc not in self.world.knobs.resources:
            return  # a fence device may run anywhere
        if len(where) > 1 and self.world.knobs.fencing:
            self.broken("I1", f"{rsc} is active on {', '.join(where)}")
        if len(where) > 1:
            self.count("double activity without fencing")

    def node_off(self, node):
        self.believed.pop(node, None)
        self.fell = {pair for pair in self.fell if pair[0] != node}
        self.crmd_gone(node)

    def crmd_gone(self, node):
        self.versions.pop(node, None)
        self.followed.pop(node, None)
        self.digests.pop(node, None)

    def run_agent(self, node, executor, call):
        """Before execd begins a call."""
        self.count(f"agent {call.operation}")
        if call.agent.klass == "stonith" and call.operation in ("on", "off", "reboot"):
            return
        busy = [
            c for c in executor.running.values() if c.rsc == call.rsc and c.call_id != call.call_id
        ]
        if busy:
            self.broken("I18", f"{call.rsc} {call.operation} while {busy[0].operation} runs")
        if call.call_id in executor.running:
            self.broken("I18", f"call {call.call_id} of {call.rsc} runs already")
        repeated = False
        if call.operation == "start" and call.rsc in self.world.knobs.resources:
            members = node.controller.core.members
            repeated = self._is_repeat(call)
            few = len(self.world.names) > 2 and 2 * len(members) <= len(self.world.names)
            if few and not repeated:
                self.broken("I6", f"{call.rsc} starts on {node.name} with members {members}")
            self._start_is_safe(node, call)
        if call.operation in ("start", "stop") and not (repeated and call.operation == "start"):
            self._group_order(node, call)

    def _is_repeat(self, call):
        """Whether a call was given before, and is given again because execd died."""
        context = Context.load(call.user_data)
        if context is None or context.key in self.started:
            return True
        self.started.add(context.key)
        return False

    def _start_is_safe(self, node, call):
        """I4: nobody else may hold the resource, fenced or stopped, by the CIB of the DC that
        ordered the start, at the moment when it did."""
        if not self.world.knobs.fencing:
            return
        context = Context.load(call.user_data)
        doubts = self.doubts.get(context.key) if context is not None else None
        if doubts is None:
            self.broken("I4", f"{call.rsc} starts on {node.name}, and no DC has ordered it")
        for name in sorted(n for n, rsc in doubts if rsc == call.rsc and n != node.name):
            self.broken("I4", f"{call.rsc} starts on {node.name} before {name} is fenced")

    def _group_order(self, node, call):
        """I15, I17: members of a group start in order and stop in reverse."""
        members = self.world.knobs.group
        believed = self.believed.setdefault(node.name, set())
        if call.rsc in members:
            at = members.index(call.rsc)
            if call.operation == "start":
                missing = [m for m in members[:at] if m not in believed]
                missing = [m for m in missing if not self._fell_unheard(node, call, m)]
                if missing:
                    self.broken("I15", f"{call.rsc} starts on {node.name} before {missing[0]}")
            else:
                later = [m for m in members[at + 1 :] if m in believed]
                if is_release(call):  # a node letting go carries on after a stop that failed
                    later = [m for m in later if (node.name, m) not in self.stop_tried]
                self.stop_tried.add((node.name, call.rsc))
                if later:
                    self.broken("I15", f"{call.rsc} stops on {node.name} before {later[0]}")

    def _fell_unheard(self, node, call, rsc):
        """It did start, then fell, and the DC could not know when it ordered this call."""
        context = Context.load(call.user_data)
        active = self.knew.get(context.key) if context is not None else None
        return (node.name, rsc) in self.fell and active is not None and (node.name, rsc) in active

    def _note_what_the_dc_knew(self, node, key):
        """At an order: what is active where by the DC's CIB, and what is active on lost nodes."""
        if key in self.knew or node.controller.leader is None:
            return
        active, doubts = set(), set()
        for state in node.controller.core.replica.root.iterfind("status/node_state"):
            is_lost = state.get("in_ccm") != "true" and state.get("expected") == "member"
            for entry in state.iterfind("lrm/lrm_resources/lrm_resource"):
                pair = (state.get("uname"), entry.get("id"))
                if shows_active(entry, heeds_failures=True):
                    active.add(pair)
                if is_lost and shows_active(entry):
                    doubts.add(pair)
        self.knew[key], self.doubts[key] = frozenset(active), frozenset(doubts)

    def agent_done(self, node, result):
        if result.operation not in ("start", "stop", "monitor"):
            return
        believed = self.believed.setdefault(node.name, set())
        self.fell.discard((node.name, result.rsc))
        if result.operation == "stop" and result.rc == 0:
            believed.discard(result.rsc)
        elif result.operation == "start" and result.rc == 0:
            believed.add(result.rsc)
            self.stop_tried.discard((node.name, result.rsc))
        elif result.operation == "monitor" and result.rc == 7:
            believed.discard(result.rsc)
            if result.interval_ms:
                self.fell.add((node.name, result.rsc))
        elif result.operation == "monitor" and result.rc == 0:
            believed.add(result.rsc)

    # --- steps ------------------------------------------------------------------------------

    def before(self, node):
        controller = node.controller
        if not controller.is_started:
            return None
        return controller.core.replica.lineage

    def after(self, node, event, effects, before):
        controller = node.controller
        self._orders(node, effects)
        if controller.refused.get("malformed"):
            self.broken("A", f"{node.name} got a message that it could not read")
        self._version(node, event, effects, before)
        self._equal_bytes(node)
        self._obedience(node)
        self._in_step(node)
        self._leaders()
        self._planning(node, effects)
        self._quorum(node)
        for effect in effects:
            if isinstance(effect, ev.Log):
                self.count(f"log {effect.event}")

    def _orders(self, node, effects):
        """I14: orders belong to the newest transition of their DC, not aborted before."""
        for effect in effects:
            if isinstance(effect, ev.Log) and effect.event == "transition.aborted":
                self.aborted.add((effect.fields["uuid"], effect.fields["number"]))
            key = order_key(effect)
            if key is None:
                continue
            self._note_what_the_dc_knew(node, key)
            if isinstance(effect, ev.RunAgent) and key in self.run_before:
                continue  # asked for again after execd died
            self.run_before.add(key)
            leader = node.controller.leader
            if isinstance(effect, ev.Transmit) and leader is None:
                self.broken("I14", f"{node.name} orders {key} and is not the DC")
            if leader is None or key.uuid != leader.planner.uuid:
                continue
            if key.transition != leader.planner.number:
                self.broken("I14", f"{key} is not of transition {leader.planner.number}")
            if isinstance(effect, ev.Transmit):
                if (key.uuid, key.transition) in self.aborted:
                    self.broken("I14", f"{key} was ordered after its transition was aborted")

    def _version(self, node, event, effects, before):
        """I9: the version of a node's CIB grows, unless it takes a better one over its own."""
        core = node.controller.core
        now = core.replica.lineage
        if before is None or now >= before or isinstance(event, ev.Start):
            return
        kept = any(isinstance(e, ev.KeepLosing) for e in effects)
        is_sync = isinstance(event, ev.Delivered) and b'"t":"Sync"' in event.payload
        if not is_sync or (now[:3] < before[:3] and not kept and not core.in_sync):
            self.broken("I9", f"{node.name}: CIB went from {before} back to {now}")
        if now[1:3] < before[1:3] and not kept:
            self.broken("I9", f"{node.name}: changes of {before} dropped in silence for {now}")

    def _equal_bytes(self, node):
        """I10: within a partition equal versions mean equal bytes."""
        core = node.controller.core
        if not core.in_sync or core.dc is None:
            self.digests.pop(node.name, None)
            return
        version = str(core.replica.version)
        known = self.digests.get(node.name)
        if known is not None and known[:3] == (core.dc, core.round, version):
            return
        data = hashlib.md5(document.compact(core.replica.root), usedforsecurity=False).hexdigest()
        mine = (core.dc, core.round, version, data)
        self.digests[node.name] = mine
        for name, theirs in self.digests.items():
            if name != node.name and theirs[:3] == mine[:3] and theirs[3] != data:
                self.broken("I10", f"{node.name} and {name} differ at version {version}")

    def _obedience(self, node):
        """I8: rounds that a controller obeys only grow, and each has one DC."""
        core = node.controller.core
        if core.dc is None:
            return
        round_, dc = self.followed.get(node.name, (0, ""))
        if core.round < round_ or (core.round == round_ and core.dc != dc):
            now = f"{core.dc}'s round {core.round}"
            self.broken("I8", f"{node.name} obeys {now} after {dc}'s round {round_}")
        self.followed[node.name] = (core.round, core.dc)

    def _in_step(self, node):
        """I10: a member that its DC can reach follows its CIB, or is on its way in."""
        world, core = self.world, node.controller.core
        dc = world.nodes.get(core.dc or "")
        if dc is None or dc is node or dc.controller is None or not dc.controller.core.leads:
            return
        reaches = world.net.open(dc.name, node.name) and not (dc.is_stalled or node.is_stalled)
        theirs = dc.controller.core
        is_behind = core.in_sync and core.replica.lineage < theirs.replica.lineage
        if not (reaches and is_behind and core.round == theirs.round):
            self.out_of_step_since.pop(node.name, None)
            return
        since, lineage = self.out_of_step_since.setdefault(
            node.name, (world.now, core.replica.lineage)
        )
        if lineage != core.replica.lineage:
            del self.out_of_step_since[node.name]
        elif world.now - since > IN_STEP_BOUND_S:
            self.broken("I10", f"{node.name} stays at {lineage}, {dc.name} is ahead")

    def _planning(self, node, effects):
        """I18: no plan is made while a call of a DC runs on a member; nothing waits for others."""
        leader = node.controller.leader
        if leader is None:
            return
        strangers = [
            f.node for f in leader.planner.in_flight.values() if f.node not in leader.members
        ]
        if strangers:
            self.broken("A", f"{node.name} waits for {strangers[0]}, which is no member")
        planned = any(isinstance(e, ev.Log) and e.event == "transition.planned" for e in effects)
        for name in leader.members if planned else ():
            controller, executor = (
                self.world.nodes[name].controller,
                self.world.nodes[name].executor,
            )
            if controller is None or controller.core.dc != node.name:
                continue  # it has left, and we shall hear of it
            for call in () if executor is None else executor.running.values():
                ordered = Context.load(call.user_data)
                if ordered is None or call.interval_ms or ordered.key.transition < 0:
                    continue
                what = f"{call.operation} of {call.rsc} runs on {name}"
                self.broken("I18", f"{node.name} plans while {what}")

    def _quorum(self, node):
        """I6: a node that has been without quorum for long runs nothing."""
        core, world = node.controller.core, self.world
        enough = len(core.members) * 2 > len(world.names) or len(world.names) == 2
        if enough or not world.truth.of_node(node.name):
            self.minority_since.pop(node.name, None)
            return
        since = self.minority_since.setdefault(node.name, world.now)
        if world.now - since > MINORITY_BOUND_S:
            what = world.truth.of_node(node.name)
            self.broken(
                "I6", f"{node.name} runs {what} without quorum for {world.now - since:.0f} s"
            )

    def _leaders(self):
        """I7: two DCs that can talk to each other do not last."""
        world = self.world
        leaders = [
            n
            for n in world.names
            if world.nodes[n].controller is not None
            and world.nodes[n].controller.is_started
            and not world.nodes[n].is_stalled
            and world.nodes[n].controller.core.election.phase is Phase.LEADING
        ]
        pairs = set()
        for a in leaders:
            for b in leaders:
                mutual = world.net.heard.get((a, b)) and world.net.heard.get((b, a))
                if a < b and mutual and world.net.open(a, b) and world.net.open(b, a):
                    pairs.add((a, b))
        for pair in [p for p in self.two_leaders_since if p not in pairs]:
            del self.two_leaders_since[pair]
        bound = 2 * world.settings.election_timeout_s + 6.0 + world.deadtime
        for pair in sorted(pairs):
            since = self.two_leaders_since.setdefault(pair, world.now)
            if world.now - since > bound:
                self.broken(
                    "I7", f"{pair[0]} and {pair[1]} both lead for {world.now - since:.1f} s"
                )

    def delivered(self, sender, receiver, generation):
        """I25 of the network double: generations of a sender only grow."""
        pair = (sender, receiver)
        if generation < self.delivered_generation.get(pair, 0):
            self.broken("I25", f"{receiver} got an old message of {sender}")
        self.delivered_generation[pair] = generation

    # --- the end ----------------------------------------------------------------------------

    def quiet(self):
        """I28 and what must be true of a quiet cluster; the text of the first thing that is not."""
        world = self.world
        controllers = {n: world.nodes[n].controller for n in world.names}
        missing = [n for n, c in controllers.items() if c is None]
        if missing:
            return f"{missing[0]} has no controller"
        cores = [c.core for c in controllers.values()]
        leaders = [c.node for c in cores if c.leads]
        if len(leaders) != 1:
            return f"leaders: {leaders}"
        for core in cores:
            if core.dc != leaders[0] or not core.in_sync or list(core.members) != world.names:
                return f"{core.node}: dc {core.dc}, in sync {core.in_sync}, {core.members}"
        texts = {document.compact(c.replica.root) for c in cores}
        if len(texts) != 1:
            return "CIBs differ"
        planner = controllers[leaders[0]].leader.planner
        if not planner.is_idle:
            return f"transition under way or wanted: {planner.wanted}"
        for c in controllers.values():
            if c.lrm.running or c.lrm.reports.waiting:
                return f"{c.core.node}: calls under way or not reported"
            drops, missing = differences(c.core.replica.root, c.core.node, c.lrm.held, set())
            if drops or missing:
                return f"{c.core.node}: its history differs from the CIB: {drops or missing}"
            if c.disk.durable != (c.core.replica.version.admin_epoch, c.core.replica.version.epoch):
                return f"{c.core.node}: configuration is not on disk"
        return None

    def in_place(self):
        """After quiet: every resource runs on exactly one node, and the CIB says where."""
        world = self.world
        for node in world.nodes.values():
            for rsc, operation, interval in sorted(node.executor.recurring):
                if not world.truth.is_active(rsc, node.name) and rsc in world.knobs.resources:
                    what = f"{operation} of {rsc} every {interval} ms"
                    self.broken("Q", f"{what} goes on on {node.name}, where it does not run")
        root = next(n.controller for n in world.nodes.values()).core.replica.root
        for rsc in world.knobs.resources:
            where = world.truth.where(rsc)
            shown = []
            for state in root.iterfind("status/node_state"):
                for entry in state.iterfind("lrm/lrm_resources/lrm_resource"):
                    if entry.get("id") == rsc and shows_active(entry):
                        shown.append(state.get("uname"))
            if where != sorted(shown):
                self.broken("Q", f"{rsc}: truly on {where}, by the CIB on {sorted(shown)}")
            if len(where) != 1:
                self.broken("Q", f"{rsc} runs on {where}")


def order_key(effect):
    """The transition key of an order that leaves a DC, or that its own node carries out."""
    if isinstance(effect, ev.RunAgent):
        context = Context.load(effect.call.user_data)
        return None if context is None or context.key.transition < 0 else context.key
    if isinstance(effect, ev.Transmit) and b'"t":"Run"' in effect.payload:
        message = msg.decode(effect.payload)
        context = Context.load(message.call["user_data"])
        return None if context is None else context.key
    return None


def is_release(call):
    """Whether a stop is a node's own, not an order of a DC."""
    context = Context.load(call.user_data)
    return context is not None and context.key.transition < 0


def shows_active(entry, heeds_failures=False):
    """Whether a history says that its resource runs, or may; a failed recurring monitor alone
    does not tell that it is down, unless `heeds_failures`."""

    def order(op):
        call = int(op.get("call-id"))
        return (call < 0, call, op.get("id").endswith("_last_failure_0"))

    active = False
    for op in sorted(entry, key=order):
        rc, status = op.get("rc-code"), op.get("op-status")
        if op.get("operation") == "stop":
            active = not (rc == "0" and status == "0")
        elif op.get("operation") == "start":
            active = True
        elif op.get("operation") == "monitor" and (op.get("interval") == "0" or rc == "0"):
            active = rc == "0"
        elif op.get("operation") == "monitor" and heeds_failures and rc != "193":
            active = False
    return active
