"""XPath from outside, evaluated where it can do no harm.

Plain paths with comparisons of attributes cost what the document is long and are evaluated right
here.  All others run in a short-lived child with bounded processor time and memory, because the
XPath engine cannot be interrupted.  Facts: reliability.md section 8.

As a program (`python -m cib.xpath_guard`) it is that child: one JSON object on standard input,
one on standard output.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys

from lxml import etree

from cib import document

CPU_S = 2
WALL_S = 10.0
MEMORY_BYTES = 256 * 1024 * 1024
MAX_LENGTH = 4096
MAX_DESCENDANT_STEPS = 2

_TEST = r"""@[A-Za-z_][\w.-]*(?:\s*=\s*(?:'[^']*'|"[^"]*"))?"""
_PLAIN = re.compile(
    rf"(?://?(?:\*|[A-Za-z_][\w.-]*)(?:\[\s*(?:{_TEST}|[0-9]+)"
    rf"(?:\s+(?:and|or)\s+{_TEST})*\s*\])*)+"
)


class XPathError(ValueError):
    """An expression is malformed, gives no elements, or costs too much; the text says which."""


def is_plain(expression: str) -> bool:
    """Whether an expression is a simple path that cannot cost much."""
    return (
        _PLAIN.fullmatch(expression) is not None and expression.count("//") <= MAX_DESCENDANT_STEPS
    )


def evaluate(root: etree._Element, expression: str) -> list[etree._Element]:
    """The elements of `root`'s document that an expression selects, in document order.

    Raises XPathError.
    """
    if len(expression) > MAX_LENGTH:
        raise XPathError(f"xpath: longer than {MAX_LENGTH} characters")
    if is_plain(expression):
        return _select(root, expression)
    return [_at(root, path) for path in _ask_child(root, expression)]


def _select(root: etree._Element, expression: str) -> list[etree._Element]:
    try:
        found = root.getroottree().xpath(expression)
    except etree.XPathError as problem:
        raise XPathError(f"xpath '{expression}': {problem}") from problem
    if not isinstance(found, list):
        raise XPathError(f"xpath '{expression}': does not select elements")
    return [e for e in found if isinstance(e, etree._Element) and isinstance(e.tag, str)]


def _ask_child(root: etree._Element, expression: str) -> list[list[int]]:
    asked = json.dumps({"xpath": expression, "xml": document.compact(root).decode()})
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD, *sys.path],
            input=asked.encode(),
            capture_output=True,
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise XPathError(f"xpath '{expression}': took longer than {WALL_S:.0f} s") from None
    try:
        answer = json.loads(child.stdout)
    except ValueError:
        raise XPathError(
            f"xpath '{expression}': costs more than {CPU_S} s or "
            f"{MEMORY_BYTES // 1024 // 1024} MiB; use a simpler one"
        ) from None
    if "error" in answer:
        raise XPathError(str(answer["error"]))
    paths: list[list[int]] = answer["paths"]
    return paths


_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from cib import xpath_guard; xpath_guard.child()"


def _path_to(element: etree._Element) -> list[int]:
    path: list[int] = []
    parent = element.getparent()
    while parent is not None:
        path.append(parent.index(element))
        element, parent = parent, parent.getparent()
    return path[::-1]


def _at(root: etree._Element, path: list[int]) -> etree._Element:
    for index in path:
        root = root[index]
    return root


def child() -> None:
    """The child's side: limit ourselves, evaluate, answer."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    asked = json.load(sys.stdin)
    try:
        root = document.parse(asked["xml"])
        answer: dict[str, object] = {"paths": [_path_to(e) for e in _select(root, asked["xpath"])]}
    except ValueError as problem:
        answer = {"error": str(problem)}
    json.dump(answer, sys.stdout)
