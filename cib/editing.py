"""Editing a CIB tree in place: create, merge, replace, delete elements.

The caller works on a copy, so a Refusal half-way loses nothing.  It counts no versions and does
not validate.  Facts: see `cib.operations`.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

from lxml import etree

from cib import document
from cib.results import Rc
from cib.scores import INFINITY, parse, to_text
from cib.xmltree import attributes, remove


class Refusal(Exception):
    """An operation ends here without effect; `answer` is XML text for the caller, if any."""

    def __init__(self, rc: Rc, text: str, answer: str | None = None) -> None:
        super().__init__(text)
        self.rc = rc
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Merge:
    """How elements are merged: may missing ones be created, may values count (`x++`)?"""

    allow_create: bool = False
    score: bool = False


def _same(candidate: etree._Element, wanted: etree._Element) -> bool:
    return candidate.tag == wanted.tag and candidate.get("id") == wanted.get("id")


def _elements(parent: etree._Element) -> list[etree._Element]:
    return list(parent.iterchildren(etree.Element))


def _child_like(parent: etree._Element, wanted: etree._Element) -> etree._Element | None:
    return next((c for c in _elements(parent) if _same(c, wanted)), None)


def _find(target: etree._Element, wanted: etree._Element) -> etree._Element | None:
    """The first element at or below `target` with the tag and id of `wanted`."""
    ident = wanted.get("id")
    for element in target.iter(wanted.tag):
        if ident is None or element.get("id") == ident:
            return element
    return None


# Create


def create(parent: etree._Element, given: etree._Element) -> None:
    """Add `given` below `parent`; if both are the same section, add its children instead.

    Raises Refusal (EXISTS) if an element of that tag and id is there, (NOSUCH) if `given` is
    no child for the root.
    """
    if given.tag == parent.tag and given.get("id") == parent.get("id"):
        for child in _elements(given):
            _create_below(parent, child)
    elif parent.tag == "cib" and given.tag not in ("configuration", "status"):
        raise Refusal(Rc.NOSUCH, f"create: <{given.tag}> has no place in <cib>; name a section")
    else:
        _create_below(parent, given)


_CONTAINERS = frozenset(document.SECTIONS)


def _create_below(parent: etree._Element, given: etree._Element) -> None:
    there = _child_like(parent, given)
    if there is None:
        parent.append(copy.deepcopy(given))
    elif given.tag in _CONTAINERS and given.get("id") is None:
        for child in _elements(given):
            _create_below(there, child)
    else:
        ident = given.get("id", "")
        raise Refusal(
            Rc.EXISTS,
            f"create: <{given.tag}> '{ident}' exists already; use modify or replace",
            _failed_update(given),
        )


def _failed_update(given: etree._Element) -> str:
    failed = etree.Element("failed")
    update = etree.SubElement(failed, "failed_update")
    ident = given.get("id")
    if ident is not None:
        update.set("id", ident)
    update.set("object-type", str(given.tag))
    update.set("operation", "cib_create")
    update.set("reason", "File exists")
    update.append(copy.deepcopy(given))
    return document.to_text(failed)


# Modify


def modify(target: etree._Element, given: etree._Element, options: Merge) -> None:
    """Merge `given` into the first element at or below `target` with its tag and id.

    Raises Refusal (NOSUCH) if there is none, unless it may be created: then below `target`.
    """
    found = target if _same(target, given) else _find(target, given)
    if found is None or (given.get("id") is None and found.get("id") is not None):
        if not options.allow_create:
            ident = given.get("id")
            named = f"<{given.tag}>" if ident is None else f"<{given.tag}> '{ident}'"
            raise Refusal(Rc.NOSUCH, f"modify: {named} does not exist; -c would create it")
        target.append(copy.deepcopy(given))
        return
    _merge(found, given, options)


def _merge(into: etree._Element, given: etree._Element, options: Merge) -> None:
    counting = options.score or into.tag == "cib"
    for name, value in attributes(given):
        text = _counted(into, name, value) if counting else None
        into.set(name, value if text is None else text)
    for child in _elements(given):
        there = _child_like(into, child)
        if there is None:
            into.append(copy.deepcopy(child))
        else:
            _merge(there, child, options)


_COUNT = re.compile(r"(?P<name>[^+]+)(?:\+\+|\+=(?P<amount>-?(?:[0-9]+|INFINITY)))\Z")


def _counted(element: etree._Element, name: str, value: str) -> str | None:
    """The sum that `name="name++"` or `name="name+=5"` asks for; None for any other value.

    Sums stop at INFINITY as scores do.
    """
    found = _COUNT.match(value)
    if found is None or found["name"] != name:
        return None
    amount = parse(found["amount"], 1)
    total = parse(element.get(name)) + amount
    return to_text(max(-INFINITY, min(INFINITY, total)))


# Replace


def replace(target: etree._Element, given: etree._Element, *, exact: bool) -> None:
    """Put `given` in the place of `target` (`exact`), else of the first element at or below it
    with the same tag and id; raises Refusal (NOSUCH) if there is none."""
    found = target if exact else _find(target, given)
    parent = found.getparent() if found is not None else None
    if found is None or parent is None:
        raise Refusal(Rc.NOSUCH, f"replace: <{given.tag}> '{given.get('id', '')}' does not exist")
    parent.replace(found, copy.deepcopy(given))


# Delete


def delete_elements(elements: list[etree._Element]) -> None:
    """Remove elements; one whose ancestor went before is gone with it."""
    for element in elements:
        if element.getparent() is None:
            if element.tag == "cib":
                raise Refusal(Rc.UNSAFE, "delete: the whole CIB; use erase")
            continue
        remove(element)


def delete_matching(target: etree._Element, pattern: etree._Element) -> None:
    """Remove the first element below `target` that has the tag and all attributes of `pattern`.

    If `pattern` is `target` itself with children, they are the patterns.  Nothing found is fine.
    """
    if pattern.tag == target.tag and len(pattern):
        for child in _elements(pattern):
            delete_matching(target, child)
        return
    wanted = attributes(pattern)
    for element in target.iter(pattern.tag):
        if all(element.get(name) == value for name, value in wanted):
            delete_elements([element])
            return
