"""Chains of causes."""

from itertools import pairwise

from crmd.scheduler.act.action import Action, Cause, Plan
from crmd.scheduler.model import Node
from crmd.scheduler.report.causes import LONGEST, causes_of_actions


def plan_of(*actions):
    plan = Plan(cluster=None)
    for action in actions:
        plan.add(action)
    return plan


def test_a_chain_is_told_from_the_nearest_cause_to_the_first():
    node = Node(0, "1", "n1")
    a = Action(1, "a_stop_0", "stop", None, node)
    b = Action(2, "b_stop_0", "stop", None, node)
    a.note("moves from n1 to n2")
    b.causes.append(Cause("required", a))
    assert causes_of_actions(plan_of(a, b)) == {
        "a_stop_0 on n1": ("moves from n1 to n2",),
        "b_stop_0 on n1": ("required by a_stop_0 on n1", "moves from n1 to n2"),
    }


def test_a_circle_of_causes_ends():
    a = Action(1, "a_start_0", "start", None, None)
    b = Action(2, "b_start_0", "start", None, None)
    a.causes.append(Cause("unrunnable", b))
    b.causes.append(Cause("unrunnable", a))
    assert causes_of_actions(plan_of(a, b))["a_start_0"] == (
        "unrunnable by b_start_0",
        "unrunnable by a_start_0",
    )


def test_only_the_nearest_links_of_a_long_chain_are_told():
    actions = [Action(i, f"r{i}_stop_0", "stop", None, None) for i in range(1, 40)]
    for earlier, later in pairwise(actions):
        later.causes.append(Cause("required", earlier))
    assert len(causes_of_actions(plan_of(*actions))["r39_stop_0"]) == LONGEST
