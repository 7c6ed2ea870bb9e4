"""The level `configure`: changing, committing, loading and saving a configuration."""

import pytest
from lxml import etree

from tests.cli.crm.session import CIB, Session


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def shown(session, *words):
    assert session.crm("configure", "show", *words) == 0
    return session.out


def test_a_single_call_commits_by_itself(session):
    assert session.crm("configure", "primitive", "vip", "IPaddr2", "params", "ip=10.0.0.1") == 0
    assert shown(session, "vip") == "primitive vip IPaddr2 \\\n\tparams ip=10.0.0.1\n"
    assert session.cib().get("epoch") == "2"


def test_a_script_sees_its_changes_before_they_are_committed(session):
    text = "configure\nprimitive x Dummy\nshow x\nrefresh\nup\n"
    assert session.crm(stdin=text) == 0
    assert session.out == "primitive x Dummy\n"
    assert session.cib().get("epoch") == "1"


def test_a_script_with_a_failed_command_changes_nothing(session):
    text = "configure\nprimitive x Dummy\nprimitive y Dummy parms a=1\n"
    assert session.crm(stdin=text) == 1
    assert "changes not committed, because a command failed" in session.err
    assert session.path.read_text() == CIB


def test_an_invalid_configuration_is_refused_even_if_forced(session):
    assert session.crm("-F", "configure", "location", "l", "p1", "rule", "x", "eq", "1") == 0
    text = "configure\nset l.rsc nosuch\ncommit force\n"
    assert session.crm(stdin=text) == 1
    assert "nosuch" in session.err
    assert session.cib().find(".//rsc_location").get("rsc") == "p1"


def test_grouping_moves_constraints_and_says_so(session):
    session.crm("configure", "location", "l1", "p1", "100:", "node1")
    assert session.crm("configure", "group", "g2", "p1") == 0
    assert session.err == "INFO: modified location:l1 from p1 to g2\n"
    assert session.cib().find(".//rsc_location").get("rsc") == "g2"


def test_a_resource_cannot_be_in_two_groups(session):
    assert session.crm("configure", "group", "g2", "p2") == 1
    assert "Cannot create group:g2: Child primitive:p2 already in group:g1" in session.err


def test_deleting_a_member_leaves_the_group_and_the_last_takes_it_along(session):
    assert session.crm("configure", "delete", "p2") == 0
    assert shown(session, "g1") == "group g1 p3\n"
    assert session.crm("configure", "delete", "p3") == 0
    assert session.crm("configure", "show", "g1") == 1


def test_deleting_a_group_keeps_its_resources(session):
    assert session.crm("configure", "delete", "g1") == 0
    held = session.cib().find("configuration/resources")
    assert [r.get("id") for r in held] == ["p1", "p2", "p3", "c1"]


def test_hanging_constraints_go_and_each_is_said(session):
    session.crm("configure", "colocation", "c", "inf:", "p1", "g1")
    assert session.crm("configure", "delete", "p1") == 0
    assert session.err == "INFO: hanging colocation:c deleted\n"


def test_a_running_resource_is_not_deleted_without_force(tmp_path):
    history = (
        '<status><node_state id="1" uname="node1" in_ccm="true" crmd="online" join="member" '
        'expected="member"><lrm id="1"><lrm_resources><lrm_resource id="p1" class="ocf" '
        'provider="heartbeat" type="Dummy"><lrm_rsc_op id="p1_last_0" operation="start" '
        'operation_key="p1_start_0" crm-debug-origin="x" transition-key="1:1:0:x" '
        'transition-magic="0:0;1:1:0:x" call-id="5" rc-code="0" op-status="0" interval="0" '
        'exec-time="1" queue-time="0" on_node="node1"/></lrm_resource></lrm_resources></lrm>'
        "</node_state></status>"
    )
    session = Session(tmp_path, CIB.replace("<status/>", history))
    assert session.crm("configure", "delete", "p1") == 1
    assert "resource p1 is running" in session.err
    assert session.crm("configure", "delete", "p1", "--force") == 0
    assert session.cib().find(".//primitive[@id='p1']") is None


def test_rename_follows_references_and_automatic_ids(session):
    session.crm("configure", "order", "o", "Mandatory:", "p1", "g1")
    session.crm("resource", "meta", "p1", "set", "priority", "5")
    assert session.crm("configure", "rename", "p1", "web") == 0
    assert session.cib().find(".//rsc_order").get("first") == "web"
    assert session.cib().find(".//primitive[@id='web']/meta_attributes").get("id") == (
        "web-meta_attributes"
    )


def test_a_saved_configuration_loads_to_the_same(session, tmp_path):
    session.crm("configure", "location", "l", "g1", "rule", "#uname", "eq", "node1")
    session.crm("configure", "order", "o", "Optional:", "p1:start", "c1:stop")
    before = session.cib().find("configuration")
    file = str(tmp_path / "saved.crm")
    assert session.crm("configure", "save", file) == 0
    assert session.crm("configure", "erase") == 0
    assert session.crm("configure", "load", "replace", file) == 0
    after = session.cib().find("configuration")

    def plain(root):
        return {
            e.get("id"): sorted((c.tag, *sorted(c.attrib.items())) for c in e.iter())
            for e in root.iter("primitive", "group", "clone", "rsc_location", "rsc_order", "node")
        }

    after_text = {k: [x for x in v if x[0] != "nvpair"] for k, v in plain(after).items()}
    before_text = {k: [x for x in v if x[0] != "nvpair"] for k, v in plain(before).items()}
    assert {k: [x[0] for x in v] for k, v in after_text.items()} == {
        k: [x[0] for x in v] for k, v in before_text.items()
    }
    assert session.values("target-role") == {"p2": "Stopped"}


def test_xml_that_was_saved_loads_byte_for_byte(session, tmp_path):
    file = str(tmp_path / "saved.xml")
    before = etree.tostring(session.cib().find("configuration"), method="c14n")
    assert session.crm("configure", "save", "xml", file) == 0
    assert session.crm("configure", "erase") == 0
    assert session.crm("configure", "load", "xml", "update", file) == 0
    after = session.cib().find("configuration")

    def ids(text):
        return sorted(e.get("id") for e in etree.fromstring(text).iter() if e.get("id"))

    assert ids(etree.tostring(after)) == ids(before)


def test_updating_keeps_what_is_not_mentioned_and_old_ids(session, tmp_path):
    session.crm("configure", "primitive", "z", "Dummy", "params", "fake=1")
    file = tmp_path / "new.crm"
    file.write_text("# a comment\nprimitive p2 Dummy \\\n\tmeta target-role=Started\n")
    assert session.crm("configure", "load", "update", str(file)) == 0
    pair = session.cib().find(".//primitive[@id='p2']/meta_attributes/nvpair")
    assert dict(pair.attrib) == {
        "id": "p2-m-target-role",
        "name": "target-role",
        "value": "Started",
    }
    assert session.cib().find(".//group/primitive[@id='p2']") is not None
    assert session.cib().find(".//primitive[@id='z']") is not None


def test_a_broken_file_is_refused_with_its_line(session, tmp_path):
    file = tmp_path / "new.crm"
    file.write_text("primitive a Dummy\n\nprimitive b Dummy nonsense\n")
    assert session.crm("configure", "load", "update", str(file)) == 1
    assert session.err.startswith("ERROR: 3: syntax in primitive")
    assert session.path.read_text() == CIB


def test_a_filter_program_changes_objects(session):
    program = "sed 's/Stopped/Started/'"
    assert session.crm("configure", "filter", program, "p2") == 0
    assert session.values("target-role") == {"p2": "Started"}


def test_an_editor_that_takes_a_line_out_deletes_the_object(session, tmp_path):
    script = tmp_path / "editor"
    script.write_text("#!/bin/sh\nsed -i '/^primitive p1/d' \"$1\"\n")
    script.chmod(0o755)
    session.env["EDITOR"] = str(script)
    session.env["PATH"] = "/usr/bin:/bin"
    assert session.crm("configure", "edit") == 0
    assert session.cib().find(".//primitive[@id='p1']") is None


def test_options_are_merged_into_their_set(session):
    assert (
        session.crm("configure", "property", "maintenance-mode=true", "stonith-enabled=true") == 0
    )
    assert session.values("stonith-enabled") == {"crm_config": "true"}
    assert session.values("maintenance-mode") == {"crm_config": "true"}
    assert session.crm("configure", "get_property", "maintenance-mode") == 0
    assert session.out == "true\n"


def test_a_typing_error_in_a_property_is_pointed_out(session):
    assert session.crm("configure", "property", "no-quorum-polici=stop") == 0
    assert "unknown property 'no-quorum-polici'; did you mean 'no-quorum-policy'?" in session.err


def test_changes_of_others_in_other_places_are_kept(session):
    from cli.crm.editor import Editor

    ours = Editor(session.env, None)
    ours.create(["primitive", "mine", "Dummy"])
    assert session.crm("configure", "primitive", "theirs", "Dummy") == 0
    ours.commit()
    ids = [p.get("id") for p in session.cib().iter("primitive")]
    assert "mine" in ids and "theirs" in ids


def test_changes_of_others_in_the_same_place_are_not_overwritten(session):
    from cli.crm.editor import Conflict, Editor

    ours = Editor(session.env, None)
    ours.set_value("p2.target-role", "Started")
    assert session.crm("resource", "meta", "p2", "set", "priority", "1") == 0
    with pytest.raises(Conflict, match="changed meanwhile in the same place: g1"):
        ours.commit()
    ours.commit(force=True)
    assert session.values("target-role") == {"p2": "Started"}


def test_an_unknown_object_gets_the_nearest_name(session):
    assert session.crm("configure", "show", "p11") == 1
    assert "object p11 does not exist; did you mean 'p1'?" in session.err


def test_advised_operations_are_added_where_wanted(session):
    assert session.crm("-o", "add-advised-ops=yes", "configure", "primitive", "d", "Dummy") == 0
    names = {op.get("name") for op in session.cib().iterfind(".//primitive[@id='d']/operations/op")}
    assert {"monitor", "start", "stop"} <= names
