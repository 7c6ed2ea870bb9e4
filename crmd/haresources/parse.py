"""Reads haresources exactly as Heartbeat 3.0.6 reads it, and remembers where each word stood.

It does not judge (see `lint`) and does not convert (see `convert`).  The order of the steps
matters and is Heartbeat's: comments go first, on every physical line; a line that then ends in a
backslash is joined with the next, nothing in between; blanks and tabs separate words; the first
word is the node, in lower case.  Source: cli.md section 8.1, heartbeat-v1.md section 13.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"[0-9].*\.[0-9].*\.[0-9].*\.[0-9].*", re.DOTALL)
_BEFORE_FIRST = re.compile(r"[^:]*::")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word starts in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class ResourceWord:
    """One resource of a line.

    `canonical` is the word with an implied `IPaddr::` written out, `script` and `arguments` are
    what Heartbeat would call (arguments joined by blanks, as its shell code has them).
    """

    word: str
    place: Place
    canonical: str
    script: str
    arguments: str

    @property
    def args(self) -> tuple[str, ...]:
        """The arguments as the script receives them: an empty one vanishes."""
        return tuple(self.arguments.split())


@dataclass(frozen=True, slots=True)
class ResourceLine:
    """One logical line: a preferred node and its resources, started left to right."""

    node: str
    place: Place
    resources: tuple[ResourceWord, ...]
    comment: str = ""
    """Text after the first `#` of the last physical line, if any."""
    joined: bool = False
    """True if a backslash joined physical lines."""


@dataclass(frozen=True, slots=True)
class CommentLine:
    """A line that holds only a comment (the old converter gave some of them a meaning)."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Haresources:
    """A whole file."""

    file: str
    lines: tuple[ResourceLine, ...]
    comments: tuple[CommentLine, ...] = ()


def is_bare_address(word: str) -> bool:
    """True for a word that Heartbeat takes for an IPv4 address (it looks at little)."""
    return "::" not in word and _ADDRESS.fullmatch(word) is not None


def resource_word(word: str, place: Place) -> ResourceWord:
    """Split one word into script and arguments, quirks included."""
    canonical = f"IPaddr::{word}" if is_bare_address(word) else word
    if "::" not in canonical:
        return ResourceWord(word, place, canonical, canonical, "")
    script = canonical.split("::", 1)[0]
    rest = _BEFORE_FIRST.sub("", canonical, count=1)
    return ResourceWord(word, place, canonical, script, rest.replace("::", " "))


def parse(text: str, file: str = "haresources") -> Haresources:
    """All lines of a haresources file, in order. Never raises: every text means something."""
    lines: list[ResourceLine] = []
    comments: list[CommentLine] = []
    logical: list[tuple[str, int, int]] = []  # character, line, column
    joined = False
    physical = text.split("\n")
    if physical and physical[-1] == "":
        physical.pop()
    for number, raw in enumerate(physical, start=1):
        body, hash_sign, comment = raw.partition("#")
        more = body.endswith("\\") and number < len(physical)
        if more:
            body = body[:-1]
        logical.extend((char, number, column) for column, char in enumerate(body, start=1))
        if more:
            joined = True
            continue
        words = _words(logical, file)
        if words:
            node, place = words[0]
            resources = tuple(resource_word(word, at) for word, at in words[1:])
            lines.append(ResourceLine(node.lower(), place, resources, comment.strip(), joined))
        elif hash_sign:
            comments.append(CommentLine(comment.strip(), Place(file, number, len(body) + 1)))
        logical, joined = [], False
    return Haresources(file, tuple(lines), tuple(comments))


def _words(chars: list[tuple[str, int, int]], file: str) -> list[tuple[str, Place]]:
    words: list[tuple[str, Place]] = []
    current: list[str] = []
    start = Place(file, 0, 0)
    for char, line, column in chars:
        if char in " \t":
            if current:
                words.append(("".join(current), start))
                current = []
            continue
        if not current:
            start = Place(file, line, column)
        current.append(char)
    if current:
        words.append(("".join(current), start))
    return words
