from functools import cmp_to_key

from hypothesis import given
from hypothesis import strategies as st

from cib.lexical import (
    Role,
    TransitionKey,
    base_name,
    compare_names,
    compare_versions,
    integer_at_least,
    is_true,
    operation_key,
    parse_boolean,
    parse_role,
    parse_transition_key,
    parse_transition_magic,
)


def test_booleans_know_five_words_each_in_any_case():
    assert [parse_boolean(w) for w in ("True", "ON", "yes", "Y", "1")] == [True] * 5
    assert [parse_boolean(w) for w in ("false", "Off", "no", "n", "0")] == [False] * 5
    assert parse_boolean("maybe") is None
    assert not is_true("maybe") and not is_true(None)


def test_minimum_integers():
    assert integer_at_least(None, 1) == 1
    assert integer_at_least("x", 1) == 1
    assert integer_at_least("-4", 0) == 0
    assert integer_at_least("99999999999", 0) == 2_147_483_647


def test_node_names_sort_as_people_expect():
    names = ["node10", "Node9", "node", "node007", "node7", "a"]
    assert sorted(names, key=cmp_to_key(compare_names)) == [
        "a", "node", "node7", "node007", "Node9", "node10",
    ]  # fmt: skip


@given(st.text("ab01", max_size=6), st.text("ab01", max_size=6))
def test_name_order_is_antisymmetric(a, b):
    assert compare_names(a, b) == -compare_names(b, a)
    assert (compare_names(a, b) == 0) == (a == b)


def test_versions_compare_by_number_and_missing_parts_are_zero():
    assert compare_versions("3.9", "3.10") == -1
    assert compare_versions("3.0", "3") == 0
    assert compare_versions("3.20.5-rc1", "3.20.5") == 0


def test_roles_accept_the_legacy_words():
    assert parse_role("Master") is parse_role("promoted") is Role.PROMOTED
    assert parse_role("SLAVE") is Role.UNPROMOTED
    assert parse_role(None) is Role.UNKNOWN
    assert parse_role("boss") is None
    assert Role.UNPROMOTED.word == "Unpromoted"


def test_base_name_removes_one_instance_number():
    assert [base_name(n) for n in ("db:1", "db:", "db:1:2", "db")] == ["db", "db:", "db:1", "db"]


def test_keys():
    uuid = "8aa6d2c4-1d49-4a4d-9c11-3d1bdf2b39ec"
    assert operation_key("vip", "monitor", 10000) == "vip_monitor_10000"
    key = TransitionKey(3, 12, 7, uuid)
    assert parse_transition_key(f"3:12:7:{uuid}") == key
    assert parse_transition_magic(f"0:7;3:12:7:{uuid}") == (0, 7, key)
    assert parse_transition_key(f"3:12:{uuid}") is None
    assert str(key) == f"3:12:7:{uuid}"
