"""The CIB as a user may see and change it: in colours, in words, or in namespaces.

The rights come from `cib.acl`.  Facts: cli.md section 6 (cibadmin -S), the recorded cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from cib import acl
from cib.acl import Right
from cib.document import to_text
from cib.operations import evaluate_xpath
from cli.command_line import CommandError
from cli.exits import Exit

FORMS = ("color", "text", "namespace")
_COLORS = {Right.READ: "\x1b[34m", Right.WRITE: "\x1b[32m", Right.DENY: "\x1b[31m"}
_WORDS = {Right.READ: "READABLE", Right.WRITE: "WRITABLE", Right.DENY: "~DENIED~"}
_NAMES = {Right.READ: "readable", Right.WRITE: "writable", Right.DENY: "denied"}
_SPACE = "http://clusterlabs.org/ns/pacemaker/access/"
_RESET = "\x1b[0m"


def show(root: etree._Element, user: str, form: str) -> str:
    """The document with the rights of a user; raises CommandError (64) for an unknown form."""
    if form not in FORMS:
        raise CommandError(Exit.USAGE, f"Invalid value for --show-access: {form}")
    if not acl.binds(root, user):
        raise CommandError(
            Exit.USAGE, f"user '{user}' is not bound by access control lists (enable-acl, root)"
        )
    rights = acl.access(root, user, evaluate_xpath)
    judged = {"color": _in_color, "text": _in_words, "namespace": _in_namespaces}[form]
    return f"<!-- ACLs as evaluated for user {user} -->\n{judged(root, rights)}"


def _right(rights: acl.Access, element: etree._Element) -> Right:
    """What nothing allows is denied."""
    return rights.right(element) or Right.DENY


def _lines(
    root: etree._Element, rights: acl.Access
) -> Iterator[tuple[str, str, Right, Right | None]]:
    """Indent, text, right and the parent's right of each line; closing lines have no parent."""
    elements = iter(root.iter(etree.Element))
    stack: list[Right] = []
    for line in to_text(root).splitlines():
        text = line.lstrip(" ")
        indent = line[: len(line) - len(text)]
        if text.startswith("</"):
            yield indent, text, stack.pop(), None
            continue
        right = _right(rights, next(elements))
        yield indent, text, right, stack[-1] if stack else Right.NONE
        if not text.endswith("/>"):
            stack.append(right)


def _in_color(root: etree._Element, rights: acl.Access) -> str:
    out = []
    for indent, text, right, _ in _lines(root, rights):
        end = _RESET if text.startswith("</") or text.endswith("/>") else ""
        out.append(f"{indent}{_COLORS[right]}{text}{end}\n")
    return "".join(out)


def _in_words(root: etree._Element, rights: acl.Access) -> str:
    out = []
    for indent, text, right, parent in _lines(root, rights):
        if parent is not None and right is not parent:
            blank = f"{indent}\n" if parent is not Right.NONE else ""
            out.append(f"{blank}{indent}vvv---[ {_WORDS[right]} ]---vvv\n")
        out.append(f"{indent}{text}\n")
    return "".join(out)


def _in_namespaces(root: etree._Element, rights: acl.Access) -> str:
    declared = "".join(
        f' xmlns:pcmk-access-{name}="{_SPACE}{name}"' for name in ("writable", "readable", "denied")
    )
    out: list[str] = []
    prefixes: list[str] = []
    for indent, text, right, parent in _lines(root, rights):
        if parent is None:
            out.append(f"{indent}</{prefixes.pop()}{text[2:]}\n")
            continue
        prefix = f"pcmk-access-{_NAMES[right]}:" if right is not parent else ""
        shown = f"<{prefix}{text[1:]}"
        if parent is Right.NONE:
            shown = re.sub(r"(/?>)$", rf"{declared}\1", shown)
        out.append(f"{indent}{shown}\n")
        if not text.endswith("/>"):
            prefixes.append(prefix)
    return "".join(out)
