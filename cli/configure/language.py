"""The language as a whole: which words make which element, and back.

`show` prints an object so that `parse` reads the same element again; what the language has no
words for is printed as `xml '<...>'`.  Facts: cli.md section 7.1.
"""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Sequence

from lxml import etree

from cli.command_line import CommandError
from cli.configure import constraints, resources, sections
from cli.configure.attributes import says_nothing
from cli.configure.ids import give_ids, is_automatic
from cli.configure.words import SyntaxProblem, Words

RESOURCES = ("primitive", "group", "clone", "master", "bundle")
CONSTRAINTS = ("rsc_colocation", "rsc_location", "rsc_order", "rsc_ticket")
_SECTION_OF = {
    "node": "nodes",
    **dict.fromkeys((*RESOURCES, "template"), "resources"),
    **dict.fromkeys(CONSTRAINTS, "constraints"),
    "tag": "tags",
    "fencing-topology": "fencing-topology",
    "acl_role": "acls",
    "acl_target": "acls",
    "acl_group": "acls",
    "alert": "alerts",
    "cluster_property_set": "crm_config",
}
ALIASES = {
    "collocation": "colocation",
    "acl_role": "role",
    "bootstrap-options": "property",
}
_READERS: dict[str, Callable[[Words], etree._Element]] = {
    "node": sections.read_node,
    "primitive": resources.read_primitive,
    "rsc_template": resources.read_primitive,
    "group": resources.read_group,
    "clone": resources.read_clone,
    "ms": resources.read_clone,
    "master": resources.read_clone,
    "bundle": resources.read_bundle,
    "location": constraints.read_location,
    "colocation": constraints.read_colocation,
    "order": constraints.read_order,
    "rsc_ticket": constraints.read_ticket,
    "property": sections.read_options,
    "rsc_defaults": sections.read_options,
    "op_defaults": sections.read_options,
    "tag": sections.read_tag,
    "role": sections.read_role,
    "acl_target": sections.read_target,
    "acl_group": sections.read_target,
    "alert": sections.read_alert,
}
KEYWORDS = (*_READERS, "fencing_topology", "xml")
"""Words that begin an object."""
_ORDER = (
    "node", "template", "primitive", "bundle", "group", "master", "clone", "tag",
    "rsc_colocation", "rsc_location", "rsc_order", "fencing-topology", "rsc_ticket",
    "cluster_property_set", "rsc_defaults", "op_defaults", "acl_role", "acl_target", "acl_group",
    "alert",
)  # fmt: skip
TYPE_WORDS = {
    "template": "rsc_template",
    "rsc_colocation": "colocation",
    "rsc_location": "location",
    "rsc_order": "order",
    "cluster_property_set": "property",
    "acl_role": "role",
    "fencing-topology": "fencing_topology",
}
"""Element -> the word of its type, where they differ."""


def section_of(element: etree._Element) -> str:
    """The section of the configuration that an object belongs to.

    Raises ValueError for what is no object of the language.
    """
    parent = element.getparent()
    if element.tag == "meta_attributes":
        if parent is not None and parent.tag in ("rsc_defaults", "op_defaults"):
            return str(parent.tag)
    if element.tag not in _SECTION_OF:
        raise ValueError(f"<{element.tag}> is no object of the configuration")
    return _SECTION_OF[str(element.tag)]


def kind_of(element: etree._Element, section: str) -> str:
    """The word that names an object's type: `primitive`, `order`, `rsc_defaults` ..."""
    if element.tag == "meta_attributes":
        return section
    return TYPE_WORDS.get(str(element.tag), str(element.tag))


def rank(element: etree._Element, section: str) -> int:
    """Where an object stands in the order of `show`."""
    tag = section if element.tag == "meta_attributes" else str(element.tag)
    return _ORDER.index(tag)


def parse(words: Sequence[str], nodes: Sequence[str] = ()) -> tuple[str, etree._Element]:
    """Section and element of one object; parts without an id have none yet.

    Raises SyntaxProblem naming the word, CommandError for broken XML.
    """
    keyword = ALIASES.get(words[0], words[0])
    cursor = Words([keyword, *words[1:]])
    if keyword == "xml":
        return _parse_xml(cursor)
    if keyword == "fencing_topology":
        element = sections.read_topology(cursor, list(nodes))
    elif keyword in _READERS:
        element = _READERS[keyword](cursor)
    else:
        raise SyntaxProblem(keyword, "Unknown command", keyword, words)
    cursor.end()
    if element.tag == "meta_attributes":
        return keyword, element
    return section_of(element), element


def _parse_xml(words: Words) -> tuple[str, etree._Element]:
    from cib.document import DocumentError
    from cib.document import parse as parse_document

    text = " ".join(words.all[1:])
    try:
        element = parse_document(text, "xml")
    except DocumentError as problem:
        raise words.problem(str(problem), at_end=True) from problem
    if element.tag in ("rsc_defaults", "op_defaults") and len(element) == 1:
        return str(element.tag), element[0]
    try:
        return section_of(element), element
    except ValueError as problem:
        raise words.problem(str(problem), at_end=True) from problem


def flat(element: etree._Element) -> etree._Element:
    """A copy in which the resources inside a collective are `<member id=.../>`."""
    whole = copy.deepcopy(element)
    for child in list(whole):
        if child.tag in RESOURCES:
            reference = etree.Element("member", {"id": child.get("id", "")})
            reference.tail = child.tail
            whole.replace(child, reference)
    return whole


def show(section: str, element: etree._Element) -> str:
    """An object as words; it reads back to the same element, ids of parts apart.

    `element` may hold its members or references to them.
    """
    plain = flat(element)
    text = _words(section, plain)
    if text is not None and _reads_back(text, plain, section):
        return text
    if section in ("rsc_defaults", "op_defaults"):
        wrapper = etree.Element(section)
        wrapper.append(plain)
        plain = wrapper
    from cib.document import compact

    return f"xml {shlex.quote(compact(plain).decode())}"


def _words(section: str, element: etree._Element) -> str | None:
    printers: dict[str, Callable[[etree._Element], str]] = {
        "node": sections.node_text,
        "template": resources.primitive_text,
        "primitive": resources.primitive_text,
        "group": resources.group_text,
        "clone": resources.clone_text,
        "master": resources.clone_text,
        "bundle": resources.bundle_text,
        "rsc_location": constraints.location_text,
        "rsc_colocation": constraints.colocation_text,
        "rsc_order": constraints.order_text,
        "rsc_ticket": constraints.ticket_text,
        "tag": sections.tag_text,
        "fencing-topology": sections.topology_text,
        "acl_role": sections.role_text,
        "acl_target": sections.target_text,
        "acl_group": sections.target_text,
        "alert": sections.alert_text,
    }
    if element.tag in ("cluster_property_set", "meta_attributes"):
        return sections.options_text(kind_of(element, section), element)
    printer = printers.get(str(element.tag))
    return None if printer is None else printer(element)


def split(text: str) -> list[str]:
    """The words of an object's text, continued lines included.  Raises ValueError."""
    return shlex.split(text.replace("\\\n", " "))


def _reads_back(text: str, element: etree._Element, section: str) -> bool:
    if any("\n" in str(value) for part in element.iter() for value in part.attrib.values()):
        return False
    try:
        where, again = parse(split(text))
    except (CommandError, ValueError):
        return False
    return where == section and same(again, element)


def same(one: etree._Element, other: etree._Element) -> bool:
    """Whether two objects say the same; automatic ids of parts and order of sets apart."""
    return _essence(one) == _essence(other)


_FIRST = ("instance_attributes", "meta_attributes", "utilization", "operations")


def _essence(element: etree._Element) -> tuple[object, ...]:
    """What an object says, for comparison."""
    named = copy.deepcopy(element)
    give_ids(named, set())
    return _said(named, "")


def _said(part: etree._Element, owner: str) -> tuple[object, ...]:
    attributes = {str(k): str(v) for k, v in part.attrib.items()}
    parent = part.getparent()
    if parent is not None and is_automatic(part, owner) and part.tag not in (
        "resource_ref", "obj_ref", "member", "role", "operations",
    ):  # fmt: skip
        attributes.pop("id", None)
    if part.tag == "rule" and attributes.get("boolean-op") == "and":
        attributes.pop("boolean-op")
    meant = [c for c in part if not (c.tag in _FIRST and says_nothing(c))]
    children = [_said(c, part.get("id", owner)) for c in meant]
    if part.tag in (*RESOURCES, "template", "op", "recipient", "alert", "node"):
        children.sort(key=lambda said: _place(said[0]))
    text = (part.text or "").strip()
    tag = part.tag if isinstance(part.tag, str) else "comment"
    return (tag, tuple(sorted(attributes.items())), text, tuple(children))


def _place(tag: object) -> int:
    return _FIRST.index(str(tag)) if tag in _FIRST else len(_FIRST)
