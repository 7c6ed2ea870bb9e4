from hypothesis import given
from hypothesis import strategies as st

from cli.resource.table_order import table_order


def test_names_come_in_the_order_that_the_installed_tool_printed():
    names = "fake passwd alpha beta gamma delta eps zeta eta theta iota kappa lambda mu nu"
    seen = "theta mu zeta kappa eta alpha fake passwd eps beta delta iota gamma lambda nu"
    assert table_order(names.split()) == seen.split()
    assert table_order(["fake", "passwd"]) == ["passwd", "fake"]
    assert table_order([*"abcde", "passwd"]) == ["b", "d", "a", "c", "e", "passwd"]


@given(st.lists(st.text(max_size=6), max_size=60))
def test_no_name_is_lost_or_doubled(names):
    assert sorted(table_order(names)) == sorted(set(names))
