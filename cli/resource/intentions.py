"""Meta-attributes that say what people want of a resource: role, management, maintenance.

They are set where they take effect for the whole: on the clone of what a clone holds.  What the
members of a collective say themselves would win over it, so it can be removed with it.
Facts: cli.md section 7 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cli.resource.looking import configured

if TYPE_CHECKING:
    from lxml import etree

    from cli.resource.context import Context

_COLLECTIVES = ("clone", "master", "bundle")
_SETS = "meta_attributes"
OPPOSITES: Mapping[str, str] = {"maintenance": "is-managed", "is-managed": "maintenance"}
"""Attributes that must not both be set on one resource."""


def subject(context: Context, rsc: str) -> etree._Element:
    """The element that speaks for `rsc`: itself, or the clone right around it."""
    element = configured(context, rsc)
    if element is None:
        raise context.unknown(rsc)
    parent = element.getparent()
    if parent is not None and parent.tag in _COLLECTIVES:
        return parent
    return element


def overrides(element: etree._Element, name: str) -> list[etree._Element]:
    """The pairs that members of a collective have of their own, for `name` or against it."""
    names = [name, OPPOSITES[name]] if name in OPPOSITES else [name]
    inner = list(element.iterdescendants("primitive", "group"))
    return [pair for member in inner for each in names for pair in _pairs(member, each)]


def opposed(element: etree._Element, name: str) -> list[etree._Element]:
    """The pairs of the element itself that contradict `name`."""
    return list(_pairs(element, OPPOSITES[name])) if name in OPPOSITES else []


def owner(pair: etree._Element) -> str:
    """Id of the resource that a pair belongs to."""
    resource = next(pair.iterancestors("primitive", "group", *_COLLECTIVES))
    return str(resource.get("id", ""))


def set_intention(
    context: Context,
    element: etree._Element,
    name: str,
    value: str | None,
    removed: list[etree._Element],
) -> None:
    """Set `name` (None: remove it) and drop the pairs in `removed`, in one change."""
    changed = copy.deepcopy(element)
    gone = {pair.get("id") for pair in removed}
    if value is None:
        gone |= {pair.get("id") for pair in _pairs(element, name)}
    for pair in list(changed.iter("nvpair")):
        parent = pair.getparent()
        if pair.get("id") in gone and parent is not None and parent.tag == _SETS:
            parent.remove(pair)
    for held in list(changed.iter("meta_attributes", "instance_attributes", "utilization")):
        if len(held) == 0 and held.get("id-ref") is None:
            _drop(held)
    if value is not None:
        _put(changed, name, value)
    context.change("replace", xpath=f"//{element.tag}[@id='{element.get('id')}']", element=changed)


def _drop(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _pairs(element: etree._Element, name: str) -> Iterator[etree._Element]:
    for held in element.iterfind(_SETS):
        for pair in held.iterfind("nvpair"):
            if pair.get("name") == name:
                yield pair


def _put(element: etree._Element, name: str, value: str) -> None:
    from lxml import etree

    existing = next(_pairs(element, name), None)
    if existing is not None:
        existing.set("value", value)
        return
    plain = (s for s in element.iterfind(_SETS) if s.find("rule") is None and not s.get("id-ref"))
    held = next(plain, None)
    if held is None:
        held = etree.Element(_SETS, {"id": f"{element.get('id')}-{_SETS}"})
        element.insert(_position(element), held)
    pair = etree.SubElement(held, "nvpair")
    for key, text in (("id", f"{held.get('id')}-{name}"), ("name", name), ("value", value)):
        pair.set(key, text)


def _position(element: etree._Element) -> int:
    """Where a new set goes: after what a primitive has, before what a collective holds."""
    if element.tag == "primitive":
        return len(element)
    held = (n for n, child in enumerate(element) if child.tag in ("primitive", "group"))
    return next(held, len(element))
