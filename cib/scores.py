"""Scores: saturating integers between -INFINITY and INFINITY, and their text.

It does not decide what a score is good for.  Facts: scheduler-1-assignment.md sections 1 and 4.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

INFINITY = 1_000_000

_LEADING_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")


@dataclass(frozen=True, slots=True)
class HealthScores:
    """What the words `red`, `yellow` and `green` mean in a score at present."""

    red: int = 0
    yellow: int = 0
    green: int = 0


NO_HEALTH = HealthScores()


_MANY_DIGITS = 40


def integer(digits: str) -> int:
    """The number that ASCII digits with an optional sign mean.

    Of more than forty digits the first forty count: such a number is beyond every limit anyway,
    and converting millions of digits would take minutes.
    """
    if len(digits) <= _MANY_DIGITS:
        return int(digits)
    sign = -1 if digits[0] == "-" else 1
    return sign * int(digits.lstrip("+-0")[:_MANY_DIGITS] or "0")


def is_number(text: str) -> bool:
    """Whether a text is ASCII digits only."""
    return text.isascii() and text.isdigit()


def leading_integer(text: str) -> int | None:
    """The integer a text begins with, blanks and sign allowed, what follows ignored; else None."""
    found = _LEADING_INTEGER.match(text)
    return integer(found[1]) if found else None


def clip(value: int) -> int:
    """`value` moved into [-INFINITY, INFINITY]."""
    return max(-INFINITY, min(INFINITY, value))


def parse_or_none(text: str, health: HealthScores = NO_HEALTH) -> int | None:
    """The score that `text` means, or None if it has no score in it.

    The three infinities are case-sensitive, the health words are not; a number may be followed
    by anything (`12abc` is 12).
    """
    if text == "-INFINITY":
        return -INFINITY
    if text in ("INFINITY", "+INFINITY"):
        return INFINITY
    number = leading_integer(text)
    if number is not None:
        return clip(number)
    match text.lower():
        case "red":
            return health.red
        case "yellow":
            return health.yellow
        case "green":
            return health.green
        case _:
            return None


def parse(text: str | None, default: int = 0, health: HealthScores = NO_HEALTH) -> int:
    """The score that `text` means; `default` if it is absent or has no score in it."""
    if text is None:
        return default
    score = parse_or_none(text, health)
    return default if score is None else score


def add(a: int, b: int) -> int:
    """Sum of two scores: -INFINITY beats all, then INFINITY, else the plain sum, clipped."""
    if a <= -INFINITY or b <= -INFINITY:
        return -INFINITY
    if a >= INFINITY or b >= INFINITY:
        return INFINITY
    total = a + b
    if total > INFINITY:
        return INFINITY
    return -INFINITY if total < -INFINITY else total


def to_text(score: int) -> str:
    """How a score is printed: a decimal number, `INFINITY` or `-INFINITY`."""
    if score >= INFINITY:
        return "INFINITY"
    if score <= -INFINITY:
        return "-INFINITY"
    return str(score)
