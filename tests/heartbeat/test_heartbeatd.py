"""heartbeatd as a process: members, messages, death, departure, bad files, reload."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crmd.daemon.heartbeat_client import HeartbeatClient, HeartbeatState, PeerClient
from crmd.daemon.heartbeatd_files import format_generation, parse_generation
from crmd.messaging import Delivered, MessagingEvent, PeerDown, PeerUp, Transmit
from tests.heartbeat.daemons import REPO, Cluster, wait_for


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, ("a", "b"))
    try:
        for node in cluster.nodes:
            cluster.start(node)
        yield cluster
    finally:
        cluster.close()


def until_member(cluster: Cluster, node: str, peer: str) -> None:
    with cluster.client(node) as client:
        snapshot = client.receive()
        if not any(e["name"] == peer and e["member"] for e in snapshot["nodes"]):
            wait_for(client, event="peer_up", node=peer)


def test_two_daemons_see_each_other_talk_and_notice_a_kill_in_time(pair: Cluster) -> None:
    until_member(pair, "a", "b")
    until_member(pair, "b", "a")
    with pair.client("a") as a, pair.client("b") as b:
        assert a.receive()["node"] == "a"
        for client in (a, b):
            client.send({"op": "register", "client": "crmd"})
            wait_for(client, event="registered")
        payload = base64.b64encode(os.urandom(300_000)).decode()
        a.send({"op": "send", "topic": "cib", "to": None, "payload": payload})
        assert wait_for(b, event="delivered")["payload"] == payload
        b.send({"op": "send", "topic": "t", "to": "a", "payload": ""})
        assert wait_for(a, event="delivered", origin="b", topic="t")["payload"] == ""
        pair.kill("b")
        killed_at = time.monotonic()
        down = wait_for(a, event="peer_down", node="b")
        took = time.monotonic() - killed_at
        assert down["clean"] is False and isinstance(down["silent_s"], float)
        assert 0.5 <= down["silent_s"] < 0.55
        assert 0.35 <= took <= 0.65


def test_a_terminated_daemon_departs_cleanly_and_comes_back_in_a_new_generation(
    pair: Cluster,
) -> None:
    until_member(pair, "a", "b")
    with pair.client("a") as a:
        before = {e["name"]: e["generation"] for e in a.receive()["nodes"]}
        assert pair.stop("b") == 0
        assert wait_for(a, event="peer_down", node="b")["clean"] is True
        pair.start("b")
        assert wait_for(a, event="peer_up", node="b")["generation"] == before["b"] + 1


def test_a_fast_restart_shows_as_down_and_up(pair: Cluster) -> None:
    until_member(pair, "a", "b")
    with pair.client("a") as a:
        a.receive()
        pair.kill("b")
        pair.start("b")
        assert wait_for(a, event="peer_down", node="b")["clean"] is False
        wait_for(a, event="peer_up", node="b")


def test_a_client_that_dies_is_told_to_peers_as_a_client_only(pair: Cluster) -> None:
    until_member(pair, "a", "b")
    with pair.client("a") as a:
        a.receive()
        with pair.client("b") as b:
            b.send({"op": "register", "client": "crmd"})
            wait_for(a, event="client", node="b", client="crmd", online=True)
        wait_for(a, event="client", node="b", client="crmd", online=False)
        a.send({"op": "snapshot"})
        snapshot = wait_for(a, event="snapshot")
        assert snapshot["nodes"][0]["member"] is True  # type: ignore[index]


def test_requests_that_make_no_sense_are_refused_one_by_one(pair: Cluster) -> None:
    with pair.client("a") as a:
        a.receive()
        for request in (
            {"op": "dance"},
            {"op": "send", "topic": "t"},
            {"op": "send", "topic": "t", "payload": "%%%"},
            {"op": "send", "topic": 5, "payload": ""},
            {"op": "register", "client": "../x"},
            {"op": "raw", "fields": 7},
            {},
        ):
            a.send(request)
            assert wait_for(a, event="refused")["op"] == str(request.get("op"))
        a.send({"op": "parameter", "name": "keepalive"})
        assert wait_for(a, event="parameter")["value"] == "100ms"


def test_new_keys_are_taken_over_by_hup_one_node_at_a_time(pair: Cluster) -> None:
    until_member(pair, "a", "b")
    both = "1 sha1 0123456789abcdef0123\n2 sha256 another-secret-another\n"
    with pair.client("a") as a:
        a.receive()
        for active in ("1", "2"):
            for node in ("a", "b"):
                pair.write_keys(node, f"auth {active}\n{both}")
                pair.signal(node, signal.SIGHUP)
                time.sleep(0.25)
        for node in ("a", "b"):
            pair.write_keys(node, "auth 2\n2 sha256 another-secret-another\n")
            pair.signal(node, signal.SIGHUP)
        time.sleep(0.8)
        a.send({"op": "counters"})
        frame = a.receive()
        while frame["event"] != "counters":
            assert frame["event"] != "peer_down"
            frame = a.receive()
        assert not any(name.startswith("dropped") for name in frame["counters"])


def test_a_bad_file_at_reload_changes_nothing(pair: Cluster) -> None:
    until_member(pair, "a", "b")
    path = pair.folder / "a/etc/ha.d/ha.cf"
    path.write_text(path.read_text() + "nonsense 5\n")
    pair.signal("a", signal.SIGHUP)
    time.sleep(0.3)
    until_member(pair, "a", "b")
    assert "line 7: directive 'nonsense' is not known" in pair.log("a")


def run_once(root: Path, node: str = "a") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crmd.daemon.heartbeatd", "--root", str(root), "--node", node],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_bad_files_refuse_the_start_with_one_line_each_and_exit_code_6(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, ("a", "b"))
    keys = tmp_path / "a/etc/ha.d/authkeys"
    keys.chmod(0o644)
    done = run_once(tmp_path / "a", "zz")
    assert done.returncode == 6
    assert f"{keys}: mode 0644 lets others read the keys; run: chmod 600 {keys}" in done.stderr
    assert "this node is 'zz', but the node lines name only: a b" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "a/etc/ha.d/ha.cf").unlink()
    keys.unlink()
    keys.symlink_to("/dev/null")
    done = run_once(tmp_path / "a")
    assert done.returncode == 6 and "symbolic link" in done.stderr
    assert "ha.cf: cannot be read (No such file or directory); create it" in done.stderr
    assert not cluster.processes


@pytest.mark.parametrize("damage", [b"", b"x" * 16, b"99999999999999999999\n", b"\0" * 16])
def test_a_damaged_generation_file_is_replaced_by_a_time_based_number(
    tmp_path: Path, damage: bytes
) -> None:
    cluster = Cluster(tmp_path, ("a", "b"))
    state = tmp_path / "a/var/lib/pacekeeper"
    state.mkdir(parents=True)
    (state / "hb_generation").write_bytes(damage)
    try:
        cluster.start("a")
        with cluster.client("a") as client:
            generation = client.receive()["generation"]
        assert abs(generation - time.time()) < 100
        assert parse_generation((state / "hb_generation").read_bytes()) == generation
        assert "not a generation" in cluster.log("a")
    finally:
        cluster.close()


def test_the_counter_of_a_former_heartbeat_is_taken_over_and_handed_back(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, ("a", "b"))
    former = tmp_path / "a/var/lib/heartbeat"
    former.mkdir(parents=True)
    (former / "hb_generation").write_bytes(b"     1795358628\n")
    (former / "hb_uuid").write_bytes(b"0123456789abcdef")
    try:
        cluster.start("a")
        with cluster.client("a") as client:
            assert client.receive()["generation"] == 1795358629
        assert (former / "hb_generation").read_bytes() == b"     1795358629\n"
    finally:
        cluster.close()


def test_the_generation_file_has_heartbeats_form() -> None:
    assert format_generation(1795358629) == b"     1795358629\n"
    assert len(format_generation(7)) == 16 and parse_generation(format_generation(7)) == 7
    for bad in (b"", b"12", b"-5\n", b"0\n", b"1 2\n", b"9999999999\n"):
        assert parse_generation(bad) is None


@pytest.fixture
def patient_pair(tmp_path: Path) -> Iterator[Cluster]:
    """Two nodes whose deadtime is longer than the start of a Python process under load."""
    cluster = Cluster(tmp_path, ("a", "b"), deadtime="3", initdead="4")
    try:
        for node in cluster.nodes:
            cluster.start(node)
        yield cluster
    finally:
        cluster.close()


def test_the_asyncio_client_speaks_in_values_and_survives_a_restart(patient_pair: Cluster) -> None:
    pair = patient_pair

    async def scenario() -> None:
        events: dict[str, list[MessagingEvent | PeerClient]] = {"a": [], "b": []}
        states: list[HeartbeatState] = []
        clients = {
            name: HeartbeatClient(pair.socket_path(name), states.append, events[name].append)
            for name in ("a", "b")
        }

        async def seen(name: str, event: MessagingEvent) -> None:
            async with asyncio.timeout(6):
                while event not in events[name]:
                    await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(client.run()) for client in clients.values()]
        try:
            async with asyncio.timeout(5):
                state = await clients["a"].wait_ready()
                await clients["b"].wait_ready()
                while not any(isinstance(e, PeerUp) for e in events["a"]):
                    await asyncio.sleep(0.01)
            assert state.nodes == ("a", "b") and state.deadtime_s == 3.0
            await seen("a", PeerClient("b", "crmd", True))
            payload = os.urandom(2_000_000)
            assert clients["a"].transmit(Transmit("cib", payload))
            await seen("b", Delivered("a", "cib", payload))
            pair.kill("b")
            killed = time.monotonic()
            async with asyncio.timeout(2):
                while clients["b"].is_connected:
                    await asyncio.sleep(0.01)
            pair.start("b")
            assert not clients["b"].transmit(Transmit("cib", b"waits for the new heartbeatd"))
            await seen("a", Delivered("b", "cib", b"waits for the new heartbeatd"))
            silent_s = time.monotonic() - killed
            async with asyncio.timeout(6):
                while any(sum(isinstance(e, PeerUp) for e in all_) < 2 for all_ in events.values()):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(1.2 * state.deadtime_s)
            told = [e for n in events for e in events[n] if isinstance(e, PeerDown)]
            assert told == [] or silent_s > state.deadtime_s, "who was not silent is not dead"
            assert await clients["b"].leave()
            await seen("a", PeerDown("b", True))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())


def test_heartbeatd_loads_nothing_heavy() -> None:
    code = "import sys, crmd.daemon.heartbeatd; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "crmd.heartbeat.node" in loaded
    assert not loaded & {"lxml", "networkx", "pyroute2", "sh", "structlog", "asyncio"}


def test_a_stopped_daemon_says_so_when_it_wakes_and_becomes_a_member_again(pair: Cluster) -> None:
    until_member(pair, "a", "b")
    with pair.client("a") as a, pair.client("b") as b:
        a.receive()
        b.receive()
        pair.signal("a", signal.SIGSTOP)
        try:
            down = wait_for(b, event="peer_down", node="a")
            time.sleep(0.5)
        finally:
            pair.signal("a", signal.SIGCONT)
        assert down["why"] == "silent"
        first = a.receive(5)
        assert first["event"] == "stalled" and first["gap_s"] > 0.9
        assert wait_for(b, event="peer_up", node="a")
        assert wait_for(a, event="peer_up", node="b")
    assert "restarted" not in pair.log("b")


def test_a_changed_ha_cf_takes_effect_on_hup_without_a_death(pair: Cluster) -> None:
    until_member(pair, "a", "b")
    with pair.client("a") as a:
        a.receive()
        for node in ("a", "b"):
            path = pair.folder / node / "etc/ha.d/ha.cf"
            text = path.read_text().replace("deadtime 500ms", "deadtime 900ms")
            path.write_text(text + "mcast lo 239.255.7.2 6949 0 1\nping 127.0.0.1\n")
            pair.signal(node, signal.SIGHUP)
        assert wait_for(a, event="snapshot")["deadtime_s"] == 0.9
        end = time.monotonic() + 5
        while '"reload.done"' not in pair.log("b") and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.3)
        until_member(pair, "a", "b")
        assert '"peer.down"' not in pair.log("a") + pair.log("b")
        pair.kill("b")
        assert 0.9 <= float(str(wait_for(a, event="peer_down", node="b")["silent_s"])) < 0.95


def test_old_habits_find_their_lines_in_the_log_file_of_ha_cf(tmp_path: Path) -> None:
    cluster = Cluster(
        tmp_path, ("a", "b"), extra="logfile /var/log/ha-log\ndebugfile /var/log/ha-debug\n"
    )
    try:
        for node in cluster.nodes:
            cluster.start(node)
        until_member(cluster, "a", "b")
        with cluster.client("a") as client:
            client.receive()
            cluster.kill("b")
            wait_for(client, event="peer_down", node="b")
        assert cluster.stop("a") == 0
        text = (tmp_path / "a/var/log/ha-log").read_text()
        for line in (
            "info: Heartbeat generation: ",
            "info: Link b:lo up.",
            "info: Status update for node b: status active",
            "info: Local status now set to: 'active'",
            "WARN: node b: is dead",
            "info: Link b:lo dead.",
            "info: a Heartbeat shutdown complete.",
        ):
            assert line in text, text
        stamp = r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d a heartbeat: \[\d+\]: info: Link"
        assert re.search(stamp, text, re.MULTILINE)
        assert (tmp_path / "a/var/log/ha-debug").read_text() == text
    finally:
        cluster.close()
