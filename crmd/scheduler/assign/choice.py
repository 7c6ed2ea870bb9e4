"""Which node is better: the order of nodes for one resource.

Facts: scheduler-1-assignment.md 19.4, 19.6, 19.7, 0.8.
"""

from __future__ import annotations

from cib.scores import INFINITY
from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.sorting import merge_sort, slot_order

Table = dict[int, int]


def in_slot_order(cluster: Cluster, table: Table) -> list[int]:
    """Node indexes of a table in the order of the reference's hash table."""
    indexes = list(table)
    nodes = cluster.nodes_by_index
    return [indexes[i] for i in slot_order(tuple(nodes[i].id for i in indexes))]


def capacity_compare(a: Node, b: Node) -> int:
    """Negative when a has more free attributes than b (19.7)."""
    total = 0
    for name, value in a.utilization.items():
        other = b.utilization.get(name, 0)
        total += (value < other) - (value > other)
    for name, other in b.utilization.items():
        if name not in a.utilization:
            total += (other > 0) - (other < 0)
    return total


def sort_nodes(cluster: Cluster, table: Table, prefer: Node | None) -> list[int]:
    """Node indexes of a table, best first (19.6)."""
    nodes, usable = cluster.nodes_by_index, cluster.usable
    placement = cluster.options.placement
    if placement == "balanced":
        return _sort_balanced(cluster, table, prefer)
    if placement == "minimal":
        return sorted(
            table,
            key=lambda i: (-table[i] if usable[i] else INFINITY, nodes[i].name),
        )
    preferred = -1 if prefer is None else prefer.index
    return sorted(
        table,
        key=lambda i: (
            -table[i] if usable[i] else INFINITY,
            nodes[i].n_assigned,
            i != preferred,
            nodes[i].name,
        ),
    )


def _sort_balanced(cluster: Cluster, table: Table, prefer: Node | None) -> list[int]:
    nodes, usable = cluster.nodes_by_index, cluster.usable

    def compare(i: int, j: int) -> int:
        a, b = nodes[i], nodes[j]
        score_a = table[i] if usable[i] else -INFINITY
        score_b = table[j] if usable[j] else -INFINITY
        if score_a != score_b:
            return -1 if score_a > score_b else 1
        by_capacity = capacity_compare(a, b)
        if by_capacity:
            return -1 if by_capacity < 0 else 1
        if a.n_assigned != b.n_assigned:
            return -1 if a.n_assigned < b.n_assigned else 1
        if a is prefer or b is prefer:
            if a is prefer and b is prefer:
                return 0
            return -1 if a is prefer else 1
        return (a.name > b.name) - (a.name < b.name)

    start = in_slot_order(cluster, table)
    start.reverse()
    return merge_sort(start, compare)


def choose(
    cluster: Cluster, rsc: Resource, prefer: Node | None, current: Node | None
) -> Node | None:
    """The best node of a resource's table; the preferred one if it is as good (19.4)."""
    table, nodes, usable = rsc.scores, cluster.nodes_by_index, cluster.usable
    if not table:
        return None
    order = sort_nodes(cluster, table, current)
    best = order[0]
    top_score = table[best]
    if prefer is not None:
        score = table.get(prefer.index)
        if score is not None and score >= top_score and score >= 0 and usable[prefer.index]:
            return prefer
    parent = rsc.parent
    in_unique_clone = parent is not None and parent.clone is not None and parent.unique
    if (
        not in_unique_clone
        and top_score > 0
        and usable[best]
        and current is not None
        and usable[current.index]
        and current.score >= 0
    ):
        for index in order[1:]:
            if table[index] != top_score:
                break
            if index == current.index:
                return current
    return nodes[best]
