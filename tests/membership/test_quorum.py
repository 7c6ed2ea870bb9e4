"""Who may act for the whole cluster."""

import pytest

from crmd.membership.quorum import Quorum


@pytest.mark.parametrize(
    ("count", "members", "quorate"),
    [(3, 1, False), (3, 2, True), (4, 2, False), (4, 3, True), (5, 3, True), (1, 1, True)],
)
def test_a_majority_of_the_configured_nodes_is_needed(count, members, quorate):
    names = tuple(f"n{i}" for i in range(count))
    assert Quorum(names).has(names[:members]) is quorate


def test_of_two_nodes_either_may_go_on_alone_once_both_were_seen():
    q = Quorum(("a", "b"))
    assert not q.has(("a",))
    assert q.see(("a", "b")) and not q.see(("a", "b"))
    assert q.has(("a",)) and q.has(("b",))


def test_without_wait_for_all_a_first_node_is_quorate_alone():
    assert Quorum(("a", "b"), wait_for_all=False).has(("a",))


def test_strangers_do_not_count():
    assert not Quorum(("a", "b", "c")).has(("a", "x", "y"))


def test_receipts_come_from_a_majority_of_the_configured_nodes_or_from_both_of_two():
    five = Quorum(("a", "b", "c", "d", "e"))
    assert five.receipts_needed(("a", "b", "c")) == 3
    assert five.receipts_needed(("a", "b", "c", "d", "e")) == 3
    assert five.receipts_needed(("a", "b")) == 2  # without quorum: all there are
    two = Quorum(("a", "b"), all_seen=True)
    assert two.receipts_needed(("a", "b")) == 2 and two.receipts_needed(("a",)) == 1


def test_of_two_nodes_the_disk_lock_has_the_last_word():
    quorum = Quorum(("a", "b"), all_seen=True)
    assert quorum.has({"a"})
    quorum.lock = "denied"
    assert not quorum.has({"a"}) and not quorum.has({"a", "b"})
    quorum.lock = "granted"
    assert quorum.has({"a"})
    assert Quorum(("a", "b"), lock="granted").has({"a"}), "it need not have seen both"
    assert Quorum(("a", "b", "c"), all_seen=True, lock="denied").has({"a", "b"}), "majority decides"
