"""Recorded scenarios of real nodes, fed to our node as a silent third listener.

Our node takes the place of the backup (or of the primary) of the recording: it hears only the
other one, at the recorded times, and must find what the README of the recordings says happened.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from crmd.heartbeat import events as ev
from crmd.heartbeat.config import parse_ha_cf
from crmd.heartbeat.message import Message, decode
from crmd.heartbeat.node import Identity, Node
from crmd.messaging import PeerDown, PeerUp
from tests.heartbeat import vectors
from tests.heartbeat.pcap import datagrams

pytestmark = [vectors.needs_vectors, pytest.mark.reference]

ADDRESS = {"mysql-master": "10.0.10.64", "mysql-backup": "10.0.10.65", "mysql-slave": "10.0.10.66"}
SLOW = "keepalive 2\ndeadtime 30\nwarntime 10\ninitdead 60\n"
FAST = "keepalive 200ms\ndeadtime 1\nwarntime 500ms\ninitdead 3\n"


@dataclass
class Replay:
    """What our node, in the place of `me`, made of a recording."""

    told: list[tuple[float, ev.Upward]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    sent: list[tuple[float, Message]] = field(default_factory=list)
    heard_last: dict[str, float] = field(default_factory=dict)
    node: Node | None = None

    def events(self, kind: type, node: str) -> list[tuple[float, ev.Upward]]:
        return [(t, e) for t, e in self.told if isinstance(e, kind) and e.node == node]  # type: ignore[attr-defined]

    def sent_of(self, type_: str) -> list[Message]:
        return [message for _, message in self.sent if message.type == type_]


def recorded_uuid(name: str, node: str) -> bytes:
    """The uuid by which the others of the recording address `node`."""
    for packet in datagrams(vectors.path(name)):
        message = decode(packet.payload, vectors.ring_of(name), 0.0)
        if message.text("src") == node:
            return message.raw("srcuuid") or b""
    return b"\x01" * 16


def replay(name: str, me: str, after_s: float = 3.0, times: str = FAST) -> Replay:
    others = [n for n in ADDRESS if n != me and (name == "three-nodes" or n != "mysql-slave")]
    config, problems = parse_ha_cf(
        f"node {me} {' '.join(others)}\n{times}mcast eth2 225.0.0.64 694 1 0\nauto_failback on\n"
    )
    assert config is not None, problems
    packets = [d for d in datagrams(vectors.path(name)) if d.src != ADDRESS[me]]
    started = packets[0].at - 0.01
    ring = vectors.ring_of(name)
    identity = Identity(me, recorded_uuid(name, me), 0x70000000, "n" * 22)
    found = Replay()
    node = found.node = Node(identity, config, ring, random.Random(1), started)

    def step(event: ev.Input, at: float) -> None:
        for output in node.step(event, at):
            if isinstance(output, ev.Tell):
                found.told.append((at, output.event))
            elif isinstance(output, ev.Note):
                found.notes[output.name] += 1
            elif isinstance(output, ev.Send):
                found.sent.append((at, decode(output.data, ring, at)))

    def pass_time(until: float) -> None:
        while (due := node.deadline()) <= until:
            step(ev.Tick(due), max(due, started))

    for packet in packets:
        pass_time(packet.at)
        step(ev.Received("eth2", packet.payload), packet.at)
        found.heard_last[packet.src] = packet.at
    pass_time(packets[-1].at + after_s)
    return found


def test_the_killed_primary_is_declared_dead_one_deadtime_after_its_last_status() -> None:
    found = replay("kill-primary", "mysql-backup")
    assert len(found.events(PeerUp, "mysql-master")) == 1
    ((when, down),) = found.events(PeerDown, "mysql-master")
    assert isinstance(down, PeerDown) and not down.clean
    assert down.silent_s == pytest.approx(1.0, abs=0.002)
    assert 0.79 <= when - found.heard_last[ADDRESS["mysql-master"]] <= 1.001


def test_the_slow_handbook_times_hold_as_well() -> None:
    found = replay("handbook-times", "mysql-backup", after_s=40, times=SLOW)
    ((_, down),) = found.events(PeerDown, "mysql-master")
    assert isinstance(down, PeerDown) and down.silent_s == pytest.approx(30.0, abs=0.01)


@pytest.mark.parametrize("name", ["start-both", "ucast-start", "fmt-netstring", "fmt-mixed"])
def test_a_starting_pair_is_seen_alive_at_once_and_goes_active(name: str) -> None:
    found = replay(name, "mysql-backup", after_s=0.5)
    words = [e.status for _, e in found.told if isinstance(e, ev.StatusChanged)]
    assert words.count("active") >= 1
    ups = [e.generation for _, e in found.events(PeerUp, "mysql-master") if isinstance(e, PeerUp)]
    assert ups == sorted(set(ups)) and ups
    # Some recordings begin with the end of the node's former life.
    assert len(found.events(PeerDown, "mysql-master")) == len(ups) - 1 <= 1


def test_the_node_list_is_answered_and_asked_for() -> None:
    found = replay("start-both", "mysql-backup", after_s=0.5)
    assert len(found.sent_of("reqnodes")) >= 1
    (answer,) = found.sent_of("repnodes")
    assert answer.text("dest") == "mysql-master"
    assert answer.text("nodelist") == "mysql-backup mysql-master "
    assert answer.text("delnodelist") == " "


def test_withheld_packets_are_asked_for_one_by_one_in_decimal() -> None:
    found = replay("forged-drop", "mysql-backup")
    asked = found.sent_of("NS_rexmit")
    assert len(asked) >= 3
    for request in asked:
        assert request.text("dest") == "mysql-master"
        assert request.decimal("firstseq") == request.decimal("lastseq")
    assert found.node is not None
    # The recording holds the retransmissions that the real node asked for: they close the gaps.
    late = set(found.node.peers["mysql-master"].inbox.missing)
    assert len(late) < len({r.text("firstseq") for r in asked})


def test_acknowledgements_go_out_as_the_real_node_sends_them() -> None:
    found = replay("steady", "mysql-backup")
    acks = [m.hexadecimal("ackseq") for m in found.sent_of("NS_ackmsg")]
    assert len(acks) >= 2
    assert all(a is not None and a % 10 == (acks[0] or 0) % 10 for a in acks)
    real = [
        message
        for d in datagrams(vectors.path("steady"))
        if (message := decode(d.payload, vectors.ring_of("steady"), 0.0)).type == "NS_ackmsg"
        and d.src == ADDRESS["mysql-backup"]
        and message.text("dest") == "mysql-master"
    ]
    # The real node sends acks for its own packets too; ours never does.
    assert all(m.text("dest") == "mysql-master" for m in found.sent_of("NS_ackmsg"))
    names = [f.name for f in found.sent_of("NS_ackmsg")[0].fields]
    assert real == [] or names == [f.name for f in real[0].fields]


def test_a_clean_stop_is_seen_as_messages_and_then_as_silence() -> None:
    found = replay("stop-primary", "mysql-backup")
    raw = [dict(e.fields)["t"] for _, e in found.told if isinstance(e, ev.RawMessage)]
    assert "shutdone" in raw and "resource" in raw
    assert len(found.events(PeerDown, "mysql-master")) == 1


def test_a_return_is_a_new_generation_of_the_same_node() -> None:
    found = replay("start-rejoin-failback", "mysql-backup", after_s=0.3)
    ups = [e.generation for _, e in found.events(PeerUp, "mysql-master") if isinstance(e, PeerUp)]
    assert ups and found.node is not None
    assert found.node.peers["mysql-master"].generation == ups[-1]


def test_a_healed_partition_shows_death_and_return() -> None:
    found = replay("partition", "mysql-backup", after_s=0.1)
    downs = found.events(PeerDown, "mysql-master")
    ups = found.events(PeerUp, "mysql-master")
    assert len(ups) >= 2
    # The cut keeps the other side's packets from the recording only if it was taken there;
    # both real nodes restart themselves after healing, which is a new generation.
    assert downs or found.notes["peer.restarted"]
    generations = [e.generation for _, e in ups if isinstance(e, PeerUp)]
    assert generations == sorted(generations) and len(set(generations)) >= 2


def test_a_reload_is_a_restart_without_a_death_by_silence() -> None:
    for me, other in (("mysql-backup", "mysql-master"), ("mysql-master", "mysql-backup")):
        found = replay("reload", me, after_s=0.3)
        downs = [e for _, e in found.events(PeerDown, other) if isinstance(e, PeerDown)]
        assert all(down.silent_s < 3.1 for down in downs)
        ups = found.events(PeerUp, other)
        assert len(ups) == 1 + len(downs)


def test_rotated_keys_do_not_part_our_node_from_either() -> None:
    for me, other in (("mysql-backup", "mysql-master"), ("mysql-master", "mysql-backup")):
        found = replay("auth-rotate", me, after_s=0.3)
        assert len(found.events(PeerUp, other)) == 1


def test_three_nodes_are_three_peers() -> None:
    found = replay("three-nodes", "mysql-backup", after_s=3)
    assert found.events(PeerUp, "mysql-master") and found.events(PeerUp, "mysql-slave")


@pytest.mark.parametrize("name", [n for n in vectors.names() if n != "handbook-times"])
@pytest.mark.parametrize("me", ["mysql-master", "mysql-backup"])
def test_every_recording_is_heard_without_a_refused_packet(name: str, me: str) -> None:
    found = replay(name, me, after_s=0.0)
    assert found.node is not None
    counters = found.node.counters
    assert not [word for word in counters if word.startswith("dropped")], counters
    other = "mysql-backup" if me == "mysql-master" else "mysql-master"
    assert found.events(PeerUp, other)
