import pytest
from lxml import etree

from cib.dates import from_civil
from cib.rules import RuleInput, passes
from cib.upgrade import UpgradeError, needs_upgrade, upgrade
from tests.shared_data import need


def cib(body, schema="pacemaker-3.9"):
    parts = dict.fromkeys(
        ("crm_config", "nodes", "resources", "constraints", "rsc_defaults", "op_defaults"), ""
    )
    parts |= body
    inner = "".join(f"<{tag}>{text}</{tag}>" for tag, text in parts.items())
    return etree.fromstring(
        f'<cib validate-with="{schema}"><configuration>{inner}</configuration><status/></cib>'
    )


def options(*pairs):
    inner = "".join(
        f'<nvpair id="o{n}" name="{name}" value="{value}"/>'
        for n, (name, value) in enumerate(pairs)
    )
    return f'<cluster_property_set id="cib-bootstrap-options">{inner}</cluster_property_set>'


def ids(root):
    return [e.get("id") for e in root.iter(etree.Element) if e.get("id") is not None]


def test_the_given_tree_stays_and_the_result_names_the_newest_schema():
    root = cib({})
    before = etree.tostring(root)
    result = upgrade(root)
    assert etree.tostring(root) == before
    assert result.was == "pacemaker-3.9" and not needs_upgrade(result.root)
    assert result.root.get("validate-with") == "pacemaker-4.0"


def test_an_unknown_schema_is_refused_by_name():
    with pytest.raises(UpgradeError, match=r"pacemaker-9\.1"):
        upgrade(cib({}, "pacemaker-9.1"))


def test_a_master_is_a_clone_that_is_promotable_whatever_it_said():
    root = cib({"resources": (
        '<master id="ms"><meta_attributes id="m" score="INFINITY">'
        '<nvpair id="p" name="promotable" value="false"/></meta_attributes>'
        '<primitive id="db" class="ocf" provider="pacemaker" type="Stateful"/>'
        "</master>")})  # fmt: skip
    clone = upgrade(root).root.find("configuration/resources/clone")
    assert [p.get("value") for p in clone.iter("nvpair") if p.get("name") == "promotable"] == [
        "true"
    ]
    assert clone[0].tag == "meta_attributes" and clone[0][0].get("name") == "promotable"


def test_a_location_with_several_rules_becomes_as_many_constraints_in_its_place():
    rules = "".join(
        f'<rule id="r{n}" score="{n}">'
        f'<expression id="e{n}" attribute="a" operation="defined"/></rule>'
        for n in range(3)
    )
    root = cib({"constraints": (
        f'<rsc_location id="l" rsc="x" resource-discovery="never">{rules}</rsc_location>'
        '<rsc_location id="after" rsc="x" node="n" score="1"/>')})  # fmt: skip
    new = upgrade(root).root
    constraints = new.findall("configuration/constraints/rsc_location")
    assert [c.get("id") for c in constraints] == ["l", "l-1", "l-2", "after"]
    assert [[r.get("id") for r in c] for c in constraints] == [["r0"], ["r1"], ["r2"], []]
    assert {c.get("resource-discovery") for c in constraints[:3]} == {"never"}
    assert len(set(ids(new))) == len(ids(new))


def test_a_lifetime_limits_the_constraint_it_stands_in():
    root = cib({"constraints": (
        '<rsc_location id="l" rsc="x" node="n1" score="100"><lifetime><rule id="t">'
        '<date_expression id="d" operation="lt" end="2030-01-01"/></rule></lifetime></rsc_location>'
        '<rsc_colocation id="c" rsc="x" with-rsc="y" score="1"><lifetime><rule id="u"/></lifetime>'
        "</rsc_colocation>")})  # fmt: skip
    new = upgrade(root).root
    assert new.find(".//lifetime") is None
    location = new.find("configuration/constraints/rsc_location")
    rule = location.find("rule")
    assert location.get("node") is None and rule.get("score") == "100"
    at_n1 = {"#uname": "n1"}
    assert passes(rule, RuleInput(from_civil(2029, 1, 1), node_attributes=at_n1))
    assert not passes(rule, RuleInput(from_civil(2031, 1, 1), node_attributes=at_n1))
    assert not passes(rule, RuleInput(from_civil(2029, 1, 1), node_attributes={"#uname": "n2"}))


def test_ping_nodes_become_members_on_which_nothing_runs():
    new = upgrade(cib({"nodes": '<node id="1" uname="gw" type="ping"/>'})).root
    assert new.find("configuration/nodes/node").get("type") == "member"
    ban = new.find("configuration/constraints/rsc_location")
    assert (ban.get("rsc-pattern"), ban.get("node"), ban.get("score")) == (".*", "gw", "-INFINITY")
    assert ban.get("resource-discovery") == "never"


def test_options_are_renamed_and_dropped():
    new = upgrade(cib({"crm_config": options(
        ("crmd-transition-delay", "2s"), ("remove-after-stop", "true"),
        ("stonith-action", "poweroff"))})).root  # fmt: skip
    pairs = {p.get("name"): p.get("value") for p in new.iter("nvpair")}
    assert pairs == {"transition-delay": "2s", "stonith-action": "off"}


def test_unsupported_resources_go_with_all_that_names_them():
    root = cib({
        "resources": (
            '<group id="g"><primitive id="a" class="nagios" type="check_tcp"/></group>'
            '<primitive id="b" class="ocf" provider="heartbeat" type="Dummy"/>'
            '<bundle id="k"><rkt image="x"/></bundle>'),
        "constraints": (
            '<rsc_location id="l1" rsc="g" node="n" score="1"/>'
            '<rsc_order id="o1" first="b" then="a"/>'
            '<rsc_colocation id="c1" score="1"><resource_set id="s"><resource_ref id="k"/>'
            "</resource_set></rsc_colocation>"
            '<rsc_location id="l2" rsc="b" node="n" score="1"/>'),
    })  # fmt: skip
    result = upgrade(root)
    configuration = result.root.find("configuration")
    assert [r.get("id") for r in configuration.find("resources")] == ["b"]
    assert [c.get("id") for c in configuration.find("constraints")] == ["l2"]
    assert any("nagios" in n for n in result.notes) and any("rkt" in n for n in result.notes)


def test_series_two_moves_defaults_out_of_the_options():
    root = cib({
        "crm_config": options(
            ("default-resource-stickiness", "100"), ("default-action-timeout", "40s"),
            ("no_quorum_policy", "ignore"), ("default-resource-failure-stickiness", "-INFINITY")),
        "rsc_defaults": '<meta_attributes id="d"><nvpair id="d1" name="resource-stickiness"'
                        ' value="5"/></meta_attributes>',
        "nodes": '<node id="1" uname="a" type="normal"/>',
        "resources": (
            '<primitive id="p" class="ocf" provider="heartbeat" type="Dummy"><operations>'
            '<op id="s" name="start" interval="0" requires="fencing"/>'
            '<op id="m" name="monitor" interval="10" requires="quorum"><instance_attributes id="i">'
            '<nvpair id="i1" name="timeout" value="7s"/><nvpair id="i2" name="depth" value="1"/>'
            "</instance_attributes></op></operations></primitive>"),
    }, "pacemaker-2.5")  # fmt: skip
    new = upgrade(root).root
    configuration = new.find("configuration")
    assert [p.get("name") for p in configuration.find("crm_config").iter("nvpair")] == [
        "no-quorum-policy"
    ]
    moved, own = configuration.find("rsc_defaults")[-1], configuration.find("rsc_defaults")[0]
    assert own.get("id") == "d" and moved.get("score") == "-INFINITY"
    assert {p.get("name"): p.get("value") for p in moved} == {
        "resource-stickiness": "100", "migration-threshold": "1",
    }  # fmt: skip
    assert configuration.find("nodes/node").get("type") == "member"
    primitive = configuration.find("resources/primitive")
    assert primitive.find("meta_attributes/nvpair").get("value") == "fencing"
    monitor = primitive.findall("operations/op")[1]
    assert monitor.get("requires") is None
    assert [p.get("name") for p in monitor.find("meta_attributes")] == ["timeout"]
    assert [p.get("name") for p in monitor.find("instance_attributes")] == ["depth"]


@pytest.mark.reference
def test_an_upgrade_is_idempotent_on_reference_inputs():
    for path in sorted(need("scheduler-cases", "xml").glob("*.xml"))[::20]:
        once = upgrade(etree.parse(path).getroot()).root
        assert etree.tostring(upgrade(once).root) == etree.tostring(once), path.name
