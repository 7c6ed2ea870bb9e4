"""Capacities: which nodes can hold a resource and all that must be with it.

Facts: scheduler-1-assignment.md 19.2, 19.9 - 19.11, 20.7.
"""

from __future__ import annotations

from cib.scores import INFINITY, add
from crmd.scheduler.assign.choice import capacity_compare, in_slot_order, sort_nodes
from crmd.scheduler.assign.colocation import Flags, affects, colocated_scores
from crmd.scheduler.assign.colocation_lists import this_with_list, with_this_list
from crmd.scheduler.model import Cluster, Node, Resource, Variant
from crmd.scheduler.sorting import merge_sort
from crmd.scheduler.unpack.activity import current_node


def limit_by_capacity(cluster: Cluster, rsc: Resource) -> Node | None:
    """Ban nodes that are too small; answers the most capable one when none can hold all (19.9)."""
    if cluster.options.placement == "default":
        return None
    together = colocated_resources(rsc)
    members = {other.index for other in together}
    total: dict[str, int] = {}
    for other in together:
        if other.unassigned:
            _add_contribution(other, total, members)
    usable, nodes = cluster.usable, cluster.nodes_by_index
    available = [i for i in in_slot_order(cluster, rsc.scores) if usable[i] and rsc.scores[i] >= 0]
    fits = {i: _can_hold(nodes[i], total) for i in available}
    most: Node | None = None
    for i in available:
        if most is None or capacity_compare(nodes[i], most) < 0:
            most = nodes[i]
    if any(fits.values()):
        most = None
    else:
        fits = {i: _can_hold(nodes[i], rsc.utilization) for i in available}
    for i in available:
        if not fits[i]:
            rsc.scores[i] = add(rsc.scores[i], -INFINITY)
            if cluster.explain is not None:
                cluster.explain.term(rsc, nodes[i], -INFINITY, "not enough capacity left")
    return most


def _can_hold(node: Node, required: dict[str, int]) -> bool:
    return all(amount <= node.utilization.get(name, 0) for name, amount in required.items())


def _sum_into(total: dict[str, int], amounts: dict[str, int]) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, 0) + amount


def _add_contribution(rsc: Resource, total: dict[str, int], together: set[int]) -> None:
    """What a resource adds to the sum (19.11); `together`: indexes of those counted anyway."""
    if not rsc.unassigned:
        return
    match rsc.variant:
        case Variant.PRIMITIVE:
            _sum_into(total, rsc.utilization)
        case Variant.GROUP:
            colocated = rsc.group is not None and rsc.group.colocated
            cloned = rsc.parent is not None and rsc.parent.clone is not None
            members = rsc.children if colocated or cloned else rsc.children[:1]
            for member in members:
                if member.unassigned and member.index not in together:
                    _add_contribution(member, total, together)
        case Variant.CLONE:
            _add_clone(rsc, total, together)
        case Variant.BUNDLE:
            facts = rsc.bundle_facts
            if facts is not None and facts.replicas:
                _add_contribution(facts.replicas[0].container, total, together)


def _add_clone(clone: Resource, total: dict[str, int], together: set[int]) -> None:
    found = False
    for instance in clone.children:
        if instance.index in together:
            found = True
        elif any(member.index in together for member in instance.children):
            _add_contribution(instance, total, together)
            found = True
    if not found and clone.children:
        _add_contribution(clone.children[0], total, together)


def colocated_resources(rsc: Resource) -> list[Resource]:
    """The resource and everything that must be where it is, newest first (20.7)."""
    found: list[Resource] = []
    _collect(rsc, rsc, found, set())
    found.reverse()
    return found


def _collect(rsc: Resource, origin: Resource, found: list[Resource], seen: set[int]) -> None:
    """Depth first; `found` is oldest first here."""
    if rsc.index in seen:
        return
    seen.add(rsc.index)
    found.append(rsc)
    if rsc.group is not None:
        cloned = rsc.parent is not None and rsc.parent.clone is not None
        if rsc.group.colocated or cloned:
            for member in rsc.children:
                _collect(member, origin, found, seen)
            return
    for k in list(this_with_list(rsc)):
        if k.primary is origin or k.score != INFINITY:
            continue
        if affects(k, rsc, k.primary, preview=True) == "location":
            _collect(k.primary, origin, found, seen)
    for k in list(with_this_list(rsc)):
        if k.dependent is origin or k.score != INFINITY:
            continue
        if rsc.clone is not None and k.dependent.clone is None:
            continue
        if affects(k, k.dependent, rsc, preview=True) == "location":
            _collect(k.dependent, origin, found, seen)


def sort_resources(cluster: Cluster) -> None:
    """The order of assignment under a placement strategy (19.2)."""
    base = {n.index: n.score for n in reversed(cluster.nodes)}
    order = sort_nodes(cluster, base, None)
    flags = Flags(this_with=True)

    def table_of(rsc: Resource) -> dict[int, int]:
        return colocated_scores(cluster, rsc, None, None, None, 1.0, flags) or {}

    tables: dict[int, dict[int, int]] = {}

    def compare(a: Resource, b: Resource) -> int:
        if a.priority != b.priority:
            return -1 if a.priority > b.priority else 1
        for rsc in (a, b):
            if rsc.index not in tables:
                tables[rsc.index] = table_of(rsc)
        first, second = tables[a.index], tables[b.index]
        node_a, node_b = current_node(a), current_node(b)
        score_a = -INFINITY if node_a is None else first.get(node_a.index, -INFINITY)
        score_b = -INFINITY if node_b is None else second.get(node_b.index, -INFINITY)
        if score_a != score_b:
            return -1 if score_a > score_b else 1
        for index in order:
            score_a, score_b = first.get(index, -INFINITY), second.get(index, -INFINITY)
            if score_a != score_b:
                return -1 if score_a > score_b else 1
        return 0

    cluster.resources[:] = merge_sort(cluster.resources, compare)
