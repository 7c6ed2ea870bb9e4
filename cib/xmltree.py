"""Small operations on XML trees that lxml leaves to its caller.

It knows nothing about the CIB.
"""

from __future__ import annotations

from lxml import etree


def remove(element: etree._Element) -> None:
    """Take an element out of its tree; the text after it stays where it was."""
    parent = element.getparent()
    if parent is None:
        raise ValueError(f"{element.tag}: the root cannot be removed from its tree")
    tail, previous = element.tail, element.getprevious()
    if tail and tail.strip():
        if previous is not None:
            previous.tail = (previous.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    parent.remove(element)


def children(element: etree._Element) -> list[etree._Element]:
    """The child elements, without comments and processing instructions."""
    return list(element.iterchildren(etree.Element))


class Ids:
    """The ids of a tree, to make new ones that none of them is."""

    def __init__(self, root: etree._Element) -> None:
        self._taken = {e.get("id") for e in root.iter(etree.Element)}

    def unique(self, wanted: str) -> str:
        """`wanted`, or `wanted-1`, `wanted-2`, ...: the first that is free, and is taken now."""
        candidate, number = wanted, 0
        while candidate in self._taken:
            number += 1
            candidate = f"{wanted}-{number}"
        self._taken.add(candidate)
        return candidate


def take(element: etree._Element, name: str) -> str | None:
    """The value of an attribute, which is removed; None if there is none."""
    value = element.get(name)
    if value is not None:
        del element.attrib[name]
    return value


def line_of(element: etree._Element) -> int:
    """The line an element began at in the text it was parsed from; 0 if it was not parsed."""
    line = element.sourceline
    return line if isinstance(line, int) else 0


def attributes(element: etree._Element) -> list[tuple[str, str]]:
    """Name and value of each attribute, in document order."""
    return [(str(name), str(value)) for name, value in element.attrib.items()]
