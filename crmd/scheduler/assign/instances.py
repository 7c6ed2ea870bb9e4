"""Instances of a clone, or containers of a bundle: their order, and spreading them over nodes.

Facts: scheduler-1-assignment.md 21.3 - 21.7.
"""

from __future__ import annotations

from cib.scores import INFINITY
from crmd.scheduler.assign.colocation import PLAIN, Flags, Table, colocated_scores, factor_of
from crmd.scheduler.assign.colocation_lists import has_influence, this_with_list, with_this_list
from crmd.scheduler.assign.internal import instance_number
from crmd.scheduler.assign.placing import unassign
from crmd.scheduler.assign.variants import assign
from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.sorting import merge_sort
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.activity import active_counts, current_node

_NONNEG = Flags(nonneg=True)


def is_failed(rsc: Resource) -> bool:
    """Whether the resource or any member has failed."""
    return rsc.failed or any(is_failed(child) for child in rsc.children)


def sort_instances(cluster: Cluster, instances: list[Resource]) -> list[Resource]:
    """In the order in which they are assigned (21.3)."""
    return merge_sort(instances, lambda a, b: compare_instances(cluster, a, b))


def compare_instances(cluster: Cluster, a: Resource, b: Resource) -> int:
    """Negative when a comes first (21.3)."""
    node_a, node_b = current_node(a), current_node(b)
    count_a, count_b = active_counts(a)[0], active_counts(b)[0]
    if count_a and count_b and count_a != count_b:
        return -1 if count_a < count_b else 1
    ok_a, ok_b = _may_stay(a, node_a), _may_stay(b, node_b)
    if ok_a != ok_b:
        return -1 if ok_a else 1
    if not ok_a:
        node_a = node_b = None
    if a.priority != b.priority:
        return -1 if a.priority > b.priority else 1
    if node_a is None and node_b is None:
        return 0
    if node_a is None or node_b is None:
        return 1 if node_a is None else -1
    by_node = _compare_current(cluster, a, b, node_a, node_b)
    if by_node is not None:
        return by_node
    failed_a, failed_b = is_failed(a), is_failed(b)
    if failed_a != failed_b:
        return 1 if failed_a else -1
    score_a = _colocation_score(cluster, a, node_a)
    score_b = _colocation_score(cluster, b, node_b)
    if score_a != score_b:
        return -1 if score_a > score_b else 1
    number_a, number_b = instance_number(a), instance_number(b)
    return (number_a > number_b) - (number_a < number_b)


def _may_stay(rsc: Resource, node: Node | None) -> bool:
    """Inactive, or allowed where it is."""
    return node is None or rsc.scores.get(node.index, -1) >= 0


def _compare_current(
    cluster: Cluster, a: Resource, b: Resource, node_a: Node, node_b: Node
) -> int | None:
    """Steps 5 - 7: by the state of the nodes where the two are; None: no difference
    yet, so that the next steps decide; 0: the two are equal."""
    usable_a, usable_b = cluster.usable[node_a.index], cluster.usable[node_b.index]
    if usable_a != usable_b:
        return -1 if usable_a else 1
    parent_a, parent_b = a.parent, b.parent
    has_a = parent_a is not None and node_a.index in parent_a.scores
    has_b = parent_b is not None and node_b.index in parent_b.scores
    if has_a != has_b:
        return -1 if has_a else 1
    if not has_a:
        return 0
    if parent_a is not None and parent_b is not None:
        count_a = parent_a.counts.get(node_a.index, 0)
        count_b = parent_b.counts.get(node_b.index, 0)
        if count_a != count_b:
            return -1 if count_a < count_b else 1
    return None


def _colocation_score(cluster: Cluster, rsc: Resource, node: Node) -> int:
    """What colocations make of the instance's current node (21.3.9)."""
    table: Table = {node.index: node.score}
    for c in list(this_with_list(rsc)):
        result = colocated_scores(cluster, c.primary, rsc, table, c, factor_of(c.score), PLAIN)
        table = table if result is None else result
    for c in list(with_this_list(rsc)):
        if not has_influence(c, rsc):
            continue
        result = colocated_scores(cluster, c.dependent, rsc, table, c, factor_of(c.score), _NONNEG)
        table = table if result is None else result
    return table[node.index]


def assign_instances(
    cluster: Cluster,
    owner: Resource,
    instances: list[Resource],
    max_total: int,
    max_per_node: int,
) -> None:
    """Spread the instances, active ones on their nodes first (21.4)."""
    owner.counts = dict.fromkeys(owner.scores, 0)
    usable = cluster.usable
    available = sum(1 for index in owner.scores if usable[index])
    optimal = max(1, max_total // available) if available else 1
    assigned = 0
    for instance in instances:
        if assigned >= max_total:
            break
        if not instance.unassigned:
            continue
        current = _preferred(cluster, owner, instance, optimal)
        if current is not None and _try_early(
            cluster, owner, instance, current, max_per_node, max_total - assigned
        ):
            assigned += 1
    for instance in instances:
        if not instance.unassigned:
            continue
        if assigned >= max_total:
            tables.ban_everywhere(cluster, instance, "collective_limit_reached")
        elif _assign_one(cluster, owner, instance, None, max_per_node) is not None:
            assigned += 1


def _preferred(cluster: Cluster, owner: Resource, instance: Resource, optimal: int) -> Node | None:
    """The node where an instance should stay, if it may (21.5)."""
    if not instance.active_on or not instance.unassigned or instance.failed:
        return None
    node = current_node(instance)
    if node is None or not cluster.usable[node.index] or node.score < 0:
        return None
    if owner.counts.get(node.index, 0) >= optimal:
        return None
    return node


def _parts(rsc: Resource) -> list[Resource]:
    parts = [rsc]
    for child in rsc.children:
        parts.extend(_parts(child))
    return parts


def _try_early(
    cluster: Cluster,
    owner: Resource,
    instance: Resource,
    current: Node,
    max_per_node: int,
    left: int,
) -> bool:
    """Assign an active instance where it is, leaving room for `left` others elsewhere (21.6)."""
    score = instance.scores.get(current.index)
    if score is None or score < 0 or not cluster.usable[current.index]:
        return False
    saved = [(part, dict(part.scores)) for part in _parts(instance)]
    mark = 0 if cluster.explain is None else cluster.explain.mark()
    counts = dict(owner.counts)
    reserved = 0
    success = False
    while reserved < left:
        chosen = _assign_one(cluster, owner, instance, current, max_per_node)
        if chosen is current:
            success = True
            break
        for part, table in saved:
            part.scores = dict(table)
            if cluster.explain is not None:
                cluster.explain.withdraw(part, mark)
        if chosen is None:
            instance.unassigned = True
            break
        reserved += 1
        unassign(instance)
    owner.counts = counts
    if success and current.index in owner.counts:
        owner.counts[current.index] += 1
    return success


def _no_room(cluster: Cluster, owner: Resource, instance: Resource, index: int) -> str:
    """Why an instance cannot go to a node, for people."""
    if instance.removed:
        return "one instance more than wanted"
    if not cluster.usable[index]:
        return "the node takes no resources"
    if owner.scores.get(index, -1) < 0:
        return f"{owner.id} may not run there"
    return f"as many instances of {owner.id} there as may be"


def _assign_one(
    cluster: Cluster,
    owner: Resource,
    instance: Resource,
    prefer: Node | None,
    max_per_node: int,
) -> Node | None:
    """Assign one instance where the collective has room (21.7)."""
    if instance.assigning:
        return None
    usable = cluster.usable
    parts = _parts(instance)
    for index in list(instance.scores):
        if (
            instance.removed
            or not usable[index]
            or owner.scores.get(index, -1) < 0
            or owner.counts.get(index, 0) >= max_per_node
        ):
            for part in parts:
                if index in part.scores:
                    if cluster.explain is not None and part.scores[index] > -INFINITY:
                        reason = _no_room(cluster, owner, instance, index)
                        node = cluster.nodes_by_index[index]
                        cluster.explain.term(part, node, -INFINITY, reason)
                    part.scores[index] = -INFINITY
    chosen = assign(cluster, instance, prefer, prefer is None)
    if chosen is not None and chosen.index in owner.counts:
        owner.counts[chosen.index] += 1
    return chosen
