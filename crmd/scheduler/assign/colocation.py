"""Colocation arithmetic: what a colocation does to scores, roles and priorities.

Which colocations count is in `colocation_lists`; primaries that are collectives are in
`instances_as_primary`.  Facts: scheduler-1-assignment.md 1.5, 20.2 - 20.5a, 20.8, 20.9.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from cib.lexical import Role
from cib.scores import INFINITY, add
from crmd.scheduler.assign.colocation_lists import has_influence, this_with_list, with_this_list
from crmd.scheduler.assign.criteria import merge_location
from crmd.scheduler.assign.node_attributes import seen_attribute
from crmd.scheduler.model import Cluster, Colocation, Node, Resource, Variant

HACK = -100_000_000
"""Marks "not this node for now" within one computation (1.6)."""

_SINGLE = struct.Struct("f")

Table = dict[int, int]


def single(x: float) -> float:
    """`x` in single precision."""
    value: float = _SINGLE.unpack(_SINGLE.pack(x))[0]
    return value


def factor_of(score: int) -> float:
    """Colocation factor of a score."""
    return single(score / INFINITY)


@dataclass(frozen=True, slots=True)
class Flags:
    """How scores travel through colocations (20.3)."""

    active: bool = False
    """Roll back when no node is left."""
    nonneg: bool = False
    """Never make an entry negative."""
    this_with: bool = False
    """Follow primaries instead of dependents."""


PLAIN = Flags()


def any_available(cluster: Cluster, table: Table) -> bool:
    """Whether some node of a table is available by score."""
    usable = cluster.usable
    return any(score >= 0 and usable[i] for i, score in table.items())


MANY_CHAINS, MANY_CHAINS_PER_RESOURCE = 50_000, 500
"""Bound on the steps along chains of colocations in one run.

Where everything is colocated with everything, the chains are as many as there are permutations.
Ten resources are enough to keep the reference busy for a minute.
"""


def colocated_scores(
    cluster: Cluster,
    source: Resource,
    target: Resource | None,
    nodes: Table | None,
    c: Colocation | None,
    factor: float,
    flags: Flags,
) -> Table | None:
    """`nodes` with the source's preferences added, as far as they reach through colocations (20.3).

    Answers a new table, or `nodes` itself when nothing may be taken over.
    """
    if source.group is not None:
        if source.updating or not source.children:
            return nodes
        source.updating = True
        member = source.children[-1] if nodes is None else source.children[0]
        result = colocated_scores(cluster, member, target, nodes, c, factor, flags)
        source.updating = False
        return result
    if source.updating:
        return nodes
    source.updating = True
    if nodes is None:
        work = dict(source.scores)
        target = source
    else:
        work = dict(nodes)
        if c is not None and target is not None:
            _add_best_scores(cluster, work, source, target, c, factor, flags.nonneg)
    if any_available(cluster, work):
        work = _follow(cluster, source, target, work, factor, flags)
    elif flags.active:
        source.updating = False
        return nodes
    if flags.nonneg:
        for index, score in work.items():
            if score == HACK:
                work[index] = 1
    source.updating = False
    return work


def _follow(
    cluster: Cluster,
    source: Resource,
    target: Resource | None,
    work: Table,
    factor: float,
    flags: Flags,
) -> Table:
    """Go on through the source's own colocations."""
    further = this_with_list(source) if flags.this_with else with_this_list(source)
    if not further:
        return work
    cluster.chains_followed += 1
    limit = MANY_CHAINS + MANY_CHAINS_PER_RESOURCE * cluster.n_resources
    if cluster.chains_followed >= limit:
        if cluster.chains_followed == limit:
            cluster.warnings.append(
                f"colocation {further[0].id}: {source.id} and what it is colocated with form more "
                "than can be followed; indirect preferences are ignored from here on, remove some"
            )
        return work
    deeper = flags if flags.active else replace(flags, active=True)
    for k in further:
        if flags.this_with:
            other = k.primary
        else:
            if not has_influence(k):
                continue
            other = k.dependent
        next_factor = single(single(factor * k.score) / INFINITY)
        result = colocated_scores(cluster, other, target, work, k, next_factor, deeper)
        if result is not None:
            work = result
    return work


def _add_best_scores(
    cluster: Cluster,
    work: Table,
    source: Resource,
    target: Resource,
    c: Colocation,
    factor: float,
    nonneg: bool,
) -> None:
    """20.3a: add the source's best score among nodes with the same attribute value."""
    usable, nodes = cluster.usable, cluster.nodes_by_index
    table = _table_of(source, c)
    attribute = c.node_attribute
    identity = attribute == "#uname" and not (
        source.sees_host_attributes or target.sees_host_attributes
    )
    best: dict[object, int] = {}
    for index, score in table.items():
        if score > -INFINITY and usable[index]:
            key: object = index if identity else seen_attribute(source, nodes[index], attribute)
            if score > best.get(key, -INFINITY):
                best[key] = score
    pull_allowed: bool | None = None
    for index, old in work.items():
        key = index if identity else seen_attribute(target, nodes[index], attribute)
        score = best.get(key, -INFINITY)
        if factor < 0 and score < 0:
            if pull_allowed is None:
                pull_allowed = has_influence(c) and _has_one_place(c.dependent)
            if not (pull_allowed and c.primary.stickiness < -score):
                continue
        if old == HACK:
            continue
        delta_exact = single(factor * score)
        delta = int(delta_exact + 0.5) if delta_exact >= 0 else int(delta_exact - 0.5)
        if delta == 0 and score != 0:
            delta = 1 if factor > 0 else -1
            if factor == 0:
                delta = 0
        new = add(old, delta)
        if nonneg and new < 0:
            if old > 0:
                work[index] = HACK
                continue
            if old == 0:
                continue
        if new != old:
            work[index] = new


def _table_of(source: Resource, c: Colocation) -> Table:
    """The source's table; a later group member's gets its group's locations (20.3a)."""
    group = source.parent
    if (
        c.dependent is source
        and c.explicit
        and group is not None
        and group.variant is Variant.GROUP
        and group.children[0] is not source
    ):
        scratch = dict(source.scores)
        for location in group.locations:
            if location.role is Role.UNKNOWN or location.role is source.next_role:
                merge_location(scratch, location)
        return scratch
    return source.scores


def _has_one_place(dependent: Resource) -> bool:
    """Exactly one entry with a score of 0 or more."""
    return sum(1 for score in dependent.scores.values() if score >= 0) == 1


def affects(c: Colocation, dependent: Resource, primary: Resource, preview: bool = False) -> str:
    """`role`, `location` or `` (nothing): what a colocation concerns now (20.2)."""
    if not preview and primary.unassigned:
        return ""
    d, p = role_bearer(dependent), role_bearer(primary)
    if c.dependent_role >= Role.UNPROMOTED and not d.unassigned:
        if d.parent is not None and d.parent.promotable:
            return "role"
    if not preview and not dependent.unassigned:
        return ""
    if c.dependent_role is not Role.UNKNOWN and c.dependent_role is not d.next_role:
        return ""
    if c.primary_role is not Role.UNKNOWN and c.primary_role is not p.next_role:
        return ""
    return "location"


def role_bearer(rsc: Resource) -> Resource:
    """The resource whose role counts: for a replica's container the primitive inside."""
    if rsc.replica_container and rsc.replica is not None and rsc.replica.child is not None:
        return rsc.replica.child
    return rsc


def apply_to_primitive(
    cluster: Cluster, dependent: Resource, primary: Resource, c: Colocation
) -> int:
    """A primitive as primary (20.5)."""
    match affects(c, dependent, primary):
        case "role":
            return add_role_priority(dependent, primary, c)
        case "location":
            apply_location_score(cluster, dependent, primary, c)
            return 0
        case _:
            return 0


def apply_location_score(
    cluster: Cluster, dependent: Resource, primary: Resource, c: Colocation
) -> None:
    """20.5a: near the primary, or away from it."""
    attribute = c.node_attribute
    nodes = cluster.nodes_by_index
    place = primary.assigned
    if place is None:
        if c.score < 0:
            return
        value: str | None = None
    else:
        value = seen_attribute(primary, place, attribute)
    work = dict(dependent.scores)
    for index, score in work.items():
        node = nodes[index]
        if place is None:
            work[index] = add(score, -c.score)
        elif seen_attribute(dependent, node, attribute) == value:
            if c.score < INFINITY:
                work[index] = add(score, c.score)
        elif c.score >= INFINITY:
            work[index] = add(score, -c.score)
    if c.score <= -INFINITY or c.score >= INFINITY or any_available(cluster, work):
        dependent.scores = work


def add_role_priority(dependent: Resource, primary: Resource, c: Colocation) -> int:
    """20.8: the primary's place makes the dependent a better or worse candidate for its role."""
    place = dependent.assigned
    if place is None:
        return 0
    d, p = role_bearer(dependent), role_bearer(primary)
    if primary.assigned is not None and c.primary_role is not Role.UNKNOWN:
        if c.primary_role is not p.next_role:
            return 0
    mine = seen_attribute(dependent, place, c.node_attribute)
    theirs = (
        None
        if primary.assigned is None
        else seen_attribute(primary, primary.assigned, c.node_attribute)
    )
    if mine != theirs:
        if c.score == INFINITY and c.dependent_role is Role.PROMOTED:
            delta = -c.score
        else:
            return 0
    else:
        delta = -c.score if c.dependent_role is Role.UNPROMOTED else c.score
    d.priority = add(d.priority, delta)
    return delta


def restrict(
    cluster: Cluster, rsc: Resource, places: list[tuple[Node, int]], c: Colocation, merge: bool
) -> None:
    """20.9: -INFINITY on every node not listed; with `merge` the listed scores are added."""
    listed = {node.index: score for node, score in reversed(places)}
    for index, score in rsc.scores.items():
        if index not in listed:
            rsc.scores[index] = add(score, -INFINITY)
        elif merge:
            rsc.scores[index] = add(score, listed[index])
