"""Nodes tell each other, in digests, what they run with; a difference is said once."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.crm.main import main
from crmd.heartbeat.authkeys import Keyring, parse_authkeys
from crmd.heartbeat.compare import as_text, differing, fingerprints, read_text
from crmd.heartbeat.events import Note, Output
from crmd.heartbeat.message import decode
from tests.heartbeat.daemons import Cluster, wait_for
from tests.heartbeat.net import Net, configuration

FILE = b"a IPaddr::10.0.0.1 httpd\n"


def ring(text: str = "auth 1\n1 sha1 0123456789abcdef\n") -> Keyring:
    found, problems = parse_authkeys(text)
    assert found is not None, problems
    return found


def prints(
    extra: str = "", nodes: str = "a b", keys: Keyring | None = None, file: bytes | None = FILE
) -> dict[str, str]:
    return fingerprints(configuration(nodes, extra), keys or ring(), file)


@pytest.mark.parametrize(
    ("other", "parts"),
    [
        (prints(), ()),
        (prints(nodes="b a"), ()),
        (prints(file=b"# mine\nA  IPaddr::10.0.0.1\\\n\thttpd # web\n\n"), ()),
        (prints(file=None), ()),
        (prints(file=b"a IPaddr::10.0.0.2 httpd\n"), ("haresources",)),
        (prints(nodes="a b c"), ("nodes",)),
        (prints("keepalive 250ms\n"), ("times",)),
        (prints("auto_failback off\ntakeover manual\n"), ("policy",)),
        (prints("udpport 695\n"), ("network",)),
        (prints("warntime 700ms\nlogfile /x\n"), ()),
    ],
)
def test_only_what_must_be_equal_makes_a_difference(
    other: dict[str, str], parts: tuple[str, ...]
) -> None:
    assert differing(prints(), read_text(as_text(other))) == parts


def test_a_further_key_and_another_active_key_are_differences() -> None:
    two = ring("auth 1\n1 sha1 0123456789abcdef\n2 sha1 fedcba9876543210\n")
    assert differing(prints(), prints(keys=two)) == ("authkeys",)
    assert differing(prints(), prints("udpport 695\n", keys=two)) == ("authkeys", "network")
    other = ring("auth 2\n1 sha1 0123456789abcdef\n2 sha1 fedcba9876543210\n")
    assert differing(prints(keys=two), prints(keys=other)) == ("authkeys",)


def test_nobody_without_all_keys_can_tell_what_the_digests_mean() -> None:
    """Neither the secret nor a digest that a listener could compute stands in them."""
    text = as_text(prints())
    assert "0123456789abcdef" not in text
    assert set(prints(keys=ring("auth 1\n1 sha1 another-secret-0\n")).values()).isdisjoint(
        prints().values()
    )


def test_words_of_a_broken_peer_are_left_out() -> None:
    assert read_text("nodes=" + "f" * 99 + " x = times") == {"nodes": "f" * 12, "": ""}
    assert len(read_text(" ".join(f"p{n}=1" for n in range(99)))) == 16


def test_a_difference_and_its_end_are_said_once_each() -> None:
    net = Net(configuration("a b"))
    said: list[Note] = []
    original = net._carry_out

    def record(name: str, outputs: list[Output]) -> None:
        said.extend(
            o
            for o in outputs
            if isinstance(o, Note) and o.name.startswith("config.") and name == "a"
        )
        original(name, outputs)

    net._carry_out = record  # type: ignore[method-assign]
    for name in ("a", "b"):
        net.boot(name)
        net.nodes[name].use_haresources(FILE)
    net.run(2)
    assert said == []
    net.nodes["b"].use_haresources(FILE + b"b httpd\n")
    net.nodes["b"].reconfigure(replace(net.config, deadtime_s=1.5), net.now)
    net.run(2)
    facts = {"node": "b", "parts": ["haresources", "times"]}
    assert said == [Note("warn", "config.differs", facts)]
    assert net.nodes["a"].peers["b"].differs == ("haresources", "times")
    net.nodes["b"].use_haresources(FILE)
    net.nodes["b"].reconfigure(net.config, net.now)
    net.run(1)
    assert said[1:] == [Note("notice", "config.agrees", {"node": "b", "parts": []})]


def test_the_digests_ride_in_the_status_and_in_nothing_else() -> None:
    net = Net(configuration("a b"))
    seen: dict[str, set[bool]] = {}
    original = net._broadcast

    def record(name: str, data: bytes) -> None:
        msg = decode(data, net.nodes[name].ring, 0.0)
        seen.setdefault(msg.type, set()).add(msg.text("pkconf") is not None)
        original(name, data)

    net._broadcast = record  # type: ignore[method-assign]
    net.boot("a")
    net.boot("b")
    net.run(3)
    assert seen.pop("status") == {True}
    assert set().union(*seen.values()) == {False}


def test_crm_cluster_check_tells_what_the_running_nodes_found(tmp_path: Path) -> None:
    pair = Cluster(tmp_path, ("a", "b"))
    try:
        for node in pair.nodes:
            pair.start(node)
        with pair.client("a") as a:
            if not a.receive()["nodes"][0]["member"]:
                wait_for(a, event="peer_up", node="b")

        def check() -> tuple[int, str]:
            out, root = io.StringIO(), {"PACEKEEPER_ROOT": str(tmp_path / "a")}
            code = main(["cluster", "check"], out, io.StringIO(), root, io.StringIO())
            return code, out.getvalue()

        for node in pair.nodes:
            (tmp_path / node / "etc/ha.d/haresources").write_text("a IPaddr::10.0.0.1\n")
        for node in pair.nodes:
            pair.signal(node, signal.SIGHUP)
        until("same configuration", check)
        (tmp_path / "b/etc/ha.d/haresources").write_text("a IPaddr::10.0.0.2\n")
        pair.signal("b", signal.SIGHUP)
        code, text = until("b runs with another configuration than this node: haresources", check)
        assert code == 1 and "H061 error" in text
        assert '"config.differs"' in pair.log("a") and '"config.differs"' in pair.log("b")
    finally:
        pair.close()


def until(words: str, check: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    end = time.monotonic() + 5
    while words not in (found := check())[1]:
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found
