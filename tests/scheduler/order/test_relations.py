"""Operation keys and relations between actions."""

import pytest

from crmd.scheduler.act.action import Action, relate
from crmd.scheduler.act.names import notify_key, op_key, parse_key
from crmd.scheduler.order.flags import BLOCK, F2T, ORD


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("vip_monitor_10000", ("vip", "monitor", 10000)),
        ("my_db_start_0", ("my_db", "start", 0)),
        ("vm_migrate_from_0", ("vm", "migrate_from", 0)),
        ("p_post_notify_start_0", ("p", "post_notify_start", 0)),
        ("p_confirmed-pre_notify_stop_0", ("p", "confirmed-pre_notify_stop", 0)),
    ],
)
def test_a_key_is_taken_apart_from_the_end(key, parts):
    assert parse_key(key) == parts


@pytest.mark.parametrize("text", ["a_0", "vip_monitor_x", "start0", "vip_0"])
def test_what_is_not_a_key_gives_nothing(text):
    assert parse_key(text) is None


def test_keys_are_put_together_as_the_graph_shows_them():
    assert op_key("vip", "monitor", 10000) == "vip_monitor_10000"
    assert notify_key("ms", "confirmed-post", "promoted") == ("ms_confirmed-post_notify_promoted_0")


def two_actions():
    return Action(1, "a_start_0", "start", None, None), Action(2, "b_start_0", "start", None, None)


def test_a_relation_that_shares_a_flag_with_a_known_one_is_not_added_at_all():
    a, b = two_actions()
    assert relate(a, b, ORD | F2T)
    assert not relate(a, b, ORD | BLOCK)
    assert [e.flags for e in b.befores] == [ORD | F2T]


def test_relations_with_disjoint_flags_coexist():
    a, b = two_actions()
    assert relate(a, b, ORD)
    assert relate(a, b, BLOCK)
    assert [e.flags for e in a.afters] == [ORD, BLOCK]


def test_the_two_copies_of_a_relation_are_independent():
    a, b = two_actions()
    relate(a, b, ORD)
    b.befores[0].flags = 0
    assert a.afters[0].flags == ORD


def test_an_empty_relation_is_none():
    a, b = two_actions()
    assert not relate(a, b, 0) and not relate(None, b, ORD) and not b.befores
