"""The lab where namespaces are not allowed: processes and loopback only."""

import os
import re
import signal
import time

import pytest

from cli.lab import plain
from cli.lab.session import Lab, LabError
from tests.lab.cluster import Cluster, wait_until

pytestmark = pytest.mark.lab

CIB = """<cib><configuration><crm_config><cluster_property_set id="o">
<nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config><nodes>
<node id="n1" uname="n1"/><node id="n2" uname="n2"/></nodes>
<resources><primitive id="d" class="ocf" provider="heartbeat" type="Dummy"/></resources>
<constraints/></configuration><status/></cib>"""


class PlainCluster(Cluster):
    """Asks through the node's own run directory."""

    def request(self, node, message, socket="crmd.sock"):
        from crmd.daemon import ipc

        try:
            with ipc.Client(self.lab.disk(node) / "run/pacekeeper" / socket, 60) as client:
                return client.call(message)
        except ipc.IpcError:
            return None


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("PACEKEEPER_LAB_PLAIN", "1")
    with Lab("plain", tmp_path) as lab:
        yield PlainCluster(lab).up(["n1", "n2"])


def test_nodes_without_namespaces_form_a_cluster_and_fail_over(cluster):
    lab = cluster.lab
    assert "namespaces are not allowed here" in lab.note and "Dummy" in lab.note
    cluster.configure(CIB)
    text = lab.output("n1", "crm_mon", "-1")[1]
    holder = re.search(r"d\s+\(ocf:heartbeat:Dummy\):\s+Started (n\d)", text)[1]
    other = "n2" if holder == "n1" else "n1"
    lab.ask({"op": "kill", "node": holder})
    wait_until(lambda: f"Started {other}" in lab.output(other, "crm_mon", "-1")[1])
    lab.ask({"op": "start", "node": holder})
    wait_until(lambda: len(cluster.members()) == 2)


def test_what_needs_namespaces_is_refused_with_the_reason(cluster):
    for request in (
        {"op": "cut", "node": "n1"},
        {"op": "heal"},
        {"op": "watch", "addresses": ["172.16.1.1"]},
    ):
        with pytest.raises(LabError, match=r"needs? namespaces"):
            cluster.lab.ask(request)


def test_a_node_in_panic_ends_itself_and_never_the_machine(cluster):
    before = cluster.daemons("n1")
    cluster.request("n1", {"op": "panic", "reason": "test"}, socket="pacekeeperd.sock")
    wait_until(lambda: cluster.daemons("n1") == {}, what="end of n1")
    assert all(before.values())
    wait_until(lambda: cluster.members() == ["n2"] or cluster.status("n2")["members"] == ["n2"])


def test_down_leaves_no_process_even_when_the_server_was_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("PACEKEEPER_LAB_PLAIN", "1")
    lab = Lab("gone", tmp_path)
    lab.up(["n1", "n2"])
    marks = [str(lab.disk(n)) for n in ("n1", "n2")]
    wait_until(lambda: all(len(plain.marked(m)) >= 4 for m in marks))
    os.kill(lab.server_pid(), signal.SIGKILL)
    wait_until(lambda: lab.server_pid() is None)
    lab.down()
    time.sleep(0.1)
    assert [plain.marked(m) for m in marks] == [[], []]
    assert list(tmp_path.iterdir()) == []
