import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from cib.dates import from_civil
from cib.refs import References
from cib.rules import Recheck, RuleInput, date_passes, passes, range_contains

NOON = from_civil(2026, 11, 25, 12 * 3600)


def rule(body, **attributes):
    words = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return etree.fromstring(f'<rule id="r"{words}>{body}</rule>')


def given_attributes(**attributes):
    return RuleInput(NOON, node_attributes={k.replace("_", "-"): v for k, v in attributes.items()})


def expression(**attributes):
    words = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return rule(f'<expression id="e"{words}/>')


def test_a_rule_without_conditions_passes_and_one_without_id_does_not():
    assert passes(rule(""), RuleInput(NOON))
    assert not passes(etree.fromstring("<rule/>"), RuleInput(NOON))


def test_and_needs_all_or_needs_one():
    both = '<expression id="a" attribute="x" operation="eq" value="1"/>' + (
        '<expression id="b" attribute="y" operation="eq" value="1"/>'
    )
    node = given_attributes(x="1", y="2")
    assert not passes(rule(both), node)
    assert passes(rule(both, boolean_op="or"), node)
    assert not passes(rule(both, boolean_op="xor"), node)


def test_rules_nest_and_may_be_references():
    root = etree.fromstring(
        '<c><rule id="t"><expression id="e" attribute="x" operation="defined"/></rule>'
        '<l><rule id="o"><rule id-ref="t"/></rule></l><l><rule id-ref="nothing"/></l></c>'
    )
    seen = RuleInput(NOON, References(root), node_attributes={"x": ""})
    assert passes(root[1][0], seen)
    assert not passes(root[2][0], seen)


@pytest.mark.parametrize(
    ("operation", "value", "actual", "kind", "result"),
    [
        ("eq", "ABC", "abc", None, True),
        ("lt", "10", "9", None, True),
        ("lt", "10", "9", "string", False),
        ("gt", "1.5", "1.10", None, False),
        ("gt", "1.5", "1.10", "version", True),
        ("gte", "abc", "abd", "integer", True),
        ("ne", "1", "01", "integer", False),
        ("ne", "1", "01", None, True),
        ("between", "1", "1", None, False),
    ],
)
def test_comparisons_follow_their_type(operation, value, actual, kind, result):
    typed = {"type": kind} if kind else {}
    element = expression(attribute="x", operation=operation, value=value, **typed)
    assert passes(element, given_attributes(x=actual)) is result


def test_a_missing_attribute_is_none():
    for operation, result in (("eq", False), ("ne", True), ("lt", False), ("gt", False)):
        element = expression(attribute="x", operation=operation, value="5")
        assert passes(element, given_attributes(y="1")) is result
    assert passes(expression(attribute="x", operation="not_defined"), RuleInput(NOON))
    assert not passes(expression(attribute="x", operation="defined"), RuleInput(NOON))


def test_defined_wants_no_value_and_the_others_want_one():
    assert not passes(expression(attribute="x", operation="defined", value="1"),
                      given_attributes(x="1"))  # fmt: skip
    assert not passes(expression(attribute="x", operation="eq"), given_attributes(x="1"))


def test_the_reference_value_may_be_a_parameter_or_meta_attribute():
    element = expression(attribute="site", operation="eq", value="home", value_source="param")
    at_home = RuleInput(NOON, node_attributes={"site": "berlin"}, params={"home": "Berlin"})
    assert passes(element, at_home)
    element = expression(attribute="site", operation="eq", value="home", value_source="meta")
    assert not passes(element, at_home)


def test_pattern_matches_expand_in_the_attribute_name():
    element = expression(attribute="has-%1", operation="eq", value="yes")
    node = RuleInput(NOON, node_attributes={"has-db": "yes"}, matches=("rsc-db", "db"))
    assert passes(element, node)


def test_agent_and_operation_conditions():
    element = rule('<rsc_expression id="e" class="ocf" type="IPaddr2"/>')
    assert passes(element, RuleInput(NOON, agent=("ocf", "heartbeat", "IPaddr2")))
    assert not passes(element, RuleInput(NOON, agent=("ocf", "heartbeat", "Dummy")))
    assert not passes(element, RuleInput(NOON))
    element = rule('<op_expression id="e" name="monitor" interval="10s"/>')
    assert passes(element, RuleInput(NOON, operation=("monitor", 10_000)))
    assert not passes(element, RuleInput(NOON, operation=("monitor", 20_000)))


def dated(body="", **attributes):
    words = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return etree.fromstring(f'<date_expression id="d"{words}>{body}</date_expression>')


@pytest.mark.parametrize(
    ("start", "end", "result", "recheck"),
    [
        ("2026-11-25 12:00:00Z", "2026-11-25 12:00:00Z", True, 1),
        ("2026-11-25 12:00:01Z", None, False, 1),
        (None, "2026-11-25 11:59:59Z", False, None),
        ("2026-11-25 11:00:00Z", None, True, None),
        (None, None, False, None),
        ("2026-13-25", None, False, None),
    ],
)
def test_a_range_includes_both_ends_and_says_when_to_look_again(start, end, result, recheck):
    named = {k: v for k, v in (("start", start), ("end", end)) if v is not None}
    noted = Recheck()
    assert date_passes(dated(operation="in_range", **named), NOON, noted) is result
    assert noted.at == (None if recheck is None else NOON.epoch_s + recheck)


def test_gt_and_lt_are_strict():
    now = "2026-11-25 12:00:00Z"
    noted = Recheck()
    assert not date_passes(dated(operation="gt", start=now), NOON, noted)
    assert noted.at == NOON.epoch_s + 1
    assert not date_passes(dated(operation="lt", end=now), NOON)
    noted = Recheck()
    assert date_passes(dated(operation="lt", end="2026-11-26 00:00:00Z"), NOON, noted)
    assert noted.at == NOON.epoch_s + 12 * 3600


def test_a_duration_may_replace_the_end():
    body = '<duration id="x" hours="12"/>'
    element = dated(body, operation="in_range", start="2026-11-25 00:00:00Z")
    assert date_passes(element, NOON)
    body = '<duration id="x" hours="11" minutes="59"/>'
    assert not date_passes(dated(body, start="2026-11-25 00:00:00Z"), NOON)


@pytest.mark.parametrize(
    ("spec", "result"),
    [
        ('hours="9-16" weekdays="1-5"', True),
        ('weekdays="6-7"', False),
        (
            'years="2026" months="11" monthdays="25" yeardays="329" weeks="48" weekyears="2026"',
            True,
        ),
        ('hours="12-" minutes="-0" seconds="0"', True),
        ('hours="1,3"', False),
        ("", True),
    ],
)
def test_a_date_spec_needs_every_field(spec, result):
    element = dated(f'<date_spec id="s" {spec}/>', operation="date_spec")
    assert date_passes(element, NOON) is result


def test_a_date_spec_looks_at_the_local_calendar():
    element = dated('<date_spec id="s" hours="14"/>', operation="date_spec")
    assert date_passes(element, NOON.at_offset(7200)) and not date_passes(element, NOON)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_ranges(low, high, value):
    assert range_contains(f"{low}-{high}", value) == (low <= value <= high)
    assert range_contains(f"{low}-", value) == (low <= value)
    assert range_contains(f"-{high}", value) == (value <= high)
    assert range_contains(str(low), value) == (low == value)
