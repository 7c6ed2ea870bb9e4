"""`--constraints` and `--stack`: where a resource may run and what it must run with.

Facts: cli.md section 4 and the recorded cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.exits import Exit
from cli.resource.context import Context

if TYPE_CHECKING:
    from lxml import etree


@dataclass(frozen=True, slots=True)
class _Together:
    """One colocation between two resources."""

    id: str
    rsc: str
    with_rsc: str
    score: str
    node_attribute: str
    element: etree._Element


def constraints(context: Context, recursive: bool) -> Exit:
    """The location and colocation constraints of a resource, as an indented tree."""
    context.resource()
    rsc = _represented(context)
    relations = list(_colocations(context.cib))
    for heading, lines in (
        ("Locations:", list(_locations(context, rsc))),
        (f"Resources colocated with {rsc}:", _tree(relations, rsc, True, recursive, {rsc}, 1)),
        (f"Resources {rsc} is colocated with:", _tree(relations, rsc, False, recursive, {rsc}, 1)),
    ):
        if lines:
            context.reply.say("\n".join([heading, *lines]) + "\n")
    if not context.reply.is_text:
        context.reply.put(_document(context, rsc, relations, recursive))
    return Exit.OK


def _represented(context: Context) -> str:
    """A group speaks for its member, unless --force or the member has colocations of its own."""
    rsc = context.rsc_id
    if context.has("force"):
        return rsc
    for group in context.cib.iter("group"):
        if any(child.get("id") == rsc for child in group.iterfind("primitive")):
            return group.get("id", rsc)
    return rsc


def _locations(context: Context, rsc: str) -> Iterator[str]:
    for element in context.cib.iter("rsc_location"):
        if element.get("rsc") != rsc:
            continue
        for node, score in _scored(element):
            yield f"  * Node {node} (score={score}, id={element.get('id')}, rsc={rsc})"


def _scored(element: etree._Element) -> Iterator[tuple[str, str]]:
    node = element.get("node")
    if node is not None:
        yield node, _score(element.get("score"))
        return
    for rule in element.iterfind("rule"):
        for expression in rule.iterfind("expression"):
            if expression.get("attribute") == "#uname" and expression.get("operation") == "eq":
                yield expression.get("value", ""), _score(rule.get("score"))


def _score(text: str | None) -> str:
    from cib import scores

    return scores.to_text(scores.parse(text or "0"))


def _colocations(cib: etree._Element) -> Iterator[_Together]:
    for element in cib.iter("rsc_colocation"):
        rsc, with_rsc = element.get("rsc"), element.get("with-rsc")
        if rsc is None or with_rsc is None:
            continue
        yield _Together(
            element.get("id", ""),
            rsc,
            with_rsc,
            _score(element.get("score")),
            element.get("node-attribute", "#uname"),
            element,
        )


def _steps(relations: list[_Together], rsc: str, inwards: bool) -> list[tuple[_Together, str]]:
    """Relations that name `rsc`, with the resource at the other end."""
    if inwards:
        return [(r, r.rsc) for r in relations if r.with_rsc == rsc]
    return [(r, r.with_rsc) for r in relations if r.rsc == rsc]


def _tree(
    relations: list[_Together],
    rsc: str,
    inwards: bool,
    recursive: bool,
    seen: set[str],
    depth: int,
) -> list[str]:
    lines = []
    for relation, other in _steps(relations, rsc, inwards):
        indent = "  " * depth
        if other in seen:
            lines.append(f"{indent}* {other} (id={relation.id} - loop)")
            continue
        lines.append(f"{indent}* {other} (score={relation.score}, id={relation.id})")
        if not recursive:
            continue
        below = _tree(relations, other, inwards, recursive, seen | {other}, depth + 2)
        if below:
            title = (
                f"Resources colocated with {other}:"
                if inwards
                else f"Resources {other} is colocated with:"
            )
            lines += [f"{indent}  * {title}", *below]
    return lines


def _document(
    context: Context, rsc: str, relations: list[_Together], recursive: bool
) -> etree._Element:
    from lxml import etree

    root = etree.Element("constraints")
    for element in context.cib.iter("rsc_location"):
        if element.get("rsc") != rsc:
            continue
        for node, score in _scored(element):
            location = etree.SubElement(root, "rsc_location")
            values = (("node", node), ("rsc", rsc), ("id", element.get("id", "")), ("score", score))
            for key, value in values:
                location.set(key, value)
    for inwards in (True, False):
        for relation in _walk(relations, rsc, inwards, recursive, {rsc}):
            made = etree.SubElement(root, "rsc_colocation")
            for key, value in (
                ("id", relation.id),
                ("rsc", relation.rsc),
                ("with-rsc", relation.with_rsc),
                ("score", relation.score),
                ("node-attribute", relation.node_attribute),
            ):
                made.set(key, value)
    return root


def _walk(
    relations: list[_Together], rsc: str, inwards: bool, recursive: bool, seen: set[str]
) -> Iterator[_Together]:
    for relation, other in _steps(relations, rsc, inwards):
        yield relation
        if recursive and other not in seen:
            yield from _walk(relations, other, inwards, recursive, seen | {other})
