"""The one document that a command answers with in XML or JSON.

Root `pacemaker-result`, the content, last `<status>`.  JSON is the same, mapped plainly: attributes
as keys with real booleans and numbers, containers as lists.  Facts: cli.md sections 2 and 10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TextIO

from lxml import etree

from cli.exits import Exit

API_VERSION = "2.41"

_LISTS = frozenset(
    (
        "nodes", "resources", "node_attributes", "node_history", "failures", "fence_history",
        "bans", "tickets", "actions", "allocations", "utilizations", "allocations_utilizations",
        "transition", "errors", "warnings",
    )
)  # fmt: skip
"""Elements that are nothing but a list of their children."""

_ONCE = frozenset(
    (
        "summary", "stack", "current_dc", "last_update", "last_change", "nodes_configured",
        "resources_configured", "cluster_options", "cluster_status", "revised_cluster_status",
        "modifications", "status",
    )
)  # fmt: skip
"""Elements that occur once below their parent."""

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,15})\Z")
_TEXTS = frozenset(
    (
        "id", "name", "node", "value", "resource", "spec", "ticket", "version", "cib_node",
        "text", "advice",
    )
)  # fmt: skip
"""Attributes that stay text even where they look like something else."""


def result_document(
    tool: str,
    argv: Sequence[str],
    elements: Sequence[etree._Element],
    code: int,
    errors: Sequence[str] = (),
) -> etree._Element:
    """The whole result as a tree."""
    root = etree.Element("pacemaker-result")
    root.set("api-version", API_VERSION)
    root.set("request", " ".join((tool, *(_quoted(word) for word in argv))))
    root.extend(list(elements))
    status = etree.SubElement(root, "status", {"code": str(int(code)), "message": _words(code)})
    if errors:
        listed = etree.SubElement(status, "errors")
        for text in errors:
            etree.SubElement(listed, "error").text = text
    return root


def _quoted(word: str) -> str:
    """A word of the command line, in single quotes where a shell would split it."""
    if word and not any(c.isspace() or c in "'\"" for c in word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def text_element(tag: str, text: str) -> etree._Element:
    """An element that holds a whole text, XML included, as it is."""
    element = etree.Element(tag)
    element.text = etree.CDATA(text)
    return element


def _words(code: int) -> str:
    try:
        return Exit(code).words
    except ValueError:
        return "Unknown exit status"


def write_result(
    out: TextIO,
    output_as: str,
    tool: str,
    argv: Sequence[str],
    elements: Sequence[etree._Element],
    code: int,
    errors: Sequence[str] = (),
) -> None:
    """Write the result in the format asked for (`xml` or `json`)."""
    root = result_document(tool, argv, elements, code, errors)
    if output_as == "json":
        out.write(json.dumps(_plain_root(root), indent=2, ensure_ascii=False) + "\n")
    else:
        out.write(etree.tostring(root, pretty_print=True, encoding="unicode"))


def _plain_root(root: etree._Element) -> dict[str, Any]:
    plain = _plain(root)
    assert isinstance(plain, dict)
    return {"api_version": plain.pop("api-version"), **plain}


def _plain(element: etree._Element) -> Any:
    children = [child for child in element if isinstance(child.tag, str)]
    if element.tag in _LISTS:
        return [_in_list(child) for child in children]
    if not children and not element.attrib:
        return element.text or ""
    out: dict[str, Any] = {
        str(name): _value(str(name), str(value)) for name, value in element.attrib.items()
    }
    for child in children:
        tag = str(child.tag)
        if tag in _LISTS or tag in _ONCE:
            out[tag] = _plain(child)
        else:
            out.setdefault(tag, []).append(_plain(child))
    return out


def _in_list(child: etree._Element) -> Any:
    plain = _plain(child)
    return {"kind": str(child.tag), **plain} if isinstance(plain, dict) else plain


def _value(name: str, text: str) -> bool | int | str:
    if name not in _TEXTS:
        if text in ("true", "false"):
            return text == "true"
        if _NUMBER.match(text):
            return int(text)
    return text
