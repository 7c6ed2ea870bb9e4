"""Patches between two versions of a CIB: `<diff format="2">`, made and applied.

The form is the one that `crm_diff` writes and reads: deletions first (paths as they are before
any of them), then changes of attributes, creations and moves in document order, positions as
they are in the finished document.  Elements are the same if tag and id are; among siblings whose
tag and id do not tell them apart, the old ones go and the new ones come.

Facts: cli.md section 6 (crm_diff) and its recorded cases.  Applying is all or nothing.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from lxml import etree

from cib import digest as digests
from cib.document import Version, compact, set_version, version_of
from cib.xmltree import remove

_Key = tuple[str, str | None]
_COUNTERS = ("admin_epoch", "epoch", "num_updates")


class Misfit(Enum):
    """Why a patch cannot be applied."""

    FORM = "form"
    VERSION = "version"
    TARGET = "target"
    DIGEST = "digest"


class PatchError(ValueError):
    """A patch does not fit a document; `why` is a stable word, the text names the place."""

    def __init__(self, why: Misfit, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True)
class _Pairing:
    """Which children of an old and a new element are the same, and which only one side has."""

    common: list[tuple[etree._Element, etree._Element]]
    deleted: list[etree._Element]
    created: list[etree._Element]
    moved: set[etree._Element]
    """Elements of the new side that are common and stand elsewhere among the common ones."""


# Making


def make(
    old: etree._Element,
    new: etree._Element,
    *,
    with_digest: bool = True,
    track_order: bool = True,
    with_version: bool = True,
) -> etree._Element | None:
    """The patch that turns `old` into `new`; None if there is nothing to do.

    With `track_order` a change in the order of attributes is a change too.  `with_digest` adds
    the digest of the result, `with_version` the versions of both (else version counters of the
    root are no difference).  Raises PatchError if the roots differ in tag, or in text.
    """
    if old.tag != new.tag or _text(old) != _text(new):
        raise PatchError(Misfit.FORM, f"<{old.tag}> cannot be patched into <{new.tag}>")
    maker = _Maker(track_order, () if with_version else _COUNTERS)
    maker.compare(old, new, f"/{old.tag}")
    if not maker.deletions and not maker.changes:
        return None
    diff = etree.Element("diff", {"format": "2"})
    if with_digest:
        diff.set("digest", digests.on_wire(new))
    if with_version:
        version = etree.SubElement(diff, "version")
        for tag, root in (("source", old), ("target", new)):
            element = etree.SubElement(version, tag)
            for name in _COUNTERS:
                element.set(name, root.get(name, "0"))
    diff.extend(maker.deletions)
    diff.extend(maker.changes)
    return diff


def _text(element: etree._Element) -> str:
    return (element.text or "").strip()


def step(path: str, element: etree._Element) -> str:
    """The path of a child: tag, and id where it has one."""
    if not isinstance(element.tag, str):
        return f"{path}/comment"
    ident = element.get("id")
    return (
        f"{path}/{element.tag}" if ident is None else f"{path}/{element.tag}[@id={_quoted(ident)}]"
    )


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


class _Maker:
    """Collects the changes of one patch."""

    def __init__(self, track_order: bool, ignored_at_root: tuple[str, ...]) -> None:
        self.track_order = track_order
        self.ignored: tuple[str, ...] = ignored_at_root
        self.deletions: list[etree._Element] = []
        self.changes: list[etree._Element] = []

    def compare(self, old: etree._Element, new: etree._Element, path: str) -> None:
        self._attributes(old, new, path)
        self.ignored = ()
        pairing = _pair(old, new)
        for element in pairing.deleted:
            self._delete(element, path)
        partners = {theirs: ours for ours, theirs in pairing.common}
        created = set(pairing.created)
        for position, child in enumerate(new):
            if child in created:
                change = self._change("create", path)
                change.set("position", str(position))
                change.append(_bare_copy(child))
            elif isinstance(child.tag, str):
                child_path = step(path, child)
                if child in pairing.moved:
                    self._change("move", child_path).set("position", str(position))
                partner = partners[child]
                if compact(partner) != compact(child):
                    self.compare(partner, child, child_path)

    def _change(self, operation: str, path: str) -> etree._Element:
        change = etree.Element("change", {"operation": operation, "path": path})
        self.changes.append(change)
        return change

    def _delete(self, element: etree._Element, path: str) -> None:
        change = etree.Element("change", {"operation": "delete", "path": step(path, element)})
        if not isinstance(element.tag, str):
            before = element.itersiblings(etree.Comment, preceding=True)
            change.set("position", str(sum(1 for _ in before)))
        self.deletions.append(change)

    def _attributes(self, old: etree._Element, new: etree._Element, path: str) -> None:
        theirs = [name for name in new.attrib if name not in self.ignored]
        places = {name: place for place, name in enumerate(old.attrib)}
        listed: list[dict[str, str]] = []
        for place, name in enumerate(new.attrib):
            if name in self.ignored:
                continue
            moved = self.track_order and places.get(name, place) != place
            if old.get(name) != new.get(name) or moved:
                listed.append({"name": str(name), "operation": "set", "value": new.get(name) or ""})
        for name in old.attrib:
            if name not in new.attrib and name not in self.ignored:
                listed.append({"name": str(name), "operation": "unset"})
        if not listed:
            return
        change = self._change("modify", path)
        change_list = etree.SubElement(change, "change-list")
        for item in listed:
            etree.SubElement(change_list, "change-attr", item)
        result = etree.SubElement(etree.SubElement(change, "change-result"), new.tag)
        for name in theirs:
            result.set(name, new.get(name, ""))


def _bare_copy(element: etree._Element) -> etree._Element:
    copied = copy.deepcopy(element)
    copied.tail = None
    return copied


def _keys(parent: etree._Element) -> Counter[_Key]:
    return Counter((c.tag, c.get("id")) for c in parent if isinstance(c.tag, str))


def _pair(old: etree._Element, new: etree._Element) -> _Pairing:
    old_keys, new_keys = _keys(old), _keys(new)
    by_key: dict[_Key, etree._Element] = {}
    comments: dict[int, etree._Element] = {}
    for place, child in enumerate(old):
        if isinstance(child.tag, str):
            by_key[(child.tag, child.get("id"))] = child
        else:
            comments[place] = child
    common: list[tuple[etree._Element, etree._Element]] = []
    for place, child in enumerate(new):
        if isinstance(child.tag, str):
            key = (child.tag, child.get("id"))
            if old_keys[key] == new_keys[key] == 1 and _text(by_key[key]) == _text(child):
                common.append((by_key[key], child))
        elif place in comments and comments[place].text == child.text:
            common.append((comments[place], child))
    common, moved = _find_moves(old, common)
    ours = {a for a, _ in common}
    theirs = {b for _, b in common}
    return _Pairing(
        common, [c for c in old if c not in ours], [c for c in new if c not in theirs], moved
    )


def _find_moves(
    old: etree._Element, common: list[tuple[etree._Element, etree._Element]]
) -> tuple[list[tuple[etree._Element, etree._Element]], set[etree._Element]]:
    """Pairs that stand elsewhere among the pairs; a comment cannot move and is no pair then."""
    while True:
        kept = {a for a, _ in common}
        places = {child: place for place, child in enumerate(c for c in old if c in kept)}
        moved = [
            (ours, theirs) for place, (ours, theirs) in enumerate(common) if places[ours] != place
        ]
        strays = {ours for ours, _ in moved if not isinstance(ours.tag, str)}
        if not strays:
            return common, {theirs for _, theirs in moved}
        common = [pair for pair in common if pair[0] not in strays]


# Applying


def versions(diff: etree._Element) -> tuple[Version, Version] | None:
    """(source, target) of a patch, or None if it carries none."""
    source, target = diff.find("version/source"), diff.find("version/target")
    if source is None or target is None:
        return None
    return version_of(source), version_of(target)


def apply(
    diff: etree._Element, root: etree._Element, *, check_version: bool = True
) -> etree._Element:
    """A new tree: `root` with the patch applied; `root` stays as it is.

    With `check_version` the source version of the patch must be the version of `root`, and the
    result gets the target version.  Raises PatchError, for a wrong digest of the result too.
    """
    if diff.tag != "diff" or diff.get("format") != "2":
        raise PatchError(Misfit.FORM, f'patch: want <diff format="2">, got <{diff.tag}>')
    stated = versions(diff)
    if check_version and stated is not None and stated[0] != version_of(root):
        raise PatchError(
            Misfit.VERSION,
            f"patch: made for version {stated[0]}, the document has {version_of(root)}",
        )
    tree = copy.deepcopy(root)
    _apply_changes(list(diff.iterchildren("change")), tree)
    if check_version and stated is not None and version_of(tree) != stated[1]:
        set_version(tree, stated[1])
    wanted = diff.get("digest")
    if wanted is not None and digests.on_wire(tree) != wanted:
        raise PatchError(Misfit.DIGEST, f"patch: digest of the result is not {wanted}")
    return tree


def _apply_changes(changes: list[etree._Element], tree: etree._Element) -> None:
    by_kind: dict[str, list[etree._Element]] = {}
    for change in changes:
        by_kind.setdefault(change.get("operation", ""), []).append(change)
    unknown = sorted(set(by_kind) - {"delete", "modify", "create", "move"})
    if unknown:
        raise PatchError(Misfit.FORM, f"patch: unknown operation '{unknown[0]}'")
    _delete_all(by_kind.get("delete", []), tree)
    for change in by_kind.get("modify", []):
        _modify(_target(tree, change), change)
    moving = []
    for change in by_kind.get("move", []):
        element = _target(tree, change)
        parent = element.getparent()
        if parent is None:
            raise _misplaced(change)
        moving.append((parent, element))
    arrivals: list[tuple[etree._Element, int, etree._Element]] = []
    for change, (parent, element) in zip(by_kind.get("move", []), moving, strict=True):
        arrivals.append((parent, _position(change), element))
    for change in by_kind.get("create", []):
        contents = list(change)
        if len(contents) != 1:
            raise PatchError(
                Misfit.FORM, f"patch: create at {change.get('path')} wants one element"
            )
        arrivals.append((_target(tree, change), _position(change), _bare_copy(contents[0])))
    for _, element in moving:
        remove(element)
    for parent, position, element in sorted(arrivals, key=lambda arrival: arrival[1]):
        if position > len(parent):
            raise PatchError(Misfit.TARGET, f"patch: <{parent.tag}> has no position {position}")
        parent.insert(position, element)


def _misplaced(change: etree._Element) -> PatchError:
    operation, path = change.get("operation"), change.get("path")
    return PatchError(Misfit.TARGET, f"patch: nothing to {operation} at {path}")


def _position(change: etree._Element) -> int:
    text = change.get("position", "")
    if not (text.isascii() and text.isdigit()):
        raise PatchError(Misfit.FORM, f"patch: position '{text}' at {change.get('path')}")
    return int(text)


def _delete_all(changes: list[etree._Element], tree: etree._Element) -> None:
    comments = []
    for change in changes:
        if change.get("path", "").endswith("/comment"):
            comments.append(_comment(tree, change))
    for comment in comments:
        remove(comment)
    for change in changes:
        if not change.get("path", "").endswith("/comment"):
            element = _target(tree, change)
            if element.getparent() is None:
                raise _misplaced(change)
            remove(element)


def _comment(tree: etree._Element, change: etree._Element) -> etree._Element:
    parent = find(tree, change.get("path", "").removesuffix("/comment"))
    position = _position(change)
    found = [] if parent is None else list(parent.iterchildren(etree.Comment))
    if position >= len(found):
        raise _misplaced(change)
    return found[position]


def _modify(element: etree._Element, change: etree._Element) -> None:
    result = change.find("change-result")
    contents = [] if result is None else list(result)
    if len(contents) != 1 or contents[0].tag != element.tag:
        raise PatchError(Misfit.FORM, f"patch: modify at {change.get('path')} has no result")
    element.attrib.clear()
    for name, value in contents[0].attrib.items():
        element.set(name, value)


def _target(tree: etree._Element, change: etree._Element) -> etree._Element:
    element = find(tree, change.get("path", ""))
    if element is None:
        raise _misplaced(change)
    return element


_STEP = re.compile(r"""/([^/\[\]]+)(?:\[@id=(?:'([^']*)'|"([^"]*)")\])?""")


def find(tree: etree._Element, path: str) -> etree._Element | None:
    """The element at a path of a patch; None if there is none or the path makes no sense.

    A step without id means the first sibling of that tag that has none, else the first.
    """
    at = 0
    current: etree._Element | None = None
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            return None
        tag, ident = found[1], found[2] if found[2] is not None else found[3]
        candidates = [tree] if at == 0 else [] if current is None else list(current)
        same = [c for c in candidates if c.tag == tag]
        current = next((c for c in same if c.get("id") == ident), None)
        if current is None and ident is None and same:
            current = same[0]
        if current is None:
            return None
        at = found.end()
    return current
