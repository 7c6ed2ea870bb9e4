"""What a resource's whole history on a node leads to: roles, failures, fencing, activity.

Single operations are read in `results`.  Facts: scheduler-1-assignment.md 12.8, 12.14 - 12.19.
"""

from __future__ import annotations

from crmd.scheduler.model import (
    Cluster,
    HistoryEntry,
    Node,
    OnFail,
    Resource,
    ResourceHistory,
    Role,
)
from crmd.scheduler.requests import StopsBecomeOptional
from crmd.scheduler.unpack import results, tables
from crmd.scheduler.unpack.activity import add_active
from crmd.scheduler.unpack.entries import start_indexes
from crmd.scheduler.unpack.fencing import fence, request_action
from crmd.scheduler.unpack.operations import connection_node
from crmd.scheduler.unpack.resources import target_role


def read_resource(cluster: Cluster, rsc: Resource, node: Node, history: ResourceHistory) -> None:
    """Everything a resource's sorted history on a node says (12.8)."""
    saved = rsc.orig_role
    rsc.orig_role = Role.UNKNOWN
    reading = results.Reading(cluster, rsc, node, history)
    for entry in history.ordered:
        results.process_entry(reading, entry)
    _note_recurring(cluster, rsc, node, history.ordered)
    _process_state(reading)
    target = target_role(cluster, rsc)
    if target is not None and (rsc.next_role is Role.UNKNOWN or target < rsc.next_role):
        rsc.next_role = target
    if saved > rsc.orig_role:
        rsc.orig_role = saved


def _note_recurring(
    cluster: Cluster, rsc: Resource, node: Node, entries: list[HistoryEntry]
) -> None:
    """Recurring operations that run now: optional actions (12.14)."""
    if not node.online:
        return
    start, stop = start_indexes(entries)
    for i, entry in enumerate(entries):
        if (start < stop and i <= stop) or i < start:
            continue
        if entry.interval_ms > 0 and entry.status != results.PENDING:
            request_action(cluster, rsc, node, entry.task, entry.interval_ms, optional=True)


def _process_state(reading: results.Reading) -> None:
    """12.15 - 12.18: known state, fencing, failures, activity."""
    cluster, rsc, node = reading.cluster, reading.rsc, reading.node
    known_active = rsc.orig_role > Role.STOPPED
    if rsc.orig_role is not Role.UNKNOWN:
        at: Resource | None = rsc
        while at is not None:
            at.known_on[node.index] = node
            if at.unique:
                break
            at = at.parent
    if known_active and not node.online and not node.maintenance and rsc.managed:
        _fence_for_active(cluster, rsc, node)
    original = reading.fail
    fail = OnFail.IGNORE if node.unclean else original
    _apply_failure(reading, fail, known_active)
    if rsc.failed and rsc.is_remote_connection:
        own = connection_node(cluster, rsc)
        if own is not None and own.unclean:
            own.seen = True
    if known_active:
        add_active(cluster, rsc, node, failed=original is not OnFail.IGNORE)
        if fail in (OnFail.DEMOTE, OnFail.BLOCK):
            rsc.failed = True
        elif fail is not OnFail.IGNORE:
            rsc.failed = rsc.stop_if_failed = True
    elif rsc.history_id is not None and ":" in rsc.history_id:
        rsc.history_id = None
    else:
        cluster.requests.append(StopsBecomeOptional(2, rsc, node))
    if (
        rsc.orig_role is Role.STOPPED
        and rsc.active_on
        and rsc.partial_tgt is not None
        and node is rsc.partial_src
    ):
        rsc.orig_role = Role.STARTED


def _fence_for_active(cluster: Cluster, rsc: Resource, node: Node) -> None:
    """An offline node where the resource is thought to run (12.16)."""
    reason = f"{rsc.id} is thought to be active there"
    if node.is_guest:
        rsc.failed = rsc.stop_if_failed = True
        fence(cluster, node, reason)
    elif cluster.options.fencing_enabled:
        if node.is_remote and node.conn is not None and not node.conn.failed:
            node.seen = False
        fence(cluster, node, reason)


def _apply_failure(reading: results.Reading, fail: OnFail, known_active: bool) -> None:
    """The table of 12.17."""
    cluster, rsc, node = reading.cluster, reading.rsc, reading.node
    match fail:
        case OnFail.IGNORE:
            pass
        case OnFail.DEMOTE:
            rsc.failed = True
            request_action(cluster, rsc, node, "demote")
        case OnFail.RESTART:
            if known_active:
                rsc.failed = rsc.stop_if_failed = True
                request_action(cluster, rsc, node, "stop")
        case OnFail.RESET_REMOTE:
            _apply_reset(cluster, rsc, node, known_active)
        case OnFail.RESTART_CONTAINER:
            rsc.failed = rsc.stop_if_failed = True
            if rsc.launcher is not None and rsc.bundle is not None:
                cluster.containers_to_stop.append(rsc.launcher)
            elif rsc.launcher is not None:
                request_action(cluster, rsc.launcher, node, "stop")
            elif known_active:
                request_action(cluster, rsc, node, "stop")
        case OnFail.BAN:
            tables.ban(cluster, rsc, node, "on-fail=migrate")
        case OnFail.BLOCK:
            rsc.managed = False
            rsc.blocked = True
        case OnFail.STOP:
            rsc.next_role = Role.STOPPED
        case OnFail.STANDBY:
            node.standby = node.fail_standby = True
        case OnFail.FENCE:
            fence(cluster, node, f"{rsc.id} failed there")


def _apply_reset(cluster: Cluster, rsc: Resource, node: Node, known_active: bool) -> None:
    rsc.failed = rsc.stop_if_failed = True
    remote = connection_node(cluster, rsc)
    if (
        cluster.options.fencing_enabled
        and remote is not None
        and remote.is_remote
        and not remote.remote_fenced
    ):
        fence(cluster, remote, "remote connection is unrecoverable")
    if known_active:
        request_action(cluster, rsc, node, "stop")
    if rsc.remote_reconnect_ms:
        rsc.next_role = Role.STOPPED
