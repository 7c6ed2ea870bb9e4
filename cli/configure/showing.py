"""Which objects are shown, in which order, as words or as XML.  Facts: cli.md section 7.1."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Callable, Sequence

from lxml import etree

from cli.configure import language, tree
from cli.configure.tree import TreeError

Chosen = list[tuple[str, etree._Element]]


def choose(
    root: etree._Element, words: Sequence[str], changed: Callable[[], Sequence[str]]
) -> Chosen:
    """The objects that words name: all without any.  Raises TreeError for an unknown one."""
    every = list(tree.objects(root))
    if not words:
        return every
    wanted: set[int] = set()
    for word in words:
        kind, colon, value = word.partition(":")
        found = [n for n, entry in enumerate(every) if _fits(entry, word)]
        if word == "changed":
            names = set(changed())
            found = [n for n, (_, e) in enumerate(every) if tree.object_id(e) in names]
        elif colon and kind == "type":
            found = [n for n, (s, e) in enumerate(every) if value in _types(s, e)]
        elif colon and kind == "tag":
            tagged = _tagged(root, value)
            found = [n for n, (_, e) in enumerate(every) if tree.object_id(e) in tagged]
        elif colon and kind == "related":
            found = [n for n, (_, e) in enumerate(every) if _related(e, value)]
        elif not found:
            raise TreeError(f"object {word} does not exist{_nearest(every, word)}")
        wanted |= set(found)
    return [entry for n, entry in enumerate(every) if n in wanted]


def _fits(entry: tuple[str, etree._Element], word: str) -> bool:
    where, element = entry
    name = tree.object_id(element)
    if any(mark in word for mark in "*?["):
        return fnmatch.fnmatchcase(name, word)
    return name == word or word == where or (word == "property" and where == "crm_config")


def _types(where: str, element: etree._Element) -> tuple[str, ...]:
    kind = language.kind_of(element, where)
    return (kind, "ms") if element.tag == "master" else (kind,)


def _tagged(root: etree._Element, name: str) -> set[str]:
    found = tree.find(root, name)
    if found is None or found[1].tag != "tag":
        raise TreeError(f"tag {name} does not exist")
    return {name, *(reference.get("id", "") for reference in found[1])}


def _related(element: etree._Element, name: str) -> bool:
    if tree.object_id(element) == name:
        return True
    keys = ("rsc", "with-rsc", "first", "then", "template", "node", "target")
    if any(element.get(key) == name for key in keys):
        return True
    inner = language.flat(element).iter("resource_ref", "obj_ref", "member")
    return any(reference.get("id") == name for reference in inner)


def _nearest(every: Chosen, word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, [tree.object_id(e) for _, e in every], 1, 0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def ordered(chosen: Chosen, *, by_id: bool) -> Chosen:
    """In the order of the language; within a type by id, or as in the CIB."""
    if by_id:
        return sorted(chosen, key=lambda x: (language.rank(x[1], x[0]), tree.object_id(x[1])))
    return sorted(chosen, key=lambda x: language.rank(x[1], x[0]))


def texts(chosen: Chosen) -> list[str]:
    """Each object in words."""
    return [language.show(where, element) for where, element in chosen]


def xml_text(root: etree._Element, chosen: Chosen | None) -> str:
    """A document with the objects chosen, or all; whole resources where parts are meant."""
    top = etree.Element("cib")
    configuration = etree.SubElement(top, "configuration")
    wanted = None if chosen is None else [_outermost(e) for _, e in chosen]
    always = ("crm_config", "nodes", "resources", "constraints")
    for name in tree.SECTIONS:
        held = tree.section(root, name, make=False)
        inside = [] if held is None else [e for e in held if isinstance(e.tag, str)]
        if wanted is not None and name != "fencing-topology":
            inside = [e for e in inside if e in wanted]
        elif wanted is not None and held not in wanted:
            inside = []
        if not inside and name not in always:
            continue
        made = etree.SubElement(configuration, name)
        made.extend(copy.deepcopy(element) for element in inside)
    etree.indent(top)
    return f'<?xml version="1.0" ?>\n{etree.tostring(top, encoding="unicode")}\n\n'


def _outermost(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    while parent is not None and parent.tag in tree.COLLECTIVES:
        element, parent = parent, parent.getparent()
    return element
