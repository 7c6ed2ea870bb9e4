"""What the RELAX NG grammar says about one element, so that a refusal can be put into words.

The validator decides; this module only explains.  It reads our own grammar files and answers,
for a tag: which attributes may and must be there, which values they take, which children.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lxml import etree

FOLDER = Path(__file__).with_name("schema")

_RNG = "{http://relaxng.org/ns/structure/1.0}"
_NAME = re.compile(r"[^\W\d][\w.\-]*\Z")
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*\Z")


@dataclass(slots=True)
class ElementModel:
    """One element of the grammar; `values` are the patterns of each attribute."""

    tag: str
    values: dict[str, list[etree._Element]] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    children: set[str] = field(default_factory=set)
    anything: bool = False


class Grammar:
    """All elements that the grammar files define, by tag."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._defines: dict[str, etree._Element] = {}
        self.elements: dict[str, ElementModel] = {}
        roots = [etree.parse(path).getroot() for path in sorted(folder.glob("*.rng"))]
        for root in roots:
            for define in root.iterchildren(f"{_RNG}define"):
                self._defines[define.get("name", "")] = define
        for root in roots:
            for element in root.iter(f"{_RNG}element"):
                tag = element.get("name")
                if tag is not None:
                    model = self.elements.setdefault(tag, ElementModel(tag))
                    self._collect(model, element, required=True)

    def _collect(self, model: ElementModel, pattern: etree._Element, *, required: bool) -> None:
        for part in pattern.iterchildren(etree.Element):
            kind = str(part.tag).removeprefix(_RNG)
            if kind == "element":
                tag = part.get("name")
                if tag is not None:
                    model.children.add(tag)
            elif kind == "attribute":
                name = part.get("name")
                if name is not None:
                    model.values.setdefault(name, []).append(part)
                    if required:
                        model.required.add(name)
            elif kind == "ref" and part.get("name") == "anything":
                model.anything = True
            elif kind == "ref":
                self._collect(model, self._defines[part.get("name", "")], required=required)
            else:
                inner = required and kind in ("group", "interleave")
                self._collect(model, part, required=inner)

    def accepts(self, pattern: etree._Element, text: str) -> bool:
        """Whether one of the alternatives inside a pattern takes a text."""
        parts = list(pattern.iterchildren(etree.Element))
        return not parts or any(self._takes(part, text) for part in parts)

    def _takes(self, part: etree._Element, text: str) -> bool:
        kind = str(part.tag).removeprefix(_RNG)
        if kind == "value":
            return text.strip() == (part.text or "")
        if kind == "ref":
            return self.accepts(self._defines[part.get("name", "")], text)
        if kind == "data":
            return self._is_datum(part, text)
        return kind == "text" or self.accepts(part, text)

    def _is_datum(self, part: etree._Element, text: str) -> bool:
        param = part.find(f"{_RNG}param")
        if param is not None:
            return re.fullmatch(param.text or "", text) is not None
        match part.get("type"):
            case "NCName":
                return _NAME.match(text.strip()) is not None
            case "integer":
                return _INTEGER.match(text) is not None
            case "nonNegativeInteger":
                return _INTEGER.match(text) is not None and int(text) >= 0
            case "positiveInteger":
                return _INTEGER.match(text) is not None and int(text) > 0
            case _:
                return True

    def describe(self, pattern: etree._Element) -> str:
        """The values that an attribute takes, in words."""
        words = list(dict.fromkeys(self._words(pattern)))
        return ", ".join(words) if words else "any text"

    def _words(self, pattern: etree._Element) -> Iterator[str]:
        for part in pattern.iterchildren(etree.Element):
            kind = str(part.tag).removeprefix(_RNG)
            if kind == "value":
                yield part.text or ""
            elif kind == "data":
                yield _data_words(part)
            elif kind == "ref":
                define = self._defines[part.get("name", "")]
                yield from ["a boolean"] if part.get("name") == "boolean" else self._words(define)
            else:
                yield from self._words(part)


def _data_words(part: etree._Element) -> str:
    param = part.find(f"{_RNG}param")
    if param is not None:
        return f"text like {param.text}"
    return {
        "NCName": "a name of letters, digits, '-', '_' and '.' that begins with a letter",
        "integer": "an integer",
        "nonNegativeInteger": "an integer from 0",
        "positiveInteger": "an integer from 1",
    }.get(part.get("type", ""), "text")


@cache
def grammar() -> Grammar:
    """The grammar of this package, read once."""
    return Grammar()
