"""Operation keys, and the words that pair tasks with their completed forms.

Source: scheduler-2-actions.md section 0.
"""

from __future__ import annotations

from typing import Final

from cib import scores

COMPLETED: Final = {
    "stop": "stopped",
    "start": "running",
    "promote": "promoted",
    "demote": "demoted",
    "notify": "notified",
}
REDUCED: Final = {done: task for task, done in COMPLETED.items()}

_NOTIFY_MARKS: Final = (
    "_pre_notify",
    "_post_notify",
    "_confirmed-pre_notify",
    "_confirmed-post_notify",
)


def op_key(rsc_id: str, task: str, interval_ms: int = 0) -> str:
    """K(id, task, ms): the name of an operation of a resource."""
    return f"{rsc_id}_{task}_{interval_ms}"


def notify_key(rsc_id: str, kind: str, task: str) -> str:
    """N(id, kind, task): the name of a notification; kind is pre, post, confirmed-pre, ..."""
    return f"{rsc_id}_{kind}_notify_{task}_0"


def parse_key(key: str) -> tuple[str, str, int] | None:
    """(resource id, task, interval ms) of an operation key; None when it is not one (0.1)."""
    if len(key) < 5:
        return None
    rest, mark, tail = key.rpartition("_")
    if not mark or not scores.is_number(tail):
        return None
    interval = scores.integer(tail)
    for task in ("migrate_from", "migrate_to"):
        if rest.endswith("_" + task):
            return rest[: -len(task) - 1], task, interval
    rsc_id, mark, task = rest.rpartition("_")
    if not mark:
        return None
    for word in _NOTIFY_MARKS:
        if rsc_id.endswith(word):
            return rsc_id[: -len(word)], f"{word[1:]}_{task}", interval
    return rsc_id, task, interval
