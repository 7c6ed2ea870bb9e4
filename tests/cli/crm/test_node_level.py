"""The level `node`: standby, maintenance, attributes."""

import pytest

from tests.cli.crm.session import Session


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def test_standby_until_told_otherwise_is_a_lasting_attribute(session):
    assert session.crm("node", "standby", "node1") == 0
    pair = session.cib().find("configuration/nodes/node/instance_attributes/nvpair")
    assert dict(pair.attrib) == {"id": "nodes-1-standby", "name": "standby", "value": "on"}


def test_standby_until_reboot_is_transient_and_online_ends_both(session):
    assert session.crm("node", "standby", "node1", "reboot") == 0
    assert session.cib().find("status/node_state/transient_attributes//nvpair") is not None
    assert session.crm("node", "online", "node1") == 0
    assert session.cib().find("status/node_state/transient_attributes//nvpair") is None
    assert session.values("standby") == {"1": "off"}


def test_an_unknown_node_gets_the_nearest_name(session):
    assert session.crm("node", "standby", "nod1") == 1
    assert session.err == "ERROR: Node 'nod1' not found; did you mean 'node1'?\n"


def test_attributes_are_set_shown_and_deleted(session):
    assert session.crm("node", "attribute", "node1", "set", "rack", "7") == 0
    assert session.crm("node", "attribute", "node1", "show", "rack") == 0
    assert session.out == "scope=nodes  name=rack value=7\n"
    assert session.crm("node", "show") == 0
    assert session.out == "node1(1): member\n\track=7\nnode2(2): member\n"
    assert session.crm("node", "attribute", "node1", "delete", "rack") == 0
    assert session.crm("node", "attribute", "node1", "show", "rack") == 1


def test_utilization_goes_into_a_set_of_its_own(session):
    assert session.crm("node", "utilization", "node2", "set", "cpu", "4") == 0
    assert session.cib().find("configuration/nodes/node/utilization").get("id") == (
        "nodes-2-utilization"
    )


def test_maintenance_and_ready(session):
    assert session.crm("node", "maintenance", "node1") == 0
    assert session.values("maintenance") == {"1": "true"}
    assert session.crm("node", "ready", "node1") == 0
    assert session.values("maintenance") == {"1": "off"}


def test_fencing_needs_a_cluster(session):
    assert session.crm("-F", "node", "fence", "node1") == 1
    assert "needs the running cluster" in session.err


def test_delete_forgets_a_node_and_its_history(session):
    assert session.crm("node", "standby", "node2", "reboot") == 0
    assert session.crm("node", "delete", "node2") == 0
    assert [n.get("uname") for n in session.cib().iter("node", "node_state")] == ["node1"]
