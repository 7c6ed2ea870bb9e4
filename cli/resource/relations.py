"""`--constraints` and `--stack`: where a resource may run and what it must run with.

Facts: cli.md section 4 and the recorded cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cib.scores import parse
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
    recursive = recursive or context.has("recursive")
    lines = _located(context.cib, rsc, 0)
    for inwards in (True, False):
        below = _tree(context.cib, relations, rsc, inwards, recursive, {rsc}, 1)
        lines += [_title(rsc, inwards), *below] if below else []
    context.reply.say("".join(f"{line}\n" for line in lines))
    if not context.reply.is_text:
        context.reply.put(_document(context, rsc, relations, recursive))
    return Exit.OK


def _title(rsc: str, inwards: bool) -> str:
    return f"Resources colocated with {rsc}:" if inwards else f"Resources {rsc} is colocated with:"


def _represented(context: Context) -> str:
    """A group speaks for its member, unless --force or the member has colocations of its own."""
    rsc = context.rsc_id
    if context.has("force"):
        return rsc
    for group in context.cib.iter("group"):
        if any(child.get("id") == rsc for child in group.iterfind("primitive")):
            return group.get("id", rsc)
    return rsc


def _located(cib: etree._Element, rsc: str, depth: int) -> list[str]:
    """The location constraints of a resource, with their heading."""
    indent = "  " * depth
    mark = f"{indent}* " if depth else ""
    lines = [
        f"{indent}  * Node {node} (score={score}, id={element.get('id')}, rsc={rsc})"
        for element in cib.iter("rsc_location")
        if element.get("rsc") == rsc
        for node, score in _scored(element)
    ]
    return [f"{mark}Locations:", *lines] if lines else []


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
    """Relations that name `rsc`, with the resource at the other end; the strongest first."""
    if inwards:
        found = [(r, r.rsc) for r in relations if r.with_rsc == rsc]
    else:
        found = [(r, r.with_rsc) for r in relations if r.rsc == rsc]
    return sorted(found, key=lambda step: (-parse(step[0].score), step[1]))


def _tree(
    cib: etree._Element,
    relations: list[_Together],
    rsc: str,
    inwards: bool,
    recursive: bool,
    seen: set[str],
    depth: int,
) -> list[str]:
    """Who is colocated with `rsc`, each with where it may run; deeper if `recursive`."""
    lines = []
    for relation, other in _steps(relations, rsc, inwards):
        indent = "  " * depth
        if other in seen:
            lines.append(f"{indent}* {other} (id={relation.id} - loop)")
            continue
        lines.append(f"{indent}* {other} (score={relation.score}, id={relation.id})")
        lines += _located(cib, other, depth + 1)
        if not recursive:
            continue
        below = _tree(cib, relations, other, inwards, recursive, seen | {other}, depth + 2)
        if below:
            lines += [f"{indent}  * {_title(other, inwards)}", *below]
    return lines


def _document(
    context: Context, rsc: str, relations: list[_Together], recursive: bool
) -> etree._Element:
    from lxml import etree

    root = etree.Element("constraints")
    _put_locations(root, context.cib, rsc)
    for inwards in (True, False):
        for relation, other, is_loop in _walk(relations, rsc, inwards, recursive, {rsc}):
            made = etree.SubElement(root, "rsc_colocation")
            for key, value in (
                ("id", relation.id),
                ("rsc", relation.rsc),
                ("with-rsc", relation.with_rsc),
                ("score", relation.score),
                ("node-attribute", relation.node_attribute),
            ):
                made.set(key, value)
            if not is_loop:
                _put_locations(root, context.cib, other)
    return root


def _put_locations(root: etree._Element, cib: etree._Element, rsc: str) -> None:
    from lxml import etree

    for element in cib.iter("rsc_location"):
        if element.get("rsc") != rsc:
            continue
        for node, score in _scored(element):
            location = etree.SubElement(root, "rsc_location")
            values = (("node", node), ("rsc", rsc), ("id", element.get("id", "")), ("score", score))
            for key, value in values:
                location.set(key, value)


def _walk(
    relations: list[_Together], rsc: str, inwards: bool, recursive: bool, seen: set[str]
) -> Iterator[tuple[_Together, str, bool]]:
    for relation, other in _steps(relations, rsc, inwards):
        yield relation, other, other in seen
        if recursive and other not in seen:
            yield from _walk(relations, other, inwards, recursive, seen | {other})


def dependents(cib: etree._Element, rsc: str) -> list[str]:
    """All resources that must run with `rsc`, directly or through others, nearest first."""
    relations = [r for r in _colocations(cib) if r.score == "INFINITY"]
    return [
        relation.rsc
        for relation, _, is_loop in _walk(relations, rsc, True, True, {rsc})
        if not is_loop
    ]
