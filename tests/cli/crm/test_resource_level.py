"""The level `resource`: what its commands make of a CIB."""

import pytest

from cli.crm_resource import main as crm_resource
from tests.cli.crm.session import Session


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def test_stop_and_start_set_the_target_role(session):
    assert session.crm("resource", "stop", "p1") == 0
    assert session.values("target-role")["p1"] == "Stopped"
    assert session.crm("resource", "start", "p1") == 0
    assert session.values("target-role")["p1"] == "Started"


def test_what_a_clone_holds_is_stopped_as_the_clone(session):
    assert session.crm("resource", "stop", "p4") == 0
    assert session.values("target-role") == {"p2": "Stopped", "c1": "Stopped"}


def test_a_member_that_says_otherwise_is_told_and_kept(session):
    assert session.crm("resource", "start", "g1") == 0
    assert session.values("target-role") == {"p2": "Stopped", "g1": "Started"}
    assert "p2 keeps its own target-role=Stopped, which wins" in session.err


def test_force_removes_what_members_say(session):
    assert session.crm("-F", "resource", "start", "g1") == 0
    assert session.values("target-role") == {"g1": "Started"}


def test_maintenance_and_management_exclude_each_other(session):
    assert session.crm("resource", "manage", "p1") == 0
    assert session.crm("-F", "resource", "maintenance", "p1", "on") == 0
    assert session.values("is-managed") == {}
    assert session.values("maintenance") == {"p1": "true"}


def test_move_and_clear_do_what_crm_resource_does(session, tmp_path):
    other = Session(tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path)
    assert session.crm("resource", "move", "p1", "node2") == 0
    assert "Move constraint created for p1 to node2" in session.err
    import io

    words = ["--move", "--resource", "p1", "--node", "node2"]
    assert crm_resource(words, io.StringIO(), io.StringIO(), other.env, io.StringIO()) == 0
    made = [s.cib().find("configuration/constraints/rsc_location").attrib for s in (session, other)]
    assert dict(made[0]) == dict(made[1])
    assert made[0]["id"] == "cli-prefer-p1"
    assert session.crm("resource", "clear", "p1") == 0
    assert session.cib().find("configuration/constraints/rsc_location") is None


def test_a_lifetime_makes_a_rule(session):
    assert session.crm("resource", "ban", "p1", "node1", "PT1H") == 0
    expression = session.cib().find(".//rsc_location/rule/date_expression")
    assert expression is not None and expression.get("operation") == "lt"


def test_values_are_set_shown_and_deleted(session):
    assert session.crm("resource", "param", "p1", "set", "fake", "1 2 3") == 0
    assert session.crm("resource", "param", "p1", "show", "fake") == 0
    assert session.out == "1 2 3\n"
    assert session.crm("resource", "param", "p1", "delete", "fake") == 0
    assert session.crm("resource", "param", "p1", "show", "fake") == 1


def test_promote_refuses_what_cannot_be_promoted(session):
    assert session.crm("resource", "promote", "c1") == 1
    assert "c1 is not a promotable resource" in session.err


def test_failcounts_are_set_summed_and_deleted(session):
    assert session.crm("resource", "failcount", "p1", "set", "node1", "3") == 0
    assert session.crm("resource", "failcount", "p1", "show", "node1") == 0
    assert session.out == "scope=status  name=fail-count-p1 value=3\n"
    assert session.crm("resource", "failcount", "p1", "delete", "node1") == 0
    assert session.crm("resource", "failcount", "p1", "show", "node1") == 0
    assert session.out.endswith("value=0\n")


def test_a_fail_count_needs_a_resource_a_node_and_a_number(session):
    assert session.crm("resource", "failcount", "p9", "show", "node1") == 1
    assert session.crm("resource", "failcount", "p1", "show", "node9") == 1
    assert session.crm("resource", "failcount", "p1", "set", "node1", "many") == 2
