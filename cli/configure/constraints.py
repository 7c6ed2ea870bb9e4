"""Constraints of the configuration language: location, colocation, order, rsc_ticket.

Facts: cli.md section 7.1 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from cli.configure.rules import read_rule, rule_text
from cli.configure.words import (
    Words,
    is_pair,
    is_score,
    layout,
    pair,
    quoted,
    score_value,
    score_word,
)

KINDS = ("Mandatory", "Optional", "Serialize")
_OPEN = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class _Set:
    """Resources that stand together; `mark` is the bracket around them, if any."""

    mark: str
    qualifier: str
    names: tuple[str, ...]


def _read_sets(words: Words) -> list[_Set]:
    """Resources up to the first NAME=VALUE, gathered by bracket and by role or action."""
    sets: list[_Set] = []
    mark, fresh = "", True
    while words and not (is_pair(words.peek()) and not mark):
        word = words.take("")
        if word in _OPEN and not mark:
            mark, fresh = word, True
            continue
        if mark and word == _OPEN[mark]:
            mark, fresh = "", True
            continue
        name, _, qualifier = word.partition(":")
        last = sets[-1] if sets and not fresh else None
        if last is not None and last.qualifier == qualifier:
            sets[-1] = _Set(last.mark, qualifier, (*last.names, name))
        else:
            sets.append(_Set(mark, qualifier, (name,)))
        fresh = False
    if mark:
        raise words.problem(f"Expected {_OPEN[mark]}", at_end=True)
    if not sets:
        raise words.problem("Expected resources", at_end=True)
    return sets


def _write_sets(element: etree._Element, sets: list[_Set], qualifier: str) -> None:
    for each in sets:
        made = etree.SubElement(element, "resource_set")
        if each.mark in ("(", "["):
            made.set("sequential", "false")
        if each.mark == "[":
            made.set("require-all", "false")
        if each.qualifier:
            made.set(qualifier, each.qualifier)
        for name in each.names:
            etree.SubElement(made, "resource_ref", {"id": name})


def _plain(sets: list[_Set]) -> list[tuple[str, str]] | None:
    """Resources with their role or action, if no brackets are used."""
    if any(each.mark for each in sets):
        return None
    return [(name, each.qualifier) for each in sets for name in each.names]


def _read_options(words: Words, element: etree._Element) -> None:
    while words:
        word = words.take("")
        if not is_pair(word):
            words.at -= 1
            raise words.problem("Expected NAME=VALUE")
        name, _, value = word.partition("=")
        element.set(name, value)


def _qualified(element: etree._Element, name: str, rsc: str, key: str, qualifier: str) -> None:
    element.set(name, rsc)
    if qualifier:
        element.set(key, qualifier)


def read_location(words: Words) -> etree._Element:
    """`location ID RSC|/REGEX/|{ SET } [A=V..] SCORE: NODE | rule ...`."""
    element = etree.Element("rsc_location", {"id": words.take("an id")})
    first = words.take("a resource")
    resources: list[_Set] = []
    if first in _OPEN:
        words.at -= 1
        closing = words.all.index(_OPEN[first], words.at) if _OPEN[first] in words.all else -1
        if closing < 0:
            raise words.problem(f"Expected {_OPEN[first]}", at_end=True)
        inner = Words([words.kind, *words.all[words.at : closing + 1]])
        resources = _read_sets(inner)
        words.at = closing + 1
    elif len(first) > 1 and first.startswith("/") and first.endswith("/"):
        element.set("rsc-pattern", first[1:-1])
    else:
        element.set("rsc", first)
    while words and is_pair(words.peek()):
        name, _, value = words.take("").partition("=")
        element.set(name, value)
    if words.peek() == "rule":
        _write_sets(element, resources, "role")
        while words.accept("rule"):
            read_rule(words, element)
        words.end()
        return element
    word = words.take("SCORE: NODE or rule")
    if not (word.endswith(":") and is_score(word[:-1])):
        words.at -= 1
        raise words.problem("expected <score>: <node> or <rule> [<rule> ...]")
    element.set("score", score_value(word[:-1]))
    element.set("node", words.take("a node"))
    words.end()
    _write_sets(element, resources, "role")
    return element


def _read_head(words: Words, what: str) -> str | None:
    word = words.peek()
    if word.endswith(":") and len(word) > 1:
        return words.take("")[:-1]
    if words.peek(1) == ":":
        taken = words.take("")
        words.take(":")
        return taken
    if what:
        raise words.problem(f"Expected {what}")
    return None


def read_colocation(words: Words) -> etree._Element:
    """`colocation ID SCORE: A[:ROLE] B[:ROLE] ... [node-attribute=]`."""
    element = etree.Element("rsc_colocation", {"id": words.take("an id")})
    score = _read_head(words, "SCORE:") or ""
    name = "score" if is_score(score) else "score-attribute"
    element.set(name, score_value(score))
    sets = _read_sets(words)
    plain = _plain(sets)
    if plain is not None and len(plain) == 2:
        _qualified(element, "rsc", plain[0][0], "rsc-role", plain[0][1])
        _qualified(element, "with-rsc", plain[1][0], "with-rsc-role", plain[1][1])
    elif plain is not None and len(plain) < 2:
        raise words.problem("Expected at least two resources", at_end=True)
    _read_options(words, element)
    if plain is None or len(plain) > 2:
        _write_sets(element, sets, "role")
    return element


def read_order(words: Words) -> etree._Element:
    """`order ID [KIND:|SCORE:] A[:ACTION] B[:ACTION] ... [symmetrical=]`."""
    element = etree.Element("rsc_order", {"id": words.take("an id")})
    kind = _read_head(words, "")
    if kind is not None:
        named = next((k for k in KINDS if k.lower() == kind.lower()), None)
        if named is None and not is_score(kind):
            words.at -= 1
            raise words.problem(f"Expected {', '.join(KINDS)} or a score")
        element.set("kind", named or ("Optional" if kind.lstrip("+-") == "0" else "Mandatory"))
    sets = _read_sets(words)
    plain = _plain(sets)
    if plain is not None and len(plain) == 2:
        _qualified(element, "first", plain[0][0], "first-action", plain[0][1])
        _qualified(element, "then", plain[1][0], "then-action", plain[1][1])
    elif plain is not None and len(plain) < 2:
        raise words.problem("Expected at least two resources", at_end=True)
    _read_options(words, element)
    if plain is None or len(plain) > 2:
        _write_sets(element, sets, "action")
    return element


def read_ticket(words: Words) -> etree._Element:
    """`rsc_ticket ID TICKET: RSC[:ROLE] ... [loss-policy=]`."""
    element = etree.Element("rsc_ticket", {"id": words.take("an id")})
    element.set("ticket", _read_head(words, "TICKET:") or "")
    sets = _read_sets(words)
    plain = _plain(sets)
    if plain is not None and len(plain) == 1:
        _qualified(element, "rsc", plain[0][0], "rsc-role", plain[0][1])
    _read_options(words, element)
    if plain is None or len(plain) > 1:
        _write_sets(element, sets, "role")
    return element


# --- showing --------------------------------------------------------------------------------


def _named(element: etree._Element, name: str, key: str) -> str:
    qualifier = element.get(key)
    return f"{element.get(name)}:{qualifier}" if qualifier else element.get(name, "")


def _sets_text(element: etree._Element, qualifier: str, around: str = "") -> str:
    words: list[str] = []
    for held in element.iterfind("resource_set"):
        mark = around
        if held.get("sequential") == "false":
            mark = "[" if held.get("require-all") == "false" else "("
        end = f":{held.get(qualifier)}" if held.get(qualifier) else ""
        names = [f"{ref.get('id')}{end}" for ref in held.iterfind("resource_ref")]
        words += [mark, *names, _OPEN[mark]] if mark else names
    return " ".join(words)


def _options(element: etree._Element, *known: str) -> str:
    words = [pair(str(k), str(v)) for k, v in element.attrib.items() if k not in known]
    return "".join(f" {word}" for word in words)


def location_text(element: etree._Element) -> str:
    """A location constraint as words."""
    rsc, pattern = element.get("rsc"), element.get("rsc-pattern")
    about = rsc if rsc is not None else quoted(f"/{pattern}/")
    if rsc is None and pattern is None:
        about = _sets_text(element, "role", "{")
    options = _options(element, "id", "rsc", "rsc-pattern", "score", "node")
    head = f"location {element.get('id')} {about}{options}"
    rules = [rule_text(rule, element.get("id", "")) for rule in element.iterfind("rule")]
    if rules:
        return layout([head, *rules])
    return f"{head} {score_word(element.get('score', ''))}: {quoted(element.get('node', ''))}"


def colocation_text(element: etree._Element) -> str:
    """A colocation as words."""
    if element.get("rsc") is not None:
        first = _named(element, "rsc", "rsc-role")
        about = f"{first} {_named(element, 'with-rsc', 'with-rsc-role')}"
    else:
        about = _sets_text(element, "role")
    score = element.get("score", element.get("score-attribute", ""))
    options = _options(
        element, "id", "score", "score-attribute", "rsc", "rsc-role", "with-rsc", "with-rsc-role"
    )
    return f"colocation {element.get('id')} {score_word(score)}: {about}{options}"


def order_text(element: etree._Element) -> str:
    """An order as words."""
    if element.get("first") is not None:
        first = _named(element, "first", "first-action")
        about = f"{first} {_named(element, 'then', 'then-action')}"
    else:
        about = _sets_text(element, "action")
    kind = f"{element.get('kind')}: " if element.get("kind") else ""
    options = _options(element, "id", "kind", "first", "first-action", "then", "then-action")
    return f"order {element.get('id')} {kind}{about}{options}"


def ticket_text(element: etree._Element) -> str:
    """A ticket's constraint as words."""
    rsc = element.get("rsc")
    about = _named(element, "rsc", "rsc-role") if rsc is not None else _sets_text(element, "role")
    ticket = quoted(f"{element.get('ticket')}:")
    options = _options(element, "id", "ticket", "rsc", "rsc-role")
    return f"rsc_ticket {element.get('id')} {ticket} {about}{options}"
