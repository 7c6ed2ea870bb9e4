"""The DC's side of fencing: who waits, and what is told."""

from types import SimpleNamespace

from lxml import etree

from crmd.controller.fencing import Fencing

TWO_NODES = """<cib><configuration><nodes/><resources>
<primitive id="ipmi" class="stonith" type="fence_x"><instance_attributes id="i">
<nvpair id="h" name="pcmk_host_list" value="n1 n2"/>%s</instance_attributes></primitive>
</resources></configuration><status/></cib>"""


def core(node, incarnation, params=""):
    return SimpleNamespace(
        node=node,
        incarnation=incarnation,
        round=1,
        view=1,
        now=10.0,
        wall=1e9,
        quorum=SimpleNamespace(is_two_node=True),
        settings=SimpleNamespace(fence_delay_s=2.0),
        replica=SimpleNamespace(root=etree.fromstring(TWO_NODES % params)),
        send=lambda message, to=None: None,
        log=lambda event, level="info", **fields: None,
    )


def wait_of(node, target, incarnation="a", params=""):
    it = Fencing(core(node, incarnation, params), lambda: (node,), lambda end: None)
    it.begin(target, "reboot", "scheduler")
    [request] = it.fencer.requests.values()
    return request.not_before - 10.0


def test_of_two_rivals_the_second_in_the_alphabet_waits():
    assert wait_of("n1", "n2") == 0.0
    assert wait_of("n2", "n1") == 2.0


def test_a_random_delay_differs_from_one_dc_to_the_next():
    params = '<nvpair id="d" name="pcmk_delay_max" value="1000s"/>'
    waits = {wait_of("n1", "n2", f"life{number}", params) for number in range(20)}
    assert len(waits) > 15
    assert min(waits) < 300 and max(waits) > 700 and max(waits) <= 1000
