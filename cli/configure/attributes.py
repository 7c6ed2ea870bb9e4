"""Attribute lists: `[$id=] [SCORE:] [rule ...] NAME=VALUE...`, or `$id-ref=`.

Facts: cli.md section 7.1.
"""

from __future__ import annotations

from lxml import etree

from cli.configure.ids import is_automatic
from cli.configure.rules import read_rule, rule_text
from cli.configure.words import Words, is_pair, is_score, pair, quoted, score_value, score_word

KEYWORDS = {
    "params": "instance_attributes",
    "meta": "meta_attributes",
    "utilization": "utilization",
    "attributes": "instance_attributes",
    "op_params": "instance_attributes",
    "op_meta": "meta_attributes",
}
"""Word that opens a list -> element."""


def read_list(words: Words, parent: etree._Element, tag: str) -> etree._Element:
    """Read a list after its keyword and add its set to `parent`.  Raises SyntaxProblem."""
    held = etree.SubElement(parent, tag)
    read_into(words, held)
    return held


def read_into(words: Words, held: etree._Element) -> None:
    """Read the content of a list into an existing set."""
    found = False
    while words:
        word = words.peek()
        if word.startswith("$id-ref="):
            held.set("id-ref", words.take("")[8:])
        elif word.startswith("$id="):
            held.set("id", words.take("")[4:])
        elif word.endswith(":") and is_score(word[:-1]) and not len(held):
            held.set("score", score_value(words.take("")[:-1]))
        elif word == "rule":
            words.take("")
            read_rule(words, held)
        elif word.startswith("@") and len(word) > 1:
            reference, colon, name = words.take("")[1:].partition(":")
            element = etree.SubElement(held, "nvpair", {"id-ref": reference})
            if colon:
                element.set("name", name)
        elif is_pair(word):
            name, _, value = words.take("").partition("=")
            _put(held, name, value)
        else:
            break
        found = True
    if not found:
        raise words.problem("Expected NAME=VALUE", at_end=not words)


def _put(held: etree._Element, name: str, value: str) -> None:
    for element in held.iterfind("nvpair"):
        if element.get("name") == name:
            element.set("value", value)
            return
    etree.SubElement(held, "nvpair", {"name": name, "value": value})


def list_words(held: etree._Element, owner: str) -> list[str]:
    """The content of a set as words; a rule is one of them."""
    if held.get("id-ref") is not None:
        return [pair("$id-ref", held.get("id-ref"))]
    words = []
    if not is_automatic(held, owner):
        words.append(pair("$id", held.get("id")))
    if held.get("score") is not None:
        words.append(f"{score_word(held.get('score', ''))}:")
    for element in held:
        if element.tag == "rule":
            words.append(rule_text(element, held.get("id", "")))
        elif element.tag == "nvpair" and element.get("id-ref") is not None:
            name = element.get("name")
            words.append(quoted(f"@{element.get('id-ref')}" + (f":{name}" if name else "")))
        elif element.tag == "nvpair":
            words.append(pair(element.get("name", ""), element.get("value")))
    return words


def list_text(keyword: str, held: etree._Element, owner: str) -> str:
    """A list with its keyword."""
    return " ".join([keyword, *list_words(held, owner)])


def says_nothing(held: etree._Element) -> bool:
    """Whether a set is empty: tools leave such behind, and they mean what no set means."""
    return len(held) == 0 and held.get("id-ref") is None


def sets_text(element: etree._Element, keywords: dict[str, str]) -> list[str]:
    """The lists of an element, in the order of the keywords: keyword -> set element."""
    lines = []
    for keyword, tag in keywords.items():
        for held in element.iterfind(tag):
            if says_nothing(held):
                continue
            lines.append(list_text(keyword, held, element.get("id", "")))
    return lines
