"""References to resources in constraints: ids, templates and tags.

Facts: scheduler-1-assignment.md section 10.
"""

from __future__ import annotations

import copy

from lxml import etree

from crmd.scheduler.model import Cluster, Resource

_SIDES = {
    "rsc_location": (("rsc", "role"),),
    "rsc_ticket": (("rsc", "rsc-role"),),
    "rsc_colocation": (("rsc", "rsc-role"), ("with-rsc", "with-rsc-role")),
    "rsc_order": (("first", "first-action"), ("then", "then-action")),
}


def read_tags(cluster: Cluster) -> None:
    """`tags/tag`: id -> member ids in order, without duplicates (10.1)."""
    section = cluster.attributes.section("tags")
    for tag in () if section is None else section.iterchildren("tag"):
        tag_id = tag.get("id")
        if tag_id is None:
            continue
        members = cluster.tags.setdefault(tag_id, [])
        for ref in tag.iterchildren("obj_ref"):
            name = ref.get("id")
            if name is not None and name not in members:
                members.append(name)


def resource_named(cluster: Cluster, name: str) -> Resource | None:
    """A resource by id, or by the name under which a history knows it (then its top) (10.2)."""
    found = cluster.by_id.get(name)
    if found is not None:
        return found
    found = cluster.by_history_id.get(name)
    if found is None or found.history_id != name:
        return None
    return found.top


def members_of(cluster: Cluster, name: str) -> list[str] | None:
    """Ids that a template or tag stands for (maybe none); None if it is neither."""
    if name in cluster.templates:
        return cluster.templates[name]
    return cluster.tags.get(name)


def known_members(
    cluster: Cluster, resource_set: etree._Element, *, last_only: bool = False
) -> list[Resource]:
    """The resources of a set in order (or its last), up to a reference that leads nowhere."""
    found: list[Resource] = []
    refs = resource_set.findall("resource_ref")
    for ref in refs[-1:] if last_only else refs:
        rsc = resource_named(cluster, ref.get("id") or "")
        if rsc is None:
            cluster.warnings.append(
                f"resource set {resource_set.get('id')}: no resource '{ref.get('id')}'"
            )
            break
        found.append(rsc)
    return found


def resource_sets(cluster: Cluster, element: etree._Element) -> list[etree._Element]:
    """The sets of a constraint, `id-ref` resolved."""
    resolve = cluster.attributes.references.resolve
    found = (resolve(s) for s in element.iterchildren("resource_set"))
    return [s for s in found if s is not None]


def expand(cluster: Cluster, element: etree._Element) -> etree._Element | None:
    """The constraint with templates and tags replaced (10.3, 10.4); None: it is in error.

    The element itself when there is nothing to replace.
    """
    if element.find("resource_set") is not None:
        return _expand_sets(cluster, element)
    sides = _SIDES.get(element.tag, ())
    expandable = []
    for attribute, _ in sides:
        name = element.get(attribute)
        if name is None:
            expandable.append(False)
            continue
        if resource_named(cluster, name) is not None:
            expandable.append(False)
            continue
        members = members_of(cluster, name)
        if not members:
            cluster.warnings.append(
                f"{element.tag} {element.get('id')}: no resource, template or tag '{name}'; ignored"
            )
            return None
        expandable.append(True)
    if not any(expandable):
        return element
    if element.tag == "rsc_colocation" and all(expandable):
        cluster.warnings.append(
            f"rsc_colocation {element.get('id')}: between two templates or tags; ignored"
        )
        return None
    return _with_sets(cluster, element, sides, expandable)


def _with_sets(
    cluster: Cluster,
    element: etree._Element,
    sides: tuple[tuple[str, str], ...],
    expandable: list[bool],
) -> etree._Element:
    """A copy of a simple constraint whose resources have become sets."""
    expanded = copy.deepcopy(element)
    for (attribute, qualifier), is_expandable in zip(sides, expandable, strict=True):
        name = element.get(attribute)
        if name is None:
            continue
        made = etree.SubElement(expanded, "resource_set", id=name)
        if is_expandable:
            made.set("sequential", "false")
        for member in (members_of(cluster, name) or []) if is_expandable else [name]:
            etree.SubElement(made, "resource_ref", id=member)
        value = element.get(qualifier)
        if value is not None:
            made.set("action" if element.tag == "rsc_order" else "role", value)
            del expanded.attrib[qualifier]
        del expanded.attrib[attribute]
    return expanded


def _expand_sets(cluster: Cluster, element: etree._Element) -> etree._Element:
    """Members of templates and tags in place of references to them (10.3)."""
    sets = resource_sets(cluster, element)
    names = [ref.get("id") or "" for s in sets for ref in s.iterchildren("resource_ref")]
    unknown = [name for name in names if resource_named(cluster, name) is None]
    if not unknown or not all(members_of(cluster, name) for name in unknown):
        return element
    expanded = etree.Element(element.tag, {str(k): str(v) for k, v in element.attrib.items()})
    for original in sets:
        made = copy.deepcopy(original)
        for ref in list(made.iterchildren("resource_ref")):
            name = ref.get("id") or ""
            if resource_named(cluster, name) is None:
                for member in members_of(cluster, name) or ():
                    ref.addprevious(etree.Element("resource_ref", id=member))
                made.remove(ref)
        expanded.append(made)
    return expanded
