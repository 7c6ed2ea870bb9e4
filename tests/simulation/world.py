"""A whole cluster in virtual time: nodes, network, disks, agents, fencing and people, one thread.

The controllers are the very objects of production; everything around them is a double.  One heap of
(time, number, what to do); chance comes from one generator per concern, all derived from the seed,
so that a new kind of fault does not shift the others.  Source: reliability.md section 4.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field

from crmd.controller import events as ev
from crmd.controller.controller import Controller
from tests.simulation.agents import SimExec, Truth
from tests.simulation.disk import SimDisk
from tests.simulation.network import SimNet

WALL_START = 1_700_000_000.0
LAST_EVENTS = 400


@dataclass
class SimNode:
    """One machine: power, processes, disk."""

    name: str
    world: World
    disk: SimDisk
    power: bool = False
    generation: int = 0
    boots: int = 0
    starts: int = 0
    controller: Controller | None = None
    executor: SimExec | None = None
    memory: dict = field(default_factory=dict)
    inbox: deque = field(default_factory=deque)
    stalled_until: float = 0.0
    stalled_from: float = 0.0
    wall_offset: float = 0.0
    timer: int = 0
    has_left: bool = False
    schedules: int = 0
    crmd_life: int = 0

    # --- power and processes ----------------------------------------------------------------

    def boot(self):
        if self.power:
            return
        world = self.world
        self.power, self.has_left = True, False
        self.boots += 1
        self.generation += 1
        self.memory = {}
        self.inbox.clear()
        self.stalled_until = 0.0
        self.executor = SimExec(self, f"{self.name}-x{self.boots}.0")
        world.note(self.name, "boots")
        world.net.node_up(self.name)
        world.after(world.chance["node"].uniform(0.05, 0.5), self.start_crmd, self.crmd_life)

    def off(self, reason):
        if not self.power:
            return
        self.power = False
        self.executor.is_dead = True
        self.world.note(self.name, f"power off: {reason}")
        self.controller, self.executor = None, None
        self.crmd_life += 1
        self.inbox.clear()
        self.disk.power_cut()
        self.world.truth.node_off(self.name)
        self.world.net.node_down(self.name, clean=False)
        self.world.monitor.node_off(self.name)
        self.world.people.node_forgot(self.name)

    def start_crmd(self, life):
        if not self.power or self.controller is not None or life != self.crmd_life or self.has_left:
            return
        if self.is_stalled:
            self.world.at(self.stalled_until + 0.01, self.start_crmd, life)
            return
        self.starts += 1
        self.controller = Controller()
        world = self.world
        cib, rank, pledge, notes = self.disk.read()
        state = self.executor.state() if self.executor is not None else None
        start = ev.Start(
            self.name,
            tuple(world.names),
            f"{self.name}-c{self.boots}.{self.starts}",
            cib,
            rank,
            pledge,
            notes,
            state,
            dict(self.memory),
            world.settings,
        )
        world.note(self.name, "crmd starts")
        self.take(start)
        for peer in world.net.alive_for(self.name):
            self.take(ev.PeerUp(peer, world.nodes[peer].generation))

    def kill_crmd(self, restart_after):
        if self.controller is None:
            return
        self.world.note(self.name, "crmd killed")
        self.controller = None
        self.crmd_life += 1
        self.disk.process_killed()
        self.world.monitor.crmd_gone(self.name)
        self.world.people.node_forgot(self.name)
        self.world.after(restart_after, self.start_crmd, self.crmd_life)

    def kill_execd(self):
        if self.executor is None:
            return
        self.world.note(self.name, "execd killed")
        self.executor.die()
        self.executor = SimExec(self, f"{self.name}-x{self.boots}.{self.world.number()}")
        self.take(ev.ExecutorLost())
        self.world.after(0.1, self._executor_back, self.executor)

    def _executor_back(self, executor):
        if self.executor is executor and self.power:
            self.take(ev.ExecutorUp(executor.state()))

    def stall(self, seconds):
        if not self.power:
            return
        self.world.note(self.name, f"stands still for {seconds:.1f} s")
        self.stalled_from = self.world.now
        self.stalled_until = self.world.now + seconds
        self.world.net.silent(self.name, True)
        self.world.after(seconds, self._wake, self.boots)

    @property
    def is_stalled(self):
        return self.world.now < self.stalled_until

    def _wake(self, boots):
        if not self.power or boots != self.boots or self.is_stalled:
            return
        gap = self.world.now - self.stalled_from
        self.world.net.silent(self.name, False)
        self.world.note(self.name, "goes on")
        waiting, self.inbox = self.inbox, deque()
        if gap > self.world.deadtime and self.controller is not None:
            self.take(ev.Stalled(gap))
        if self.executor is not None:
            self.executor.wake()
        for event in waiting:
            self.take(event)

    # --- events in, effects out -------------------------------------------------------------

    def take(self, event):
        """Feed the controller, unless the node cannot run now."""
        if self.controller is None or not self.power:
            return
        if self.is_stalled:
            self.inbox.append(event)
            return
        world = self.world
        controller = self.controller
        before = world.monitor.before(self)
        wall = WALL_START + world.now + self.wall_offset
        effects = controller.step(event, world.now, wall)
        world.trace(self.name, event, effects)
        world.monitor.after(self, event, effects, before)
        for effect in effects:
            if self.controller is not controller:
                return
            self.carry_out(effect)
        self.set_timer()

    def set_timer(self):
        due = None if self.controller is None else self.controller.deadline()
        self.timer += 1
        if due is not None:
            self.world.at(max(due, self.world.now + 0.001), self._tick, self.timer)

    def _tick(self, number):
        if number == self.timer:
            if self.is_stalled:
                self.world.at(self.stalled_until + 0.001, self._tick, number)
            else:
                self.take(ev.Tick())

    def carry_out(self, effect):
        world = self.world
        match effect:
            case ev.Transmit(topic=topic, payload=payload, to=to):
                world.net.send(self.name, to, topic, payload)
            case ev.RunAgent(call=call):
                self.executor.run(call)
            case ev.CancelRecurring(rsc=rsc, operation=operation, interval_ms=interval):
                self.executor.cancel(rsc, operation, interval)
            case ev.ForgetResource(rsc=rsc, failures_only=failures_only):
                self.executor.forget(rsc, failures_only)
            case ev.Schedule():
                self.schedules += 1
                delay = world.chance["node"].uniform(0.005, 0.05)
                world.after(delay, self._scheduled, effect, self.crmd_life)
            case ev.Commit():
                self.disk.commit(effect)
            case ev.Reply():
                world.people.replied(self.name, effect)
            case ev.Remember(name=name, value=value):
                self.memory[name] = value
            case ev.Leave():
                self._leave()
            case ev.Panic(reason=reason):
                self.off(f"panic: {reason}")
            case ev.Log() | ev.KeepLosing() | ev.Notify():
                pass
            case _:
                raise AssertionError(f"effect {effect!r} is not carried out")

    def _scheduled(self, effect, life):
        if life == self.crmd_life:
            decision, error = self.world.schedule(effect)
            self.take(ev.ScheduleDone(effect.request_id, decision, error))

    def _leave(self):
        self.has_left = True
        self.controller = None
        self.crmd_life += 1
        self.world.monitor.crmd_gone(self.name)
        self.world.people.node_forgot(self.name)
        self.world.net.node_down(self.name, clean=True)
        left = self.world.truth.of_node(self.name)
        self.world.note(self.name, f"leaves, still active: {left}")
        self.power = False
        self.executor.is_dead = True
        self.executor = None


class World:
    """The heap, the clock and all that is shared."""

    def __init__(self, seed, knobs, monitor, schedule):
        self.seed, self.knobs, self.monitor = seed, knobs, monitor
        self.now = 0.0
        self._heap = []
        self._count = itertools.count()
        self.chance = {
            name: random.Random(f"{seed}/{name}")
            for name in ("net", "disk", "agents", "fence", "people", "node", "faults")
        }
        self.deadtime = knobs.deadtime
        self.names = [f"n{i}" for i in range(1, knobs.nodes + 1)]
        self.settings = ev.Settings(
            form_after_s=8.0, wait_for_all=True, fence_delay_s=4.0, takeover_delay_s=0.1
        )
        self.last = deque(maxlen=LAST_EVENTS)
        self.hash = hashlib.sha256()
        self.steps = 0
        self.net = SimNet(self)
        self.truth = Truth(self)
        self.nodes = {n: SimNode(n, self, SimDisk(self, n)) for n in self.names}
        self._schedule = schedule
        self._cache = {}
        self.people = None
        self.fence_lies = False
        monitor.world = self

    def number(self):
        """A number never used before."""
        return next(self._count)

    def at(self, when, what, *args):
        heapq.heappush(self._heap, (when, next(self._count), what, args))

    def after(self, delay, what, *args):
        self.at(self.now + delay, what, *args)

    def run_until(self, end):
        """Carry on until the virtual time `end`."""
        while self._heap and self._heap[0][0] <= end:
            when, _, what, args = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            what(*args)
        self.now = max(self.now, end)

    def schedule(self, effect):
        """The scheduler's answer; the same document gets the same answer."""
        key = (effect.cib, int(effect.now_epoch))
        if key not in self._cache:
            try:
                self._cache[key] = (self._schedule(effect.cib, effect.now_epoch), "")
            except Exception as e:  # the double of a process boundary: it crashed, say so
                self.monitor.broken("scheduler", f"{type(e).__name__}: {e}")
                self._cache[key] = (None, f"{type(e).__name__}: {e}")
        return self._cache[key]

    # --- the trace --------------------------------------------------------------------------

    def note(self, who, what):
        """Something that is not a step of a controller."""
        line = f"{self.now:10.4f} {who:>4} ** {what}"
        self.last.append(line)
        self.hash.update(line.encode())
        if self.knobs.trace:
            print(line)

    def trace(self, who, event, effects):
        """One step of a controller."""
        self.steps += 1
        line = f"{self.now:10.4f} {who:>4} {brief(event)}"
        self.last.append(line)
        self.hash.update(line.encode())
        for effect in effects:
            text = f"{'':15} -> {brief(effect)}"
            self.hash.update(text.encode())
            if not isinstance(effect, (ev.Commit, ev.Schedule)):
                self.last.append(text)
        if self.knobs.trace:
            print(line)
            for effect in effects:
                print(f"{'':15} -> {brief(effect)}")


def brief(value):
    """A value on one line, long texts cut."""
    match value:
        case ev.Delivered(origin=origin, payload=payload):
            return f"from {origin}: {payload[:300].decode()}"
        case ev.Transmit(payload=payload, to=to):
            return f"to {to or '*'}: {payload[:300].decode()}"
        case ev.Log(event=name, fields=fields):
            return f"log {name} {dict(fields)}"
        case ev.Start(incarnation=incarnation, cib_rank=rank, pledge=pledge):
            return f"Start {incarnation} rank {rank} pledge {pledge.round}/{pledge.node}"
        case ev.ScheduleDone(request_id=number, decision=decision):
            count = len(decision.transition.synapses) if decision else "no"
            return f"ScheduleDone {number}: {count} actions"
        case ev.Commit(token=token, cib=cib, rank=rank, pledge=pledge):
            digest = hashlib.md5(cib, usedforsecurity=False).hexdigest()[:8]
            return f"Commit {token} rank {rank} pledge {pledge.round}/{pledge.node} {digest}"
        case ev.Schedule(request_id=number, cib=cib):
            digest = hashlib.md5(cib, usedforsecurity=False).hexdigest()[:8]
            return f"Schedule {number} {digest}"
        case ev.RunAgent(call=call):
            return f"run {call.call_id} {call.rsc} {call.operation} {call.interval_ms}"
        case ev.AgentDone(result=r):
            return f"done {r.call_id} {r.rsc} {r.operation} {r.interval_ms} rc={r.rc} {r.status}"
    return repr(value)[:400]
