"""End to end: two real nodes from the handbook's files, failures injected, a client watching."""

import os
import time
from pathlib import Path

import pytest

from cli.lab.session import Lab
from tests.lab.cluster import (
    DAEMONS,
    GROUP,
    GROUP_IP,
    HANDBOOK,
    OTHER_IP,
    Cluster,
    wait_until,
)

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("namespaces")]


@pytest.fixture
def cluster(tmp_path, request):
    with Lab("handbook", tmp_path) as lab:
        made = Cluster(lab).up(config=HANDBOOK, watch=[GROUP_IP, OTHER_IP])
        made.import_haresources()
        yield made
        if kept := os.environ.get("PACEKEEPER_LAB_LOGS"):
            lab.keep_logs(Path(kept) / request.node.name)


def test_the_imported_pair_starts_in_the_order_of_the_line(cluster):
    assert cluster.holders(GROUP_IP) == ["mysql-master"]
    assert cluster.holders(OTHER_IP) == ["mysql-backup"]
    started = [r for node, action, r in cluster.actions(0.0) if node == "mysql-master"]
    assert started == GROUP
    assert cluster.service_answer().startswith("mysql-master")


def test_the_survivor_of_a_power_cut_takes_the_group_and_the_client_waits_little(cluster):
    killed = cluster.lab.ask({"op": "kill", "node": "mysql-master"})["at"]
    outage = wait_until(
        lambda: [
            line
            for line in cluster.record().client
            if line["event"] == "client.outage"
            and line["address"] == GROUP_IP
            and line["first_answer"] > killed
        ],
        what="answer from the survivor",
    )[0]
    assert 900 <= outage["outage_ms"] < 4000, "deadtime is 1 s"
    cluster.settle()
    assert cluster.service_answer().startswith("mysql-backup")
    assert [(a, r) for _, a, r in cluster.actions(killed)] == [("start", r) for r in GROUP]
    assert cluster.holders(OTHER_IP) == ["mysql-backup"]


def test_a_node_that_returns_joins_and_nothing_moves_back_with_auto_failback_off(cluster):
    cluster.lab.ask({"op": "kill", "node": "mysql-master"})
    wait_until(lambda: cluster.holders(GROUP_IP) == ["mysql-backup"])
    cluster.settle()
    before = time.monotonic()
    cluster.lab.ask({"op": "start", "node": "mysql-master"})
    wait_until(lambda: len(cluster.members()) == 2)
    cluster.settle()
    assert cluster.holders(GROUP_IP) == ["mysql-backup"]
    assert cluster.actions(before) == []


@pytest.mark.parametrize("daemon", [name for name, _ in DAEMONS])
@pytest.mark.parametrize("where", ["dc", "other"])
def test_sigkill_of_a_daemon_stops_nothing_and_it_is_back_within_a_second(cluster, daemon, where):
    dc = cluster.dc()
    node = dc if where == "dc" else next(n for n in cluster.names if n != dc)
    before = time.monotonic()
    old = cluster.kill_daemon(node, daemon)
    wait_until(lambda: cluster.daemons(node).get(daemon) not in (None, old), what="restart")
    assert time.monotonic() - before < 1.5, "the asking takes part of it"
    time.sleep(2.5)
    wait_until(lambda: len(cluster.members()) == 2, what="membership")
    cluster.settle()
    assert cluster.actions(before) == [], "no resource was started or stopped"
    assert cluster.holders(GROUP_IP) == ["mysql-master"]
    assert [o for o in cluster.record().client if o["mono"] > before] == [], "no outage"


def test_sigkill_of_pacekeeperd_stops_nothing_and_the_next_one_adopts_the_daemons(cluster):
    node, before = "mysql-master", time.monotonic()
    daemons = cluster.daemons(node)
    cluster.lab.output(node, "sh", "-c", "kill -9 $(cat /run/pacekeeper/pacekeeperd.pid)")
    wait_until(lambda: cluster.daemons(node) == daemons, what="adoption")
    cluster.settle()
    assert cluster.actions(before) == [] and len(cluster.members()) == 2


def test_a_failing_monitor_restarts_in_place_and_the_third_failure_moves_the_group(cluster):
    def fail(on):
        """The service dies, as services do; a probe by hand stands for the next monitor."""
        cluster.lab.output(on, "sh", "-c", "kill -9 $(cat /run/rsdata.pid)")

    cluster.cib(
        call="modify",
        xml='<op id="svc_rsdata-monitor-15s" name="monitor" interval="1s" timeout="20s"/>',
        xpath="//op[@id='svc_rsdata-monitor-15s']",
    )
    cluster.settle()
    for count in (1, 2):
        before = time.monotonic()
        fail("mysql-master")
        wait_until(
            lambda since=before: ("mysql-master", "start", "svc_rsdata") in cluster.actions(since),
            what=f"restart {count}",
        )
        cluster.settle()
        assert cluster.service_answer().startswith("mysql-master")
        stopped = [r for _, action, r in cluster.actions(before) if action == "stop"]
        assert stopped == ["ip_172_16_1_164", "svc_rsdata"], "what lies below stays"
    before = time.monotonic()
    fail("mysql-master")
    wait_until(lambda: cluster.holders(GROUP_IP) == ["mysql-backup"], what="move")
    cluster.settle()
    assert cluster.service_answer().startswith("mysql-backup")


def test_a_node_asked_to_stop_hands_everything_over_first(cluster):
    before = time.monotonic()
    cluster.lab.output("mysql-master", "sh", "-c", "kill $(cat /run/pacekeeper/pacekeeperd.pid)")
    wait_until(lambda: cluster.status("mysql-backup").get("members") == ["mysql-backup"], 30)
    cluster.lab.ask({"op": "kill", "node": "mysql-master"})
    cluster.settle()
    moved = [(n, a, r) for n, a, r in cluster.actions(before) if r in GROUP]
    assert moved == [
        *(("mysql-master", "stop", r) for r in reversed(GROUP)),
        *(("mysql-backup", "start", r) for r in GROUP),
    ]
