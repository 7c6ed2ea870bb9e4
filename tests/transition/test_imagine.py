"""The walk on paper: what the reference executed, and what it leaves in the CIB."""

import re

import pytest
from lxml import etree

from cli.status.steps import step_line
from crmd.scheduler.transition import Action, ActionKind, ResourceRef, Synapse, Transition
from crmd.transition.history import SimulatedCib, parameters_digest, parse_op_spec
from crmd.transition.imagine import walk
from crmd.transition.walker import WalkState
from tests.reference.cases import find_cases, read_graph

CIB = b"""<cib><configuration><nodes><node id="1" uname="n1"/></nodes></configuration><status>
<node_state id="1" uname="n1"><lrm id="1"><lrm_resources>
<lrm_resource id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
<lrm_rsc_op id="vip_last_0" operation="start" call-id="7" rc-code="0" op-status="0"/>
</lrm_resource></lrm_resources></lrm><transient_attributes id="1"/></node_state></status></cib>"""


def simulated(**more):
    return SimulatedCib(etree.fromstring(CIB), now=1000, feature_set="3.20.5", **more)


def start(operation="start", rc="0", **attributes):
    given = {"CRM_meta_op_target_rc": rc, **attributes}
    return Action(
        1,
        ActionKind.RSC_OP,
        operation,
        f"vip_{operation}_0",
        on_node="n1",
        on_node_uuid="1",
        resource=ResourceRef("vip", "ocf", "IPaddr2", "heartbeat"),
        attributes=tuple(sorted(given.items())),
    )


def test_the_digest_of_no_parameters_is_that_of_the_reference():
    assert parameters_digest([("CRM_meta_timeout", "20000")]) == "f2317cad3d54cec5d7d7aa7d0bf35cf8"


def test_the_timeout_of_a_recurring_monitor_counts_in_its_digest():
    attributes = [("CRM_meta_timeout", "20000"), ("CRM_meta_interval", "10000")]
    assert parameters_digest(attributes) == "4811cef7f7f94e3a35a70be7916cb2fd"


def test_a_stop_replaces_the_last_entry_and_counts_the_call():
    cib = simulated()
    assert cib.perform(start("stop")) is True
    (entry,) = cib.root.iter("lrm_rsc_op")
    assert (entry.get("id"), entry.get("operation"), entry.get("call-id")) == (
        "vip_last_0",
        "stop",
        "8",
    )
    assert entry.get("transition-magic") == "0:0;8:-1:0:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"


def test_a_monitor_of_a_resource_without_history_makes_one():
    cib = simulated()
    action = Action(
        2,
        ActionKind.RSC_OP,
        "monitor",
        "web_monitor_10000",
        on_node="n1",
        on_node_uuid="1",
        resource=ResourceRef("web", "lsb", "apache"),
        attributes=(("CRM_meta_interval", "10000"),),
    )
    cib.perform(action)
    (entry,) = cib.root.iterfind(".//lrm_resource[@id='web']/lrm_rsc_op")
    assert entry.get("id") == "web_monitor_10000"
    assert [step_line(step) for step in cib.steps] == [
        "Resource action: web             monitor=10000 on n1"
    ]


def test_a_failure_that_was_asked_for_raises_the_fail_count():
    cib = simulated(failures=[parse_op_spec("vip_start_0@n1=1")])
    assert cib.perform(start()) is False
    pairs = {p.get("name"): p.get("value") for p in cib.root.iter("nvpair")}
    assert pairs == {"fail-count-vip#start_0": "INFINITY", "last-failure-vip#start_0": "1000"}
    ids = [entry.get("id") for entry in cib.root.iter("lrm_rsc_op")]
    assert ids == ["vip_last_0", "vip_last_failure_0"]


def test_fencing_a_node_drops_what_it_told_of_itself():
    cib = simulated()
    cib.perform(
        Action(3, ActionKind.CRM, "stonith", "stonith-n1-reboot", on_node="n1", on_node_uuid="1")
    )
    (state,) = cib.root.iter("node_state")
    assert len(state) == 0 and state.get("crmd") == "offline"
    assert [step_line(step) for step in cib.steps] == ["Fencing n1 (reboot)"]


def test_a_walk_ends_terminated_when_two_actions_wait_for_each_other():
    synapses = (Synapse(0, start(), (2,)), Synapse(1, replace_id(start("stop"), 2), (1,)))
    assert walk(Transition((), synapses), lambda action: True) is WalkState.TERMINATED


def replace_id(action, new):
    import dataclasses

    return dataclasses.replace(action, id=new)


@pytest.mark.parametrize("text", ["", "vip_start@n1=1", "vip_start_0@n1", "start_0@n1=1"])
def test_a_malformed_operation_is_refused_with_the_form_it_should_have(text):
    with pytest.raises(ValueError, match="RESOURCE_TASK_INTERVAL@NODE=RC"):
        parse_op_spec(text)


@pytest.mark.reference
def test_every_recorded_graph_is_walked_in_the_recorded_order():
    cases = find_cases()
    if not cases:
        pytest.skip("no reference data")
    for case in cases:
        cib = SimulatedCib(etree.parse(str(case.xml)).getroot(), now=0, feature_set="3.20.5")
        assert walk(read_graph(case.expected("exp")), cib.perform) is WalkState.COMPLETE
        (block,) = re.findall(
            r"^Executing Cluster Transition:\n((?:  \* .*\n)*)", case.expected("summary"), re.M
        )
        want = [plain(line[4:]) for line in block.splitlines()]
        assert [plain(step_line(step)) for step in cib.steps] == want, case.name


def plain(line):
    """Words without instance numbers: which of them is shown depends on the whole schedule."""
    return [re.sub(r":\d+$", "", word) for word in line.split()]
