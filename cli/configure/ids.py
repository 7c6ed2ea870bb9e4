"""Automatic ids: what unnamed parts of an object are called, and which ids count as such.

`OWNER-instance_attributes`, nvpair `SET-NAME`, operation `OWNER-NAME-INTERVAL`, rule
`OWNER-rule`, expression `RULE-expression`, set of a constraint `OWNER-N`; on a clash a number is
added.  Facts: cli.md section 7.1 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableSet

from lxml import etree

SETS = ("instance_attributes", "meta_attributes", "utilization")
_ALWAYS = frozenset(
    ("nvpair", "op", "expression", "date_expression", "duration", "date_spec", "rsc_expression",
     "op_expression", "acl_permission", "fencing-level", "port-mapping", "storage-mapping",
     "resource_set")
)  # fmt: skip
"""Elements whose id the language never shows."""
_NAMELESS = frozenset(
    ("resource_ref", "obj_ref", "role", "member", "docker", "podman", "rkt", "network", "storage",
     "select", "select_nodes", "select_fencing", "select_resources", "select_attributes",
     "attribute")
)  # fmt: skip
"""Elements that have no id of their own, or one that refers to something."""


def owner_of(element: etree._Element) -> str:
    """The id that the automatic ids of an element's parts begin with."""
    return element.get("id", "")


def is_automatic(element: etree._Element, owner: str) -> bool:
    """Whether an element's id is one that would be given to it anyway."""
    name = element.get("id")
    if name is None or element.tag in _ALWAYS:
        return True
    bases = [f"{owner}-{element.tag}"]
    parent = element.getparent()
    if parent is not None and parent.tag == "node" and element.tag in SETS:
        end = "-utilization" if element.tag == "utilization" else ""
        bases.append(f"nodes-{owner}{end}")
        bases.append(f"{parent.get('uname')}-{element.tag}")
    if element.tag == "recipient":
        return re.fullmatch(rf"{re.escape(owner)}-recipient-\d+", name) is not None
    return any(re.fullmatch(rf"{re.escape(base)}(-\d+)?", name) for base in bases)


def give_ids(element: etree._Element, taken: MutableSet[str]) -> None:
    """Name every part of an object that needs an id and has none; `taken` grows."""
    for part in element.iter():
        if isinstance(part.tag, str) and part.tag not in _NAMELESS and part.get("id"):
            taken.add(part.get("id", ""))
    for part in _parts(element):
        base = _base(part)
        if base is not None:
            part.set("id", free_id(base, taken))


def free_id(base: str, taken: MutableSet[str]) -> str:
    """The first of BASE, BASE-0, BASE-1 ... that is free; it is taken then."""
    base = re.sub(r"[^\w.-]", "_", base)
    if not re.match(r"[^\W\d]", base):
        base = f"_{base}"
    name, number = base, 0
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _parts(element: etree._Element) -> Iterator[etree._Element]:
    for part in element.iterdescendants():
        if not isinstance(part.tag, str) or part.get("id") or part.get("id-ref"):
            continue
        if part.tag not in _NAMELESS:
            yield part


def _base(part: etree._Element) -> str | None:
    """What the automatic id of a part begins with; None if it needs no id."""
    parent = part.getparent()
    assert parent is not None
    outer = parent.get("id", "")
    match part.tag:
        case "operations":
            return None
        case "op":
            holder = parent.getparent()
            owner = outer or ("" if holder is None else holder.get("id", ""))
            return f"{owner}-{part.get('name')}-{part.get('interval', '0s')}"
        case "nvpair":
            return f"{outer}-{part.get('name')}"
        case "expression" | "date_expression" | "rsc_expression" | "op_expression":
            return f"{outer}-expression"
        case "instance_attributes" | "utilization" if parent.tag == "node":
            return f"{parent.get('uname')}-{part.tag}"
        case "resource_set" | "acl_permission" | "port-mapping" | "storage-mapping":
            holder = part
            while holder.getparent() is not None and not holder.get("id"):
                up = holder.getparent()
                assert up is not None
                holder = up
            same = [e for e in holder.iter() if e.tag in (part.tag, *_numbered_with(part.tag))]
            return f"{holder.get('id')}-{same.index(part)}"
        case "fencing-level":
            return "fencing"
        case "recipient":
            return f"{outer}-recipient-{list(parent.iterfind('recipient')).index(part) + 1}"
        case tag:
            return f"{outer}-{tag}"


def _numbered_with(tag: str) -> tuple[str, ...]:
    return ("port-mapping", "storage-mapping") if tag.endswith("-mapping") else ()


def keep_ids(new: etree._Element, old: etree._Element) -> None:
    """Give parts of `new` that have no id yet the ids of their likes in `old`."""
    for part in new:
        if not isinstance(part.tag, str):
            continue
        like = _like(part, new, old)
        if like is None:
            continue
        if part.get("id") is None and part.get("id-ref") is None and like.get("id"):
            part.set("id", like.get("id", ""))
        keep_ids(part, like)


def _like(part: etree._Element, new: etree._Element, old: etree._Element) -> etree._Element | None:
    """The element of `old` that stands where `part` stands in `new`."""
    key = _key(part)
    before = [e for e in new.iterfind(str(part.tag)) if _key(e) == key].index(part)
    likes = [e for e in old.iterfind(str(part.tag)) if _key(e) == key]
    return likes[before] if before < len(likes) else None


def _key(part: etree._Element) -> tuple[str | None, ...]:
    if part.tag in ("nvpair", "op"):
        return (part.get("name"), part.get("interval"), part.get("role"))
    if part.tag in ("resource_ref", "obj_ref", "member", "role"):
        return (part.get("id"),)
    return ()
