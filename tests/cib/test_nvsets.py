from lxml import etree

from cib.dates import DateTime
from cib.nvsets import compile_sets, depends_on_rules, merge, unpack
from cib.refs import References
from cib.rules import RuleInput

NOW = DateTime(1_800_000_000)


def merged(xml, start=None, tag="meta_attributes", **options):
    root = etree.fromstring(xml)
    into = dict(start or {})
    given = RuleInput(NOW, References(root), node_attributes={"site": "a"})
    unpack(root, tag, given, into, **options)
    return into


def block(ident, *pairs, extra=""):
    inner = "".join(
        f'<nvpair id="{ident}-{n}" name="{name}" value="{value}"/>'
        for n, (name, value) in enumerate(pairs)
    )
    return f'<meta_attributes id="{ident}" {extra}>{inner}</meta_attributes>'


def test_the_last_block_of_equal_score_wins_and_the_first_pair_inside():
    xml = f"<p>{block('a', ('x', '1'), ('x', '2'))}{block('b', ('x', '3'), ('x', '4'))}</p>"
    assert merged(xml) == {"x": "3"}


def test_a_higher_score_wins_wherever_it_stands():
    a = block("a", ("x", "1"), extra='score="10"')
    assert merged(f"<p>{a}{block('b', ('x', '2'), ('y', '2'))}</p>") == {"x": "1", "y": "2"}


def test_one_named_block_may_precede_all_scores():
    high = block("b", ("x", "2"), extra='score="INFINITY"')
    xml = f"<p>{block('boot', ('x', '1'))}{high}</p>"
    assert merged(xml, first_id="boot") == {"x": "1"}


def test_what_is_there_already_stays_unless_overwritten():
    xml = f"<p>{block('a', ('x', '1'))}</p>"
    assert merged(xml, {"x": "0"}) == {"x": "0"}
    assert merged(xml, {"x": "0"}, overwrite=True) == {"x": "1"}


def test_default_removes_what_was_set_so_far():
    low, high = block("a", ("x", "1")), block("b", ("x", "#Default"), extra='score="-1"')
    assert merged(f"<p>{low}{high}</p>") == {}
    assert merged(f"<p>{block('b', ('x', '#default'))}</p>", {"x": "0"}) == {}


def test_a_failed_rule_skips_its_block():
    def gated(value):
        return (
            '<meta_attributes id="m"><rule id="r"><expression id="e" attribute="site"'
            f' operation="eq" value="{value}"/></rule><nvpair id="n" name="x" value="1"/>'
            "</meta_attributes>"
        )

    assert merged(f"<p>{gated('a')}</p>") == {"x": "1"}
    assert merged(f"<p>{gated('b')}</p>") == {}


def test_references_are_followed_and_dead_ones_ignored():
    xml = (
        f"<p><q>{block('shared', ('x', '1'), ('y', '2'))}</q><meta_attributes id-ref='shared'/>"
        "<meta_attributes id-ref='nowhere'/><meta_attributes id='own'>"
        "<nvpair id-ref='shared-1'/><nvpair id-ref='shared-0' name='z'/></meta_attributes></p>"
    )
    assert merged(xml) == {"x": "1", "y": "2", "z": "1"}


def test_pairs_without_value_and_the_old_wrapper():
    xml = (
        '<p><meta_attributes id="m"><attributes><nvpair id="a" name="x" value="1"/>'
        '<nvpair id="b" name="y"/></attributes></meta_attributes></p>'
    )
    assert merged(xml) == {"x": "1"}


def test_compiled_sets_can_be_merged_per_node():
    root = etree.fromstring(
        '<p><meta_attributes id="m"><rule id="r"><expression id="e" attribute="site"'
        ' operation="eq" value="a"/></rule><nvpair id="n" name="x" value="1"/>'
        "</meta_attributes></p>"
    )
    blocks = compile_sets(root, "meta_attributes")
    assert depends_on_rules(blocks)
    results = []
    for site in ("a", "b"):
        into = {}
        merge(blocks, RuleInput(NOW, node_attributes={"site": site}), into)
        results.append(into)
    assert results == [{"x": "1"}, {}]
