"""Fail counts as node attributes: their names, and how one failure changes them.

Only names and values; where they are stored is the status section's matter.
Source: scheduler-1-assignment.md section 14, scheduler-2-actions.md 13.1 and 16.5.
"""

from __future__ import annotations

from collections.abc import Iterable

INFINITY = 1_000_000


def fail_count_name(rsc: str, operation: str, interval_ms: int) -> str:
    """`fail-count-<rsc>#<operation>_<interval>`."""
    return f"fail-count-{rsc}#{operation}_{interval_ms}"


def last_failure_name(rsc: str, operation: str, interval_ms: int) -> str:
    """`last-failure-<rsc>#<operation>_<interval>`."""
    return f"last-failure-{rsc}#{operation}_{interval_ms}"


def counts(operation: str, interval_ms: int) -> bool:
    """Whether a failure of this operation raises a fail count (probes do not)."""
    return not (operation == "monitor" and interval_ms == 0) and operation != "notify"


def raised(current: str | None, operation: str, start_is_fatal: bool) -> str:
    """The fail count after one more failure of the operation."""
    if operation == "stop" or (operation == "start" and start_is_fatal):
        return "INFINITY"
    if current is None:
        return "1"
    if current in ("INFINITY", "+INFINITY"):
        return "INFINITY"
    try:
        value = int(current)
    except ValueError:
        value = 0
    return str(value + 1) if value + 1 < INFINITY else "INFINITY"


def is_failure_attribute(
    name: str, rsc: str | None, operation: str | None = None, interval_ms: int | None = None
) -> bool:
    """Whether an attribute is a fail count or failure time of the resource (None: of any).

    Instances of a clone share the name of their resource; `rsc` may be given with `:N`.
    """
    for prefix in ("fail-count-", "last-failure-"):
        if not name.startswith(prefix):
            continue
        about, mark, suffix = name[len(prefix) :].rpartition("#")
        if not mark:
            return False
        if rsc is not None and about not in (rsc, rsc.partition(":")[0]):
            return False
        task, _, interval = suffix.rpartition("_")
        if operation is not None and task != operation:
            return False
        return interval_ms is None or interval == str(interval_ms)
    return False


def failure_attributes(
    names: Iterable[str],
    rsc: str | None,
    operation: str | None = None,
    interval_ms: int | None = None,
) -> list[str]:
    """Those of `names` that `is_failure_attribute` accepts, sorted."""
    return sorted(n for n in names if is_failure_attribute(n, rsc, operation, interval_ms))
