import pytest
from lxml import etree

from cib.dates import DateTime
from cib.options import OPTIONS, from_pairs, unpack
from cib.rules import RuleInput


def test_every_default_is_a_valid_value():
    assert [o.name for o in OPTIONS if o.default is not None and not o.accepts(o.default)] == []


def test_defaults_and_typed_access():
    options = from_pairs({})
    assert options.is_true("fencing-enabled") and options.is_true("symmetric-cluster")
    assert options.ms("cluster-delay") == 60_000
    assert options.integer("migration-limit") == -1
    assert options.score("node-health-red") == -1_000_000
    assert options.text("cluster-name") is None
    assert options.problems == ()


def test_legacy_names_count_where_the_name_of_today_is_absent():
    assert not from_pairs({"stonith-enabled": "no"}).is_true("fencing-enabled")
    both = from_pairs({"stonith-enabled": "no", "fencing-enabled": "yes"})
    assert both.is_true("fencing-enabled")


@pytest.mark.parametrize(
    ("name", "value"),
    [("no-quorum-policy", "panic"), ("cluster-delay", "soon"), ("symmetric-cluster", "2"),
     ("load-threshold", "80"), ("batch-limit", "many"), ("fencing-max-attempts", "0")],
)  # fmt: skip
def test_an_invalid_value_is_replaced_by_the_default_and_reported(name, value):
    options = from_pairs({name: value})
    assert options.text(name) == from_pairs({}).text(name)
    assert len(options.problems) == 1
    assert name in options.problems[0] and f"'{value}'" in options.problems[0]


def test_health_words_follow_the_strategy():
    assert from_pairs({}).health_scores().red == 0
    assert from_pairs({"node-health-strategy": "migrate-on-red"}).health_scores().red == -1_000_000
    custom = from_pairs({"node-health-strategy": "custom", "node-health-yellow": "-5"})
    health = custom.health_scores()
    assert (health.red, health.yellow, health.green) == (-1_000_000, -5, 0)


def test_the_bootstrap_set_comes_first_whatever_the_scores():
    root = etree.fromstring(
        '<cib><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="a" name="batch-limit" value="3"/></cluster_property_set>'
        '<cluster_property_set id="z" score="INFINITY">'
        '<nvpair id="b" name="batch-limit" value="9"/></cluster_property_set>'
        "</crm_config></configuration></cib>"
    )
    assert unpack(root, RuleInput(DateTime(0))).integer("batch-limit") == 3
