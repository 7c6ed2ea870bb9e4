"""Entries of operation histories: parsing, their order in time, which of them still count.

Facts: scheduler-1-assignment.md 12.7, 12.9, 12.14.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Final, cast

from lxml import etree

from cib.lexical import parse_integer, parse_transition_key, transition_key_parts
from crmd.scheduler.model import HistoryEntry, Node, ResourceHistory

_NO_KEY: Final = (-1, -1, -1, "")


def parse_entry(element: etree._Element) -> HistoryEntry:
    """One `lrm_rsc_op`; numbers that are absent or no numbers are -1 (rc and status -999)."""
    attrs = cast("Mapping[str, str]", element.attrib)
    get = element.get
    key = transition_key_parts(get("transition-key", ""))
    _, transition, target_rc, uuid = _NO_KEY if key is None else key
    return HistoryEntry(
        get("id", ""),
        intern(get("operation", "")),
        interval_ms=parse_integer(get("interval"), 0),
        rc=parse_integer(get("rc-code"), -999),
        status=parse_integer(get("op-status"), -999),
        call_id=parse_integer(get("call-id"), -1),
        target_rc=target_rc,
        transition=transition,
        transition_uuid=intern(uuid),
        changed_at=parse_integer(get("last-rc-change"), -1),
        attrs=attrs,
    )


def parse_histories(state: etree._Element, node: Node) -> list[ResourceHistory]:
    """All `lrm_resource` entries of a node state, in document order."""
    found = []
    for lrm in state.iterchildren("lrm"):
        for resources in lrm.iterchildren("lrm_resources"):
            for element in resources.iterchildren("lrm_resource"):
                rsc_id = element.get("id")
                if rsc_id is not None:
                    attrs = cast("Mapping[str, str]", element.attrib)
                    entries = [parse_entry(op) for op in element.iterchildren("lrm_rsc_op")]
                    found.append(ResourceHistory(rsc_id, node, attrs, entries))
    return found


def compare_entries(a: HistoryEntry, b: HistoryEntry, same_node: bool = True) -> int:
    """Negative if a happened before b (12.7).

    `same_node` counts where an entry does not say where it ran (observed: entries that the
    simulator writes have no `on_node`).
    """
    node_a, node_b = a.attrs.get("on_node"), b.attrs.get("on_node")
    if node_a is not None and node_b is not None:
        same_node = node_a == node_b
    if same_node and a.id == b.id:
        return 0
    if a.call_id == -1 and b.call_id == -1:
        return 0
    if same_node and a.call_id >= 0 and a.call_id < b.call_id:
        return -1
    if same_node and b.call_id >= 0 and a.call_id > b.call_id:
        return 1
    if a.call_id >= 0 and b.call_id >= 0:
        if a.changed_at >= 0 and a.changed_at < b.changed_at:
            return -1
        if b.changed_at >= 0 and a.changed_at > b.changed_at:
            return 1
        return 0
    if not _has_magic(a) or not _has_magic(b):
        return 0
    if a.transition_uuid != b.transition_uuid or a.transition == b.transition:
        if b.call_id == -1:
            return -1
        return 1 if a.call_id == -1 else 0
    if (a.transition >= 0 and a.transition < b.transition) or b.transition == -1:
        return -1
    if (b.transition >= 0 and a.transition > b.transition) or a.transition == -1:
        return 1
    return 0


def _has_magic(entry: HistoryEntry) -> bool:
    magic = entry.attrs.get("transition-magic", "")
    _, separator, key = magic.partition(";")
    return bool(separator) and parse_transition_key(key) is not None


def start_indexes(entries: list[HistoryEntry]) -> tuple[int, int]:
    """(start index, stop index) in a sorted history, -1 when absent (12.14)."""
    start = stop = implied_monitor = implied_clone = -1
    for i, entry in enumerate(entries):
        if entry.task == "stop" and entry.status == 0:
            stop = i
        elif entry.task in ("start", "migrate_from"):
            start = i
        elif implied_monitor <= stop and entry.task == "monitor":
            if entry.rc in (0, 8):
                implied_monitor = i
        elif entry.task in ("promote", "demote"):
            implied_clone = i
    if start == -1:
        start = implied_clone if implied_clone != -1 else implied_monitor
    return start, stop
