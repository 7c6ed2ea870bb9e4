"""Promotable clones: promotion scores and the choice of roles.

Facts: scheduler-1-assignment.md section 22.
"""

from __future__ import annotations

from cib import scores
from cib.lexical import Role, base_name
from cib.scores import INFINITY, add
from crmd.scheduler.assign.colocation import Flags, colocated_scores, factor_of
from crmd.scheduler.assign.colocation_lists import has_influence, this_with_list, with_this_list
from crmd.scheduler.assign.compatible import next_role_of, places_of
from crmd.scheduler.assign.instances import compare_instances
from crmd.scheduler.assign.report import report_promotion
from crmd.scheduler.assign.variants import apply_colocation
from crmd.scheduler.model import Cluster, Node, QuorumPolicy, Resource
from crmd.scheduler.sorting import merge_sort
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.collectives import clone_facts
from crmd.scheduler.unpack.nodes import attribute

_PULL = Flags(active=True, nonneg=True)


def promotion_score(cluster: Cluster, rsc: Resource, node: Node) -> tuple[int, bool]:
    """(promotion score of an instance on a node, whether it is only the default) (22.2)."""
    if rsc.children:
        total, is_default = 0, True
        for member in rsc.children:
            score, default = promotion_score(cluster, member, node)
            total += score
            is_default = is_default and default
        return total, is_default
    if rsc.scores.get(node.index, -1) < 0 or not _applies(rsc, node):
        return 0, True
    assigned = not rsc.unassigned
    name = rsc.history_id or rsc.id
    text = attribute(rsc, node, f"master-{name}", assigned)
    if text is None and not rsc.unique:
        text = attribute(rsc, node, f"master-{base_name(name)}", assigned)
    if text is None:
        return 0, True
    return scores.parse(text, 0, cluster.attributes.health), False


def _applies(rsc: Resource, node: Node) -> bool:
    """Whether a promotion score on the node is this instance's (22.2)."""
    if not rsc.unique:
        family = _family(rsc)
        active = next((r for r in family if node in r.active_on), None)
        if active is not None:
            if active is rsc:
                return True
        elif any(node.index in r.known_on for r in family):
            return True
    if not rsc.active_on and not rsc.known_on:
        return True
    return node.index in rsc.known_on or node in rsc.active_on


def _family(rsc: Resource) -> list[Resource]:
    """The primitives of all instances of its clone that are instances of the same resource."""
    found: list[Resource] = []

    def collect(r: Resource) -> None:
        if r.is_primitive and r.xml_id == rsc.xml_id:
            found.append(r)
        for child in r.children:
            collect(child)

    collect(rsc.top)
    return found


def add_promotion_scores(cluster: Cluster, clone: Resource) -> None:
    """Promotion scores attract instances and order them (22.3)."""
    facts = clone_facts(clone)
    if facts.scores_added:
        return
    facts.scores_added = True
    for instance in clone.children:
        for index, old in list(instance.scores.items()):
            if not cluster.usable[index]:
                continue
            node = cluster.nodes_by_index[index]
            score, _ = promotion_score(cluster, instance, node)
            if score > 0:
                instance.scores[index] = add(old, score)
                if cluster.explain is not None:
                    cluster.explain.term(instance, node, score, "promotion score")
            instance.priority = max(instance.priority, score)


def choose_roles(cluster: Cluster, clone: Resource) -> None:
    """22.5."""
    clone.counts = dict.fromkeys(clone.scores, 0)
    for instance in clone.children:
        _set_instance_priority(cluster, clone, instance)
    _order_instances(cluster, clone)
    facts = clone_facts(clone)
    facts.promoted_count = 0
    for instance in clone.children:
        _choose_role(cluster, clone, instance)


def _set_instance_priority(cluster: Cluster, clone: Resource, instance: Resource) -> None:
    """22.6: how good a candidate an instance is."""
    if _current_role(instance) is Role.STARTED:
        _set_current_role(instance, Role.STARTED, Role.UNPROMOTED)
    where = places_of(instance)
    if not where:
        return
    node = where[0]
    match next_role_of(instance):
        case Role.STARTED | Role.UNKNOWN:
            score, is_default = promotion_score(cluster, instance, node)
            instance.priority = -1 if is_default else score
        case Role.UNPROMOTED | Role.STOPPED:
            instance.priority = -INFINITY
        case _:
            pass
    for location in [*instance.locations, *clone.locations]:
        if location.role is Role.PROMOTED and node.index in location.scores:
            instance.priority = add(instance.priority, location.scores[node.index])
    for c in list(this_with_list(instance)):
        apply_colocation(cluster, instance, c.primary, c)
    instance.promotion_priority = instance.priority
    if next_role_of(instance) is Role.PROMOTED:
        instance.promotion_priority = INFINITY


def _set_current_role(rsc: Resource, old: Role, new: Role) -> None:
    if rsc.orig_role is old:
        rsc.orig_role = new
    for child in rsc.children:
        _set_current_role(child, old, new)


def _order_instances(cluster: Cluster, clone: Resource) -> None:
    """22.7: the final promotion priorities, and the instances in their order."""
    facts = clone_facts(clone)
    if facts.promotion_constrained:
        return
    facts.promotion_constrained = True
    clone.updating = True
    for instance in clone.children:
        where = places_of(instance)
        if instance.promotion_priority >= 0 and where and where[0].index in clone.scores:
            index = where[0].index
            clone.scores[index] = add(clone.scores[index], instance.promotion_priority)
    for c in list(with_this_list(clone)):
        if c.primary_role is Role.PROMOTED and has_influence(c):
            result = colocated_scores(
                cluster, c.dependent, clone, clone.scores, c, factor_of(c.score), _PULL
            )
            if result is not None:
                clone.scores = result
    _apply_tickets(cluster, clone)
    for instance in clone.children:
        where = places_of(instance)
        if not instance.managed and next_role_of(instance) is Role.PROMOTED:
            instance.promotion_priority = INFINITY
        elif not where:
            instance.promotion_priority = -INFINITY
        elif instance.promotion_priority >= 0:
            instance.promotion_priority = clone.scores.get(where[0].index, -INFINITY)
    clone.updating = False
    clone.children = merge_sort(clone.children, lambda a, b: _compare_candidates(cluster, a, b))


def _compare_candidates(cluster: Cluster, a: Resource, b: Resource) -> int:
    if a.promotion_priority != b.promotion_priority:
        return -1 if a.promotion_priority > b.promotion_priority else 1
    role_a, role_b = _current_role(a), _current_role(b)
    if role_a is not role_b:
        return -1 if role_a > role_b else 1
    return compare_instances(cluster, a, b)


def _current_role(rsc: Resource) -> Role:
    role = rsc.orig_role
    for child in rsc.children:
        role = max(role, _current_role(child))
    return role


def _apply_tickets(cluster: Cluster, clone: Resource) -> None:
    """22.8."""
    for constraint in clone.tickets:
        t = constraint.ticket
        if constraint.role is Role.PROMOTED and (not t.granted or t.standby):
            tables.ban_everywhere(cluster, clone, f"ticket {t.id} is not granted")


def _choose_role(cluster: Cluster, clone: Resource, instance: Resource) -> None:
    """22.9."""
    facts = clone_facts(clone)
    where = places_of(instance)
    report_promotion(cluster, instance, where[0] if where else None)
    entry: int | None = None
    if instance.promotion_priority >= 0:
        if facts.promoted_count < facts.promoted_max or not clone.managed:
            entry = _place_for_promotion(cluster, clone, instance)
    if entry is None or (
        instance.orig_role < Role.PROMOTED
        and not cluster.quorate
        and cluster.options.no_quorum_policy is QuorumPolicy.FREEZE
    ):
        _set_unpromoted(instance)
        return
    clone.counts[entry] = clone.counts.get(entry, 0) + 1
    _set_promoted(instance)
    facts.promoted_count += 1


def _set_unpromoted(rsc: Resource) -> None:
    for child in rsc.children:
        _set_unpromoted(child)
    if not rsc.children:
        rsc.next_role = Role.STOPPED if rsc.assigned is None else Role.UNPROMOTED
    else:
        rsc.next_role = next_role_of(rsc.children[0])


def _set_promoted(rsc: Resource) -> None:
    if rsc.next_role is Role.UNKNOWN:
        rsc.next_role = Role.PROMOTED
    for child in rsc.children:
        _set_promoted(child)


def _place_for_promotion(cluster: Cluster, clone: Resource, instance: Resource) -> int | None:
    """22.9a: the index of the clone's entry where an instance may be promoted."""
    for member in instance.children:
        if _place_for_promotion(cluster, clone, member) is None:
            return None
    where = places_of(instance)
    if not where:
        return None
    node = where[0]
    if not instance.managed:
        if _current_role(instance) is not Role.PROMOTED:
            return None
    elif instance.priority < 0 or not _available_for_promotion(cluster, node):
        return None
    if node.index not in clone.scores:
        return None
    if clone.counts.get(node.index, 0) >= clone_facts(clone).promoted_node_max:
        if instance.managed:
            return None
    return node.index


def _available_for_promotion(cluster: Cluster, node: Node) -> bool:
    if not cluster.usable[node.index]:
        return False
    if node.is_guest and node.conn is not None and node.conn.launcher is not None:
        return bool(places_of(node.conn.launcher))
    return True
