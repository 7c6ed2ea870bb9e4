"""`crm_simulate`: events, pretended failures, files, explanations, refusals."""

import io
import json

import pytest
from lxml import etree

from cli.crm_simulate import main

CIB = """<cib validate-with="pacemaker-3.9" crm_feature_set="3.16.1" epoch="1" num_updates="0"
 admin_epoch="0" have-quorum="1" dc-uuid="1" execution-date="1700000000"><configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o-f" name="stonith-enabled" value="false"/>
</cluster_property_set></crm_config><nodes><node id="1" uname="n1"/><node id="2" uname="n2"/>
</nodes><resources><group id="g"><primitive id="fs" class="ocf" provider="heartbeat"
 type="Filesystem"/><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
<operations><op id="vip-m" name="monitor" interval="10s"/></operations></primitive></group>
</resources><constraints><rsc_location id="like" rsc="g" node="n2" score="50"/></constraints>
</configuration><status>
<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
</status></cib>"""


def simulate(*argv, text=CIB):
    out, err = io.StringIO(), io.StringIO()
    code = main(list(argv), out, err, {}, io.StringIO(text))
    return code, out.getvalue(), err.getvalue()


def section(out, title):
    _, _, rest = out.partition(title + ":\n")
    return [line[4:] for line in rest.partition("\n\n")[0].splitlines() if line.startswith("  * ")]


def test_a_group_starts_in_its_order_on_the_node_that_it_prefers():
    code, out, err = simulate("-pS")
    assert (code, err) == (0, "")
    ran = section(out, "Executing Cluster Transition")
    starts = [line for line in ran if " start on " in line]
    assert starts == [
        "Resource action: fs              start on n2",
        "Resource action: vip             start on n2",
    ]
    assert out.endswith(
        "    * Resource Group: g:\n"
        "      * fs\t(ocf:heartbeat:Filesystem):\t Started n2\n"
        "      * vip\t(ocf:heartbeat:IPaddr2):\t Started n2\n"
    )


def test_the_saved_result_is_a_fixed_point_that_survives_the_loss_of_the_node(tmp_path):
    after = tmp_path / "after.xml"
    assert simulate("-pS", "-O", str(after))[0] == 0
    code, out, _ = simulate("-R", "-x", str(after))
    assert code == 0 and section(out, "Transition Summary") == []
    code, out, _ = simulate("-S", "-x", str(after), "--node-down=n2")
    assert section(out, "Performing Requested Modifications") == ["Taking node n2 offline"]
    assert out.count("Started n1\n") == 2


def test_in_place_writes_the_result_back_to_the_input(tmp_path):
    path = tmp_path / "cib.xml"
    path.write_text(CIB)
    assert simulate("-X", "-x", str(path))[0] == 0
    entries = etree.parse(str(path)).findall(".//lrm_rsc_op")
    assert {e.get("id") for e in entries} >= {"fs_last_0", "vip_last_0", "vip_monitor_10000"}


def test_a_plain_run_leaves_the_input_untouched(tmp_path):
    path = tmp_path / "cib.xml"
    path.write_text(CIB)
    simulate("-S", "-x", str(path))
    assert path.read_text() == CIB


def test_a_pretended_failure_stops_what_depends_on_it():
    code, out, _ = simulate("-pS", "-F", "fs_start_0@n2=1")
    assert code == 0
    assert "Pretending action " in out and " failed with rc=1\n" in out
    assert "  * Injecting attribute fail-count-fs#start_0=INFINITY into /node_state '2'" in out
    assert "vip             start" not in out


def test_an_injected_failure_is_recovered_from(tmp_path):
    after = tmp_path / "after.xml"
    simulate("-pS", "-O", str(after))
    code, out, _ = simulate("-S", "-x", str(after), "-i", "vip_monitor_10000@n2=7")
    assert code == 0
    assert section(out, "Transition Summary") == ["Recover    vip     (    n2 )"]
    assert section(out, "Performing Requested Modifications")[:2] == [
        "Injecting vip_monitor_10000@n2=7 into the configuration",
        "Injecting attribute fail-count-vip#monitor_10000=1 into /node_state '2'",
    ]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["-p", "-i", "vip_monitor_0@n9=1"], 105, "no node 'n9'"),
        (["-p", "-i", "vip"], 64, "RESOURCE_TASK_INTERVAL@NODE=RC"),
        (["-p", "-q", "perhaps"], 64, "want 'true' or 'false'"),
        (["-p", "-t", "yesterday"], 65, "yesterday"),
        (["-p", "--explain=nope"], 105, "no such resource"),
        (["-p", "word"], 64, "non-option ARGV-elements"),
        (["--output-as=csv"], 64, "Unknown output format"),
        (["-x", "/nonexistent/cib.xml"], 105, "/nonexistent/cib.xml: no such file"),
        (["-pR", "-G", "/nonexistent/graph"], 73, "/nonexistent/graph: cannot write"),
        (["--profile=/nonexistent"], 66, "no folder with XML files"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_status_and_a_reason(argv, code, words):
    got, _, err = simulate(*argv)
    assert got == code and err.startswith("crm_simulate: ") and words in err


def test_an_invalid_configuration_names_the_line_and_the_remedy():
    broken = CIB.replace('score="50"', 'score="50" nonsense="1"')
    code, out, err = simulate("-pS", text=broken)
    assert (code, out) == (78, "")
    assert "line 8: <rsc_location> 'like'" in err and "nonsense" in err


def test_graph_and_dot_are_written_where_asked(tmp_path):
    graph, dot = tmp_path / "g.xml", tmp_path / "g.dot"
    code, out, _ = simulate("-pQ", "-G", str(graph), "-D", str(dot))
    assert (code, out) == (0, "")
    assert etree.parse(str(graph)).getroot().tag == "transition_graph"
    assert dot.read_text().startswith(' digraph "g" {\n')


def test_an_explanation_has_the_terms_of_each_node_and_marks_the_choice():
    code, out, _ = simulate("-p", "--explain=g")
    assert code == 0
    assert "fs: on n2" in out and "  n2: 50  <- chosen" in out and "    +50  location like" in out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("", "fencing is enabled and no device configured: all stays"),
        ('<nvpair id="f" name="stonith-enabled" value="false"/>'
         '<nvpair id="m" name="maintenance-mode" value="true"/>', "it stays as it is"),
        ('<nvpair id="f" name="stonith-enabled" value="false"/>'
         '<nvpair id="s" name="stop-all-resources" value="true"/>', "stop-all-resources is set"),
    ],
)  # fmt: skip
def test_an_explanation_says_what_forbids_a_choice_by_score(tmp_path, options, why):
    cib = tmp_path / "cib.xml"
    cib.write_text(
        '<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0"'
        ' have-quorum="1"><configuration><crm_config><cluster_property_set id="o">'
        f'{options}</cluster_property_set></crm_config><nodes><node id="1" uname="n1"/></nodes>'
        '<resources><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/></resources>'
        '<constraints/></configuration><status><node_state id="1" uname="n1" in_ccm="true"'
        ' crmd="online" join="member" expected="member"/></status></cib>'
    )
    code, out, _ = simulate("-x", str(cib), "--explain=p")
    assert code == 0
    [line] = [line for line in out.splitlines() if line.startswith("p: ")]
    assert line.startswith("p: nowhere (") and why in line


def test_scores_are_bare_lines_when_quiet():
    _, out, _ = simulate("-pSsQ")
    lines = out.rstrip("\n").splitlines()
    assert "pcmk__primitive_assign: fs allocation score on n2: 50" in lines
    assert not [line for line in lines if line.startswith(" ")]


def test_xml_and_json_hold_every_step():
    _, out, _ = simulate("-pS", "-s", "--output-as=xml")
    tree = etree.fromstring(out.encode())
    assert [child.tag for child in tree] == [
        "cluster_status",
        "allocations",
        "actions",
        "transition",
        "revised_cluster_status",
        "status",
    ]
    action = tree.find("actions/rsc_action")
    assert dict(action.attrib) == {"action": "start", "resource": "fs", "node": "n2"}
    _, out, _ = simulate("-pS", "--output-as=json")
    document = json.loads(out)
    assert document["actions"][0] == {
        "kind": "rsc_action",
        "action": "start",
        "resource": "fs",
        "node": "n2",
    }


def test_profile_times_every_file(tmp_path):
    (tmp_path / "a.xml").write_text(CIB)
    (tmp_path / "b.xml").write_text("<broken")
    code, out, err = simulate(f"--profile={tmp_path}", "-N", "2")
    assert code == 0 and out.startswith("* Testing a.xml ")
    assert "b.xml: skipped: " in err


def test_an_injection_into_an_unknown_resource_is_left_out_with_a_word():
    code, out, err = simulate("-pS", "-i", "nosuch_monitor_10000@n1=7")
    assert (code, err) == (0, "Invalid resource name: nosuch\n")
    asked = section(out, "Performing Requested Modifications")
    assert asked == ["Injecting nosuch_monitor_10000@n1=7 into the configuration"]


@pytest.mark.parametrize("option", ["--node-down", "--node-fail"])
def test_a_node_that_does_not_exist_cannot_go_away(option):
    code, _, err = simulate("-pS", f"{option}=n9")
    assert code == 105
    assert err == f"crm_simulate: {option}=n9: the cluster has no node 'n9'; it has n1, n2\n"


def test_a_new_node_may_come_up_and_be_used_at_once():
    code, out, err = simulate("-pS", "--node-up=n9", "-i", "fs_monitor_0@n9=0")
    assert (code, err) == (0, "")
    assert "    * Online: [ n1 n2 n9 ]\n" in out


REFUSED = CIB.replace("pacemaker-3.9", "pacemaker-1.2").replace("<rsc_location ", "<rsc_bogus ")


def test_a_refused_upgrade_is_told_in_the_words_that_scripts_know_and_then_with_the_place():
    code, out, err = simulate("-pS", text=REFUSED)
    first, second = err.splitlines()
    assert (code, out) == (78, "")
    assert first == (
        "Cannot upgrade configuration (claiming pacemaker-1.2 schema) to at least pacemaker-4.0 "
        "because it does not validate with any schema from pacemaker-1.2 to the latest"
    )
    assert second.startswith("crm_simulate: line 8: <rsc_bogus> 'like': has no place in")


def test_each_schema_version_of_an_upgrade_is_traced_where_wanted():
    err = io.StringIO()
    env = {"PCMK_stderr": "1", "PCMK_trace_functions": "pcmk__update_schema"}
    text = CIB.replace("pacemaker-3.9", "pacemaker-3.5").replace(
        "</constraints>",
        '<rsc_colocation id="c" rsc="fs" with-rsc="vip" influence="1"/></constraints>',
    )
    assert main(["-p"], io.StringIO(), err, env, io.StringIO(text)) == 0
    assert err.getvalue().splitlines() == [
        "Invalid attribute influence for element rsc_colocation",
        "Element constraints has extra content: rsc_colocation",
        "pcmk__update_schema \tdebug: Schema pacemaker-3.5 does not validate",
        *(
            f"pcmk__update_schema \tdebug: Schema pacemaker-{version} validates"
            for version in ("3.6", "3.7", "3.8", "3.9", "3.10", "4.0")
        ),
        "pcmk__update_schema \tinfo: Transformed the configuration schema to pacemaker-4.0",
    ]


def test_attributes_and_fail_counts_are_shown_after_the_transition_too():
    text = CIB.replace(
        '<node id="1" uname="n1"/>',
        '<node id="1" uname="n1"><instance_attributes id="i"><nvpair id="i-a" name="a" value="b"/>'
        "</instance_attributes></node>",
    )
    _, out, _ = simulate("-pSAc", "-i", "fs_monitor_10000@n1=7", text=text)
    revised = out.partition("Revised Cluster Status:\n")[2]
    for part in (out, revised):
        assert "  * Node Attributes:\n    * Node: n1:\n      * a " in part
    assert "  * Migration Summary:\n" in revised


def test_a_quiet_run_with_events_begins_with_the_empty_line_of_their_list():
    assert simulate("-pSQ", "-d", "n1")[1] == "\n"
    assert simulate("-pSQ")[1] == ""


def test_a_pretended_failure_alone_makes_it_a_simulation():
    _, out, _ = simulate("-p", "-F", "fs_start_0@n2=1")
    assert "Executing Cluster Transition:" in out
    assert "Revised Cluster Status:" in out
