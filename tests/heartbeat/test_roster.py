"""hb_addnode and hb_delnode: the list of nodes changes while the cluster runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmd.daemon.heartbeatd_nodes import (
    Known,
    format_delhostcache,
    format_hostcache,
    read_known,
    with_known,
)
from crmd.daemon.paths import Paths
from crmd.heartbeat import events as ev
from crmd.heartbeat.events import Note
from crmd.messaging import PeerDown, PeerUp
from tests.heartbeat.daemons import Cluster, wait_for
from tests.heartbeat.net import Net, configuration, make_node


def cluster(nodes: str = "a b", extra: str = "") -> Net:
    net = Net(configuration(nodes, extra))
    for name in nodes.split():
        net.boot(name)
    net.run(1)
    return net


def known(net: Net, node: str) -> tuple[str, ...]:
    return net.nodes[node].roster.names()


def test_all_nodes_add_a_node_and_it_becomes_a_member_when_it_comes() -> None:
    net = cluster()
    net.do("a", ev.ChangeNodes(("c",), add=True))
    net.run(0.1)
    assert known(net, "a") == known(net, "b") == ("a", "b", "c")
    assert net.heard("b", ev.NodesChanged) == [ev.NodesChanged(("a", "b", "c"), ())]
    net.nodes["c"] = make_node("c", configuration("a b c"), 1, net.now)
    net.told["c"] = []
    net.run(1)
    assert [e.node for e in net.heard("a", PeerUp) if isinstance(e, PeerUp)] == ["b", "c"]
    assert net.nodes["a"].status == net.nodes["c"].status == "active"


def test_an_added_node_that_never_comes_is_nobodys_death_before_initdead() -> None:
    net = cluster()
    net.do("a", ev.ChangeNodes(("c",), add=True))
    net.run(2.9)
    assert net.nodes["a"].live.state("c") is None
    assert net.heard("a", PeerDown) == []
    net.run(0.3)
    assert net.nodes["a"].live.state("c") is False
    told = [e for e in net.heard("a", PeerDown) if isinstance(e, PeerDown)]
    assert [(e.node, e.clean) for e in told] == [("c", False)]


def test_a_node_is_deleted_only_while_it_is_dead_and_the_others_live() -> None:
    net = cluster("a b c")
    roster = net.nodes["a"].roster
    assert roster.refusal_to_delete(["c"]) == "node c is not dead"
    assert roster.refusal_to_delete(["nobody"]) == "node nobody is not in the cluster"
    assert roster.refusal_to_delete(["a"]) == "node a is not dead"
    net.kill("c")
    net.run(1.5)
    net.kill("b")
    net.run(1.5)
    why = "We don't have all required nodes alive (b is dead)"
    assert roster.refusal_to_delete(["c"]) == why
    assert roster.refusal_to_delete(["b", "c"]) is None


def test_a_deleted_node_is_a_stranger_to_all_until_it_is_added_again() -> None:
    net = cluster("a b c", "autojoin any\n")
    net.run(3)
    net.kill("c")
    net.run(1.5)
    net.do("a", ev.ChangeNodes(("c",), add=False))
    net.run(0.1)
    assert known(net, "a") == known(net, "b") == ("a", "b")
    net.boot("c", generation=2)
    net.run(1)
    assert known(net, "a") == ("a", "b") and net.nodes["a"].counters["stranger"] > 0
    net.do("b", ev.ChangeNodes(("c",), add=True))
    net.run(1)
    assert known(net, "a") == known(net, "b") == ("a", "b", "c")
    assert net.nodes["a"].peers["c"].is_member


def test_what_a_real_node_asks_for_is_done_as_far_as_it_can_be() -> None:
    net = cluster()
    raw = ev.SubmitRaw((("t", "addnode"), ("nodelist", "b C d,; d")))
    net.do("a", raw)
    net.run(0.1)
    assert known(net, "b") == ("a", "b", "c", "d")
    assert known(net, "a") == ("a", "b")  # a raw message acts on the others only
    out = net.nodes["b"].step(ev.ChangeNodes(("a", "e"), add=False), net.now)
    refused = [o for o in out if isinstance(o, Note) and o.name == "node.delete-refused"]
    assert len(refused) == 1


@pytest.mark.parametrize("name", ["", "-h", "x" * 100, "a b", "ü"])
def test_words_that_are_no_node_names_are_refused(name: str) -> None:
    refusal = cluster().nodes["a"].roster.refusal_to_add([name])
    assert refusal is not None and "cannot be a node name" in refusal


def test_the_files_tell_what_was_changed_until_ha_cf_is_edited(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.state.mkdir(parents=True)
    uuid = bytes(range(16))
    paths.hostcache.write_bytes(format_hostcache(("a", "b"), ("a", "c"), {"a": uuid}))
    paths.delhostcache.write_bytes(format_delhostcache(("b",)))
    rows = paths.hostcache.read_text().splitlines()
    assert rows[1] == "a\t00010203-0405-0607-0809-0a0b0c0d0e0f\t100\t"
    warnings: list[str] = []
    found = read_known(paths, warnings)
    assert found == Known(("a", "b"), ("a", "c"), ("b",)) and warnings == []
    config, deleted = with_known(configuration("a b"), found, "ha.cf", warnings)
    assert config.nodes == ("a", "c") and deleted == ("b",)
    assert "nodes are now: a c" in warnings[0]
    config, deleted = with_known(configuration("a b d"), found, "ha.cf", warnings)
    assert config.nodes == ("a", "b", "d") and deleted == ()
    assert "what the tools changed is forgotten" in warnings[1]
    config, _ = with_known(configuration("a c"), found, "ha.cf", warnings)
    assert config.nodes == ("a", "c") and len(warnings) == 2  # written down: nothing to say


def test_the_running_daemons_change_the_list_and_remember_it(tmp_path: Path) -> None:
    pair = Cluster(tmp_path, ("a", "b"))
    try:
        for node in pair.nodes:
            pair.start(node)
        with pair.client("a") as a, pair.client("b") as b:
            if not a.receive()["nodes"][0]["member"]:
                wait_for(a, event="peer_up", node="b")
            a.send({"op": "addnode", "nodes": ["a"]})
            refusal = wait_for(a, event="refused")
            assert refusal["reason"] == "node(a) already exists"
            a.send({"op": "addnode", "nodes": ["C"], "check": True})
            assert wait_for(a, event="changed")["nodes"] == ["a", "b"]
            a.send({"op": "addnode", "nodes": ["C"]})
            assert wait_for(a, event="changed")["nodes"] == ["a", "b", "c"]
            assert wait_for(b, event="nodes")["nodes"] == ["a", "b", "c"]
        assert pair.stop("b") == 0
        assert (tmp_path / "b/var/lib/pacekeeper/delhostcache").read_bytes() == b""
        pair.start("b")
        with pair.client("b") as b:
            assert [entry["name"] for entry in b.receive()["nodes"]] == ["a", "c"]
    finally:
        pair.close()
