"""Location constraints and node health.

Their effect on score tables is in `assign.criteria`.
Facts: scheduler-1-assignment.md 16.3, 16.4, 17.3.
"""

from __future__ import annotations

import re

from lxml import etree

from cib import rules, scores
from cib.lexical import Role, is_true, parse_role
from crmd.scheduler.model import Cluster, Location, ProbeMode, Resource
from crmd.scheduler.unpack.nodes import attribute, node_by_id_or_name
from crmd.scheduler.unpack.parameters import parameters
from crmd.scheduler.unpack.references import resource_named, resource_sets


def _filter_role(text: str | None) -> Role | None:
    """Role filter of a location: UNKNOWN any; None: the constraint is void (16.2)."""
    if text is None:
        return Role.UNKNOWN
    role = parse_role(text)
    if role in (Role.STARTED, Role.UNPROMOTED):
        return Role.UNKNOWN
    return role if role in (Role.STOPPED, Role.PROMOTED) else None


def read_location(cluster: Cluster, element: etree._Element) -> None:
    """One `rsc_location` (16.3)."""
    sets = resource_sets(cluster, element)
    if element.find("resource_set") is not None:
        for resource_set in sets:
            if resource_set.get("id") is None:
                return
            for ref in resource_set.iterchildren("resource_ref"):
                rsc = resource_named(cluster, ref.get("id") or "")
                if rsc is None:
                    _unknown(cluster, element, ref.get("id"))
                    return
                _locate(cluster, element, rsc, (), resource_set)
        return
    name, pattern = element.get("rsc"), element.get("rsc-pattern")
    if name is not None:
        rsc = resource_named(cluster, name)
        if rsc is None:
            _unknown(cluster, element, name)
        else:
            _locate(cluster, element, rsc, ())
    if pattern is not None:
        _locate_pattern(cluster, element, pattern)


def _unknown(cluster: Cluster, element: etree._Element, name: str | None) -> None:
    cluster.warnings.append(f"rsc_location {element.get('id')}: no resource '{name}'; ignored")


def _locate_pattern(cluster: Cluster, element: etree._Element, pattern: str) -> None:
    inverted = pattern.startswith("!")
    try:
        compiled = re.compile(pattern[1:] if inverted else pattern)
    except re.error as e:
        cluster.warnings.append(
            f"rsc_location {element.get('id')}: rsc-pattern '{pattern}' is no expression: {e}"
        )
        return
    for rsc in list(cluster.resources):
        found = compiled.search(rsc.id)
        if inverted:
            if found is None:
                _locate(cluster, element, rsc, ())
        elif found is not None:
            matches = tuple(g or "" for g in (found[0], *found.groups()))
            _locate(cluster, element, rsc, matches)


def _locate(
    cluster: Cluster,
    element: etree._Element,
    rsc: Resource,
    matches: tuple[str, ...],
    resource_set: etree._Element | None = None,
) -> None:
    """Apply a location element to one resource (16.4)."""
    role_text, score_text = element.get("role"), element.get("score")
    if resource_set is not None:
        role_text = resource_set.get("role", role_text)
        score_text = resource_set.get("score", score_text)
    constraint_id = element.get("id") or ""
    node_name = element.get("node")
    if node_name is not None and score_text is not None:
        node = node_by_id_or_name(cluster, node_name)
        score = scores.parse_or_none(score_text, cluster.attributes.health)
        role = _filter_role(role_text)
        if node is None or score is None or role is None:
            cluster.warnings.append(
                f"rsc_location {constraint_id}: node '{node_name}', score '{score_text}' or "
                f"role '{role_text}' is not valid; ignored"
            )
            return
        by_node = {node.index: score}
    else:
        rule = element.find("rule")
        resolved = None if rule is None else cluster.attributes.references.resolve(rule)
        if resolved is None or resolved.get("id") is None:
            return
        role = _filter_role(resolved.get("role"))
        if role is None:
            return
        evaluated = _evaluate(cluster, resolved, rsc, matches)
        if evaluated is None:
            cluster.warnings.append(
                f"rsc_location {constraint_id}: its rule has no valid score; ignored"
            )
            return
        by_node = evaluated
    add_location(cluster, constraint_id, rsc, role, by_node, _discovery(cluster, element, rsc))


def _discovery(cluster: Cluster, element: etree._Element, rsc: Resource) -> ProbeMode:
    word = element.get("resource-discovery", "always")
    match word:
        case "never":
            return ProbeMode.NEVER
        case "exclusive":
            rsc.exclusive_probes = True
            return ProbeMode.EXCLUSIVE
        case "always":
            return ProbeMode.ALWAYS
        case _:
            cluster.warnings.append(
                f"rsc_location {element.get('id')}: resource-discovery='{word}' is not known; "
                "treated as always"
            )
            return ProbeMode.ALWAYS


def _evaluate(
    cluster: Cluster, rule: etree._Element, rsc: Resource, matches: tuple[str, ...]
) -> dict[int, int] | None:
    """Node index -> score of every node that passes a rule, last node first."""
    health = cluster.attributes.health
    from_attribute = rule.get("score-attribute")
    score = 0
    if from_attribute is not None:
        from_attribute = rules.expand_matches(from_attribute, matches)
    else:
        text = rule.get("score")
        parsed = None if text is None else scores.parse_or_none(text, health)
        if parsed is None:
            return None
        score = parsed
    asks_params = any(e.get("value-source") == "param" for e in rule.iter("expression"))
    passing: list[tuple[int, int]] = []
    for node in cluster.nodes:
        given = cluster.attributes.given(
            node_attributes=node.attrs,
            params=parameters(cluster, rsc, node) if asks_params else None,
            meta=rsc.meta,
            matches=matches,
        )
        if not rules.passes(rule, given):
            continue
        if from_attribute is not None:
            text = attribute(rsc, node, from_attribute)
            parsed = scores.parse_or_none(text, health) if text else None
            if parsed is None:
                continue
            score = parsed
        passing.append((node.index, score))
    return dict(reversed(passing))


def add_location(
    cluster: Cluster,
    constraint_id: str,
    rsc: Resource,
    role: Role,
    by_node: dict[int, int],
    mode: ProbeMode = ProbeMode.ALWAYS,
) -> None:
    """Make a location constraint; it goes to the front of both lists (16.1)."""
    made = Location(constraint_id, rsc, role, mode, by_node)
    cluster.locations.insert(0, made)
    rsc.locations.insert(0, made)


def add_node_health(cluster: Cluster) -> None:
    """Node health as location constraints (17.3)."""
    strategy = cluster.options.health_strategy
    if strategy == "none":
        return
    for node in cluster.nodes:
        total = cluster.options.health_base if strategy == "progressive" else 0
        for name, text in node.attrs.items():
            if name.startswith("#health"):
                parsed = scores.parse_or_none(text, cluster.attributes.health)
                if parsed is not None:
                    total = scores.add(total, parsed)
        if total == 0:
            continue
        for rsc in cluster.resources:
            if total < 0 and is_true(rsc.meta.get("allow-unhealthy-nodes")):
                continue
            add_location(cluster, f"health of {node.name}", rsc, Role.UNKNOWN, {node.index: total})
