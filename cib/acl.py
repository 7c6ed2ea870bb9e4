"""Access control lists: what of the CIB a user may see, and which changes they may make.

Roles give permissions (`read`, `write`, `deny`) on elements chosen by XPath, by id, or by type and
attribute.  The nearest element upwards that a permission names decides; `deny` beats `write` beats
`read` on the same element; what nothing decides is denied.  A change is judged by its result: every
created, changed, moved or deleted element of the old and the new document, never by the request.
`<acls>` itself is writable only by a permission that names it or something in it.

It knows no users of the system: groups are given.  XPath is evaluated by the function passed in.
Facts: reliability.md section 8 (ACLs), cli.md section 6, the recorded `acls` cases.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntFlag

from lxml import etree

from cib import lexical, patch

PRIVILEGED = ("", "root", "hacluster")
"""Users whom access control lists do not bind; the empty name is the cluster itself."""

Evaluate = Callable[[etree._Element, str], list[etree._Element]]


class Right(IntFlag):
    """What permissions say about an element."""

    NONE = 0
    READ = 1
    WRITE = 2
    DENY = 4


_KINDS = {"read": Right.READ, "write": Right.WRITE, "deny": Right.DENY}


def binds(root: etree._Element, user: str) -> bool:
    """Whether access control is on, and limits this user."""
    if user in PRIVILEGED:
        return False
    values = [
        nvpair.get("value")
        for nvpair in root.iterfind("configuration/crm_config/cluster_property_set/nvpair")
        if nvpair.get("name") == "enable-acl"
    ]
    return any(lexical.is_true(value) for value in values)


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of one user in one document."""

    user: str
    marks: dict[etree._Element, Right] = field(default_factory=dict)
    is_listed: bool = False
    """Whether any permission is about this user."""

    def decider(self, element: etree._Element) -> etree._Element | None:
        """The nearest element upwards that a permission names, the element itself included."""
        at: etree._Element | None = element
        while at is not None and at not in self.marks:
            at = at.getparent()
        return at

    def right(self, element: etree._Element) -> Right:
        """The strongest word about an element."""
        decider = self.decider(element)
        said = Right.NONE if decider is None else self.marks[decider]
        for right in (Right.DENY, Right.WRITE, Right.READ):
            if said & right:
                return right
        return Right.NONE

    def may_read(self, element: etree._Element) -> bool:
        """Whether the element may be seen whole."""
        return self.right(element) in (Right.READ, Right.WRITE)

    def may_write(self, element: etree._Element) -> bool:
        """Whether the element may be created, changed or deleted."""
        if self.right(element) is not Right.WRITE:
            return False
        guarded = _inside_acls(element)
        return guarded is None or _is_within(self.decider(element), guarded)


def _inside_acls(element: etree._Element) -> etree._Element | None:
    """The `<acls>` that an element is, or is part of."""
    at: etree._Element | None = element
    while at is not None:
        if at.tag == "acls":
            return at
        at = at.getparent()
    return None


def _is_within(element: etree._Element | None, outer: etree._Element) -> bool:
    while element is not None:
        if element is outer:
            return True
        element = element.getparent()
    return False


def access(
    root: etree._Element,
    user: str,
    evaluate: Evaluate,
    lists: etree._Element | None = None,
    groups: Sequence[str] = (),
) -> Access:
    """The rights of a user in the document `root`, by the lists in `lists` (default: its own).

    A permission whose XPath is malformed counts for nothing if it gives, and for everything if it
    denies.
    """
    acls = (root if lists is None else lists).find("configuration/acls")
    found = Access(user)
    if acls is None:
        return found
    roles = {role.get("id"): role for role in acls.iterfind("acl_role")}
    marks: dict[etree._Element, Right] = {}
    is_listed = False
    for target in acls:
        named = (target.tag == "acl_target" and target.get("id") == user) or (
            target.tag == "acl_group" and target.get("id") in groups
        )
        if not named:
            continue
        for reference in target.iterfind("role"):
            role = roles.get(reference.get("id"))
            for permission in role.iterfind("acl_permission") if role is not None else ():
                is_listed = True
                right = _KINDS.get(permission.get("kind", ""), Right.DENY)
                for element in _chosen(root, permission, right, evaluate):
                    marks[element] = marks.get(element, Right.NONE) | right
    return Access(user, marks, is_listed)


def _chosen(
    root: etree._Element, permission: etree._Element, right: Right, evaluate: Evaluate
) -> list[etree._Element]:
    try:
        return evaluate(root, _xpath(permission))
    except ValueError:
        return [root] if right is Right.DENY else []


def _xpath(permission: etree._Element) -> str:
    given = permission.get("xpath")
    if given is not None:
        return given
    tag, reference = permission.get("object-type", "*"), permission.get("reference")
    attribute = permission.get("attribute")
    path = f"//{tag}"
    if reference is not None:
        path += f"[@id='{reference}']"
    if attribute is not None:
        path += f"[@{attribute}]"
    return path


# --- reading --------------------------------------------------------------------------------


def visible(root: etree._Element, rights: Access) -> etree._Element | None:
    """A copy with what may be seen; elements around it keep their id only.  None: nothing."""
    return _filtered(root, rights)


def _filtered(element: etree._Element, rights: Access) -> etree._Element | None:
    if not isinstance(element.tag, str):
        return None
    whole = rights.may_read(element)
    kept = [c for c in (_filtered(child, rights) for child in element) if c is not None]
    if not whole and not kept:
        return None
    made = etree.Element(element.tag)
    for name, value in element.attrib.items():
        if whole or name == "id":
            made.set(str(name), str(value))
    if whole:
        made.text = element.text
    made.extend(kept)
    return made


# --- writing --------------------------------------------------------------------------------


@dataclass(slots=True)
class Judgement:
    """What came of a change; `trace` is told to those who ask why."""

    denied: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def refuse(self, why: str, user: str, path: str) -> None:
        """Note a part of the change that is not allowed."""
        self.denied.append(path)
        self.trace.append(
            f"pcmk__check_acl \ttrace: {why} ACL denies user '{user}' read/write access to {path}"
        )


def judge(
    old: etree._Element,
    new: etree._Element,
    user: str,
    evaluate: Evaluate,
    groups: Sequence[str] = (),
) -> Judgement:
    """Whether a user may turn `old` into `new`; the lists of `old` decide."""
    made = Judgement()
    before = access(old, user, evaluate, groups=groups)
    after = access(new, user, evaluate, lists=old, groups=groups)
    difference = patch.make(old, new, with_digest=False, track_order=False)
    if difference is None:
        return made
    changes = list(difference.iterfind("change"))
    for change in sorted(changes, key=lambda c: c.get("operation") == "delete"):
        path = change.get("path", "")
        match change.get("operation"):
            case "create":
                _judge_creation(change, path, new, after, made)
            case "delete":
                _judge_deletion(path, old, before, made)
            case "move":
                _need(path, path, (old, before), (new, after), made)
            case _:
                for attribute in change.iterfind("change-list/change-attr"):
                    is_set = attribute.get("operation") == "set"
                    shown = f"{path}[@{attribute.get('name')}]" if is_set else path
                    _need(path, shown, (old, before), (new, after), made)
    return made


def _why(rights: Access, element: etree._Element) -> str:
    if not rights.is_listed:
        return "Lack of"
    decider = rights.decider(element)
    if decider is not None and rights.marks[decider] & Right.DENY:
        return "Custom" if decider is element else "Parent"
    return "Default"


def _need(
    path: str,
    shown: str,
    before: tuple[etree._Element, Access],
    after: tuple[etree._Element, Access],
    made: Judgement,
) -> None:
    """Writing is allowed where the element stood and where it stands."""
    for root, rights in (before, after):
        element = patch.find(root, path)
        if element is None or not rights.may_write(element):
            why = "Default" if element is None else _why(rights, element)
            made.refuse(why, rights.user, shown)
            return


def _judge_deletion(path: str, old: etree._Element, before: Access, made: Judgement) -> None:
    element = patch.find(old, path)
    if element is None:
        if "comment()" not in path:
            made.refuse("Default", before.user, path)
        return
    for part in element.iter(etree.Element):
        if not before.may_write(part):
            made.refuse(_why(before, part), before.user, path)
            return


def _judge_creation(
    change: etree._Element, path: str, new: etree._Element, after: Access, made: Judgement
) -> None:
    for child in change:
        if not isinstance(child.tag, str):
            continue
        place = patch.step(path, child)
        element = patch.find(new, place)
        if element is None:
            made.refuse("Default", after.user, place)
            continue
        _judge_created(element, place, after, made, is_top=True)


def _judge_created(
    element: etree._Element, path: str, after: Access, made: Judgement, *, is_top: bool
) -> None:
    """A new element needs the right to write; a mere holder with an id is allowed."""
    about = f'<{element.tag}> with id="{element.get("id", "")}"'
    if after.may_write(element):
        if is_top:
            made.trace.append(f"pcmk__apply_creation_acl \ttrace: ACLs allow creation of {about}")
        is_top = False
    elif _is_scaffolding(element) and after.right(element) is not Right.DENY:
        made.trace.append(
            f"pcmk__apply_creation_acl \ttrace: Creation of <{element.tag}> scaffolding with "
            f'id="{element.get("id", "")}" is implicitly allowed'
        )
    else:
        made.refuse(_why(after, element), after.user, path)
        made.trace.append(f"pcmk__apply_creation_acl \ttrace: ACLs disallow creation of {about}")
        return
    for child in _elements(element):
        _judge_created(child, patch.step(path, child), after, made, is_top=is_top)


def _is_scaffolding(element: etree._Element) -> bool:
    return set(element.attrib) <= {"id"} and any(True for _ in _elements(element))


def _elements(element: etree._Element) -> Iterator[etree._Element]:
    return (child for child in element if isinstance(child.tag, str))


# --- showing --------------------------------------------------------------------------------


def marked(root: etree._Element, rights: Access) -> list[tuple[etree._Element, Right]]:
    """Every element with its right, in document order, on a copy."""
    whole = copy.deepcopy(root)
    pairs = zip(whole.iter(etree.Element), root.iter(etree.Element), strict=True)
    return [(shown, rights.right(element)) for shown, element in pairs]
