"""From a request to shoot a node to one answer."""

from lxml import etree

from crmd.fencing.devices import Device, executors, levels
from crmd.fencing.fencer import Fenced, Fencer, RunFence

MEMBERS = ("n1", "n2", "n3")


def cib(resources, extra=""):
    return etree.fromstring(
        f"<cib><configuration><nodes/><resources>{resources}</resources>{extra}</configuration>"
        "<status/></cib>"
    )


def primitive(name, **params):
    pairs = "".join(f'<nvpair id="{name}-{n}" name="{n}" value="{v}"/>' for n, v in params.items())
    return (
        f'<primitive id="{name}" class="stonith" type="fence_x">'
        f'<instance_attributes id="{name}-i">{pairs}</instance_attributes></primitive>'
    )


def ask(fencer, root, target="n3", action="reboot", delay=0.0, now=0.0, members=MEMBERS):
    return fencer.request(root, target, action, "scheduler", members, "n1", delay, 0.5, now)


def finish(fencer, run, ok, now=1.0, members=MEMBERS):
    return fencer.result(run.operation, ok, "" if ok else "unreachable", members, "n1", now)


def test_a_device_that_works_ends_the_request_well():
    fencer = Fencer("t")
    [run] = ask(fencer, cib(primitive("ipmi", pcmk_host_list="n3")))
    assert isinstance(run, RunFence) and (run.node, run.target) == ("n1", "n3")
    [end] = finish(fencer, run, ok=True)
    assert end == Fenced("n3", "reboot", True, "ipmi", "n1", "")
    assert [e["state"] for e in fencer.history] == ["success"]


def test_a_failed_run_is_tried_on_another_member_then_the_request_fails():
    fencer = Fencer("t")
    [first] = ask(fencer, cib(primitive("ipmi", pcmk_host_list="n3")))
    [second] = finish(fencer, first, ok=False)
    assert (first.node, second.node) == ("n1", "n2")
    [end] = finish(fencer, second, ok=False)
    assert isinstance(end, Fenced) and not end.ok and end.error == "unreachable"
    assert fencer.failures == {"n3": 1} and not fencer.has("n3")


def test_without_any_device_the_request_fails_at_once_and_says_why():
    [end] = ask(Fencer("t"), cib(""))
    assert not end.ok and end.error == "no fence device for n3"


def test_levels_are_tried_in_order_and_all_devices_of_one_must_succeed():
    topology = (
        '<fencing-topology><fencing-level id="b" target="n3" index="2" devices="last"/>'
        '<fencing-level id="a" target="n3" index="1" devices="pdu1, pdu2"/></fencing-topology>'
    )
    root = cib(primitive("last") + primitive("pdu1") + primitive("pdu2"), topology)
    fencer = Fencer("t")
    [run] = ask(fencer, root)
    seen = []
    while isinstance(run, RunFence):
        seen.append((run.device.id, run.action))
        [run] = finish(fencer, run, ok=True)
    assert seen == [("pdu1", "off"), ("pdu2", "off"), ("pdu1", "on"), ("pdu2", "on")]
    assert run.ok
    [run] = ask(fencer, root, target="n3", action="off")
    for _ in range(2):
        [run] = finish(fencer, run, ok=False)
    assert run.device.id == "last"


def test_the_target_never_runs_its_own_fencing_nor_a_banned_member():
    device = Device("d", "fence_x", banned=frozenset(("n1",)))
    assert executors(device, "n3", MEMBERS, "n1") == ["n2"]


def test_the_member_that_runs_the_device_goes_first_then_the_dc():
    assert executors(Device("d", "x", running_on="n2"), "n3", MEMBERS, "n1") == ["n2", "n1"]


def test_a_delay_holds_the_shot_back():
    fencer = Fencer("t")
    assert ask(fencer, cib(primitive("d", pcmk_delay_base="2s")), delay=1.0) == []
    assert fencer.deadline() == 3.0
    assert fencer.tick(MEMBERS, "n1", 2.9) == []
    assert [o.target for o in fencer.tick(MEMBERS, "n1", 3.0)] == ["n3"]


def test_delays_per_node_and_random_delays():
    d = Device("d", "x", {"pcmk_delay_base": "n1:0s;n2:5s"})
    assert (d.delay("n1", 0.9), d.delay("n2", 0.0)) == (0.0, 5.0)
    d = Device("d", "x", {"pcmk_delay_base": "2", "pcmk_delay_max": "10s"})
    assert (d.delay("n1", 0.0), d.delay("n1", 0.99)) == (2.0, 10.0)
    assert Device("d", "x", {"pcmk_delay_base": "9", "pcmk_delay_max": "3"}).delay("n", 0.0) == 3.0


def test_an_answer_that_never_comes_counts_as_a_failure():
    fencer = Fencer("t")
    [run] = ask(fencer, cib(primitive("d", pcmk_reboot_timeout="10s")))
    assert fencer.tick(MEMBERS, "n1", 14.9) == []
    [again] = fencer.tick(MEMBERS, "n1", 15.0)
    assert again.node == "n2" and again.operation != run.operation


def test_the_loss_of_the_member_that_shoots_gives_the_task_to_another():
    fencer = Fencer("t")
    ask(fencer, cib(primitive("d")))
    [again] = fencer.node_lost("n1", ("n2",), "n2", 1.0)
    assert again.node == "n2"


def test_a_second_request_joins_the_first():
    fencer = Fencer("t")
    root = cib(primitive("d"))
    assert len(ask(fencer, root)) == 1
    assert ask(fencer, root) == []


def test_a_late_answer_of_an_attempt_given_up_changes_nothing():
    fencer = Fencer("t")
    [first] = ask(fencer, cib(primitive("d")))
    [second] = fencer.node_lost("n1", ("n2",), "n2", 1.0)
    assert finish(fencer, first, ok=True) == []
    assert fencer.has("n3") and second.operation != first.operation


def test_a_persons_word_ends_a_request_well():
    fencer = Fencer("t")
    ask(fencer, cib(primitive("d")))
    end = fencer.confirm("n3", "root", 5.0)
    assert end.ok and end.device == "(a human)" and not fencer.has("n3")


def test_parameters_given_to_the_agent():
    d = Device("d", "fence_x", {"ip": "10.0.0.1", "pcmk_host_map": "n3:17", "action": "off"})
    call = d.call("n3", "reboot", "u")
    assert dict(call.params) == {"ip": "10.0.0.1", "nodename": "n3", "plug": "17", "port": "17"}
    assert (call.operation, call.timeout_ms, call.rsc) == ("reboot", 60_000, "d/n3")
    d = Device("d", "x", {"pcmk_host_argument": "uuid", "pcmk_reboot_action": "cycle"})
    call = d.call("n3", "reboot", "u")
    assert dict(call.params) == {"nodename": "n3", "uuid": "n3"} and call.operation == "cycle"


def test_devices_for_a_target_are_those_that_name_it_first():
    root = cib(
        primitive("any")
        + primitive("its", pcmk_host_list="n3 n4")
        + primitive("other", pcmk_host_list="n1")
    )
    assert [d.id for (d,) in levels(root, "n3")] == ["its", "any"]
