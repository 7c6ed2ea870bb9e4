"""A few seconds of what `python -m tests.heartbeat.fuzz` does for as long as one likes."""

from __future__ import annotations

import tracemalloc

from crmd.heartbeat import events as ev
from crmd.heartbeat.message import Message, PacketError, decode
from crmd.heartbeat.node import Node
from tests.heartbeat.fuzz import attack, corpus, mutants, signed_nonsense
from tests.heartbeat.net import Net, configuration


def settled_node() -> tuple[Node, float]:
    """A node that hears a living peer, and the present time."""
    net = Net(configuration("a b"))
    net.boot("a")
    net.boot("b")
    net.run(3.05)
    return net.nodes["a"], net.now


def test_mutated_packets_change_nothing_but_counters() -> None:
    node, now = settled_node()
    fed, slowest = attack(node, mutants(15_000, 1, corpus()), now)
    assert fed == 15_000
    assert slowest < 0.25
    # Recordings are signed with another key, so that not one of them may pass.
    assert sum(n for w, n in node.counters.items() if w.startswith("dropped")) >= fed


def test_nonsense_from_a_peer_that_has_the_key_never_crashes_and_stays_bounded() -> None:
    net = Net(configuration("a b"))
    net.boot("a")
    net.boot("b")
    spoken: list[bytes] = []
    original = net._broadcast

    def record(name: str, data: bytes) -> None:
        spoken.append(data)
        original(name, data)

    net._broadcast = record  # type: ignore[method-assign]
    net.run(2)
    net.do("b", ev.Submit("t", bytes(range(256)) * 20))
    net.run(1)
    node, now = net.nodes["a"], net.now
    for packet in signed_nonsense(6_000, 2, node.ring, spoken):
        node.step(ev.Received("eth0", packet), now)
    peer = node.peers["b"]
    assert sorted(node.peers) == ["b"]
    assert len(peer.inbox.missing) <= 250 and peer.ordering is not None
    assert len(peer.ordering.held) <= 601
    assert len(node.sender.outbox.history) <= 500
    node.step(ev.Tick(1.7e9 + now + 0.3), now + 0.3)


def test_a_decoder_raises_its_one_error_class_only() -> None:
    node, _ = settled_node()
    refused = 0
    for packet in signed_nonsense(5_000, 3, node.ring, corpus()):
        try:
            assert isinstance(decode(packet, node.ring, 0.0), Message)
        except PacketError:
            refused += 1
    assert refused > 1_000


def test_memory_stays_flat_under_attack() -> None:
    node, now = settled_node()
    base = corpus()
    attack(node, mutants(1_000, 4, base), now)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        attack(node, mutants(4_000, 5, base), now)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 100_000, grown
