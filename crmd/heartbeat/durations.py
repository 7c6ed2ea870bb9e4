"""Time values of ha.cf.

Facts: heartbeat-v1.md section 12.1, "Times".  This module knows nothing about directives.
"""

from __future__ import annotations

import re

_TIME = re.compile(r"(\d+(?:\.\d*)?|\.\d+)((?:ms|us).*|)", re.IGNORECASE)
LONGEST_S = 10 * 365 * 86400.0
"""Ten years: longer values are refused so that no sum can overflow."""


def parse_duration(text: str) -> float:
    """Seconds meant by a time value of ha.cf.

    A bare number is seconds; a suffix beginning with "ms" or "us", in any case, scales it.
    Rounded to 1 ms as Heartbeat does.  Raises ValueError, worded for a person, on anything else.
    """
    match = _TIME.fullmatch(text)
    if match is None or not text.isascii():
        raise ValueError(f"{text!r} is no time: write seconds (1, 0.5) or 200ms, without a blank")
    if len(match[1]) > 20:
        raise ValueError(f"{text[:30]!r}... is too long for a time: write at most ten years")
    scale = {"": 1.0, "ms": 1e-3, "us": 1e-6}[match[2][:2].lower()]
    seconds = round(float(match[1]) * scale, 3)
    if seconds > LONGEST_S:
        raise ValueError(f"{text!r} is longer than ten years: write a smaller time")
    return seconds
