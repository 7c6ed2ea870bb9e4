"""Nodes are added and deleted while a real Heartbeat and ours run together; what ours says more."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from crmd.daemon.ipc import Client
from tests.heartbeat.daemons import wait_for
from tests.heartbeat.interop_rig import Rig, until, why_not

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
TOOLS = "/usr/share/heartbeat"
A_REAL_PAIR_SAYS_TOO = re.compile(
    "Cannot lock ourselves|Both machines own|No one owns|Cannot (locate|open)"
)
"""What a pair of real nodes says too when a third one is added that nobody hears."""


def nodes_of(client: Client) -> list[str]:
    client.send({"op": "snapshot"})
    return [str(entry["name"]) for entry in wait_for(client, event="snapshot")["nodes"]]


def test_either_kind_adds_and_deletes_nodes_for_both(tmp_path: Path) -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == "root" and len(parent.parts) > 2:
            parent.chmod(0o755)
    rig = Rig(tmp_path)
    try:
        _exchange(rig)
    finally:
        rig.close()


def _exchange(rig: Rig) -> None:
    rig.start_real()
    rig.start_ours()

    def listed() -> list[str]:
        return rig.spaces["real"].run("cl_status", "listnodes", check=False).stdout.split()

    def ask(client: Client, **request: Any) -> dict[str, Any]:
        client.send(request)
        answer = client.receive(5)
        while answer.get("event") not in ("changed", "refused"):
            answer = client.receive(5)
        return answer

    with rig.client() as client:
        client.receive()
        until(lambda: rig.real_status_of("ours") == "active", 15, "real hears ours")
        until(lambda: nodes_of(client) == ["real"], 5, "ours knows real")
        rig.spaces["real"].run(f"{TOOLS}/hb_addnode", "third")
        until(lambda: nodes_of(client) == ["real", "third"], 5, "ours added third")
        assert ask(client, op="addnode", nodes=["third"])["event"] == "refused"
        assert ask(client, op="addnode", nodes=["fourth"])["event"] == "changed"
        until(lambda: "fourth" in listed(), 5, "real added fourth")
        assert sorted(listed()) == ["fourth", "ours", "real", "third"]
        assert ask(client, op="delnode", nodes=["third"])["reason"].endswith("(fourth is dead)")
        until(lambda: rig.real_status_of("fourth") == "dead", 5, "real gave fourth up")
        until(lambda: "third" in listed() and rig.real_status_of("third") == "dead", 5, "third")
        assert ask(client, op="delnode", nodes=["third", "fourth"])["event"] == "changed"
        until(lambda: sorted(listed()) == ["ours", "real"], 5, "real deleted both")
        assert nodes_of(client) == ["real"]
        rig.spaces["real"].run(f"{TOOLS}/hb_addnode", "fifth")
        until(lambda: "fifth" in nodes_of(client), 5, "ours added fifth")
        until(lambda: rig.real_status_of("fifth") == "dead", 5, "real gave fifth up")
        rig.spaces["real"].run(f"{TOOLS}/hb_delnode", "fifth")
        until(lambda: nodes_of(client) == ["real"], 5, "ours deleted fifth")
        time.sleep(0.5)
        assert rig.real_status_of("ours") == "active" and rig.real_link_to("ours") == "up"
    lines = [x for x in rig.real_log().splitlines() if re.search(r"\b(ERROR|CRIT): ", x)]
    assert [line for line in lines if not A_REAL_PAIR_SAYS_TOO.search(line)] == []
