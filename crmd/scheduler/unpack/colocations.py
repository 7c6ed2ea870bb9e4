"""Colocation constraints.

What they do to scores is in `assign.colocation`.  Facts: scheduler-1-assignment.md 16.6 - 16.9.
"""

from __future__ import annotations

from bisect import bisect_left

from lxml import etree

from cib import scores
from cib.lexical import Role, parse_boolean, parse_role
from crmd.scheduler.model import Cluster, Colocation, Resource, Variant
from crmd.scheduler.requests import ColocationMade
from crmd.scheduler.unpack.references import known_members, resource_named, resource_sets

SortKey = tuple[int, int, int, str]


def sort_key(rsc: Resource) -> SortKey:
    """Order of colocations by their other resource, most important first (16.6)."""
    plain_clone = rsc.variant is Variant.CLONE and not rsc.promotable
    return (-rsc.priority, -rsc.variant, 1 if plain_clone else 0, rsc.id)


def by_primary(c: Colocation) -> SortKey:
    return sort_key(c.primary)


def by_dependent(c: Colocation) -> SortKey:
    return sort_key(c.dependent)


def insert_by_primary(items: list[Colocation], c: Colocation) -> None:
    """Sorted insertion, before equals."""
    items.insert(bisect_left(items, by_primary(c), key=by_primary), c)


def insert_by_dependent(items: list[Colocation], c: Colocation) -> None:
    """Sorted insertion, before equals."""
    items.insert(bisect_left(items, by_dependent(c), key=by_dependent), c)


def colocate(
    cluster: Cluster,
    constraint_id: str,
    score: int,
    dependent: Resource,
    primary: Resource,
    *,
    dependent_role: Role = Role.UNKNOWN,
    primary_role: Role = Role.UNKNOWN,
    node_attribute: str | None = None,
    explicit: bool = True,
    influence: bool = True,
) -> Colocation | None:
    """Make a colocation; a score of 0 makes none."""
    if score == 0:
        return None
    made = Colocation(
        constraint_id,
        score,
        dependent,
        primary,
        Role.UNKNOWN if dependent_role is Role.STARTED else dependent_role,
        Role.UNKNOWN if primary_role is Role.STARTED else primary_role,
        node_attribute or "#uname",
        explicit,
        influence,
    )
    insert_by_primary(dependent.this_with, made)
    insert_by_dependent(primary.with_this, made)
    cluster.colocations.append(made)
    if explicit:
        cluster.requests.append(ColocationMade(4, made))
    return made


def _influence(element: etree._Element, dependent: Resource) -> bool:
    """The constraint's `influence`, else whether the dependent is critical (16.7)."""
    text = element.get("influence")
    parsed = None if text is None else parse_boolean(text)
    return dependent.critical if parsed is None else parsed


def read_colocation(cluster: Cluster, element: etree._Element) -> None:
    """One `rsc_colocation`, simple or with sets."""
    if element.find("resource_set") is not None:
        _read_sets(cluster, element)
        return
    dependent = resource_named(cluster, element.get("rsc") or "")
    primary = resource_named(cluster, element.get("with-rsc") or "")
    dependent_role = parse_role(element.get("rsc-role"))
    primary_role = parse_role(element.get("with-rsc-role"))
    if dependent is None or primary is None or dependent_role is None or primary_role is None:
        cluster.warnings.append(
            f"rsc_colocation {element.get('id')}: a resource or role in it does not exist; ignored"
        )
        return
    colocate(
        cluster,
        element.get("id") or "",
        scores.parse(element.get("score"), 0, cluster.attributes.health),
        dependent,
        primary,
        dependent_role=dependent_role,
        primary_role=primary_role,
        node_attribute=element.get("node-attribute"),
        influence=_influence(element, dependent),
    )


def _read_sets(cluster: Cluster, element: etree._Element) -> None:
    """16.9.

    A reference that leads nowhere ends only what is being made: inside its set, or with the set
    before or after it.
    """
    score = scores.parse(element.get("score"), 0, cluster.attributes.health)
    previous: etree._Element | None = None
    for current in resource_sets(cluster, element):
        if current.get("id") is None:
            return
        _inside_set(cluster, element, current, score)
        if previous is not None:
            _between_sets(cluster, element, previous, current, score)
        previous = current


def _inside_set(
    cluster: Cluster, element: etree._Element, current: etree._Element, outer: int
) -> None:
    """Colocations within one set, up to a reference that leads nowhere."""
    text = current.get("score")
    score = outer if text is None else scores.parse(text, 0, cluster.attributes.health)
    role = parse_role(current.get("role"))
    if score == 0 or role is None or _is_sequential(current) is False:
        return
    members = known_members(cluster, current)
    reverse = "ordering" in current.attrib and current.get("ordering") != "group"

    def pair(dependent: Resource, primary: Resource, later: Resource) -> None:
        colocate(
            cluster,
            current.get("id") or "",
            score,
            dependent,
            primary,
            dependent_role=role,
            primary_role=role,
            node_attribute=element.get("node-attribute"),
            influence=_influence(element, later),
        )

    for i, later in enumerate(members):
        if score > 0:
            if i > 0:
                earlier = members[i - 1]
                if reverse:
                    pair(earlier, later, later)
                else:
                    pair(later, earlier, later)
        else:
            for earlier in members[:i]:
                pair(later, earlier, later)


def _is_sequential(current: etree._Element) -> bool | None:
    """`sequential` of a set, None when absent or no boolean."""
    text = current.get("sequential")
    return None if text is None else parse_boolean(text)


def _between_sets(
    cluster: Cluster,
    element: etree._Element,
    dependents: etree._Element,
    primaries: etree._Element,
    score: int,
) -> None:
    """Colocations of an earlier set with the one after it."""
    dependent_role = parse_role(dependents.get("role"))
    primary_role = parse_role(primaries.get("role"))
    if score == 0 or dependent_role is None or primary_role is None:
        return
    first = known_members(cluster, dependents)
    if _is_sequential(dependents) is not False:
        first = first[:1]
    sequential = _is_sequential(primaries) is not False
    second = known_members(cluster, primaries, last_only=sequential)
    complete = len(second) == (1 if sequential else len(primaries.findall("resource_ref")))
    for dependent in first:
        for primary in second:
            colocate(
                cluster,
                element.get("id") or "",
                score,
                dependent,
                primary,
                dependent_role=dependent_role,
                primary_role=primary_role,
                node_attribute=element.get("node-attribute"),
                influence=_influence(element, dependent),
            )
        if not complete:
            return
