"""Fail counts of resources on nodes, and whether a failure has expired.

Facts: scheduler-1-assignment.md section 14.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cib import durations, scores
from cib.lexical import base_name, parse_integer
from crmd.scheduler.model import Cluster, HistoryEntry, Node, Resource
from crmd.scheduler.requests import ClearFailCount, DeferredFailureCheck
from crmd.scheduler.unpack import digests
from crmd.scheduler.unpack.operations import connection_node

_FAIL, _LAST = "fail-count-", "last-failure-"


@lru_cache(maxsize=4096)
def _pattern(name: str, numbered: bool) -> re.Pattern[str]:
    tail = "(:[0-9]+)?#.+_[0-9]+$" if numbered else "#.+_[0-9]+$"
    try:
        return re.compile(f"^(?:{name}){tail}")
    except re.error:
        return re.compile(f"^{re.escape(name)}{tail}")


def _failure_attributes(node: Node) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The node's fail-count and last-failure attributes without their prefixes; cached."""
    cached = node.failure_attributes
    if cached is None:
        counts, times = [], []
        for name, value in node.attrs.items():
            if name.startswith(_FAIL):
                counts.append((name[len(_FAIL) :], value))
            elif name.startswith(_LAST):
                times.append((name[len(_LAST) :], value))
        cached = node.failure_attributes = (counts, times)
    return cached


def _plain(cluster: Cluster, rsc: Resource, node: Node) -> tuple[int, int]:
    """Sum of all matching fail counts, and the latest failure time (14.2)."""
    counts, times = _failure_attributes(node)
    if not counts and not times:
        return 0, 0
    name = rsc.history_id or rsc.id
    pattern = _pattern(name if rsc.unique else base_name(name), not rsc.unique)
    total, last = 0, 0
    for text, value in counts:
        if pattern.match(text):
            score = scores.parse_or_none(value, cluster.attributes.health)
            if score is not None:
                total = scores.add(total, score)
    for text, value in times:
        if pattern.match(text):
            last = max(last, parse_integer(value, 0))
    return total, last


def fail_count(
    cluster: Cluster,
    rsc: Resource,
    node: Node,
    *,
    effective: bool = True,
    with_launched: bool = False,
    entry: HistoryEntry | None = None,
) -> tuple[int, int]:
    """(fail count, last failure in seconds since the epoch or 0) of a resource on a node (14.5).

    `effective`: an expired count is 0.  `entry`: the history entry under consideration (14.4).
    """
    count, last = _plain(cluster, rsc, node)
    if count > 0 and rsc.failure_timeout_ms and _is_blocking(cluster, rsc, node, entry):
        rsc.failure_timeout_ms = 0
    if effective and last > 0 and rsc.failure_timeout_ms:
        if int(cluster.now) > last + durations.seconds_of(rsc.failure_timeout_ms):
            count = 0
    if with_launched and rsc.bundle is None:
        for other in rsc.launched:
            more, more_last = fail_count(cluster, other, node, effective=effective)
            if more > 0:
                count = scores.add(count, more)
                last = max(last, more_last)
    return count, last if count > 0 else 0


def _is_blocking(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry | None) -> bool:
    """Whether an `<op on-fail="block">` has failed there (14.4)."""
    blocking = [op for op in rsc.operations if op.attrs.get("on-fail", "").lower() == "block"]
    if not blocking:
        return False
    base = base_name(rsc.id)
    if entry is not None:
        candidates = [entry]
    else:
        candidates = [
            e
            for history in cluster.histories.get(node.index, ())
            if base_name(history.id) == base
            for e in history.entries
        ]
    for op in blocking:
        for e in candidates:
            if e.task != op.name or e.interval_ms != op.interval_ms:
                continue
            if e.id == f"{base}_last_failure_0":
                return True
            if e.id == f"{base}_{e.task}_{e.interval_ms}" and e.rc != e.target_rc:
                return True
    return False


def clear_failcount(cluster: Cluster, rsc: Resource, node: Node, reason: str) -> None:
    """Ask for the fail count to be cleared; exempts from the threshold on the node (14.6.5)."""
    fence_first = None
    if cluster.options.fencing_enabled and rsc.remote_reconnect_ms:
        fence_first = connection_node(cluster, rsc)
    cluster.cleared_failcounts.add((rsc.index, node.index))
    cluster.requests.append(ClearFailCount(2, rsc, node, reason, fence_first))


def is_expired(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> bool:
    """Whether a history entry no longer counts; may ask for the fail count to be cleared (14.6)."""
    if entry.status == 7:
        return False
    last_failure_entry = entry.id.endswith("_last_failure_0")
    expired, clear_reason = False, None
    unexpired = 0
    now = int(cluster.now)
    if rsc.failure_timeout_ms > 0 and entry.changed_at >= 0:
        timeout = durations.seconds_of(rsc.failure_timeout_ms)
        expired = now >= entry.changed_at + timeout and not _awaits_fencing(cluster, rsc, entry)
        unexpired, last = fail_count(cluster, rsc, node, entry=entry)
        timeout = durations.seconds_of(rsc.failure_timeout_ms)
        if unexpired > 0 and now < last + timeout + 1:
            cluster.recheck(last + timeout + 1)
    if expired:
        plain, _ = fail_count(cluster, rsc, node, effective=False, entry=entry)
        if plain > 0:
            if unexpired == 0:
                clear_reason = "it expired"
            else:
                expired = False
        elif last_failure_entry and rsc.remote_reconnect_ms:
            clear_reason = "reconnect interval is set"
    if not expired and last_failure_entry and _parameters_changed(cluster, rsc, node, entry):
        clear_reason = "resource parameters have changed"
    if clear_reason is not None:
        clear_failcount(cluster, rsc, node, clear_reason)
    if expired and entry.is_probe and entry.rc in (0, 7, 8, 190, 191):
        return False
    return expired


def _awaits_fencing(cluster: Cluster, rsc: Resource, entry: HistoryEntry) -> bool:
    """A failed recurring monitor of a reconnecting connection, before its node was fenced."""
    if not (rsc.remote_reconnect_ms and cluster.options.fencing_enabled):
        return False
    if entry.task != "monitor" or entry.interval_ms == 0:
        return False
    node = connection_node(cluster, rsc)
    return node is not None and not node.remote_fenced


def _parameters_changed(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> bool:
    if entry.task not in ("start", "monitor"):
        return False
    if digests.address_is_replaced(cluster, rsc):
        cluster.requests.append(DeferredFailureCheck(2, rsc, node, entry))
        return False
    result = digests.compare(cluster, rsc, node, entry)
    return result in (digests.Comparison.RESTART, digests.Comparison.MISMATCH)
