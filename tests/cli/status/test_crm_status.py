"""`crm status`: the status, then what should not stay as it is."""

import io
import json

from lxml import etree

from cli.crm.status import status
from cli.status.reading import CibRead
from cli.status.view import view
from cli.status.warnings import standing_warnings

CIB = """<cib validate-with="pacemaker-3.9" crm_feature_set="3.16.1" epoch="1" num_updates="0"
 admin_epoch="0" have-quorum="1" dc-uuid="1"><configuration><crm_config>
<cluster_property_set id="o"><nvpair id="o-f" name="stonith-enabled" value="{fencing}"/>
{options}</cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2">{node2}</node></nodes>
<resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">{vip}
<operations><op id="vip-m" name="monitor" interval="10s"/></operations></primitive>{more}
</resources><constraints>{constraints}</constraints></configuration><status>
<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
<transient_attributes id="1"><instance_attributes id="i">{counts}</instance_attributes>
</transient_attributes><lrm id="1"><lrm_resources><lrm_resource id="vip" class="ocf"
 provider="heartbeat" type="IPaddr2"><lrm_rsc_op id="vip_last_0" operation_key="vip_start_0"
 operation="start" call-id="3" rc-code="0" op-status="0" interval="0"
 transition-key="1:1:0:7c0a34b18-a8ea-4299-84f3-6747c105f26e"/></lrm_resource></lrm_resources></lrm>
</node_state>
<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
</status></cib>"""


def cib(**parts):
    filled = dict.fromkeys(("options", "node2", "vip", "more", "constraints", "counts"), "")
    return CIB.format(**{**filled, "fencing": "false", **parts})


def warned(**parts):
    root = etree.fromstring(cib(**parts))
    return {w.id: w for w in standing_warnings(view(CibRead(root)), root)}


def run(words, text):
    out, err = io.StringIO(), io.StringIO()
    code = status(words, out, err, {"CIB_file": "-"}, io.StringIO(text))
    return code, out.getvalue(), err.getvalue()


def test_the_status_comes_first_and_the_warnings_below_it():
    code, out, err = run([], cib())
    assert code == 0 and err == ""
    body, _, warnings = out.partition("\nWarnings:\n")
    assert "  * vip\t(ocf:heartbeat:IPaddr2):\t Started n1\n" in body
    assert warnings.startswith("  * fencing-disabled: fencing is disabled: ")


def test_a_missing_fencing_device_is_named_as_what_keeps_everything_down():
    found = warned(fencing="true")
    assert set(found) == {"fencing-missing"}
    assert "no fencing device is configured" in found["fencing-missing"].text


def test_a_constraint_left_over_from_a_move_is_shown_with_the_command_that_removes_it():
    left = '<rsc_location id="cli-prefer-vip" rsc="vip" node="n2" score="INFINITY" role="Started"/>'
    warning = warned(constraints=left)["move-left-over"]
    assert warning.text == (
        "constraint cli-prefer-vip from an earlier move or ban still ties vip to n2"
    )
    assert warning.advice == "'crm resource clear vip' when it is no longer wanted"


def test_a_fail_count_one_below_the_threshold_warns_and_at_the_threshold_says_so():
    threshold = (
        '<meta_attributes id="m"><nvpair id="m1" name="migration-threshold" value="3"/>'
        "</meta_attributes>"
    )
    count = '<nvpair id="c" name="fail-count-vip#monitor_10000" value="{}"/>'
    near = warned(vip=threshold, counts=count.format(2))["fail-count"]
    assert near.text.startswith("vip moves away from n1 at the next failure: fail count 2")
    reached = warned(vip=threshold, counts=count.format(3))["fail-count"]
    assert reached.text.startswith("vip may not run on n1 any more: fail count 3")
    assert "fail-count" not in warned(vip=threshold, counts=count.format(1))


def test_maintenance_standby_and_a_missing_monitor_are_each_told_once():
    standby = (
        '<instance_attributes id="s"><nvpair id="s1" name="standby" value="on"/>'
        "</instance_attributes>"
    )
    assert "n2 is in standby" in warned(node2=standby)["standby"].text
    mode = '<nvpair id="o-m" name="maintenance-mode" value="true"/>'
    assert set(warned(options=mode)) == {"fencing-disabled", "maintenance-mode"}
    bare = '<primitive id="web" class="lsb" type="apache2"/>'
    assert "web" in warned(more=bare)["monitor-missing"].text


def test_stickiness_zero_with_a_preferred_node_announces_the_failback():
    rule = '<rsc_location id="l1" rsc="vip" node="n2" score="100"/>'
    assert "vip prefers n2" in warned(constraints=rule)["failback"].text
    sticky = (
        '<meta_attributes id="m"><nvpair id="m1" name="resource-stickiness" value="5"/>'
        "</meta_attributes>"
    )
    assert "failback" not in warned(constraints=rule, vip=sticky)


def test_json_has_the_warnings_as_a_list_and_real_booleans():
    code, out, _ = run(["json"], cib())
    document = json.loads(out)
    assert code == 0 and document["status"] == {"code": 0, "message": "OK"}
    assert [w["id"] for w in document["warnings"]] == ["fencing-disabled"]
    assert document["nodes"][0]["online"] is True
    assert document["resources"][0]["node"][0]["name"] == "n1"


def test_an_unknown_word_gets_the_nearest_one_and_64():
    code, out, err = run(["bynod"], cib())
    assert (code, out) == (64, "")
    assert err == "crm status: no such word 'bynod'; did you mean 'bynode'?\n"


def test_without_a_cluster_the_status_is_102_and_one_line(tmp_path):
    out, err = io.StringIO(), io.StringIO()
    code = status([], out, err, {"PACEKEEPER_ROOT": str(tmp_path)}, io.StringIO())
    assert code == 102 and out.getvalue() == ""
    assert err.getvalue().startswith("crm status: Connection to cluster failed: ")
    assert err.getvalue().count("\n") == 1
