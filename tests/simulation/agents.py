"""What truly runs where, and an execd that runs simulated agents against that truth.

A resource counts as active from the moment its start begins until its stop has ended well: the
strictest reading of "active on at most one node".
"""

from __future__ import annotations

from crmd.controller.events import AgentDone, ExecutorState
from ocf.calls import AgentResult, ExecStatus


class Truth:
    """Per resource the set of nodes where it really is active."""

    def __init__(self, world):
        self.world = world
        self.active = {}

    def where(self, rsc):
        return sorted(self.active.get(rsc, ()))

    def of_node(self, node):
        return sorted(r for r, nodes in self.active.items() if node in nodes)

    def is_active(self, rsc, node):
        return node in self.active.get(rsc, ())

    def set(self, rsc, node, is_active):
        nodes = self.active.setdefault(rsc, set())
        if is_active:
            nodes.add(node)
        else:
            nodes.discard(node)
        self.world.monitor.truth_changed(rsc)

    def node_off(self, node):
        for rsc in sorted(self.active):
            self.set(rsc, node, False)


class SimExec:
    """execd of one node: calls take time, recurring calls repeat, results are remembered."""

    def __init__(self, node, incarnation):
        self.node, self.incarnation = node, incarnation
        self.world = node.world
        self.running = {}
        self.recurring = {}
        self.results = {}
        self.failed = {}
        self.is_dead = False
        self.seen = set()

    def state(self):
        results = {r.call_id: r for r in [*self.results.values(), *self.failed.values()]}
        return ExecutorState(
            self.incarnation,
            tuple(results[i] for i in sorted(results)),
            tuple(self.running[i] for i in sorted(self.running)),
            tuple(self.recurring[k] for k in sorted(self.recurring)),
        )

    def die(self):
        self.is_dead = True
        for call_id in sorted(self.running):
            call = self.running[call_id]
            if call.operation == "start":
                self.world.truth.set(call.rsc, self.node.name, True)

    # --- calls ------------------------------------------------------------------------------

    def run(self, call):
        if call.call_id in self.seen:
            return  # asked again after a reconnection; its result comes, or came
        self.seen.add(call.call_id)
        self.world.monitor.run_agent(self.node, self, call)
        self.running[call.call_id] = call
        if call.interval_ms:
            self.recurring[(call.rsc, call.operation, call.interval_ms)] = call
        if call.agent.klass == "stonith" and call.operation in ("on", "off", "reboot"):
            self._fence(call)
            return
        chance = self.world.chance["agents"]
        knobs = self.world.knobs
        delay = knobs.agent_s * chance.uniform(0.2, 2.0)
        rc, status = 0, ExecStatus.DONE
        if call.operation == "start":
            self.world.truth.set(call.rsc, self.node.name, True)
            if chance.random() < knobs.start_fails:
                rc = 1
        elif call.operation == "stop":
            if chance.random() < knobs.stop_fails:
                rc = 1
        if chance.random() < knobs.hangs and call.operation in ("start", "stop"):
            delay, rc, status = call.timeout_ms / 1000, 1, ExecStatus.TIMEOUT
        self.world.after(delay, self._end, call, rc, status)

    def _end(self, call, rc, status):
        if self.is_dead or not self.node.power or self.running.get(call.call_id) is not call:
            return
        if self.node.is_stalled:
            self.world.at(self.node.stalled_until + 0.01, self._end, call, rc, status)
            return
        truth, name = self.world.truth, self.node.name
        if call.operation == "stop" and rc == 0:
            truth.set(call.rsc, name, False)
        if call.operation == "monitor":
            rc = 0 if truth.is_active(call.rsc, name) else 7
        self._report(call, rc, status)

    def _report(self, call, rc, status, reason=""):
        self.running.pop(call.call_id, None)
        result = AgentResult(
            call.call_id,
            call.rsc,
            call.operation,
            call.interval_ms,
            rc,
            status,
            reason,
            exec_ms=10,
            run_at=int(self.world.now),
            changed_at=int(1_700_000_000 + self.world.now),
            user_data=call.user_data,
        )
        self.world.monitor.agent_done(self.node, result)
        key = (call.rsc, call.operation, call.interval_ms)
        self.results[key] = result
        if rc not in (0, 7) or status is not ExecStatus.DONE or (rc == 7 and call.interval_ms):
            self.failed[call.rsc] = result
        if call.interval_ms and self.recurring.get(key) is call:
            self.world.after(call.interval_ms / 1000, self._repeat, call)
        self.node.take(AgentDone(result))

    def _repeat(self, call):
        key = (call.rsc, call.operation, call.interval_ms)
        if self.is_dead or not self.node.power or self.recurring.get(key) is not call:
            return
        if self.node.is_stalled:
            self.world.at(self.node.stalled_until + 0.01, self._repeat, call)
            return
        rc = 0 if self.world.truth.is_active(call.rsc, self.node.name) else 7
        last = self.results.get(key)
        if last is None or rc == last.rc:
            self.world.after(call.interval_ms / 1000, self._repeat, call)
        else:
            self._report(call, rc, ExecStatus.DONE)

    def cancel(self, rsc, operation, interval):
        key = (rsc, operation, interval)
        call = self.recurring.pop(key, None)
        self.results.pop(key, None)
        if call is not None:
            self.running.pop(call.call_id, None)

    def forget(self, rsc, failures_only):
        self.failed.pop(rsc, None)
        if not failures_only:
            for key in [k for k in self.results if k[0] == rsc]:
                del self.results[key]

    def wake(self):
        """Nothing to catch up: what was due runs right after the pause."""

    # --- fencing ----------------------------------------------------------------------------

    def _fence(self, call):
        chance, knobs = self.world.chance["fence"], self.world.knobs
        delay = chance.uniform(0.2, 2.0)
        works = chance.random() >= knobs.fence_fails
        lies = not works and chance.random() < 0.3  # says failure, with effect
        self.world.after(delay, self._fence_end, call, works, lies)

    def _fence_end(self, call, works, lies):
        world = self.world
        target = call.params["nodename"]
        if self.is_dead or not self.node.power:
            return
        if self.node.is_stalled:
            world.at(self.node.stalled_until + 0.01, self._fence_end, call, works, lies)
            return
        if works or lies:
            victim = world.nodes[target]
            if victim.power:
                victim.off(f"fenced by {self.node.name}")
                world.after(world.chance["fence"].uniform(2.0, 10.0), victim.boot)
        if self.running.get(call.call_id) is call:
            self._report(call, 0 if works else 1, ExecStatus.DONE, "" if works else "unreachable")
