"""End to end: two real nodes from the handbook's files, failures injected, a client watching."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.lab.plan import REPOSITORY
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


def test_the_death_of_the_dc_is_no_worse_than_that_of_another_node(cluster):
    dc = cluster.dc()
    other = next(n for n in cluster.names if n != dc)
    if cluster.holders(GROUP_IP) != [dc]:
        cluster.cib(
            call="create",
            section="constraints",
            xml=f'<rsc_location id="to-dc" rsc="grp_mysql-master_1" node="{dc}" score="INFINITY"/>',
        )
        cluster.settle()
    assert cluster.holders(GROUP_IP) == [dc]
    killed = cluster.lab.ask({"op": "kill", "node": dc})["at"]
    wait_until(lambda: cluster.holders(GROUP_IP) == [other], what="take-over without the DC")
    cluster.settle()
    assert cluster.status()["quorum"] and cluster.dc() == other
    outage = cluster.record().row("", killed, GROUP_IP, "ip_172_16_1_164_start_0", dc)
    assert outage.detection_ms < 2500 and outage.decision_ms < 1000


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


def constraint(**attributes):
    """A location constraint as `crm_resource --move` writes it."""
    words = " ".join(f'{k.replace("_", "-")}="{v}"' for k, v in attributes.items())
    return f"<rsc_location {words}/>"


PREFER = constraint(
    id="cli-prefer-grp", rsc="grp_mysql-master_1", node="mysql-backup", score="INFINITY"
)


def test_a_planned_move_costs_little_and_without_its_constraint_nothing_moves_back(cluster):
    before = time.monotonic()
    cluster.cib(call="create", section="constraints", xml=PREFER)
    cluster.settle()
    assert cluster.holders(GROUP_IP) == ["mysql-backup"]
    assert cluster.actions(before) == [
        *(("mysql-master", "stop", r) for r in reversed(GROUP)),
        *(("mysql-backup", "start", r) for r in GROUP),
    ]
    outages = [o for o in cluster.record().client if o["mono"] > before]
    assert [o["address"] for o in outages] == [GROUP_IP] and outages[0]["outage_ms"] < 3000
    before = time.monotonic()
    cluster.cib(call="delete", section="constraints", xml='<rsc_location id="cli-prefer-grp"/>')
    cluster.settle()
    assert cluster.actions(before) == [], "auto_failback off: stickiness keeps it"


def test_with_auto_failback_on_the_group_returns_to_its_preferred_node(tmp_path):
    config = tmp_path / "ha.d"
    shutil.copytree(HANDBOOK, config)
    text = (config / "ha.cf").read_text()
    (config / "ha.cf").write_text(text.replace("auto_failback off", "auto_failback on"))
    with Lab("failback", tmp_path) as lab:
        cluster = Cluster(lab).up(config=config)
        cluster.import_haresources()
        cluster.cib(call="create", section="constraints", xml=PREFER)
        cluster.settle()
        assert cluster.holders(GROUP_IP) == ["mysql-backup"]
        cluster.cib(call="delete", section="constraints", xml='<rsc_location id="cli-prefer-grp"/>')
        cluster.settle()
        assert cluster.holders(GROUP_IP) == ["mysql-master"]


FENCING = """<primitive id="power" class="stonith" type="fence_lab">
<instance_attributes id="power-i"><nvpair id="power-c" name="control" value="/lab/control.sock"/>
</instance_attributes></primitive>"""


def enable_fencing(cluster):
    cluster.cib(call="create", section="resources", xml=FENCING)
    cluster.cib(
        call="modify",
        section="crm_config",
        xml='<nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" '
        'value="true"/>',
    )
    cluster.settle()


def test_a_node_that_stands_still_is_fenced_before_its_resources_start_elsewhere(cluster):
    enable_fencing(cluster)
    victim = "mysql-master"
    paused = time.monotonic()
    cluster.lab.ask({"op": "pause", "node": victim})
    wait_until(lambda: cluster.holders_of(["mysql-backup"], GROUP_IP), seconds=30, what="take-over")
    log = cluster.lab.lines(cluster.lab.state / "lab.log")
    fences = [e for e in log if e["event"] == "lab.fence" and e["node"] == victim]
    assert fences and fences[0]["mono"] > paused + 0.9, "not before deadtime"
    gone = next(e for e in log if e["event"] == "lab.kill" and e["node"] == victim)["mono"]
    starts = [
        e
        for e in cluster.record().daemons
        if e.get("event") == "agent.begin" and e["action"] == "start" and e["mono"] > paused
    ]
    assert starts and min(e["mono"] for e in starts) > gone


def test_a_whole_node_that_stood_still_lets_go_before_anything_else_when_it_wakes(cluster):
    cluster.lab.ask({"op": "pause", "node": "mysql-master"})
    wait_until(lambda: cluster.holders_of(["mysql-backup"], OTHER_IP), what="the peer goes on")
    time.sleep(2.0)
    woken = time.monotonic()
    cluster.lab.ask({"op": "resume", "node": "mysql-master"})
    wait_until(lambda: len(cluster.members()) == 2, what="one membership again")
    cluster.settle()
    holders = cluster.holders(GROUP_IP)
    assert len(holders) == 1, "one owner in the end"
    assert time.monotonic() - woken < 25


def test_a_cut_heartbeat_cable_alone_changes_nothing(cluster):
    before = time.monotonic()
    cluster.lab.ask({"op": "cut", "node": "mysql-master", "networks": ["heartbeat"]})
    time.sleep(2.5)
    assert len(cluster.members()) == 2 and cluster.actions(before) == []
    cluster.lab.ask({"op": "heal"})


def test_bad_files_end_the_node_with_one_line(tmp_path):
    with Lab("files", tmp_path) as lab:
        lab.up(["mysql-master", "mysql-backup"], HANDBOOK, daemon=["-"])
        node = "mysql-master"

        def start():
            return lab.output(node, "pacekeeperd", "--foreground")

        lab.output(node, "chmod", "644", "/etc/ha.d/authkeys")
        status, text = start()
        assert status == 6 and len(text.strip().splitlines()) == 1
        assert "/etc/ha.d/authkeys" in text and "600" in text
        lab.output(node, "chmod", "600", "/etc/ha.d/authkeys")
        lab.output(node, "sed", "-i", "s/^crm no/crmm no/", "/etc/ha.d/ha.cf")
        status, text = start()
        assert status == 6 and "ha.cf line 15" in text and "crmm" in text
        lab.output(node, "rm", "/etc/ha.d/ha.cf")
        status, text = start()
        assert status == 6 and "ha.cf" in text


def test_a_cluster_without_root_forms_and_fails_over(tmp_path):
    """The same in a user namespace: the disk is a stand-in, everything else is real."""
    script = tmp_path / "plain.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom cli.lab.session import Lab\n"
        "from tests.lab.cluster import *\n"
        "with Lab('plain', Path(sys.argv[1])) as lab:\n"
        "    c = Cluster(lab).up(config=HANDBOOK, watch=[GROUP_IP])\n"
        "    c.import_haresources()\n"
        "    print(c.holders(GROUP_IP))\n"
        "    lab.ask({'op': 'kill', 'node': 'mysql-master'})\n"
        "    wait_until(lambda: c.holders(GROUP_IP) == ['mysql-backup'])\n"
        "    c.settle()\n"
        "    print(c.service_answer())\n"
    )
    command = [sys.executable, str(script), str(tmp_path)]
    if os.geteuid() == 0:
        command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=90)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "['mysql-master']" and second.startswith("mysql-backup")


@pytest.mark.parametrize("seed", [1, 2])
def test_any_daemons_of_both_nodes_killed_at_once_stop_nothing(cluster, seed):
    rng = random.Random(seed)
    for _ in range(4):
        before = time.monotonic()
        for node in cluster.names:
            pids = cluster.daemons(node)
            victims = rng.sample(sorted(pids), rng.choice([1, 2, 3, 4]))
            cluster.kill(node, *(pids[v] for v in victims))
        time.sleep(1.0)
        wait_until(lambda: all(all(cluster.daemons(n).values()) for n in cluster.names))
        wait_until(lambda: len(cluster.members()) == 2, 20)
        cluster.settle()
        assert cluster.actions(before) == []
        assert [o for o in cluster.record().client if o["mono"] > before] == []


@pytest.mark.parametrize(("daemon", "after_s"), [("execd", 1.03), ("crmd", 1.1), ("schedulerd", 1)])
def test_a_daemon_killed_in_the_middle_of_a_take_over_does_not_prevent_it(cluster, daemon, after_s):
    pid = cluster.daemons("mysql-backup")[daemon]
    cluster.lab.ask({"op": "kill", "node": "mysql-master"})
    time.sleep(after_s)
    cluster.kill("mysql-backup", pid)
    wait_until(lambda: cluster.holders(GROUP_IP) == ["mysql-backup"], what="take-over")
    wait_until(lambda: cluster.status().get("members") == ["mysql-backup"])
    cluster.settle()
    assert cluster.service_answer().startswith("mysql-backup")
