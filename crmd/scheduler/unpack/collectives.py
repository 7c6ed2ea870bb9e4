"""Groups and clones: their own settings and their children.

Facts: scheduler-1-assignment.md 9.1 - 9.3.
"""

from __future__ import annotations

from cib.lexical import is_true, parse_integer
from crmd.scheduler.model import CloneFacts, Cluster, GroupFacts, Resource
from crmd.scheduler.unpack.resources import flag_unless_false, minimum, unpack_resource

MAX_INSTANCES = 1_000
"""Most instances of one clone that are planned for."""


def read_group(cluster: Cluster, group: Resource) -> bool:
    """Members in order; False when none is left."""
    group.group = GroupFacts(
        ordered=flag_unless_false(group.meta, "ordered"),
        colocated=flag_unless_false(group.meta, "collocated"),
    )
    if group.element is None:
        return False
    number = group.meta.get("clone")
    instance = parse_integer(number) if number is not None and group.id != group.xml_id else None
    for element in group.element.iterchildren("primitive"):
        member = unpack_resource(cluster, element, group, instance)
        if member is not None:
            group.children.append(member)
    if not group.children:
        cluster.warnings.append(f"group {group.id}: no member can be used; ignored")
    return bool(group.children)


def read_clone(cluster: Cluster, clone: Resource) -> bool:
    """Settings of a clone and its instances; False when it has nothing to clone."""
    meta = clone.meta
    facts = clone.clone = CloneFacts(
        max=bounded(
            cluster,
            clone.id,
            "clone-max",
            minimum(meta, "clone-max", max(1, len(cluster.nodes))),
            MAX_INSTANCES,
        ),
        node_max=minimum(meta, "clone-node-max", 1),
        ordered=is_true(meta.get("ordered")),
        interleave=is_true(meta.get("interleave")),
    )
    if clone.promotable:
        _read_promotable(clone, facts)
    word = meta.get("globally-unique")
    clone.unique = facts.node_max > 1 if word is None else is_true(word)
    if facts.node_max > 1 and not clone.unique:
        cluster.warnings.append(
            f"clone {clone.id}: clone-node-max={facts.node_max} needs globally-unique=true; using 1"
        )
        facts.node_max = 1
    element = clone.element
    if element is None:
        return False
    facts.child_element = next(
        (e for e in element.iterchildren("primitive", "group") if e.get("id")), None
    )
    if facts.child_element is None:
        cluster.warnings.append(f"clone {clone.id}: nothing to clone in it; ignored")
        return False
    facts.child_id = facts.child_element.get("id") or ""
    meta.setdefault("resource-stickiness", "1")
    meta["globally-unique"] = "true" if clone.unique else "false"
    if add_instance(cluster, clone) is None:
        return False
    while facts.instances_made < facts.max:  # an agent that cannot be unique lowers the maximum
        if add_instance(cluster, clone) is None:
            return False
    return True


def _read_promotable(clone: Resource, facts: CloneFacts) -> None:
    meta = clone.meta
    for name, legacy in (
        ("promoted-max", "master-max"),
        ("promoted-node-max", "master-node-max"),
    ):
        if name not in meta and legacy in meta:
            meta[name] = meta[legacy]
    facts.promoted_max = minimum(meta, "promoted-max", 1)
    facts.promoted_node_max = minimum(meta, "promoted-node-max", 1)


def add_instance(cluster: Cluster, clone: Resource) -> Resource | None:
    """The next instance of a clone; removed when clone-max are there already (9.2)."""
    facts = clone.clone
    if facts is None or facts.child_element is None:
        raise AssertionError(f"{clone.id} is no clone")
    as_removed = facts.instances_made >= facts.max
    child = unpack_resource(cluster, facts.child_element, clone, facts.instances_made)
    if child is None:
        return None
    facts.instances_made += 1
    clone.children.append(child)
    if as_removed:
        mark_removed(child)
    child.meta["clone-max"] = str(facts.max)
    return child


def mark_removed(rsc: Resource) -> None:
    """The removed flag on a resource and all below it."""
    rsc.removed = True
    for child in rsc.children:
        mark_removed(child)


def bounded(cluster: Cluster, rsc_id: str, what: str, number: int, most: int) -> int:
    """A number of instances that can be planned: at most `most`."""
    if number <= most:
        return number
    cluster.warnings.append(
        f"resource {rsc_id}: {what}={number} is more than can be planned; using {most}"
    )
    return most


def clone_facts(rsc: Resource) -> CloneFacts:
    """Facts of a resource known to be a clone."""
    if rsc.clone is None:
        raise AssertionError(f"{rsc.id} is no clone")
    return rsc.clone
