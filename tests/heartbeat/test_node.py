"""Whole heartbeat nodes over a simulated network: membership, streams, faults."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmd.heartbeat import events as ev
from crmd.heartbeat.authkeys import Keyring, parse_authkeys
from crmd.heartbeat.message import Message, decode, encode, make_field, message
from crmd.messaging import Delivered, LinkChanged, PeerDown, PeerUp, Stalled
from tests.heartbeat.net import Net, configuration


def cluster(nodes: str = "a b c", extra: str = "", **faults: float) -> Net:
    net = Net(configuration(nodes, extra), **faults)  # type: ignore[arg-type]
    for name in nodes.split():
        net.boot(name)
    return net


def messages(net: Net, name: str, origin: str) -> list[bytes]:
    got = [e for e in net.heard(name, Delivered) if isinstance(e, Delivered)]
    return [e.payload for e in got if e.origin == origin]


def test_nodes_started_together_are_members_within_three_beats() -> None:
    net = cluster()
    net.run(0.6)
    for name in net.nodes:
        ups = [e.node for e in net.heard(name, PeerUp) if isinstance(e, PeerUp)]
        assert ups == sorted({"a", "b", "c"} - {name})
        assert net.heard(name, PeerDown) == []
        assert net.nodes[name].status == "active"
        assert len(net.heard(name, LinkChanged)) == 4


def test_a_killed_peer_is_declared_dead_after_deadtime_and_before_one_more_beat() -> None:
    for seed in range(20):
        net = cluster(seed=seed)
        net.run(5 + seed * 0.017)
        killed_at = net.now
        net.kill("b")
        net.run(3)
        for name in ("a", "c"):
            (when, down) = next((t, e) for t, e in net.told[name] if isinstance(e, PeerDown))
            assert down == PeerDown("b", False, down.silent_s)
            assert 0.999 <= down.silent_s <= 1.001
            assert 0.8 - 0.002 <= when - killed_at <= 1.2


def test_a_node_that_never_comes_is_given_up_after_initdead_and_not_before() -> None:
    net = Net(configuration("a b c"))
    net.boot("a")
    net.boot("b")
    start = net.now
    net.run(10)
    (when, down) = next((t, e) for t, e in net.told["a"] if isinstance(e, PeerDown))
    assert down.node == "c" and when - start == pytest.approx(3.0, abs=0.01)
    assert len(net.heard("a", PeerDown)) == 1
    assert net.nodes["a"].status == "active"


def test_a_restart_faster_than_deadtime_shows_as_down_and_up_with_the_new_generation() -> None:
    net = cluster()
    net.run(3)
    net.kill("b")
    net.run(0.3)
    net.boot("b", generation=2)
    net.run(1)
    about_b = [e for _, e in net.told["a"] if isinstance(e, PeerUp | PeerDown) and e.node == "b"]
    assert [type(e) for e in about_b] == [PeerUp, PeerDown, PeerUp]
    assert about_b[2] == PeerUp("b", 2)
    assert isinstance(about_b[1], PeerDown) and about_b[1].why == "rebooted"


def test_a_restarted_heartbeatd_of_the_same_boot_is_told_from_a_reboot() -> None:
    net = Net(configuration("a b"))
    net.boot("a", boot="x")
    net.boot("b", boot="y")
    net.run(2)
    for generation, boot, why in ((2, "y", "restarted"), (3, "z", "rebooted")):
        net.kill("b")
        net.boot("b", generation, boot=boot)
        net.run(1)
        downs = [e for e in net.heard("a", PeerDown) if isinstance(e, PeerDown)]
        assert downs[-1].why == why and net.heard("a", PeerUp)[-1] == PeerUp("b", generation)


def test_a_clean_departure_is_told_as_clean_and_acknowledged() -> None:
    net = cluster()
    net.run(3)
    net.do("b", ev.Leave())
    net.run(0.05)
    assert net.heard("a", PeerDown) == [PeerDown("b", True, 0.0)] == net.heard("c", PeerDown)
    assert net.heard("b", ev.Left) == [ev.Left()]
    net.run(1)
    net.kill("b")
    net.run(5)
    assert len(net.heard("a", PeerDown)) == 1
    net.boot("b", generation=2)
    net.run(1)
    assert net.heard("a", PeerUp)[-1] == PeerUp("b", 2)


def test_a_departure_can_be_taken_back() -> None:
    net = cluster()
    net.run(3)
    net.do("b", ev.Leave())
    net.run(0.3)
    net.do("b", ev.Rejoin())
    net.run(0.3)
    assert net.heard("a", PeerUp)[-1] == PeerUp("b", 1)


def test_a_one_way_link_ends_membership_on_both_sides() -> None:
    net = cluster("a b")
    net.run(3)
    net.cut |= {("a", "b", "eth0"), ("a", "b", "eth1")}
    net.run(2)
    assert net.heard("b", PeerDown) and net.heard("a", PeerDown)
    net.cut.clear()
    net.run(1)
    assert len(net.heard("a", PeerUp)) == 2 == len(net.heard("b", PeerUp))


def test_one_of_two_links_down_is_only_a_link_event() -> None:
    net = cluster("a b")
    net.run(3)
    net.cut |= {("a", "b", "eth0"), ("b", "a", "eth0")}
    net.run(3)
    assert LinkChanged("b", "eth0", False) in net.heard("a", LinkChanged)
    assert net.heard("a", PeerDown) == []
    net.cut.clear()
    net.run(1)
    assert net.heard("a", LinkChanged)[-1] == LinkChanged("b", "eth0", True)


def test_messages_reach_all_members_or_the_one_named() -> None:
    net = cluster()
    net.run(2)
    net.do("a", ev.Submit("t", b"to all"))
    net.do("a", ev.Submit("t", b"to c", to="c"))
    net.do("a", ev.Submit("t", b"to myself", to="a"))
    net.do("a", ev.Submit("t", b"to nobody", to="zz"))
    net.run(0.1)
    assert messages(net, "b", "a") == [b"to all"]
    assert messages(net, "c", "a") == [b"to all", b"to c"]
    assert messages(net, "a", "a") == [b"to myself"]


def test_large_and_incompressible_messages_arrive_whole() -> None:
    net = cluster("a b")
    net.run(2)
    noise = random.Random(5).randbytes(1_500_000)
    text = b"<nvpair id='x' name='y' value='z'/>" * 100_000
    net.do("a", ev.Submit("cib", noise))
    net.do("a", ev.Submit("cib", text))
    net.do("a", ev.Submit("cib", b""))
    net.run(3)
    assert messages(net, "b", "a") == [noise, text, b""]


@pytest.mark.parametrize("seed", range(6))
def test_streams_are_complete_and_in_order_under_loss_duplication_and_reordering(
    seed: int,
) -> None:
    net = cluster(loss=0.25, duplicate=0.2, jitter_s=0.05, seed=seed)
    net.run(4)
    sent: dict[str, list[bytes]] = {name: [] for name in net.nodes}
    for number in range(60):
        for name in net.nodes:
            payload = f"{name}{number}".encode() * (1 + number % 40)
            sent[name].append(payload)
            net.do(name, ev.Submit("t", payload))
        net.run(0.02)
    net.loss = 0.0
    net.run(5)
    for name in net.nodes:
        assert net.heard(name, PeerDown) == []
        for origin in net.nodes:
            if origin != name:
                assert messages(net, name, origin) == sent[origin]


def test_a_message_before_a_peer_is_up_is_not_delivered_and_all_after_are() -> None:
    net = cluster("a b c", loss=0.2, seed=3)
    net.run(3)
    net.kill("c")
    net.run(3)
    replies: list[bytes] = []

    def greet(name: str, event: ev.Upward, now: float) -> None:
        if name == "a" and event == PeerUp("c", 2):
            for number in range(30):
                payload = f"after {number}".encode()
                replies.append(payload)
                net.do("a", ev.Submit("t", payload, to="c"))

    net.on_event = greet
    net.do("a", ev.Submit("t", b"before"))
    net.boot("c", generation=2)
    net.run(6)
    assert replies and messages(net, "c", "a") == replies


def test_a_stalled_node_says_so_and_blames_nobody() -> None:
    net = cluster("a b")
    net.run(3)
    net.pause("a", 4.0)
    net.run(8)
    stalled = net.heard("a", Stalled)
    assert len(stalled) == 1 and stalled[0].gap_s > 3.5  # type: ignore[union-attr]
    assert len(net.heard("b", PeerDown)) == 1
    assert net.heard("b", PeerUp)[-1] == PeerUp("a", 1)
    assert net.nodes["a"].live.is_alive("b")
    first_down = [e for e in net.heard("a", PeerDown)]
    assert len(first_down) <= 1, "b stopped echoing a: that is no death by silence"


def test_a_client_that_comes_and_goes_is_no_death() -> None:
    net = cluster("a b")
    net.run(2)
    net.do("b", ev.ClientChange("crmd", True))
    net.run(0.3)
    net.do("b", ev.ClientChange("crmd", False))
    net.run(0.3)
    assert net.heard("a", ev.PeerClient) == [
        ev.PeerClient("b", "crmd", True),
        ev.PeerClient("b", "crmd", False),
    ]
    assert net.heard("a", PeerDown) == []


def test_a_late_joiner_learns_which_clients_run() -> None:
    net = Net(configuration("a b"))
    net.boot("b")
    net.do("b", ev.ClientChange("crmd", True))
    net.run(5)
    net.boot("a")
    net.run(1)
    assert net.heard("a", ev.PeerClient) == [ev.PeerClient("b", "crmd", True)]


def test_a_recording_played_back_makes_no_member() -> None:
    recorded: list[bytes] = []
    net = cluster("a b")
    net.run(2)
    original = net._broadcast

    def record(name: str, data: bytes) -> None:
        if name == "b":
            recorded.append(data)
        original(name, data)

    net._broadcast = record  # type: ignore[method-assign]
    net.run(4)
    late = Net(configuration("a b"))
    late.boot("a", generation=2)
    for data in recorded:
        late.do("a", ev.Received("eth0", data))
        late.run(0.2)
    assert late.heard("a", PeerUp) == []
    remembered = Net(configuration("a b"))
    remembered.boot("a", generation=2)
    remembered.nodes["a"].peers["b"].inbox.floor = net.nodes["a"].memory()["b"]
    for data in recorded:
        remembered.do("a", ev.Received("eth0", data))
    assert remembered.nodes["a"].live.state("b") is None
    numbered = [data for data in recorded if b")seq=" in data]
    assert len(numbered) >= 20
    assert remembered.nodes["a"].counters["replay"] == len(numbered)
    assert remembered.nodes["a"].counters["control-of-other-run"] == len(recorded) - len(numbered)


def test_forged_and_mutated_packets_change_nothing_but_counters() -> None:
    net = cluster("a b")
    net.run(3)
    ring, _ = parse_authkeys("auth 1\n1 sha1 wrong-key-wrong-key\n2 crc\n")
    assert ring is not None
    status = message("status", st="dead", dt="1", src="b", srcuuid=b"." * 16, seq="ffff", hg="1")
    node = net.nodes["a"]
    before, ups = node.memory(), len(net.told["a"])
    for key in ring.keys.values():
        forged = encode(status, Keyring(key, ring.keys), inner=True)
        net.do("a", ev.Received("eth0", forged))
    assert node.memory() == before and len(net.told["a"]) == ups
    assert node.counters["dropped-bad-digest"] == 1
    assert node.counters["dropped-unknown-key"] == 1


def test_strangers_are_counted_not_admitted() -> None:
    net = cluster("a b")
    net.run(1)
    ring = net.nodes["a"].ring
    packet = encode(
        message("status", st="up", src="mallory", srcuuid=b"m" * 16, seq="1", hg="1"),
        ring,
        inner=True,
    )
    for _ in range(5):
        net.do("a", ev.Received("eth0", packet))
    assert net.nodes["a"].counters["stranger"] == 5
    assert sorted(net.nodes["a"].peers) == ["b"]


def test_control_packets_of_another_run_are_ignored() -> None:
    net = cluster("a b")
    net.run(2)
    node, ring = net.nodes["a"], net.nodes["a"].ring
    acked = dict(node.sender.outbox.acked)
    fields = [make_field("t", "NS_ackmsg"), make_field("dest", "a"), make_field("ackseq", "1")]
    common = [make_field("src", "b"), make_field("hg", "1")]
    stale = Message((*fields, make_field("pkto", "old-nonce"), *common))
    net.do("a", ev.Received("eth0", encode(stale, ring, inner=True)))
    assert node.counters["control-for-other-run"] == 1
    assert node.sender.outbox.acked == acked


def test_beats_carry_what_a_real_heartbeat_needs() -> None:
    net = cluster("a b")
    out = net.nodes["a"].step(ev.Tick(1.7e9), net.now)
    packets = [decode(o.data, net.nodes["a"].ring, 0.0) for o in out if isinstance(o, ev.Send)]
    assert [p.text("st") for p in packets] == ["init", "up"]
    names = [f.name for f in packets[0].fields]
    assert names[:4] == ["t", "st", "dt", "protocol"]
    assert names[-8:] == ["src", "srcuuid", "seq", "hg", "ts", "ld", "ttl", "auth"]
    assert packets[0].text("dt") == "3e8" and packets[0].text("ttl") == "3"


def test_memory_stays_bounded_while_one_peer_never_acknowledges() -> None:
    net = cluster("a b")
    net.run(2)
    net.cut |= {("b", "a", "eth0"), ("b", "a", "eth1")}
    for _ in range(400):
        net.do("a", ev.Submit("t", b"x" * 100))
    node = net.nodes["a"]
    assert node.sender.outbox.unconfirmed() <= 200 and not node.sender.is_idle
    net.run(3)
    assert len(node.sender.outbox.history) <= 500
    assert node.sender.outbox.unconfirmed() == 0


@given(st.integers(0, 10_000), st.floats(0.0, 0.3), st.floats(0.0, 0.4))
@settings(max_examples=15, deadline=None)
def test_whatever_the_faults_each_stream_is_a_subsequence_in_order(
    seed: int, loss: float, duplicate: float
) -> None:
    net = cluster("a b", loss=loss, duplicate=duplicate, jitter_s=0.1, seed=seed)
    rng = random.Random(seed)
    sent = 0
    for _ in range(12):
        for _ in range(5):
            net.do("a", ev.Submit("t", b"%d" % sent))
            sent += 1
        if rng.random() < 0.2:
            net.cut |= {("a", "b", "eth0"), ("a", "b", "eth1")}
        elif rng.random() < 0.5:
            net.cut.clear()
        net.run(0.4)
    got = [int(p) for p in messages(net, "b", "a")]
    assert got == sorted(set(got))
    net.cut.clear()
    net.loss = net.duplicate = 0.0
    net.run(5)
    count = len(messages(net, "b", "a"))
    net.do("a", ev.Submit("t", b"last"))
    net.run(0.5)
    assert messages(net, "b", "a")[count:] == [b"last"]


def test_long_messages_are_compressed_whole_where_ha_cf_says_so() -> None:
    names = " ".join(f"node-with-a-long-name-{n:02d}" for n in range(60))
    extra = "traditional_compression on\ncompression bz2\ncompression_threshold 1\n"
    net = Net(configuration(f"a b {names}", extra))
    net.boot("a")
    node = net.nodes["a"]
    asked = message("reqnodes", dest="a", src="b", srcuuid=b"b" * 16, seq="1", hg="1", ttl="3")
    out = node.step(ev.Received("eth0", encode(asked, node.ring, inner=True)), net.now)
    (answer,) = [o.data for o in out if isinstance(o, ev.Send) and b"bz2" in o.data]
    assert len(answer) < 900
    reply = decode(answer, node.ring, 0.0)
    assert reply.type == "repnodes" and len((reply.text("nodelist") or "").split()) == 62


def test_a_reread_ha_cf_takes_effect_in_the_same_generation() -> None:
    net = cluster("a b")
    net.run(4)
    before = net.now
    for name in ("a", "b"):
        config = configuration("a b c", "deadtime 2\nwarntime 1\n")
        for output in net.nodes[name].reconfigure(config, net.now):
            assert not isinstance(output, ev.Tell)
    net.boot("c")
    net.config = configuration("a b c")
    net.run(1)
    assert PeerUp("c", 1) in net.heard("a", PeerUp)
    net.kill("b")
    net.run(3)
    (when, down) = next((t, e) for t, e in net.told["a"] if isinstance(e, PeerDown))
    assert down.silent_s == pytest.approx(2.0, abs=0.01) and when > before
    gone = net.nodes["a"].reconfigure(configuration("a b"), net.now)
    assert [o.event for o in gone if isinstance(o, ev.Tell)] == [PeerDown("c", True, 0.0)]
