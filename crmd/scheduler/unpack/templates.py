"""Resource templates: the effective element of a resource that uses one.

Facts: scheduler-1-assignment.md 7.2.
"""

from __future__ import annotations

import copy

from lxml import etree

from crmd.scheduler.model import Cluster


def effective_element(cluster: Cluster, element: etree._Element) -> etree._Element | None:
    """The element itself, or template and own children merged; None: the template is no good.

    Merged once per element, however many instances are made of it.
    """
    if element.get("template") is None:
        return element
    known = cluster.effective.get(id(element))
    if known is None:
        known = cluster.effective[id(element)] = (element, _merge(cluster, element))
    return known[1]


def _merge(cluster: Cluster, element: etree._Element) -> etree._Element | None:
    name = element.get("template") or ""
    own_id = element.get("id")
    if name == own_id:
        cluster.warnings.append(f"resource {own_id}: it is its own template; ignored")
        return None
    template = cluster.attributes.references.find("template", name)
    if template is not None and template.getparent() is not cluster.attributes.section("resources"):
        template = None
    if template is None:
        cluster.warnings.append(f"resource {own_id}: no template '{name}'; ignored")
        return None
    merged = etree.Element(element.tag, {str(k): str(v) for k, v in template.attrib.items()})
    merged.set("id", own_id or "")
    for child in template.iterchildren(etree.Element):
        merged.append(copy.deepcopy(child))
    inherited = merged.find("operations")
    for child in element.iterchildren(etree.Element):
        if child.tag == "operations" and inherited is not None:
            merged.replace(inherited, _merge_operations(child, inherited))
            inherited = None
        else:
            merged.append(copy.deepcopy(child))
    referrers = cluster.templates.setdefault(name, [])
    if own_id is not None and own_id not in referrers:
        referrers.append(own_id)
    return merged


def _merge_operations(own: etree._Element, inherited: etree._Element) -> etree._Element:
    """The resource's own operations, then those of the template it does not name."""
    result = copy.deepcopy(own)
    named = {_operation_name(op) for op in own.iterchildren("op")}
    for op in inherited.iterchildren("op"):
        if _operation_name(op) not in named:
            result.append(copy.deepcopy(op))
    return result


def _operation_name(op: etree._Element) -> tuple[str | None, str]:
    """Name and role of an `<op>`; no role, Started and Unpromoted count as one."""
    role = op.get("role") or "Started"
    return op.get("name"), "Started" if role in ("Started", "Unpromoted", "Slave") else role
