"""The small languages of attribute values: booleans, integers, versions, names, roles, keys.

It does not know which attribute wants which.  Facts: scheduler-1-assignment.md sections 0.3 and 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from cib import scores

TRUE_WORDS = frozenset({"true", "on", "yes", "y", "1"})
FALSE_WORDS = frozenset({"false", "off", "no", "n", "0"})
MAX_INT = 2_147_483_647

_INSTANCE_SUFFIX = re.compile(r":[0-9]+\Z")
_DIGITS = re.compile(r"[0-9]+")
_VERSION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)*)?")


class Role(IntEnum):
    """State of a resource on a node, in rising order."""

    UNKNOWN = 0
    STOPPED = 1
    STARTED = 2
    UNPROMOTED = 3
    PROMOTED = 4

    @property
    def word(self) -> str:
        """The spelling of today: `Started`, `Promoted`, ..."""
        return self.name.capitalize()


_ROLES = {
    "unknown": Role.UNKNOWN,
    "stopped": Role.STOPPED,
    "started": Role.STARTED,
    "unpromoted": Role.UNPROMOTED,
    "slave": Role.UNPROMOTED,
    "promoted": Role.PROMOTED,
    "master": Role.PROMOTED,
}


def is_true(text: str | None) -> bool:
    """True for `true on yes y 1` in any case; False for all else, absent included."""
    return text is not None and text.lower() in TRUE_WORDS


def parse_boolean(text: str) -> bool | None:
    """The boolean a text means, or None if it is neither of the two lists of words."""
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else None


def parse_integer(text: str | None, default: int = 0) -> int:
    """The integer that `text` begins with, or `default`."""
    if text is None:
        return default
    if scores.is_number(text):
        return scores.integer(text)
    number = scores.leading_integer(text)
    return default if number is None else number


def integer_at_least(text: str | None, minimum: int) -> int:
    """A "minimum m" integer: `minimum` if absent, unparsable or less; at most 2147483647."""
    return min(MAX_INT, max(minimum, parse_integer(text, minimum)))


def parse_role(text: str | None) -> Role | None:
    """The role that a word names (legacy words too); absent is Unknown; None: no such role."""
    return Role.UNKNOWN if text is None else _ROLES.get(text.lower())


def compare_names(a: str, b: str) -> int:
    """Negative, zero or positive: node names in the order people expect (`node9` < `node10`).

    Digit runs compare as numbers, and if equal the longer run is greater; other characters
    compare case-folded; a proper prefix is smaller.
    """
    i = j = 0
    while i < len(a) and j < len(b):
        run_a, run_b = _DIGITS.match(a, i), _DIGITS.match(b, j)
        if run_a and run_b:
            key_a, key_b = _run_key(run_a[0]), _run_key(run_b[0])
            if key_a != key_b:
                return -1 if key_a < key_b else 1
            i, j = run_a.end(), run_b.end()
            continue
        char_a, char_b = a[i].lower(), b[j].lower()
        if char_a != char_b:
            return -1 if char_a < char_b else 1
        i, j = i + 1, j + 1
    return (i < len(a)) - (j < len(b))


def _run_key(digits: str) -> tuple[int, str, int]:
    """Sorts digit runs as numbers, and equal ones by length."""
    number = digits.lstrip("0")
    return len(number), number, len(digits)


def version_key(text: str) -> tuple[int, ...]:
    """The dotted numbers a version begins with, without trailing zeros (equal keys: equal)."""
    found = _VERSION.match(text)
    parts = [scores.integer(p) for p in found[1].split(".")] if found and found[1] else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def compare_versions(a: str, b: str) -> int:
    """-1, 0 or 1: dotted numbers from left to right, missing parts 0, what follows ignored."""
    key_a, key_b = version_key(a), version_key(b)
    return (key_a > key_b) - (key_a < key_b)


def base_name(resource_id: str) -> str:
    """A resource id without its instance number (`db:1` -> `db`; `db:` stays)."""
    return _INSTANCE_SUFFIX.sub("", resource_id)


def operation_key(resource_id: str, task: str, interval_ms: int) -> str:
    """`db_monitor_10000`: names an operation of a resource."""
    return f"{resource_id}_{task}_{interval_ms}"


@dataclass(frozen=True, slots=True)
class TransitionKey:
    """Which action of which transition of which DC asked for an operation, and the rc wanted."""

    action: int
    transition: int
    target_rc: int
    uuid: str

    def __str__(self) -> str:
        return f"{self.action}:{self.transition}:{self.target_rc}:{self.uuid:<36}"


_KEY = re.compile(r"(-?[0-9]+):(-?[0-9]+):(-?[0-9]+):(\S{1,36})")
_MAGIC = re.compile(r"(-?[0-9]+):(-?[0-9]+);(.*)\Z", re.DOTALL)


def parse_transition_key(text: str) -> TransitionKey | None:
    """The four parts of a transition key, or None if one is missing.

    The last may be shorter than a UUID; what follows 36 characters of it is ignored.
    """
    parts = transition_key_parts(text)
    return None if parts is None else TransitionKey(*parts)


def transition_key_parts(text: str) -> tuple[int, int, int, str] | None:
    """The same as a plain tuple, for those who read a hundred thousand of them."""
    found = _KEY.match(text)
    if found is None:
        return None
    action, transition, target_rc, uuid = found.groups()
    number = scores.integer
    return number(action), number(transition), number(target_rc), uuid


def parse_transition_magic(text: str) -> tuple[int, int, TransitionKey] | None:
    """(op-status, rc, key) of `<op-status>:<rc>;<key>`, or None."""
    found = _MAGIC.match(text)
    key = parse_transition_key(found[3]) if found else None
    if not found or not key:
        return None
    return scores.integer(found[1]), scores.integer(found[2]), key
