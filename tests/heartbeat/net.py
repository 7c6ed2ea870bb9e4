"""A few nodes and a bad network in virtual time: same machines, simulated shell, one seed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from crmd.heartbeat import events as ev
from crmd.heartbeat.authkeys import parse_authkeys
from crmd.heartbeat.config import Config, parse_ha_cf
from crmd.heartbeat.node import Identity, Node

AUTH = "auth 1\n1 sha1 0123456789abcdef\n"


def configuration(nodes: str, extra: str = "") -> Config:
    config, problems = parse_ha_cf(
        f"node {nodes}\nbcast eth0 eth1\nauto_failback on\nkeepalive 200ms\ndeadtime 1\n"
        f"warntime 500ms\ninitdead 3\n{extra}"
    )
    assert config is not None, [str(p) for p in problems]
    return config


def make_node(
    name: str, config: Config, generation: int, started: float, seed: int = 0, boot: str = ""
) -> Node:
    ring, _ = parse_authkeys(AUTH)
    assert ring is not None
    uuid, nonce = name.encode().ljust(16, b"."), f"{name}{generation}".ljust(22, "x")
    identity = Identity(name, uuid, generation, nonce, boot)
    return Node(identity, config, ring, random.Random(f"{name}{seed}{generation}"), started)


@dataclass
class Net:
    """All nodes hear each other over two links, with the stated faults."""

    config: Config
    seed: int = 0
    loss: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.001
    jitter_s: float = 0.0
    now: float = 1000.0
    nodes: dict[str, Node] = field(default_factory=dict)
    told: dict[str, list[tuple[float, ev.Upward]]] = field(default_factory=dict)
    cut: set[tuple[str, str, str]] = field(default_factory=set)
    """(from, to, link) that carry nothing."""
    links: tuple[str, ...] = ("eth0", "eth1")
    on_event: Callable[[str, ev.Upward, float], None] | None = None
    _heap: list[tuple[float, int, str, str, bytes]] = field(default_factory=list)
    _count: int = 0
    _paused: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def boot(self, name: str, generation: int = 1, boot: str = "") -> None:
        self.nodes[name] = make_node(name, self.config, generation, self.now, self.seed, boot)
        self.told.setdefault(name, [])

    def kill(self, name: str) -> None:
        del self.nodes[name]

    def pause(self, name: str, seconds: float) -> None:
        self._paused[name] = self.now + seconds

    def isolate(self, name: str) -> None:
        for other in self.config.nodes:
            for link in self.links:
                self.cut |= {(name, other, link), (other, name, link)}

    def do(self, name: str, event: ev.Input) -> None:
        self._carry_out(name, self.nodes[name].step(event, self.now))

    def _carry_out(self, name: str, outputs: list[ev.Output]) -> None:
        for output in outputs:
            if isinstance(output, ev.Send):
                self._broadcast(name, output.data)
            elif isinstance(output, ev.Tell):
                self.told[name].append((self.now, output.event))
                if self.on_event is not None:
                    self.on_event(name, output.event, self.now)

    def _broadcast(self, name: str, data: bytes) -> None:
        for other in sorted(self.nodes):
            for link in self.links:
                if other == name or (name, other, link) in self.cut:
                    continue
                for _ in range(1 + (self.rng.random() < self.duplicate)):
                    if self.rng.random() >= self.loss:
                        at = self.now + self.delay_s + self.rng.random() * self.jitter_s
                        self._count += 1
                        heapq.heappush(self._heap, (at, self._count, other, link, data))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            timers = sorted(
                (max(node.deadline(), self._paused.get(name, 0.0)), name)
                for name, node in self.nodes.items()
            )
            next_packet = self._heap[0][0] if self._heap else float("inf")
            next_timer = timers[0][0] if timers else float("inf")
            at = min(next_packet, next_timer)
            if at > end:
                self.now = end
                return
            self.now = max(self.now, at)
            if next_packet <= next_timer:
                _, _, name, link, data = heapq.heappop(self._heap)
                if (wake := self._paused.get(name, 0.0)) > self.now:
                    self._count += 1
                    heapq.heappush(self._heap, (wake, self._count, name, link, data))
                elif name in self.nodes:
                    self.do(name, ev.Received(link, data))
            else:
                self.do(timers[0][1], ev.Tick(1.7e9 + self.now))

    def heard(self, name: str, kind: type) -> list[ev.Upward]:
        return [event for _, event in self.told[name] if isinstance(event, kind)]
