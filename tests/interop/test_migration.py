"""From two real Heartbeat nodes to two of ours, and on to a CIB, while the services run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from crmd.daemon.ipc import IpcError
from tests.heartbeat.daemons import REPO
from tests.heartbeat.interop_rig import until
from tests.interop.pair import HOMES, Pair
from tests.interop.probe import Probe

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]
MakePair = Callable[..., Pair]
NODES = ("real", "ours")


def ours(pair: Pair, name: str, module: str, *words: str) -> str:
    """Run a command of ours on a node; its output."""
    environment = ("env", f"PYTHONPATH={REPO}", f"PACEKEEPER_ROOT={pair.folder / name}")
    return pair.spaces[name].run(*environment, sys.executable, "-m", module, *words).stdout


def idle_with_both(pair: Pair) -> bool:
    try:
        answer = pair.ask("real", {"op": "status"}, "crmd.sock")
    except IpcError:
        return False
    return sorted(answer.get("members", [])) == sorted(NODES) and bool(answer.get("dc"))


def test_haresourcesd_hands_over_to_crmd_and_nothing_is_stopped(make_pair: MakePair) -> None:
    pair = make_pair()
    for name in NODES:
        pair.start(name, "ours")
    pair.wait(25, a="real", b="ours")
    pair.settled()
    before = {name: pair.actions(name) for name in NODES}
    assert before == {"real": ["start a"], "ours": ["start b"]}
    for name in NODES:
        said = ours(pair, name, "cli.pacekeeper_heartbeat", "switch-to-crm")
        assert "crmd runs; untouched: Flag::" in said
    until(lambda: idle_with_both(pair), 30, "one cluster of two crmd")
    pair.wait(a="real", b="ours")
    folder = str(pair.folder / "real/etc/ha.d")
    said = ours(pair, "real", "cli.haresources2cib", "--apply", folder)
    assert "adopted, it runs already" in said and "maintenance mode ended" in said
    assert {name: pair.actions(name) for name in NODES} == before
    pair.wait(a="real", b="ours")
    pair.kill_node("ours")
    until(lambda: pair.placement() == {"10.99.0.100": ["real"], "10.99.0.101": ["real"]}, 30, "x")


def test_a_pair_is_replaced_node_by_node_while_clients_watch(make_pair: MakePair) -> None:
    """Each address is away only while its group is moved on purpose."""
    pair = make_pair()
    for name in NODES:
        pair.start(name, "real")
    pair.wait(30, a="real", b="ours")
    pair.settled()
    began = time.time()
    probes = [Probe.begin(pair.client, address, pair.folder) for address in HOMES]
    events: list[tuple[float, str]] = []

    def event(text: str) -> None:
        events.append((time.time(), text))

    try:
        for name, other in (("real", "ours"), ("ours", "real")):
            event(f"stop Heartbeat on {name}")
            pair.stop(name)
            pair.wait(10, a=other, b=other)
            event(f"start Pacekeeper on {name}")
            pair.start(name, "ours")
            pair.wait(25, a="real", b="ours")
            pair.settled()
        event("switch both to crmd")
        for name in NODES:
            ours(pair, name, "cli.pacekeeper_heartbeat", "switch-to-crm")
        until(lambda: idle_with_both(pair), 30, "one cluster of two crmd")
        event("import haresources")
        ours(pair, "real", "cli.haresources2cib", "--apply", str(pair.folder / "real/etc/ha.d"))
        event("done")
        time.sleep(1.0)
    finally:
        for probe in probes:
            probe.end()
    gaps = [gap for probe in probes for gap in probe.gaps()]
    rows = [(at, text) for at, text in events]
    rows += [(g.begin, f"  {g.address} away for {g.seconds:.2f} s") for g in gaps]
    print("\n".join(f"{at - began:6.1f} s  {text}" for at, text in sorted(rows)))
    switched = next(at for at, text in events if text == "switch both to crmd")
    for address in HOMES:
        own = [gap for gap in gaps if gap.address == address]
        assert len(own) <= 2, own  # away with its node, and home again
        assert all(gap.begin < switched and gap.seconds < 5.0 for gap in own)
    assert "attempted replay" not in pair.real_log("ours") + pair.real_log("real")
