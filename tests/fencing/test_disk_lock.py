"""The disk lock, alone and as a pair on a simulated disk: slow, failing, cuts, power loss."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field, replace

import pytest

from crmd.fencing import disk_lock as dl
from crmd.fencing.lock_slot import BLOCK, Slot, SlotError, Stance, decode, encode

TIMES = dl.Times(deadtime_s=1.0, poll_s=0.25, io_s=1.0, release_s=2.0)
NAMES = ("a", "b")


@dataclass
class Node:
    """A node with a manager of the simplest kind: two groups, `a` is at home on a."""

    name: str
    sim: Sim
    life: int = 0
    is_on: bool = False
    machine: dl.DiskLock = field(init=False)
    holds: set[str] = field(default_factory=set)
    hears: bool = False
    never_stops: bool = False
    is_busy: bool = False

    @property
    def peer(self) -> Node:
        return self.sim.nodes[1 - NAMES.index(self.name)]

    def boot(self) -> None:
        self.life += 1
        self.is_on, self.holds, self.hears = True, set(), False
        self.never_stops = self.is_busy = False
        self.machine = dl.DiskLock(self.name, self.peer.name, f"{self.name}{self.life}", TIMES)
        self.sim.at(0.0, self.cycle, self.life)
        self.sim.at(TIMES.deadtime_s + 0.5, self.first_look, self.life)

    def off(self) -> None:
        self.is_on, self.holds = False, set()

    def feed(self, event: dl.Event) -> None:
        for output in self.machine.step(event, self.sim.now):
            self.sim.story.append((round(self.sim.now, 3), self.name, output))
            self.obey(output)
        at = self.machine.deadline()
        if at is not None:
            self.sim.at(max(0.001, at - self.sim.now), self.tick, self.life)

    def tick(self) -> None:
        at = self.machine.deadline()
        if at is not None and self.sim.now >= at - 0.0005:
            self.feed(dl.Tick())

    def obey(self, output: dl.Output) -> None:
        match output:
            case dl.Free():
                if not self.hears:
                    self.holds |= set(NAMES)
            case dl.Lost():
                if not self.never_stops:
                    self.sim.at(self.sim.rng.uniform(0, 1.8), self.let_go, self.life)
            case dl.SelfFence():
                self.off()

    def let_go(self) -> None:
        self.holds = set()
        self.feed(dl.Released())

    # --- links ------------------------------------------------------------------------------------

    def first_look(self) -> None:
        if not self.hears:
            self.feed(dl.Silent())
            self.feed(dl.Ask(0.0 if self.holds else 0.5))

    def hear(self) -> None:
        if self.is_on and not self.hears:
            self.hears = True
            self.feed(dl.Heard())

    def miss(self) -> None:
        if self.is_on and self.hears and not self.sim.is_linked:
            self.hears = False
            self.feed(dl.Silent())
            self.feed(dl.Ask(0.0 if self.holds else 0.5))

    # --- disk -------------------------------------------------------------------------------------

    def cycle(self) -> None:
        sim = self.sim
        wrote, began = self.machine.to_write(sim.now), sim.now
        if sim.is_broken(self.name):
            sim.at(0.3, self.broken, self.life)
            return
        delay = sim.io_delay()
        sim.at(delay * sim.rng.random(), self.written, self.life, wrote, began, began + delay)

    def broken(self) -> None:
        self.feed(dl.Broken("input/output error"))
        self.sim.at(TIMES.poll_s, self.cycle, self.life)

    def written(self, wrote: Slot | None, began: float, ends: float) -> None:
        if wrote is not None:
            self.sim.disk[self.name] = encode(wrote)
        self.sim.at(max(0.0, ends - self.sim.now), self.read, self.life, wrote, began)

    def read(self, wrote: Slot | None, began: float) -> None:
        own, peer = (decode(self.sim.disk[n]) for n in (self.name, self.peer.name))
        self.feed(dl.Cycle(began, wrote, own, peer))
        wait = 0.0 if self.machine.is_hurried else TIMES.poll_s
        self.sim.at(wait, self.cycle, self.life)


class Sim:
    """One thread, virtual time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.queue: list[tuple[float, int, object, int, tuple[object, ...]]] = []
        self.count = itertools.count()
        self.disk = {name: bytes(BLOCK) for name in NAMES}
        self.outages: dict[str, float] = {}
        self.slow = 0.0
        self.is_linked = False
        self.story: list[object] = []
        self.nodes = [Node(name, self) for name in NAMES]

    def at(self, delay: float, what, life: int, *words) -> None:
        heapq.heappush(self.queue, (self.now + delay, next(self.count), what, life, words))

    def is_broken(self, name: str) -> bool:
        return self.outages.get(name, 0.0) > self.now

    def io_delay(self) -> float:
        if self.slow and self.rng.random() < self.slow:
            return self.rng.uniform(0.0, 2.5)
        return self.rng.uniform(0.001, 0.05)

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.queue and self.queue[0][0] <= until:
            self.now, _, what, life, words = heapq.heappop(self.queue)
            node = what.__self__
            if node.is_on and node.life == life:
                what(*words)
            self.check()
        self.now = until

    def check(self) -> None:
        both = self.nodes[0].holds & self.nodes[1].holds
        assert not both, (both, self.now, self.story[-20:])

    def link(self) -> None:
        """The links work: both hear each other soon, and each has what the protocol gives it."""
        self.is_linked = True
        if not all(node.is_on for node in self.nodes):
            return
        for node in self.nodes:
            node.hear()
            node.holds &= {node.name}

    def cut(self) -> None:
        self.is_linked = False
        for node in self.nodes:
            lag = TIMES.deadtime_s - self.rng.uniform(0, 0.2)
            self.at(lag, node.miss, node.life)

    def go_home(self) -> None:
        """With all well, each node runs its own group."""
        for node in self.nodes:
            calm = node.machine.stance is Stance.IDLE and not node.machine.is_silent
            if node.is_on and node.hears and calm and not node.machine.is_blind:
                node.holds |= {node.name} - node.peer.holds


def pair(seed: int) -> Sim:
    sim = Sim(seed)
    for node in sim.nodes:
        node.boot()
    sim.link()
    sim.run(3.0)
    sim.go_home()
    assert [node.holds for node in sim.nodes] == [{"a"}, {"b"}]
    return sim


def going_on(sim: Sim) -> list[str]:
    return [node.name for node in sim.nodes if node.is_on and node.holds == set(NAMES)]


@pytest.mark.parametrize("seed", range(40))
def test_of_two_nodes_that_lose_each_other_exactly_one_goes_on(seed: int) -> None:
    sim = pair(seed)
    sim.cut()
    sim.run(12.0)
    assert len(going_on(sim)) == 1 and sum(len(n.holds) for n in sim.nodes) == 2, sim.story
    assert all(node.is_on for node in sim.nodes), "the loser had time to release"
    frees = [entry for entry in sim.story if isinstance(entry[2], dl.Free)]
    assert len(frees) == 1 and frees[0][2].proof, "the loser's word came before the lease was over"


def test_a_dead_peer_is_replaced_after_its_lease() -> None:
    sim = pair(1)
    sim.nodes[1].off()
    sim.cut()
    began = sim.now
    sim.run(TIMES.deadtime_s + TIMES.lease_s - 0.3)
    assert going_on(sim) == []
    sim.run(1.0)
    assert going_on(sim) == ["a"]
    free = next(entry for entry in sim.story if isinstance(entry[2], dl.Free))
    assert not free[2].proof and free[0] - began >= TIMES.lease_s + 0.8


def test_a_loser_that_does_not_stop_reboots_before_the_winner_takes_over() -> None:
    sim = pair(3)
    for node in sim.nodes:
        node.never_stops = True
    sim.cut()
    sim.run(12.0)
    (winner,) = going_on(sim)
    loser = next(node for node in sim.nodes if node.name != winner)
    assert not loser.is_on
    events = [(at, type(out)) for at, _, out in sim.story]
    fenced = next(at for at, kind in events if kind is dl.SelfFence)
    free = next(at for at, kind in events if kind is dl.Free)
    assert fenced < free - 0.5


def test_who_sees_neither_peer_nor_disk_gives_up() -> None:
    sim = pair(4)
    sim.outages["a"] = 1e9
    sim.cut()
    sim.run(12.0)
    assert going_on(sim) == ["b"] and sim.nodes[0].holds == set()


def test_a_disk_that_fails_while_the_links_work_stops_nothing() -> None:
    sim = pair(5)
    sim.outages = {"a": 1e9, "b": 1e9}
    for _ in range(20):
        sim.run(1.0)
    assert [node.holds for node in sim.nodes] == [{"a"}, {"b"}] and all(n.is_on for n in sim.nodes)


def test_while_the_links_work_nothing_is_written() -> None:
    sim = pair(6)
    before = dict(sim.disk)
    sim.run(30.0)
    assert sim.disk == before


def test_the_loser_comes_back_when_the_links_do_and_the_next_split_is_decided_anew() -> None:
    sim = pair(7)
    for _ in range(5):
        sim.cut()
        sim.run(12.0)
        assert len(going_on(sim)) == 1
        sim.link()
        sim.run(3.0)
        sim.go_home()
        assert [node.holds for node in sim.nodes] == [{"a"}, {"b"}]


def test_when_the_winner_dies_the_loser_takes_over() -> None:
    sim = pair(8)
    sim.cut()
    sim.run(12.0)
    (winner,) = going_on(sim)
    next(node for node in sim.nodes if node.name == winner).off()
    sim.run(2 * TIMES.lease_s + 3.0)
    assert going_on(sim) == [name for name in NAMES if name != winner]


def test_two_nodes_that_boot_without_links_do_not_both_begin() -> None:
    for seed in range(20):
        sim = Sim(seed)
        for node in sim.nodes:
            node.boot()
        sim.run(15.0)
        assert len(going_on(sim)) == 1


def test_a_peer_that_never_wrote_its_slot_is_not_replaced() -> None:
    sim = Sim(9)
    sim.nodes[0].boot()
    sim.run(40.0)
    assert going_on(sim) == []
    assert any(isinstance(o, dl.Note) and "never wrote" in o.text for _, _, o in sim.story)


def test_after_a_clean_end_of_the_peer_nobody_waits() -> None:
    sim = pair(10)
    left = sim.nodes[1]
    left.holds = set()
    left.feed(dl.Leaving())
    sim.run(0.6)
    left.off()
    sim.cut()
    sim.run(TIMES.deadtime_s + 1.0)
    assert going_on(sim) == ["a"]


@pytest.mark.parametrize("seed", range(150))
def test_in_a_storm_no_group_is_ever_on_both_nodes(seed: int) -> None:
    """Slow and failing disks, cuts, power loss, resources that do not stop; then calm."""
    sim = pair(seed)
    rng = sim.rng
    sim.slow = rng.choice((0.0, 0.05, 0.3))
    for _ in range(40):
        node = rng.choice(sim.nodes)
        match rng.choice(("cut", "cut", "link", "disk", "off", "boot", "stuck", "calm")):
            case "cut":
                if sim.is_linked:
                    sim.cut()
            case "link":
                sim.link()
            case "disk":
                sim.outages[node.name] = sim.now + rng.uniform(0.1, 12.0)
            case "off":
                node.off()
                if sim.is_linked:
                    sim.cut()
            case "boot":
                for each in sim.nodes:
                    if not each.is_on:
                        each.boot()
            case "stuck":
                node.never_stops = not node.never_stops
        sim.run(rng.uniform(0.05, 6.0))
        sim.go_home()
        sim.check()
    sim.slow, sim.outages = 0.0, {}
    if sim.is_linked:
        sim.cut()
    for node in sim.nodes:
        node.never_stops = False
    for seconds in (10.0, 60.0):  # one that was told to stop before may reboot yet
        for node in sim.nodes:
            if not node.is_on:
                node.boot()
        sim.run(seconds)
    assert len(going_on(sim)) == 1, (sim.story[-12:], [n.machine for n in sim.nodes])


@pytest.mark.parametrize("seed", range(300))
def test_no_order_of_reads_and_writes_makes_two_owners_of_one_contest(seed: int) -> None:
    """Disk Paxos alone: each cycle's write, and its reads, come when they like."""
    rng = random.Random(seed)
    disk = {name: encode(Slot(name, "old")) for name in NAMES}
    slow = dl.Times(1e6, 0.25, 1e6, 1e6)
    machines = {
        "a": dl.DiskLock("a", "b", "a1", slow),
        "b": dl.DiskLock("b", "a", "b1", slow),
    }
    writing: dict[str, Slot | None] = {}
    for machine in machines.values():
        for event in (dl.Silent(), dl.Ask()):
            machine.step(event, 0.0)
    for turn in range(400):
        now = turn * 0.3
        name = rng.choice(NAMES)
        if name not in writing:
            writing[name] = machines[name].to_write(now)
            if writing[name] is not None:
                disk[name] = encode(writing[name])
            continue
        own, peer = decode(disk[name]), decode(disk["b" if name == "a" else "a"])
        machines[name].step(dl.Cycle(now - 0.3, writing.pop(name), own, peer), now)
        stances = [m.stance for m in machines.values()]
        assert stances.count(Stance.OWNER) < 2
    assert sorted(m.stance.value for m in machines.values()) == ["lost", "owner"]


def asked(peer: Slot, *events: dl.Event) -> list[dl.Output]:
    """What machine a says in six cycles beside an unchanging slot of b."""
    machine = dl.DiskLock("a", "b", "a1", TIMES)
    machine.step(dl.Cycle(0.0, None, None, peer), 0.0)
    said: list[dl.Output] = []
    for event in events:
        machine.step(event, 0.1)
    for turn in range(6):
        now = 0.2 + turn * 0.1
        slot = machine.to_write(now)
        said += machine.step(dl.Cycle(now - 0.05, slot, slot, peer), now)
    return [output for output in said if isinstance(output, dl.Free)]


def test_off_counts_only_if_the_peer_was_not_heard_again_after_it_said_so() -> None:
    off = Slot("b", "b1", Stance.OFF)
    assert asked(off, dl.Silent(), dl.Ask()) == [dl.Free(proof=True)]
    assert asked(off, dl.Heard(), dl.Silent(), dl.Ask()) == []


def test_a_loser_that_took_up_again_and_loses_the_links_before_the_owner_noticed_lets_go() -> None:
    owner = Slot("b", "b1", Stance.OWNER, 5, 1, 0, 3, 3, "b")
    machine = dl.DiskLock("a", "b", "a1", TIMES)
    machine.step(dl.Silent(), 0.0)
    assert dl.Lost("b holds the disk lock") in machine.step(dl.Cycle(0.0, None, None, owner), 0.1)
    machine.step(dl.Released(), 0.2)
    assert machine.step(dl.Cycle(0.3, None, None, replace(owner, counter=6)), 0.4) == []
    machine.step(dl.Heard(), 0.5)
    machine.step(dl.Silent(), 0.9)
    again = machine.step(dl.Cycle(0.9, None, None, replace(owner, counter=7)), 1.0)
    assert again == [dl.Lost("b holds the disk lock")]


@pytest.mark.parametrize("links", [dl.Heard(), dl.Silent()])
def test_a_restarted_owner_stays_one_only_if_the_links_are_still_silent(links: dl.Event) -> None:
    mine = Slot("a", "a1", Stance.OWNER, 7, 3, 2, 4, 4, "a")
    peer = Slot("b", "b1", Stance.RELEASED, 9, 3, 2)
    machine = dl.DiskLock("a", "b", "a1", TIMES)
    assert machine.to_write(0.0) is None, "what the former run wrote comes first"
    machine.step(links, 0.0)
    said = machine.step(dl.Cycle(0.0, None, mine, peer), 0.1)
    slot = machine.to_write(0.2)
    assert slot is not None and slot.counter == 8
    if isinstance(links, dl.Heard):
        assert (slot.stance, slot.closed) == (Stance.IDLE, 3) and said == []
    else:
        assert slot.stance is Stance.OWNER and said == [dl.Free(proof=True)]


def test_a_loser_that_was_restarted_before_it_had_released_is_told_again() -> None:
    mine = Slot("a", "a1", Stance.LOST, 7, 3, 2)
    peer = Slot("b", "b1", Stance.OWNER, 9, 3, 2, 5, 5, "b")
    machine = dl.DiskLock("a", "b", "a1", TIMES)
    machine.step(dl.Silent(), 0.0)
    assert machine.step(dl.Cycle(0.0, None, mine, peer), 0.1) == [dl.Lost("b holds the disk lock")]


def test_who_took_something_by_a_persons_word_lets_go_when_the_peer_owns_the_lock() -> None:
    owner = Slot("b", "b1", Stance.OWNER, 5, 1, 0, 3, 3, "b")
    machine = dl.DiskLock("a", "b", "a1", TIMES)
    machine.step(dl.Silent(), 0.0)
    machine.step(dl.Cycle(0.0, None, None, owner), 0.1)
    machine.step(dl.Released(), 0.2)
    machine.step(dl.Taken(), 0.3)
    again = machine.step(dl.Cycle(0.4, None, None, replace(owner, counter=6)), 0.5)
    assert again == [dl.Lost("b holds the disk lock")]
    assert machine.deadline() == 0.3 + TIMES.notice_s + TIMES.release_s


# --- the slot -------------------------------------------------------------------------------------


def test_a_slot_comes_back_as_it_was_and_any_flipped_bit_is_found() -> None:
    slot = Slot("n" * 99, "x" * 50, Stance.OWNER, 12345, 7, 6, 15, 14, "m" * 99, 1234.5)
    block = encode(slot)
    assert len(block) == BLOCK and decode(block) == slot
    assert decode(bytes(BLOCK)) is None
    rng = random.Random(1)
    used = len(block.rstrip(b"\0"))
    for _ in range(300):
        torn = bytearray(block)
        torn[rng.randrange(22, used)] ^= 1 << rng.randrange(8)
        with pytest.raises(SlotError):
            decode(bytes(torn))


def test_a_slot_that_does_not_fit_a_sector_is_refused() -> None:
    with pytest.raises(SlotError):
        encode(replace(Slot("a", "l"), value="v" * 400))
