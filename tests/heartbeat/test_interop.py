"""Our heartbeatd beside a real Heartbeat 3.0.6, in namespaces: each accepts the other."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crmd.daemon.ipc import Client
from tests.heartbeat.daemons import wait_for
from tests.heartbeat.interop_rig import Rig, until, why_not

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

ANNOUNCED_LONGER_S = 5.5
"""A real node announces deadtime + 2 s during its first 5 s."""
NORMAL_ERRORS = re.compile("Cannot lock ourselves into memory")


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Any]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == "root" and len(parent.parts) > 2:
            parent.chmod(0o755)
    rigs: list[Rig] = []

    def make(extra: str = "", **files: str) -> Rig:
        rig = Rig(tmp_path, extra)
        rigs.append(rig)
        for name, text in files.items():
            (tmp_path / "real/etc/ha.d" / name).write_text(text)
        return rig

    try:
        yield make
    finally:
        for rig in rigs:
            rig.close()


def snapshot(client: Client) -> dict[str, Any]:
    client.send({"op": "snapshot"})
    return wait_for(client, event="snapshot")


def both_active(rig: Rig, client: Client) -> None:
    def look() -> bool:
        frame = snapshot(client)
        (real,) = frame["nodes"]
        mutual = rig.real_status_of("ours") == "active" and real["status"] == "active"
        return mutual and frame["status"] == "active" and bool(real["member"])

    until(look, 15, "both active")


def errors(rig: Rig) -> list[str]:
    lines = [line for line in rig.real_log().splitlines() if re.search(r": (ERROR|CRIT):", line)]
    return [line for line in lines if not NORMAL_ERRORS.search(line)]


@pytest.mark.parametrize(
    "media",
    [
        "mcast eth0 225.0.0.64 694 1 0",
        "bcast eth0",
        "ucast eth0 10.99.0.1\nucast eth0 10.99.0.2",
        "mcast eth0 225.0.0.64 694 1 0\nmsgfmt netstring",
        "mcast6 eth0 ff15::64 694 1 0",
        "ucast6 eth0 fd99:0::1\nucast6 eth0 fd99:0::2",
    ],
)
def test_each_sees_the_other_active_and_notices_its_death(make_rig: Any, media: str) -> None:
    rig: Rig = make_rig(media)
    rig.start_real()
    rig.start_ours()
    with rig.client() as client:
        client.receive()
        both_active(rig, client)
        assert rig.real_link_to("ours") == "up"
        time.sleep(ANNOUNCED_LONGER_S)
        assert errors(rig) == []
        killed_at = rig.kill_node("real")
        down = wait_for(client, event="peer_down", node="real")
        took = time.monotonic() - killed_at
        assert down["clean"] is False and 1.0 <= float(str(down["silent_s"])) < 1.1
        assert 0.75 <= took <= 1.3
        rig.connect("real")
        rig.start_real()
        both_active(rig, client)
    rig.kill_node("ours")
    until(lambda: "node ours: is dead" in rig.real_log(), 5, "real declares ours dead")
    rig.connect("ours")
    rig.start_ours()
    with rig.client() as client:
        client.receive()
        both_active(rig, client)
    assert "attempted replay" not in rig.real_log()


def test_lost_packets_are_retransmitted_in_both_directions(make_rig: Any) -> None:
    rig: Rig = make_rig(OnlyForTesting="rcvloss=0.2\nxmitloss=0.2\n")
    rig.start_real()
    rig.start_ours()
    with rig.client() as client:
        client.receive()
        both_active(rig, client)
        time.sleep(12)
        client.send({"op": "counters"})
        counters = wait_for(client, event="counters")["counters"]
        assert isinstance(counters, dict)
        assert counters.get("asked", 0) >= 3, counters
        assert counters.get("resent", 0) >= 3, counters
        assert "resend-gone" not in counters
        frame = snapshot(client)
        assert frame["nodes"][0]["member"] and rig.real_status_of("ours") == "active"
    assert "No pkts missing from ours" in rig.real_log()
    assert not [line for line in errors(rig) if "Cannot rexmit" in line]


def test_one_of_two_links_cut_and_healed_is_a_link_event_on_both_sides(make_rig: Any) -> None:
    rig: Rig = make_rig("mcast eth0 225.0.0.64 694 1 0\nbcast eth1")
    rig.start_real()
    rig.start_ours()
    with rig.client() as client:
        client.receive()
        both_active(rig, client)
        time.sleep(ANNOUNCED_LONGER_S)
        assert {"name": "eth1", "up": True} in snapshot(client)["nodes"][0]["links"]
        rig.cut("real", 1)
        wait_for(client, event="link", node="real", link="eth1", up=False)
        until(lambda: "Link ours:eth1 dead." in rig.real_log(), 5, "the real node notices")
        rig.cut("real", 1, heal=True)
        wait_for(client, event="link", node="real", link="eth1", up=True)
        until(lambda: rig.real_log().count("Link ours:eth1 up.") == 2, 5, "and its return")
        frame = snapshot(client)
        assert frame["nodes"][0]["member"] and rig.real_status_of("ours") == "active"
        assert frame["nodes"][0]["links"] == [
            {"name": "eth0", "up": True},
            {"name": "eth1", "up": True},
        ]


def test_a_medium_whose_interface_was_away_is_opened_again(make_rig: Any) -> None:
    rig: Rig = make_rig("mcast eth0 225.0.0.64 694 1 0\nucast eth1 10.99.1.1\nucast eth1 10.99.1.2")
    rig.start_real()
    rig.start_ours()
    with rig.client() as client:
        client.receive()
        both_active(rig, client)
        until(
            lambda: {"name": "eth1", "up": True} in snapshot(client)["nodes"][0]["links"],
            5,
            "the second link is up at first",
        )
        rig.spaces["ours"].run("ip", "link", "del", "eth1")
        wait_for(client, event="link", node="real", link="eth1", up=False)
        rig._plug(rig.spaces["ours"], 2, 1)
        wait_for(client, 10.0, event="link", node="real", link="eth1", up=True)
        until(lambda: '"medium.works-again"' in (rig.folder / "ours.out").read_text(), 5, "told")


def test_our_five_restarts_are_five_generations_to_the_real_node(make_rig: Any) -> None:
    rig: Rig = make_rig()
    rig.start_real()
    rig.start_ours()
    generations = []
    for round_ in range(6):
        with rig.client() as client:
            generations.append(client.receive()["generation"])
            both_active(rig, client)
        if round_ < 5:
            rig.processes["ours"].kill()
            rig.processes.pop("ours").wait(5)
            rig.start_ours()
    assert generations == list(range(generations[0], generations[0] + 6))
    assert rig.real_log().count("Heartbeat restart on node ours") == 5
    assert "attempted replay" not in rig.real_log()


def test_the_counter_goes_from_a_real_heartbeat_to_ours_and_back(make_rig: Any) -> None:
    rig: Rig = make_rig()
    rig.start_real("ours")
    until(lambda: "Heartbeat generation: " in rig.real_log("ours"), 10, "a generation")
    first = int(re.findall(r"Heartbeat generation: (\d+)", rig.real_log("ours"))[-1])
    rig.start_real()
    until(lambda: rig.real_status_of("ours") == "active", 15, "two real nodes")
    rig.kill_node("ours")
    rig.connect("ours")
    rig.start_ours()
    with rig.client() as client:
        assert client.receive()["generation"] == first + 1
        both_active(rig, client)
    rig.kill_node("ours")
    rig.connect("ours")
    rig.start_real("ours")
    marker = f"Heartbeat generation: {first + 2}"
    until(lambda: marker in rig.real_log("ours"), 10, "the next generation")
    until(lambda: rig.real_status_of("ours") == "active", 15, "accepted again")
    assert "attempted replay" not in rig.real_log()
