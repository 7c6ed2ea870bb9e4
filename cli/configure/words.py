"""Words of the configuration language: a cursor over them, quoting, scores.

It knows no object.  Facts: cli.md section 7.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cli.command_line import CommandError
from cli.exits import Exit

INFINITY = "INFINITY"
_PLAIN = re.compile(r"[\w.:%@+,^/?*{}\[\]()|<>!~#-]+\Z", re.ASCII)
_SCORE = re.compile(r"[+-]?(inf(inity)?|\d+)\Z", re.IGNORECASE)


class SyntaxProblem(CommandError):
    """Words that are no object of the language; tells which word and in which line."""

    def __init__(self, kind: str, text: str, near: str | None, line: Sequence[str]) -> None:
        place = "" if near is None else f" near <{near}>"
        shown = " ".join(word if word and " " not in word else quoted(word) for word in line)
        super().__init__(Exit.ERROR, f"syntax in {kind}: {text}{place} parsing '{shown}'")


class Words:
    """The words of one object, read from left to right."""

    def __init__(self, words: Iterable[str]) -> None:
        self.all = tuple(words)
        self.at = 1
        self.kind = self.all[0]

    def __bool__(self) -> bool:
        return self.at < len(self.all)

    def peek(self, ahead: int = 0) -> str:
        """The next word without taking it; empty at the end."""
        at = self.at + ahead
        return self.all[at] if at < len(self.all) else ""

    def take(self, what: str) -> str:
        """The next word; raises SyntaxProblem naming what is missing."""
        if not self:
            raise self.problem(f"Expected {what}", at_end=True)
        self.at += 1
        return self.all[self.at - 1]

    def accept(self, *choices: str) -> str | None:
        """Take the next word if it is one of these."""
        if self and self.peek() in choices:
            return self.take("")
        return None

    def problem(self, text: str, *, at_end: bool = False) -> SyntaxProblem:
        """What is wrong at this word."""
        near = None if at_end or not self else self.peek()
        return SyntaxProblem(self.kind, text, near, self.all)

    def option(self, name: str) -> str | None:
        """Take `NAME=VALUE` if it is next; the value."""
        word = self.peek()
        if self and word.startswith(f"{name}="):
            self.at += 1
            return word[len(name) + 1 :]
        return None

    def end(self) -> None:
        """Nothing may be left; raises SyntaxProblem."""
        if self:
            raise self.problem("Unknown word")


def is_pair(word: str) -> bool:
    """Whether a word is NAME=VALUE."""
    name, equals, _ = word.partition("=")
    return bool(equals) and bool(name) and not name.startswith("$")


def quoted(text: str) -> str:
    """A text as a word: in double quotes where it must be."""
    if _PLAIN.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def pair(name: str, value: str | None) -> str:
    """`NAME=VALUE` as a word."""
    if value is None:
        return name
    return f"{name}={quoted(value)}"


def is_score(text: str) -> bool:
    """Whether a text is a score: a number or infinity."""
    return _SCORE.match(text) is not None


def score_value(text: str) -> str:
    """A score as the CIB writes it: `inf` -> INFINITY."""
    if text.lstrip("+-").lower() in ("inf", "infinity"):
        return f"-{INFINITY}" if text.startswith("-") else INFINITY
    return text


def score_word(value: str) -> str:
    """A score as the language writes it: INFINITY -> `inf`."""
    return {INFINITY: "inf", f"-{INFINITY}": "-inf"}.get(value, value)


def layout(parts: Sequence[str]) -> str:
    """An object: its head, then one part a line, joined by ` \\`."""
    return " \\\n\t".join(part for part in parts if part)
