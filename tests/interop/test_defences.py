"""The defences of two nodes against a split, rehearsed with real daemons of ours on both.

Heartbeats go over eth1, clients over eth0.  `lock` is a file that both nodes see.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crmd.daemon.ipc import IpcError
from crmd.haresources.ipfail import REBOOT_AFTER_S
from tests.heartbeat.daemons import REPO
from tests.heartbeat.interop_rig import until
from tests.interop.pair import Pair

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
MakePair = Callable[..., Pair]
MEDIA = "mcast eth1 225.0.0.65 694 1 0"
BOTH = {"a": "real", "b": "ours"}
NAMES = ("real", "ours")
IPFAIL = "/usr/libexec/heartbeat/ipfail"


def formed(pair: Pair, *lines: str, **own: str) -> Pair:
    """Two nodes of ours with more lines in ha.cf, `own` on one of them; each runs its own group."""
    for name in NAMES:
        with (pair.folder / name / "etc/ha.d/ha.cf").open("a") as ha_cf:
            ha_cf.write("".join(f"{line}\n" for line in (*lines, own.get(name, "#"))))
        pair.start(name, "ours")
    pair.wait(25, **BOTH)
    pair.settled()
    return pair


def locked(make_pair: MakePair, tmp_path: Path, *lines: str) -> Pair:
    lock = tmp_path / "lock"
    lock.write_bytes(bytes(3 * 4096))
    return formed(make_pair(media=MEDIA), f"disklock {lock}", "disklock_release 2", *lines)


def all_on(pair: Pair) -> str:
    """The node that has both addresses while the other has none; empty: not so."""
    holders = list(pair.placement().values())
    return holders[0][0] if holders[0] == holders[1] and len(holders[0]) == 1 else ""


def test_of_two_nodes_that_lose_each_other_the_one_with_the_disk_lock_goes_on(
    make_pair: MakePair, tmp_path: Path
) -> None:
    pair = locked(make_pair, tmp_path)
    pair.cut("ours", 1)
    end = time.monotonic() + 12
    while not all_on(pair):
        assert all(len(names) < 2 for names in pair.placement().values()), "on both nodes"
        assert time.monotonic() < end, pair.placement()
    winner = all_on(pair)
    (loser,) = set(NAMES) - {winner}
    assert pair.ask(winner, {"op": "status"})["disklock"] == "owner"
    until(lambda: pair.ask(loser, {"op": "status"})["disklock"] == "released", 5, "released")
    assert "disk lock taken: this node goes on" in pair.real_log(winner)
    assert "Giving up all resources" in pair.real_log(loser)
    pair.cut("ours", 1, heal=True)
    pair.wait(25, **BOTH)
    pair.settled()
    assert pair.ask(winner, {"op": "status"})["disklock"] == "idle"
    pair.kill_node(loser)
    until(lambda: all_on(pair) == winner, 12, "the take-over after the lease")
    assert "its lease is over" in pair.real_log(winner)


def test_the_alarm_comes_first_and_then_time_or_a_person(make_pair: MakePair) -> None:
    """`ours` waits for 2 s, `real` for somebody who looked and reset the other by hand."""
    own = {"ours": "takeover_delay 2", "real": "stonith_host * meatware"}
    pair = formed(make_pair(media=MEDIA), **own)
    killed = pair.kill_node("real")
    until(lambda: "taking over in 2 s unless it returns" in pair.real_log("ours"), 4, "the alarm")
    until(lambda: all_on(pair) == "ours", 8, "the take-over")
    assert time.monotonic() - killed > 2.8, "deadtime and waiting time"
    pair.connect("real")
    with (pair.folder / "real/etc/ha.d/ha.cf").open("a") as ha_cf:
        ha_cf.write(own["real"] + "\n")
    pair.start("real", "ours")
    pair.wait(25, **BOTH)
    pair.settled()
    pair.kill_node("ours")
    until(lambda: "Reset ours by hand" in pair.real_log("real"), 4, "the request")
    time.sleep(1.0)
    assert pair.holders("10.99.0.101") == []
    pair.spaces["real"].run(*tool(pair, "real"), "confirm", "ours")
    until(lambda: all_on(pair) == "real", 4, "the take-over")
    assert "node ours is down, says a person" in pair.real_log("real")


def test_who_loses_the_ping_node_gives_its_group_to_the_one_that_sees_it(
    make_pair: MakePair,
) -> None:
    pings = ("ping 10.99.0.9", "deadping 1", f"respawn hacluster {IPFAIL}")
    pair = formed(make_pair(media=MEDIA), *pings, ours="ipfail_reboot on")
    time.sleep(1.5)
    pair.cut("ours", 0)
    until(lambda: pair.placement()["10.99.0.101"] == ["real"], 15, "ours gives up")
    assert "sees more ping nodes" in pair.real_log("ours") or "we 0" in pair.real_log("ours")
    if time.monotonic() > REBOOT_AFTER_S + 60:
        assert pair.processes["ours"].wait(10) != 0, "it reboots: here, all its daemons end"
    else:
        until(lambda: "No reboot (ipfail_reboot)" in pair.real_log("ours"), 5, "too early")
    assert all_on(pair) == "real"


def tool(pair: Pair, name: str) -> tuple[str, ...]:
    """pacekeeper-heartbeat on a node."""
    environment = ("env", f"PYTHONPATH={REPO}", f"PACEKEEPER_ROOT={pair.folder / name}")
    return (*environment, sys.executable, "-m", "cli.pacekeeper_heartbeat")


def conflicts(pair: Pair, name: str) -> list[str]:
    told = pair.ask(name, {"op": "conflicts"}, "execd.sock")
    return [each["ip"] for each in told["conflicts"]]


def test_an_address_on_both_nodes_is_an_alarm_on_both_and_told_in_the_log(
    make_pair: MakePair,
) -> None:
    """Without any defence a cut heartbeat link puts all addresses on both nodes."""
    pair = formed(make_pair(media=MEDIA))
    assert conflicts(pair, "real") == conflicts(pair, "ours") == [], "planned moves are none"
    pair.cut("ours", 1)
    for name, ip in (("real", "10.99.0.100"), ("ours", "10.99.0.101")):
        until(lambda n=name, a=ip: a in conflicts(pair, n), 12, f"{name} hears the other one")
        line = f"ADDRESS CONFLICT: {ip} is held here and also claimed by"
        until(lambda n=name, t=line: t in pair.real_log(n), 3, "the line in the log")
    done = pair.spaces["real"].run(*tool(pair, "real"), "conflicts", check=False)
    assert done.returncode == 1 and done.stdout.startswith("10.99.0.10")


CRM = """<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="o1" name="stonith-enabled" value="false"/>
<nvpair id="o2" name="no-quorum-policy" value="ignore"/>
<nvpair id="o3" name="disk-lock" value="{lock}"/>
<nvpair id="o4" name="disk-lock-release" value="2s"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="real"/><node id="2" uname="ours"/></nodes>
<resources>
<primitive id="ip_a" class="ocf" provider="heartbeat" type="IPaddr2">
<instance_attributes id="ia"><nvpair id="a1" name="ip" value="10.99.0.100"/>
<nvpair id="a2" name="cidr_netmask" value="24"/><nvpair id="a3" name="nic" value="eth0"/>
</instance_attributes></primitive>
<primitive id="ip_b" class="ocf" provider="heartbeat" type="IPaddr2">
<instance_attributes id="ib"><nvpair id="b1" name="ip" value="10.99.0.101"/>
<nvpair id="b2" name="cidr_netmask" value="24"/><nvpair id="b3" name="nic" value="eth0"/>
</instance_attributes></primitive>
<clone id="ping-clone"><primitive id="ping" class="ocf" provider="pacemaker" type="ping">
<instance_attributes id="ip"><nvpair id="p1" name="host_list" value="10.99.0.9"/>
<nvpair id="p2" name="attempts" value="1"/><nvpair id="p3" name="timeout" value="1"/>
</instance_attributes><operations><op id="po" name="monitor" interval="1s" timeout="10s"/>
</operations></primitive></clone>
</resources>
<constraints><rsc_location id="la" rsc="ip_a" node="real" score="100"/>
<rsc_location id="lb" rsc="ip_b" node="ours" score="100"/>
<rsc_location id="lp" rsc="ip_b"><rule id="lr" score="-INFINITY" boolean-op="or">
<expression id="e1" attribute="pingd" operation="not_defined"/>
<expression id="e2" attribute="pingd" operation="lt" value="1" type="number"/></rule>
</rsc_location></constraints></configuration>"""


def crm_pair(pair: Pair, **given: str) -> Pair:
    """Two nodes with crmd and a CIB."""
    for name in NAMES:
        with (pair.folder / name / "etc/ha.d/ha.cf").open("a") as ha_cf:
            ha_cf.write("crm on\n")
        pair.start(name, "ours")

    def formed_up() -> bool:
        try:
            return all(len(crm_status(pair, name).get("members", [])) == 2 for name in NAMES)
        except IpcError:
            return False

    until(formed_up, 25, "both are members")
    request = {"call": "replace", "section": "configuration", "xml": CRM.format(**given)}
    answer = pair.ask("real", {"op": "cib", "request": request}, "crmd.sock")
    assert answer["ok"], answer
    pair.wait(25, **BOTH)
    return pair


def crm_status(pair: Pair, name: str) -> dict[str, object]:
    status: dict[str, object] = pair.ask(name, {"op": "status"}, "crmd.sock")
    return status


def test_in_a_cib_a_ping_rule_moves_an_address_and_the_disk_lock_decides_a_split(
    make_pair: MakePair, tmp_path: Path
) -> None:
    """no-quorum-policy=ignore, no fencing: without the lock both would take everything."""
    lock = tmp_path / "lock"
    lock.write_bytes(bytes(3 * 4096))
    pair = crm_pair(make_pair(media=MEDIA), lock=str(lock))
    pair.cut("ours", 0)
    until(lambda: pair.placement()["10.99.0.101"] == ["real"], 10, "who does not see the host")
    pair.cut("ours", 0, heal=True)
    pair.wait(10, **BOTH)
    pair.cut("ours", 1)
    end = time.monotonic() + 15
    while not all_on(pair):
        assert all(len(names) < 2 for names in pair.placement().values()), "on both nodes"
        assert time.monotonic() < end, pair.placement()
    winner = all_on(pair)
    (loser,) = set(NAMES) - {winner}
    assert crm_status(pair, winner)["lock"] == "granted"
    assert crm_status(pair, loser)["lock"] == "denied"
    pair.cut("ours", 1, heal=True)
    pair.wait(30, **BOTH)
    assert [crm_status(pair, name)["lock"] for name in NAMES] == ["", ""]
