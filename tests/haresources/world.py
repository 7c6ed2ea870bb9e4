"""A few nodes with haresources in virtual time: machines, a simple heartbeat layer, one seed.

The heartbeat layer tells a death after DEADTIME and a return at once; messages take a few
milliseconds and may overtake each other, as on the wire.  A group runs from the end of its start
to the end of its stop.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field, replace

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim, groups_of
from crmd.haresources.legacy import LegacyMachine
from crmd.haresources.parse import parse
from crmd.haresources.takeover import TakeOverMachine

DEADTIME = 1.0
Machine = TakeOverMachine | LegacyMachine


@dataclass
class Host:
    """One node's machine and what runs on it."""

    name: str
    generation: int = 0
    machine: Machine | None = None
    running: set[str] = field(default_factory=set)
    kept: ev.Keep | None = None
    told: dict[str, bool] = field(default_factory=dict)
    """Peers and whether the machine was told that they live."""
    ended: bool = False


@dataclass
class World:
    """Drives everything by one heap of moments."""

    names: tuple[str, ...] = ("a", "b")
    mode: str = "on"
    seed: int = 0
    loss: float = 0.0
    broken: set[tuple[str, str]] = field(default_factory=set)
    """(node, group) that does not start there."""
    now: float = 1000.0
    is_cut: bool = False
    hosts: dict[str, Host] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    split_until: float = 0.0
    """Until then a group may run on two nodes: a split, and its healing."""
    _heap: list[tuple[float, int, str, int, ev.Event]] = field(default_factory=list)
    _count: int = 0
    _held: list[tuple[str, str, ev.Said]] = field(default_factory=list)
    """Messages that wait for the end of a cut."""
    _died: set[tuple[str, str]] = field(default_factory=set)
    """(dead, who was told) during a cut."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        text = "".join(f"{name} Flag::{name} Addr::{name}\n" for name in self.names)
        self.groups = groups_of(parse(text))
        self.hosts = {name: Host(name) for name in self.names}

    # --- faults and people ----------------------------------------------------------------------

    def boot(self, name: str) -> None:
        """Power on; the machine begins when everybody is heard or given up."""
        host = self.hosts[name]
        host.generation += 1
        host.running, host.ended, host.told, host.kept = set(), False, {}, None
        policy = self.policy()
        make = LegacyMachine if self.mode == "legacy" else TakeOverMachine
        host.machine = make(name, self.groups, policy)
        for other in self.hosts.values():
            if other is not host and other.machine is not None and not self.is_cut:
                self._hears(host, other)
                self._hears(other, host)
        self._later(0.2, name, ev.Begin(()))

    def policy(self) -> ev.Policy:
        return ev.Policy(auto_failback=self.mode, nodes=self.names)

    def kill(self, name: str) -> None:
        """Power off."""
        host = self.hosts[name]
        host.machine, host.running = None, set()
        self._lose(name)

    def restart_manager(self, name: str) -> None:
        """SIGKILL of the daemon: what runs goes on, the next one knows what was kept."""
        host = self.hosts[name]
        if host.machine is None or host.ended:
            return
        kept = host.kept or ev.Keep(Claim.NONE, ())
        policy = host.machine.state.policy
        host.machine = type(host.machine)(name, self.groups, policy)
        step_ends_at = self._drop_events(name)
        begin = ev.Begin((), kept.claim, kept.running, kept.needs_failback)
        self._later(max(0.05, step_ends_at - self.now), name, begin)

    def cut(self) -> None:
        self.is_cut = True
        self.split_until = float("inf")
        for name in self.names:
            self._lose(name)

    def heal(self) -> None:
        self.is_cut = False
        self.split_until = self.now + 12.0
        for name in self.living():
            for other in self.living():
                if name != other:
                    self._hears(self.hosts[name], self.hosts[other])
        held, self._held = self._held, []
        for sender, other, said in held:  # sent again where nobody was taken for dead
            if (sender, other) not in self._died:
                self._later(0.05, other, said)
        self._died.clear()

    def freeze(self, name: str, seconds: float) -> None:
        """A stall longer than the dead time."""
        host = self.hosts[name]
        if host.machine is None or host.ended:
            return
        self.split_until = self.now + seconds + 12.0
        for other in self.living():
            if other != name and self.hosts[other].told.get(name):
                self._later(DEADTIME, other, ev.PeerGone(name))
                self.hosts[other].told[name] = False
        for index, (at, count, who, generation, event) in enumerate(self._heap):
            if who == name:
                self._heap[index] = (at + seconds, count, who, generation, event)
        heapq.heapify(self._heap)
        self._later(seconds, name, ev.Stalled(seconds))
        for other in self.living():
            if other != name:
                self._later(seconds + 0.01, other, ev.PeerHeard(name, host.generation))
                self.hosts[other].told[name] = True

    def living(self) -> list[str]:
        return [n for n, h in self.hosts.items() if h.machine is not None]

    def _others(self, name: str) -> list[tuple[str, Host]]:
        return [(n, h) for n, h in sorted(self.hosts.items()) if n != name]

    def _hears(self, host: Host, other: Host) -> None:
        host.told[other.name] = True
        self.feed(host.name, ev.PeerKind(other.name, True))
        self.feed(host.name, ev.PeerHeard(other.name, other.generation))

    def _lose(self, name: str) -> None:
        for other in self.living():
            if other != name and self.hosts[other].told.get(name):
                self.hosts[other].told[name] = False
                self._later(DEADTIME, other, ev.PeerGone(name))

    # --- the circle -----------------------------------------------------------------------------

    def _later(self, seconds: float, name: str, event: ev.Event) -> None:
        self._count += 1
        moment = (self.now + seconds, self._count, name, self.hosts[name].generation, event)
        heapq.heappush(self._heap, moment)

    def _drop_events(self, name: str) -> float:
        """Only the script that runs already goes on; returns when it ends."""
        own = sorted(m for m in self._heap if m[2] == name and isinstance(m[4], _Moved))
        keep = own[:1]
        drop = (ev.Done, _Moved)
        self._heap = [m for m in self._heap if m[2] != name or not isinstance(m[4], drop)] + keep
        heapq.heapify(self._heap)
        return keep[0][0] + 0.01 if keep else 0.0

    def feed(self, name: str, event: ev.Event) -> None:
        host = self.hosts[name]
        if host.machine is None:
            return
        match event:
            case ev.PeerGone(node, _) if host.told.get(node):
                return  # it came back in time
            case ev.PeerGone(node, _):
                self._died.add((node, name))
            case ev.Begin():
                for other, _ in self._others(name):
                    self.feed(name, ev.PeerKind(other, True))
                peers = [(n, host.told.get(n, False), h.generation) for n, h in self._others(name)]
                event = replace(event, peers=tuple(peers))
        for effect in host.machine.step(event, self.now):
            self._perform(host, effect)

    def _perform(self, host: Host, effect: ev.Effect) -> None:
        match effect:
            case ev.Send(fields):
                self.log.append(f"{self.now:.2f} {host.name} sends {fields}")
                self._count += 1
                numbers = (("hg", f"{host.generation:x}"), ("seq", f"{self._count:x}"))
                for other in self.living():
                    said = ev.Said(host.name, (*fields, *numbers))
                    if other != host.name and self.is_cut:
                        self._held.append((host.name, other, said))
                    elif other != host.name:
                        self._later(self._delay(), other, said)
            case ev.Run():
                self._run(host, effect)
            case ev.Keep():
                host.kept = effect
            case ev.Ended(released):
                host.ended = True
                if released:
                    assert not host.running
                self._later(1.0, host.name, ev.Tick())
            case ev.Say(level, text, _):
                self.log.append(f"{self.now:.2f} {host.name} {level} {text}")

    def _delay(self) -> float:
        """Most come at once; one that was lost is sent again."""
        lost = self.rng.random() < self.loss
        return self.rng.uniform(0.05, 0.8) if lost else self.rng.uniform(0.001, 0.03)

    def _run(self, host: Host, run: ev.Run) -> None:
        at, failed = 0.0, []
        for step in run.steps:
            at += self.rng.uniform(0.02, 0.3)
            broken = step.take and (host.name, step.key) in self.broken
            if broken:
                failed.append(step.key)
            self._later(at, host.name, _Moved(step.take and not broken, step.key))
        self._later(at + 0.01, host.name, ev.Done(run.job, tuple(failed)))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            timers = [
                (due, name)
                for name, host in sorted(self.hosts.items())
                if host.machine is not None and (due := host.machine.deadline()) is not None
            ]
            next_timer = min(timers, default=(float("inf"), ""))
            next_event = self._heap[0][0] if self._heap else float("inf")
            at = min(next_timer[0], next_event)
            if at > end:
                self.now = end
                return
            self.now = max(self.now, at)
            if next_timer[0] < next_event:
                self.feed(next_timer[1], ev.Tick())
                continue
            _, _, name, generation, event = heapq.heappop(self._heap)
            host = self.hosts[name]
            if host.machine is None or host.generation != generation:
                continue
            if isinstance(event, _Moved):
                self._moved(host, event)
            else:
                self.feed(name, event)

    def _moved(self, host: Host, moved: _Moved) -> None:
        self.log.append(f"{self.now:.2f} {host.name} {'+' if moved.take else '-'} {moved.key}")
        if not moved.take:
            host.running.discard(moved.key)
            return
        others = [h for h in self.hosts.values() if h is not host]
        elsewhere = [h.name for h in others if moved.key in h.running]
        assert not elsewhere or self.now <= self.split_until, f"{moved.key} twice\n{self.story()}"
        host.running.add(moved.key)

    # --- what is true ---------------------------------------------------------------------------

    def story(self) -> str:
        return f"seed {self.seed} mode {self.mode}\n" + "\n".join(self.log[-60:])

    def owners(self) -> dict[str, list[str]]:
        """Group -> the nodes it runs on."""
        return {
            g.home: [n for n, h in sorted(self.hosts.items()) if g.key in h.running]
            for g in self.groups
        }


@dataclass(frozen=True, slots=True)
class _Moved(ev.Tick):
    """A step of a job is done."""

    take: bool = False
    key: str = ""
