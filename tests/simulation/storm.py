"""One run: knobs drawn from the seed, a storm of faults, then calm in which all must settle."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.simulation.monitor import Broken, Monitor
from tests.simulation.people import People
from tests.simulation.world import World

FAULTS = (
    "power", "crash", "execd", "partition", "one_way", "stall", "rsc_dies", "disk",
    "mark", "standby", "cleanup", "clock", "leave", "replug", "mark_and_cut",
)  # fmt: skip


TAKEN_OVER_S = 45.0
"""Until all that a dead node ran runs elsewhere: deadtime, fencing, agents, pauses."""


@dataclass
class Knobs:
    """What one run is like."""

    nodes: int = 3
    fencing: bool = True
    storm_s: float = 120.0
    deadtime: float = 2.0
    delay: float = 0.001
    loss: float = 0.0
    gaps: float = 0.0
    """Messages that never arrive though their sender is alive (history exceeded)."""
    late_messages: bool = False
    disk_delay: float = 0.01
    agent_s: float = 0.2
    start_fails: float = 0.0
    stop_fails: float = 0.0
    hangs: float = 0.0
    fence_fails: float = 0.0
    faults: dict = field(default_factory=dict)
    trace: bool = False
    resources: tuple = ("ip", "fs", "web", "db")
    group: tuple = ("ip", "fs", "web")


def draw(seed):
    """Many knobs are zero in a given run (swarm)."""
    r = random.Random(f"{seed}/knobs")
    knobs = Knobs()
    knobs.nodes = r.choice((2, 3, 3, 3, 4, 5))
    knobs.fencing = r.random() < 0.7
    knobs.storm_s = r.choice((40.0, 80.0, 120.0))
    knobs.deadtime = r.choice((1.0, 2.0, 4.0))
    knobs.delay = r.choice((0.0005, 0.002, 0.02))
    knobs.loss = r.choice((0.0, 0.0, 0.05, 0.3))
    knobs.late_messages = r.random() < 0.5
    knobs.gaps = r.choice((0.0, 0.0, 0.0, 0.01, 0.05))
    knobs.disk_delay = r.choice((0.005, 0.02, 0.3))
    knobs.agent_s = r.choice((0.05, 0.3, 2.0))
    knobs.start_fails = r.choice((0.0, 0.0, 0.1))
    knobs.stop_fails = r.choice((0.0, 0.0, 0.0, 0.1))
    knobs.hangs = r.choice((0.0, 0.0, 0.0, 0.05))
    knobs.fence_fails = r.choice((0.0, 0.0, 0.3))
    for fault in FAULTS:
        if r.random() < 0.4:
            knobs.faults[fault] = r.uniform(5.0, 60.0)
    return knobs


def draw_replication(seed):
    """Many changes, power cuts, partitions and slow disks: what an acknowledged change fears."""
    r = random.Random(f"{seed}/replication")
    knobs = draw(seed)
    knobs.nodes = r.choice((3, 3, 4, 5))
    knobs.storm_s = 150.0
    knobs.disk_delay = r.choice((0.02, 0.3, 1.0))
    knobs.agent_s = 0.05
    knobs.start_fails = knobs.stop_fails = knobs.hangs = 0.0
    knobs.faults = {
        "mark": r.choice((1.0, 3.0)),
        "partition": r.uniform(5.0, 30.0),
        "one_way": r.uniform(5.0, 30.0),
    }
    for fault, often, seldom in (
        ("mark_and_cut", 5.0, 40.0),
        ("replug", 10.0, 40.0),
        ("power", 3.0, 20.0),
        ("disk", 3.0, 20.0),
        ("crash", 3.0, 20.0),
        ("stall", 5.0, 30.0),
    ):
        if r.random() < 0.6:
            knobs.faults[fault] = r.uniform(often, seldom)
    return knobs


DRAWS = {"any": draw, "replication": draw_replication}


def initial_cib(knobs):
    """The document every node has on its disk before the first start."""
    nodes = "".join(f'<node id="n{i}" uname="n{i}"/>' for i in range(1, knobs.nodes + 1))

    def primitive(name):
        return (
            f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy">'
            f'<operations><op id="{name}-m" name="monitor" interval="10s"/></operations>'
            "</primitive>"
        )

    group = "".join(primitive(n) for n in knobs.group)
    rest = "".join(primitive(n) for n in knobs.resources if n not in knobs.group)
    fence = '<primitive id="fence" class="stonith" type="fence_sim"/>' if knobs.fencing else ""
    return (
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="5"'
        ' num_updates="0"><configuration><crm_config>'
        '<cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="o-f" name="stonith-enabled" '
        f'value="{str(knobs.fencing).lower()}"/>'
        '<nvpair id="o-s" name="start-failure-is-fatal" value="false"/>'
        f"</cluster_property_set></crm_config><nodes>{nodes}</nodes><resources>{fence}"
        f'<group id="g">{group}</group>{rest}</resources><constraints/></configuration>'
        "<status/></cib>"
    ).encode()


class Run:
    """A whole run of one seed."""

    def __init__(self, seed, schedule, trace=False, knobs=None):
        self.seed = seed
        self.knobs = knobs or draw(seed)
        self.knobs.trace = trace
        self.monitor = Monitor()
        self.world = World(seed, self.knobs, self.monitor, schedule)
        self.people = self.world.people = People(self.world)
        self.is_calm = False

    def play(self):
        """Raises Broken at the first broken invariant."""
        world = self.world
        cib = initial_cib(self.knobs)
        for name in world.names:
            world.nodes[name].disk.cib = cib
            world.after(world.chance["node"].uniform(0.0, 1.5), world.nodes[name].boot)
        for fault in FAULTS:
            if fault in self.knobs.faults:
                self._next(fault)
        world.run_until(self.knobs.storm_s)
        self._calm()

    # --- storm ------------------------------------------------------------------------------

    def _next(self, fault):
        pause = self.world.chance["faults"].expovariate(1 / self.knobs.faults[fault])
        self.world.after(pause + 1.0, self._strike, fault)

    def _strike(self, fault):
        if self.is_calm:
            return
        self.monitor.count(f"fault {fault}")
        getattr(self, f"_fault_{fault}")(self.world.chance["faults"])
        self._next(fault)

    def _node(self, r):
        return self.world.nodes[r.choice(self.world.names)]

    def _fault_power(self, r):
        node = self._node(r)
        node.off("power cut")
        self.world.after(r.choice((0.3, 3.0, 15.0)), node.boot)

    def _fault_replug(self, r):
        for node in self.world.nodes.values():
            node.off("power cut of all")
            self.world.after(r.uniform(0.5, 4.0), node.boot)

    def _fault_crash(self, r):
        self._node(r).kill_crmd(r.choice((0.05, 0.3, 2.0)))

    def _fault_execd(self, r):
        self._node(r).kill_execd()

    def _fault_partition(self, r):
        names = list(self.world.names)
        r.shuffle(names)
        at = r.randrange(1, len(names))
        a, b = names[:at], names[at:]
        self.world.note("net", f"cut {sorted(a)} from {sorted(b)}")
        pairs = [(x, y) for x in a for y in b] + [(y, x) for x in a for y in b]
        self.world.net.cut(pairs, r.choice((0.5, 3.0, 10.0, 25.0)))

    def _fault_one_way(self, r):
        a, b = r.sample(self.world.names, 2)
        both = r.random() < 0.5
        self.world.note("net", f"cut {a} -> {b} {'and back' if both else ''}")
        self.world.net.cut([(a, b), (b, a)] if both else [(a, b)], r.choice((1.0, 5.0, 15.0)))

    def _fault_stall(self, r):
        self._node(r).stall(self.world.deadtime * r.choice((0.5, 1.5, 5.0)))

    def _fault_rsc_dies(self, r):
        rsc = r.choice(self.knobs.resources)
        for name in self.world.truth.where(rsc):
            self.world.note(name, f"{rsc} dies by itself")
            self.world.truth.set(rsc, name, False)

    def _fault_disk(self, r):
        node = self._node(r)
        node.disk.fails_until = self.world.now + r.choice((2.0, 10.0))

    def _fault_mark(self, r):
        self.people.mark(r.choice(self.world.names))

    def _fault_mark_and_cut(self, r):
        """All power goes right after an answer; whoever led comes back last."""
        self.people.mark(r.choice(self.world.names), self._cut_after_answer)

    def _cut_after_answer(self):
        if self.is_calm:
            return
        r = self.world.chance["faults"]
        leaders = [
            n
            for n in self.world.nodes.values()
            if n.controller is not None and n.controller.is_started and n.controller.core.leads
        ]
        for node in self.world.nodes.values():
            late = node in leaders
            node.off("power cut of all after an answer")
            self.world.after(r.uniform(20.0, 30.0) if late else r.uniform(0.5, 2.0), node.boot)

    def _fault_standby(self, r):
        at, target = r.choice(self.world.names), r.choice(self.world.names)
        self.people.standby(at, target, "on")
        self.world.after(r.uniform(2.0, 15.0), self.people.standby, at, target, "off")

    def _fault_cleanup(self, r):
        self.people.cleanup(r.choice(self.world.names))

    def _fault_clock(self, r):
        self._node(r).wall_offset += r.choice((-3600.0, 3600.0, 86400.0 * 3650))

    def _fault_leave(self, r):
        from crmd.controller.events import Shutdown

        node = self._node(r)
        node.take(Shutdown())
        self.world.after(r.uniform(20.0, 40.0), node.boot)

    # --- calm -------------------------------------------------------------------------------

    def _calm(self):
        world, knobs = self.world, self.knobs
        self.is_calm = True
        world.note("sim", "calm")
        knobs.start_fails = knobs.stop_fails = knobs.hangs = knobs.fence_fails = knobs.loss = 0.0
        knobs.gaps = 0.0
        world.net.heal_all()
        for node in world.nodes.values():
            node.disk.fails_until = 0.0
            node.wall_offset = 0.0
        end = world.now + 30.0
        world.run_until(end)
        for node in world.nodes.values():
            if not node.power:
                node.boot()
            elif node.controller is None:
                node.start_crmd(node.crmd_life)
        world.run_until(world.now + 60.0)
        for name in world.names:
            self.people.standby(name, name, "off")
            world.run_until(world.now + 1.0)
        self._settle(150.0)
        for _ in range(3):
            self.people.cleanup(world.names[0])
            self._settle(120.0)
        self._leave_and_return()
        self._die_and_return()
        self._check_end()

    def _leave_and_return(self):
        """A node asked to leave does so, with nothing left running, and comes back."""
        from crmd.controller.events import Shutdown

        world = self.world
        node = self._node(world.chance["faults"])
        node.take(Shutdown())
        world.run_until(world.now + 60.0)
        if not node.has_left:
            raise Broken("I32", f"{node.name} was asked to leave and stays")
        if world.truth.of_node(node.name):
            raise Broken("I32", f"{node.name} left with {world.truth.of_node(node.name)} running")
        node.boot()
        world.run_until(world.now + 10.0)
        self._settle(60.0)

    def _die_and_return(self):
        """A node loses its power while all is well: the others run everything in its place."""
        world = self.world
        node = self._node(world.chance["faults"])
        node.off("power cut in calm")
        world.run_until(world.now + TAKEN_OVER_S)
        for rsc in self.knobs.resources:
            if len(world.truth.where(rsc)) != 1:
                raise Broken("Q", f"{rsc} runs on {world.truth.where(rsc)} without {node.name}")
        node.boot()
        world.run_until(world.now + 10.0)
        self._settle(60.0)

    def _settle(self, patience):
        world = self.world
        end = world.now + patience
        world.run_until(world.now + 2.0)
        while (why := self.monitor.quiet()) is not None:
            for node in world.nodes.values():
                if node.has_left:  # asked to leave in the storm, done only now
                    node.boot()
            if world.now >= end:
                raise Broken("I28", f"not quiet: {why}")
            world.run_until(world.now + 2.0)

    def _check_end(self):
        world = self.world
        before = sum(n.schedules for n in world.nodes.values())
        world.run_until(world.now + 60.0)
        if (why := self.monitor.quiet()) is not None:
            raise Broken("I28", f"does not stay quiet: {why}")
        if sum(n.schedules for n in world.nodes.values()) != before:
            raise Broken("I29", "the scheduler is asked though nothing happens")
        self.monitor.in_place()
        if self.people.asked:
            raise Broken("I12", f"never answered: {sorted(self.people.asked)}")
        self._check_marks()

    def _check_marks(self):
        """I11: what was acknowledged with quorum is in the document that survived."""
        if self.knobs.nodes == 2:
            return  # either half of two acknowledges alone; only fencing decides who is right
        root = self.world.nodes["n1"].controller.core.replica.root
        there = {p.get("name") for p in root.iterfind("configuration/rsc_defaults//nvpair")}
        lost = sorted(m for m in self.people.safe_marks if m not in there)
        if lost:
            raise Broken("I11", f"acknowledged with quorum and lost: {lost}")
