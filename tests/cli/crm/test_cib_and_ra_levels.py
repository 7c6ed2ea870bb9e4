"""Shadow copies, and what agents say of themselves."""

import pytest

from tests.cli.crm.session import Session


@pytest.fixture
def session(tmp_path):
    made = Session(tmp_path)
    made.env["CIB_shadow_dir"] = str(tmp_path / "shadows")
    return made


def test_a_shadow_is_changed_and_committed(session):
    text = "cib\nnew test\nup\nconfigure\nprimitive n Dummy\nup\ncib\ndiff\ncommit\n"
    assert session.crm(stdin=text) == 0
    assert 'operation="create"' in session.out and "committed 'test' shadow CIB" in session.err
    assert session.cib().find(".//primitive[@id='n']") is not None
    assert session.crm("cib", "list") == 0
    assert session.out == "test\n"


def test_what_is_changed_on_a_shadow_leaves_the_cib_alone(session):
    assert session.crm("cib", "new", "test") == 0
    assert session.crm("-c", "test", "resource", "stop", "p1") == 0
    assert "p1" not in session.values("target-role")


def test_a_shadow_in_use_is_not_deleted(session):
    assert session.crm(stdin="cib\nnew test\ndelete test\nuse live\ndelete test\n") == 1
    assert "test shadow CIB is in use" in session.err
    assert "test shadow CIB deleted" in session.err


def test_an_unknown_shadow_is_refused(session):
    assert session.crm("-c", "nosuch", "status") == 2
    assert session.crm("cib", "use", "nosuch") == 1


def test_agents_are_listed_and_described(session):
    assert session.crm("ra", "list", "ocf", "heartbeat") == 0
    assert "IPaddr2" in session.out.split()
    assert session.crm("ra", "info", "ocf:heartbeat:IPaddr2") == 0
    assert "ip* (string" in session.out
    assert "monitor" in session.out


def test_an_unknown_agent_or_class_is_refused(session):
    assert session.crm("ra", "info", "NoSuchAgent") == 1
    assert "NoSuchAgent" in session.err
    assert session.crm("ra", "list", "nonsense") == 1
    assert "there are heartbeat, lsb, ocf" in session.err


def test_an_agent_judges_parameters(session):
    assert session.crm("ra", "validate", "IPaddr2", "ip=10.0.0") == 1
    assert "10.0.0" in session.err
