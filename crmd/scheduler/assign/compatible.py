"""Collectives as primaries of colocations: partners, interleaving, mandatory places.

Facts: scheduler-1-assignment.md 21.8 - 21.11, 22.10, 22.11.
"""

from __future__ import annotations

from cib.lexical import Role, is_true
from cib.scores import INFINITY, add
from crmd.scheduler.assign.choice import sort_nodes
from crmd.scheduler.assign.colocation import restrict
from crmd.scheduler.assign.node_attributes import seen_attribute
from crmd.scheduler.assign.placing import place
from crmd.scheduler.assign.variants import APPLY, apply_colocation
from crmd.scheduler.model import Cluster, Colocation, Node, Resource, Variant


def places_of(rsc: Resource) -> list[Node]:
    """Distinct nodes that a resource's primitives are assigned to."""
    if not rsc.children:
        return [] if rsc.assigned is None else [rsc.assigned]
    found: list[Node] = []
    for child in rsc.children:
        for node in places_of(child):
            if node not in found:
                found.append(node)
    return found


def next_role_of(rsc: Resource) -> Role:
    """The highest next role of a resource and its members."""
    role = rsc.next_role
    for child in rsc.children:
        role = max(role, next_role_of(child))
    return role


def any_blocked(rsc: Resource) -> bool:
    """Whether the resource or any member is blocked."""
    return rsc.blocked or any(any_blocked(child) for child in rsc.children)


def assigned_view(rsc: Resource) -> int:
    """Score of the assigned node when the (first) primitive was placed."""
    while rsc.children:
        rsc = rsc.children[0]
    return rsc.assigned_score


def max_per_node(rsc: Resource) -> int:
    """21.11."""
    if rsc.clone is not None:
        return rsc.clone.node_max
    if rsc.bundle_facts is not None:
        return rsc.bundle_facts.per_host
    return 1


def partners_of(collective: Resource) -> list[Resource]:
    """The instances of a clone, the containers of a bundle by replica."""
    facts = collective.bundle_facts
    if facts is not None:
        return [replica.container for replica in facts.replicas]
    return collective.children


def host_of(node: Node) -> Node | None:
    """For a bundle node the node its container is assigned to, else the node itself."""
    if not node.is_bundle_node or node.conn is None or node.conn.launcher is None:
        return node
    return node.conn.launcher.assigned


def compatible_instance(
    cluster: Cluster,
    primary: Resource,
    dependent: Resource,
    role: Role = Role.UNKNOWN,
    attribute: str | None = None,
) -> Resource | None:
    """The instance of the primary on the dependent's node, or on its best node (21.10)."""
    own = places_of(dependent)
    if own:
        candidates = own[:1]
    else:
        order = sort_nodes(cluster, dependent.scores, None)
        candidates = [cluster.nodes_by_index[i] for i in order]
    for candidate in candidates:
        node = host_of(candidate) if primary.bundle_facts is not None else candidate
        if node is None:
            continue
        for instance in partners_of(primary):
            if _matches(instance, node, role, attribute):
                return instance
    return None


def _matches(instance: Resource, node: Node, role: Role, attribute: str | None) -> bool:
    if role is not Role.UNKNOWN and role is not next_role_of(instance):
        return False
    if any_blocked(instance):
        return False
    places = places_of(instance)
    if len(places) != 1:
        return False
    if places[0] is node:
        return True
    if attribute is None or attribute == "#uname":
        return False
    mine = seen_attribute(instance, places[0], attribute)
    return mine == seen_attribute(instance, node, attribute)  # two absent values are the same


def _interleaves(cluster: Cluster, c: Colocation) -> bool:
    """Whether the configured dependent is to be matched instance by instance (21.8.2)."""
    if c.dependent.variant < Variant.CLONE or not is_true(c.dependent.meta.get("interleave")):
        return False
    if max_per_node(c.dependent) == max_per_node(c.primary):
        return True
    cluster.warnings.append(
        f"colocation {c.id}: {c.dependent.id} and {c.primary.id} cannot be interleaved, "
        "they run different numbers of instances per node"
    )
    return False


def apply_to_clone(cluster: Cluster, dependent: Resource, primary: Resource, c: Colocation) -> int:
    """A clone as primary (21.8)."""
    if primary.unassigned:
        return 0
    if primary.promotable and c.primary_role is not Role.UNKNOWN:
        if dependent.unassigned:
            _follow_role(cluster, dependent, primary, c)
            return 0
        if c.dependent_role is Role.PROMOTED:
            return _promotion_priority(cluster, dependent, primary, c)
    if _interleaves(cluster, c):
        partner = compatible_instance(cluster, primary, dependent)
        if partner is not None:
            return apply_colocation(cluster, dependent, partner, c)
        if c.score >= INFINITY:
            place(cluster, dependent, None, forced=True, stop_if_fail=True)
        return 0
    if c.score >= INFINITY:
        places: list[tuple[Node, int]] = []
        for instance in primary.children:
            nodes = places_of(instance)
            if len(nodes) == 1 and not any_blocked(instance):
                places.append((nodes[0], 0))
        restrict(cluster, dependent, places, c, merge=False)
        return 0
    return sum(apply_colocation(cluster, dependent, i, c) for i in primary.children)


def _follow_role(cluster: Cluster, dependent: Resource, primary: Resource, c: Colocation) -> None:
    """22.10: go where instances with the wanted role will be."""
    places: list[tuple[Node, int]] = []
    nodes = cluster.nodes_by_index
    for instance in primary.children:
        where = places_of(instance)
        if not where or next_role_of(instance) is not c.primary_role:
            continue
        if c.score < INFINITY:
            value = seen_attribute(instance, where[0], c.node_attribute)
            for index, score in dependent.scores.items():
                if seen_attribute(dependent, nodes[index], c.node_attribute) == value:
                    dependent.scores[index] = add(score, c.score)
        places.append((where[0], assigned_view(instance)))
    both_promoted = c.dependent_role is Role.PROMOTED and c.primary_role is Role.PROMOTED
    if c.score >= INFINITY and not both_promoted:
        restrict(cluster, dependent, places, c, merge=True)


def _promotion_priority(
    cluster: Cluster, dependent: Resource, primary: Resource, c: Colocation
) -> int:
    """22.11: be promoted where the primary is."""
    partner = compatible_instance(cluster, primary, dependent, c.primary_role, c.node_attribute)
    before = dependent.priority
    if partner is not None:
        dependent.priority = add(before, c.score)
        return c.score
    if c.score >= INFINITY:
        dependent.priority = -INFINITY
        return -INFINITY
    return 0


def apply_to_bundle(cluster: Cluster, dependent: Resource, primary: Resource, c: Colocation) -> int:
    """A bundle as primary (21.9)."""
    facts = primary.bundle_facts
    if primary.unassigned or facts is None:
        return 0
    if c.dependent.variant >= Variant.CLONE:
        partner = compatible_instance(cluster, primary, dependent)
        if partner is not None:
            return apply_colocation(cluster, dependent, partner, c)
        if c.score >= INFINITY:
            place(cluster, dependent, None, forced=True, stop_if_fail=True)
        return 0
    total = 0
    places: list[tuple[Node, int]] = []
    for replica in facts.replicas:
        container = replica.container
        if c.score < INFINITY:
            total += apply_colocation(cluster, dependent, container, c)
            continue
        if container.assigned is None or any_blocked(container):
            continue
        if c.primary_role >= Role.PROMOTED:
            if replica.child is None or replica.child.next_role < Role.PROMOTED:
                continue
        places.append((container.assigned, container.assigned_score))
    if c.score >= INFINITY:
        restrict(cluster, dependent, places, c, merge=False)
    return total


APPLY[Variant.CLONE] = apply_to_clone
APPLY[Variant.BUNDLE] = apply_to_bundle
