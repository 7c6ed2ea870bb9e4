"""Rules: does a rule of the CIB pass, here and now, and when may that change?

It never reads a clock nor a node: what a rule may look at comes in a `RuleInput`.
Facts: scheduler-1-assignment.md 5.3 and 5.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from cib import dates, durations, scores
from cib.dates import DateTime
from cib.lexical import compare_versions
from cib.refs import References
from cib.scores import leading_integer


class Recheck:
    """The earliest instant (seconds since the epoch) at which an evaluated rule may change.

    `unreadable` maps the id of a date expression to what is wrong with it: it never passes.
    """

    __slots__ = ("at", "unreadable")

    def __init__(self) -> None:
        self.at: int | None = None
        self.unreadable: dict[str, str] = {}

    def lower(self, epoch_s: int) -> None:
        """Take note of an instant; the earliest one wins."""
        if self.at is None or epoch_s < self.at:
            self.at = epoch_s


@dataclass(frozen=True, slots=True)
class RuleInput:
    """What conditions may look at; a part that a context does not know stays None.

    `matches` are the sub-matches of a location constraint's `rsc-pattern` (`%0` is the whole).
    `agent` is (class, provider or None, type) of the resource; `operation` (name, interval in ms).
    `recheck` collects when results may change.
    """

    now: DateTime
    refs: References | None = None
    node_attributes: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    meta: Mapping[str, str] | None = None
    matches: tuple[str, ...] = ()
    agent: tuple[str | None, str | None, str | None] | None = None
    operation: tuple[str, int] | None = None
    recheck: Recheck | None = field(default=None, compare=False)


def passes(rule: etree._Element, given: RuleInput) -> bool:
    """Whether a `rule` element passes; conditions are evaluated in order, with short-circuit.

    A rule without id, with an unknown `boolean-op` or a reference to nothing does not pass;
    one without conditions does; an invalid condition is a failed one.
    """
    resolved = given.refs.resolve(rule) if given.refs is not None else rule
    if resolved is None or resolved.get("id") is None:
        return False
    operator = resolved.get("boolean-op", "and").lower()
    if operator not in ("and", "or"):
        return False
    wanted = operator == "or"
    empty = True
    for condition in resolved.iterchildren(etree.Element):
        empty = False
        if _condition(condition, given) is wanted:
            return wanted
    return empty or not wanted


def _condition(element: etree._Element, given: RuleInput) -> bool:
    match element.tag:
        case "rule":
            return passes(element, given)
        case "expression":
            return attribute_passes(element, given)
        case "date_expression":
            return date_passes(element, given.now, given.recheck)
        case "rsc_expression":
            return _agent_passes(element, given)
        case "op_expression":
            return _operation_passes(element, given)
        case _:
            return False


_SUBMATCH = re.compile(r"%([0-9])")


def expand_matches(text: str, matches: tuple[str, ...]) -> str:
    """`text` with `%0`...`%9` replaced by sub-matches (by nothing where there is none)."""
    if not matches or "%" not in text:
        return text
    return _SUBMATCH.sub(lambda m: matches[int(m[1])] if int(m[1]) < len(matches) else "", text)


def attribute_passes(element: etree._Element, given: RuleInput) -> bool:
    """Whether an `expression` (a comparison of a node attribute) passes."""
    name, operation = element.get("attribute"), element.get("operation")
    value = element.get("value")
    if name is None or operation is None:
        return False
    name = expand_matches(name, given.matches)
    actual = given.node_attributes.get(name) if given.node_attributes is not None else None
    if operation in ("defined", "not_defined"):
        return value is None and (actual is not None) is (operation == "defined")
    if value is None or operation not in _OPERATIONS:
        return False
    match element.get("value-source", "literal"):
        case "literal":
            reference: str | None = value
        case "param":
            reference = given.params.get(value) if given.params is not None else None
        case "meta":
            reference = given.meta.get(value) if given.meta is not None else None
        case _:
            return False
    kind = element.get("type") or _default_type(operation, actual, reference)
    if kind not in ("string", "integer", "number", "version"):
        return False
    order = _compare(actual, reference, kind)
    if operation == "eq":
        return order == 0
    if operation == "ne":
        return order != 0
    if actual is None or reference is None:
        return False
    return _OPERATIONS[operation](order)


_OPERATIONS: dict[str, Callable[[int], bool]] = {
    "eq": lambda order: order == 0,
    "ne": lambda order: order != 0,
    "lt": lambda order: order < 0,
    "lte": lambda order: order <= 0,
    "gt": lambda order: order > 0,
    "gte": lambda order: order >= 0,
}


def _default_type(operation: str, actual: str | None, reference: str | None) -> str:
    if operation in ("eq", "ne"):
        return "string"
    return "number" if "." in (actual or "") or "." in (reference or "") else "integer"


_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _number(text: str) -> float | None:
    found = _NUMBER.match(text)
    return float(found[0]) if found else None


def _compare(actual: str | None, reference: str | None, kind: str) -> int:
    """Negative, zero, positive; none is less than any text and equal to none."""
    if actual is None or reference is None:
        return (actual is not None) - (reference is not None)
    if kind == "version":
        return compare_versions(actual, reference)
    left: float | int | None
    right: float | int | None
    if kind == "integer":
        left, right = leading_integer(actual), leading_integer(reference)
    elif kind == "number":
        left, right = _number(actual), _number(reference)
    else:
        left = right = None
    if left is None or right is None:
        text_a, text_b = actual.lower(), reference.lower()
        return (text_a > text_b) - (text_a < text_b)
    return (left > right) - (left < right)


def _agent_passes(element: etree._Element, given: RuleInput) -> bool:
    if given.agent is None:
        return False
    wanted = (element.get("class"), element.get("provider"), element.get("type"))
    return all(w is None or w == have for w, have in zip(wanted, given.agent, strict=True))


def _operation_passes(element: etree._Element, given: RuleInput) -> bool:
    name, interval = element.get("name"), element.get("interval")
    if given.operation is None or name is None or name != given.operation[0]:
        return False
    return interval is None or durations.interval_ms(interval) == given.operation[1]


def date_passes(element: etree._Element, now: DateTime, recheck: Recheck | None = None) -> bool:
    """Whether a `date_expression` passes; both ends of a range are inside it."""
    start_text, end_text = element.get("start"), element.get("end")
    operation = element.get("operation", "in_range")
    note = recheck.lower if recheck is not None else _ignore
    try:
        start = dates.parse_date(start_text, now) if start_text is not None else None
        end = dates.parse_date(end_text, now) if end_text is not None else None
        if operation == "date_spec":
            spec = element.find("date_spec")
            return spec is not None and spec_contains(spec, now)
        if operation == "in_range" and start is not None and end is None:
            end = _end_by_duration(element, start)
    except dates.DateError as e:
        if recheck is not None:
            recheck.unreadable[element.get("id", "")] = str(e)
        return False
    match operation:
        case "in_range":
            return _in_range(start, end, now, note)
        case "gt" if start is not None:
            if now.epoch_s > start.epoch_s:
                return True
            note(start.epoch_s + 1)
            return False
        case "lt" if end is not None:
            if now.epoch_s < end.epoch_s:
                note(end.epoch_s)
                return True
            return False
        case _:
            return False


def _ignore(epoch_s: int) -> None:
    """Nobody asked when the result may change."""


def _in_range(start: DateTime | None, end: DateTime | None, now: DateTime,
              note: Callable[[int], None]) -> bool:  # fmt: skip
    if start is None and end is None:
        return False
    if start is not None and now.epoch_s < start.epoch_s:
        note(start.epoch_s)
        return False
    if end is None:
        return True
    if now.epoch_s > end.epoch_s:
        return False
    note(end.epoch_s + 1)
    return True


def _end_by_duration(element: etree._Element, start: DateTime) -> DateTime | None:
    duration = element.find("duration")
    return None if duration is None else start.plus(duration_of(duration))


_DURATION_UNITS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")


def duration_of(element: etree._Element) -> dates.Duration:
    """The length that a `duration` element states; raises DateError for a value not a number."""
    amounts = {}
    for unit in _DURATION_UNITS:
        text = element.get(unit, "0")
        number = leading_integer(text)
        if number is None:
            raise dates.DateError("duration", f"{unit}='{text}' is not a number")
        amounts[unit] = number
    return dates.Duration(
        years=amounts["years"],
        months=amounts["months"],
        days=amounts["weeks"] * 7 + amounts["days"],
        seconds=amounts["hours"] * 3600 + amounts["minutes"] * 60 + amounts["seconds"],
    )


def spec_contains(spec: etree._Element, now: DateTime) -> bool:
    """Whether an instant is inside a `date_spec`: every field present must contain it."""
    year, month, day = now.civil
    week = now.iso_week
    hour, minute, second = now.time_of_day
    fields = {
        "years": year,
        "months": month,
        "monthdays": day,
        "hours": hour,
        "minutes": minute,
        "seconds": second,
        "yeardays": now.ordinal[1],
        "weekyears": week.year,
        "weeks": week.week,
        "weekdays": week.weekday,
    }
    return all(
        range_contains(text, value)
        for name, value in fields.items()
        if (text := spec.get(name)) is not None
    )


_RANGE = re.compile(r"\s*(?:([0-9]+)(?:\s*(-)\s*([0-9]+)?)?|-\s*([0-9]+))\s*\Z")


def range_contains(text: str, value: int) -> bool:
    """Whether `n`, `n-m`, `n-` or `-m` contains a number; False for any other text."""
    found = _RANGE.match(text)
    if found is None:
        return False
    if found[4] is not None:
        return value <= scores.integer(found[4])
    low = scores.integer(found[1])
    if found[2] is None:
        return value == low
    return low <= value and (found[3] is None or value <= scores.integer(found[3]))
