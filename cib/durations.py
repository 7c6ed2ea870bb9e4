"""Lengths of time in attribute values: intervals and timeouts, in milliseconds.

Calendar-aware durations (`P1M` is as long as its month) are in `cib.dates`.
Facts: scheduler-1-assignment.md sections 2.3 and 2.4.
"""

from __future__ import annotations

import re

from cib import dates, scores

MAX_INTERVAL_MS = 4_294_967_295

_NUMBER_UNIT = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)(?:\.[0-9]*)?[ \t]*(.*)\Z", re.DOTALL)


def parse_ms(text: str) -> int | None:
    """Milliseconds meant by `10s`, `2min`, `500ms`, `10`, `PT30S`; None if it is no interval.

    Units match by prefix in any case: none or s, ms, us, m, h.  Negative values give None.
    """
    if text.lstrip().startswith("P"):
        try:
            total = dates.parse_duration(text.strip()).whole_seconds() * 1000
        except dates.DateError:
            return None
    else:
        found = _NUMBER_UNIT.match(text)
        if found is None:
            return None
        scaled = _scale(scores.integer(found[1]), found[2].lower())
        if scaled is None:
            return None
        total = scaled
    return None if total < 0 else min(total, MAX_INTERVAL_MS)


def _scale(number: int, unit: str) -> int | None:
    if unit == "" or unit.startswith("s"):
        return number * 1000
    if unit.startswith("ms"):
        return number
    if unit.startswith("us"):
        return number // 1000 if number >= 0 else number
    if unit.startswith("m"):
        return number * 60_000
    if unit.startswith("h"):
        return number * 3_600_000
    return None


def interval_ms(text: str | None) -> int:
    """Milliseconds of an interval; absent, invalid or negative is 0."""
    if text is None:
        return 0
    value = parse_ms(text)
    return 0 if value is None else value


def timeout_ms(text: str | None, default_ms: int) -> int:
    """Milliseconds of a timeout; `default_ms` if absent or invalid."""
    if text is None:
        return default_ms
    value = parse_ms(text)
    return default_ms if value is None else value


def seconds_of(ms: int) -> int:
    """Milliseconds as seconds: 0 is 0, less than 1000 is 1, else the nearest, halves up."""
    if ms <= 0:
        return 0
    return 1 if ms < 1000 else (ms + 500) // 1000


def readable(ms: int) -> str:
    """A length of time for people: `0s`, `500ms`, `1m30s`, `2h`."""
    if ms % 1000:
        if ms < 1000:
            return f"{ms}ms"
        return f"{ms // 1000}.{ms % 1000:03d}s"
    seconds = ms // 1000
    days, hours = seconds // 86400, seconds % 86400 // 3600
    minutes, rest = seconds % 3600 // 60, seconds % 60
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"
