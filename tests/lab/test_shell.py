"""The shell and the small tools against a real cluster of two nodes."""

import tempfile

import pytest

from cli.lab.session import Lab
from tests.lab.cluster import Cluster, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("namespaces")]


class Node:
    """Types commands on one node."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name

    def __call__(self, *words, status=0):
        with tempfile.TemporaryFile() as nothing, tempfile.TemporaryFile() as got:
            code = self.cluster.lab.execute(
                self.name, list(words), (nothing.fileno(), got.fileno(), got.fileno()), 90
            )
            got.seek(0)
            text = got.read().decode()
        assert code == status, text
        return text


@pytest.fixture
def node(tmp_path):
    with Lab("shell", tmp_path) as lab:
        cluster = Cluster(lab).up(["n1", "n2"])
        yield Node(cluster, "n1")


def test_a_service_is_defined_moved_emptied_and_removed_by_words(node):
    node("crm", "configure", "property", "fencing-enabled=false")
    node("crm", "-w", "configure", "primitive", "d1", "Dummy", "op", "monitor", "interval=10s")
    assert "Started n1" in node("crm", "resource", "status")
    assert "primitive d1 Dummy" in node("crm", "configure", "show", "d1")
    node("crm", "resource", "move", "d1", "n2", "--wait", "--autoclear")
    assert node("crm", "resource", "locate", "d1") == "resource d1 is running on: n2\n"
    assert "rsc_location" not in node("cibadmin", "-Q", "-o", "constraints")
    node("crm", "-w", "node", "standby", "n2")
    assert node("crm", "resource", "locate", "d1") == "resource d1 is running on: n1\n"
    assert node("crm_standby", "-G", "-q", "-N", "n2") == "on\n"
    node("crm", "node", "online", "n2")
    assert "is running, can't delete it" in node("crm", "configure", "delete", "d1", status=1)
    node("crm", "-w", "resource", "stop", "d1")
    node("crm", "configure", "delete", "d1")
    assert "d1" not in node("cibadmin", "-Q", "-o", "resources")


def test_transient_attributes_and_membership_are_asked_of_the_cluster(node):
    node("attrd_updater", "-n", "pingd", "-U", "1000")
    seen = wait_until(
        lambda: 'value="1000"' in node("attrd_updater", "-n", "pingd", "-Q", "-A"),
        what="attribute",
    )
    assert seen
    assert node("crm_node", "-n") == "n1\n"
    assert node("crm_node", "-p") == "n1 n2\n"
    assert node("crm_node", "-q") == "1\n"
    assert node("crmadmin", "-D", "-q").strip() in ("n1", "n2")
    assert "is a member of the cluster" in node("crm", "node", "delete", "n2", status=1)
