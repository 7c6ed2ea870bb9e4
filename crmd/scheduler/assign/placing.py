"""Putting a resource on a node, and taking it off again.

Facts: scheduler-1-assignment.md 19.8, 19.10.
"""

from __future__ import annotations

from cib.lexical import Role
from crmd.scheduler.assign.report import report_placement
from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.requests import LeftWithoutNode

_LOW, _HIGH = -(2**31), 2**31 - 1


def place(
    cluster: Cluster, rsc: Resource, node: Node | None, *, forced: bool, stop_if_fail: bool
) -> bool:
    """Assign a resource (all its children, for a collective) to a node or to none.

    Unless forced, a node that is not good enough counts as none.  The score remembered is that of
    the resource's entry, but the node's base score when forced.  Whether anything changed.
    """
    if rsc.children:
        changed = False
        for child in rsc.children:
            done = place(cluster, child, node, forced=forced, stop_if_fail=stop_if_fail)
            changed = done or changed
        return changed
    score = 0
    if node is not None:
        score = node.score if forced else rsc.scores.get(node.index, node.score)
    if not forced and node is not None:
        usable = cluster.usable[node.index]
        if score < 0 or (not usable and not node.is_guest):
            if stop_if_fail:
                rsc.next_role = Role.STOPPED
            node = None
    had = rsc.assigned
    if had is not None:
        unassign(rsc)
    rsc.unassigned = False
    if node is None:
        if stop_if_fail:
            rsc.next_role = Role.STOPPED
            cluster.requests.append(LeftWithoutNode(8, rsc))
        return had is not None
    rsc.assigned, rsc.assigned_score = node, score
    node.n_assigned += 1
    consume(node, rsc.utilization)
    report_placement(cluster, rsc, node)
    return True


def unassign(rsc: Resource) -> None:
    """Undo an assignment."""
    for child in rsc.children:
        unassign(child)
    node = rsc.assigned
    rsc.unassigned = True
    if node is None:
        return
    rsc.assigned, rsc.assigned_score = None, 0
    node.n_assigned -= 1
    release(node, rsc.utilization)


def consume(node: Node, amounts: dict[str, int]) -> None:
    """Take capacity; an attribute the node lacks becomes negative."""
    for name, amount in amounts.items():
        node.utilization[name] = max(_LOW, min(_HIGH, node.utilization.get(name, 0) - amount))


def release(node: Node, amounts: dict[str, int]) -> None:
    """Give capacity back."""
    for name, amount in amounts.items():
        node.utilization[name] = max(_LOW, min(_HIGH, node.utilization.get(name, 0) + amount))
