"""Configuration that changed since it was applied: restarts, reloads, cancelled monitors.

Source: scheduler-2-actions.md section 7.
"""

from __future__ import annotations

from dataclasses import replace

from cib.durations import readable
from crmd.scheduler.act.action import Plan
from crmd.scheduler.act.create import op
from crmd.scheduler.act.failcounts import clear_failcount
from crmd.scheduler.act.names import op_key
from crmd.scheduler.act.recurring import cancel
from crmd.scheduler.act.unfencing import trigger_unfencing
from crmd.scheduler.model import (
    HistoryEntry,
    Node,
    Resource,
    ResourceHistory,
    Variant,
)
from crmd.scheduler.order.flags import CANCELS, F2T, ORD, RESCHEDULE
from crmd.scheduler.order.relations import order, order_action_key, order_key_action
from crmd.scheduler.unpack.digests import Comparison, address_is_replaced, compare, digests
from crmd.scheduler.unpack.failcounts import fail_count
from crmd.scheduler.unpack.operations import find_operation

_AS_START = frozenset({"monitor", "migrate_from", "promote"})
_CHECKED = frozenset({"monitor", "start", "promote", "migrate_from"})


def check_configuration(plan: Plan) -> None:
    """Phase 7: compare what is configured with what was applied, node by node."""
    cluster = plan.cluster
    owners = _owners(cluster.resources)
    for node in cluster.nodes:
        if not (node.maintenance or node.usable):
            continue
        for history in cluster.histories.get(node.index, ()):
            if not history.entries:
                continue
            for rsc in reversed(owners.get(history.id, ())):
                if rsc.variant is Variant.PRIMITIVE:
                    _check_resource(plan, rsc, node, history)


def _owners(resources: list[Resource]) -> dict[str, list[Resource]]:
    """Id or history id -> the resources known by it, depth first."""
    found: dict[str, list[Resource]] = {}

    def visit(rsc: Resource) -> None:
        found.setdefault(rsc.id, []).append(rsc)
        if rsc.history_id is not None and rsc.history_id != rsc.id:
            found.setdefault(rsc.history_id, []).append(rsc)
        for child in rsc.children:
            visit(child)

    for rsc in resources:
        visit(rsc)
    return found


def active_part(entries: list[HistoryEntry]) -> tuple[int, int]:
    """(index of the last start, index of the last stop) of sorted entries; -1: none (3.6)."""
    stop = start = implied_monitor = implied_change = -1
    for i, entry in enumerate(entries):
        if entry.task == "stop" and entry.status == 0:
            stop = i
        elif entry.task in ("start", "migrate_from"):
            start = i
        elif implied_monitor <= stop and entry.task == "monitor":
            if entry.rc in (0, 8):
                implied_monitor = i
        elif entry.task in ("promote", "demote"):
            implied_change = i
    if start == -1:
        start = implied_change if implied_change != -1 else implied_monitor
    return start, stop


def _agent_changed(rsc: Resource, history: ResourceHistory) -> bool:
    attrs = history.attrs
    return (
        attrs.get("type") != (rsc.type or None)
        or attrs.get("class") != (rsc.klass or None)
        or attrs.get("provider") != rsc.provider
    )


def _check_resource(plan: Plan, rsc: Resource, node: Node, history: ResourceHistory) -> None:
    if rsc.removed:
        top = rsc.top
        if not (top.variant is Variant.CLONE and not top.unique):
            clean_up(plan, rsc, node, optional=False)
        return
    changed = _agent_changed(rsc, history)
    if node not in rsc.active_on:
        if changed:
            trigger_unfencing(plan, rsc, node, "Device definition changed")
            clean_up(plan, rsc, node, optional=False)
        return
    if changed:
        trigger_unfencing(plan, rsc, node, "Device definition changed")
        op(plan, rsc, "stop", node, optional=False)
        rsc.start_pending = True
        clean_up(plan, rsc, node, optional=False)
    entries = history.ordered or history.entries
    start, stop = active_part(entries)
    if start < stop:
        return
    for entry in entries[max(start, 0) :]:
        _check_entry(plan, rsc, node, entry)


def _check_entry(plan: Plan, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    recurring = entry.interval_ms > 0
    if recurring and (rsc.maintenance or node.maintenance):
        cancel_in_history(plan, rsc, node, entry)
    elif recurring or entry.task in _CHECKED:
        if address_is_replaced(plan.cluster, rsc):
            plan.deferred_checks.append((rsc, node, entry))
            return
        if check_definition(plan, rsc, node, entry):
            if fail_count(plan.cluster, rsc, node)[0] > 0:
                clear_failcount(plan, rsc, node)


def check_deferred(plan: Plan) -> None:
    """Phase 9: checks that had to wait for the assignment of containers."""
    for rsc, node, entry in plan.deferred_checks:
        if check_definition(plan, rsc, node, entry):
            if fail_count(plan.cluster, rsc, node)[0] > 0:
                clear_failcount(plan, rsc, node)
    for rsc, node, entry in plan.deferred_failures:
        result = compare(plan.cluster, rsc, node, entry)
        if result in (Comparison.RESTART, Comparison.MISMATCH):
            clear_failcount(plan, rsc, node)


def clean_up(plan: Plan, rsc: Resource, node: Node, *, optional: bool) -> None:
    """Forget the history of a resource on a node (7.2)."""
    if rsc.failed or node.unclean or not node.online:
        return
    op(plan, rsc, "delete", node, optional=optional)
    flags = F2T if optional else ORD
    order(plan, rsc, "stop", rsc, "delete", flags)
    order(plan, rsc, "delete", rsc, "start", flags)


def cancel_in_history(plan: Plan, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """Cancel a recurring operation found in history (7.3)."""
    act = cancel(plan, rsc, entry.task, entry.interval_ms, node)
    act.meta["call_id"] = entry.attrs.get("call-id", str(entry.call_id))
    order_key_action(plan, rsc, op_key(rsc.id, "stop"), act, ORD)


def check_definition(plan: Plan, rsc: Resource, node: Node, entry: HistoryEntry) -> bool:
    """Whether the operation is configured otherwise than it was run; act on it (7.5)."""
    cluster = plan.cluster
    interval = entry.interval_ms
    if interval > 0 and find_operation(rsc, entry.task, interval, False) is None:
        if cluster.options.cancel_removed:
            cancel_in_history(plan, rsc, node, entry)
        return True
    task = "start" if interval == 0 and entry.task in _AS_START else entry.task
    if id(entry) in plan.expired:
        entry = replace(entry, attrs={**entry.attrs, "op-restart-digest": "expired"})
    result = compare(cluster, rsc, node, entry, task)
    if (
        plan.sanitized
        and result is not Comparison.MATCH
        and entry.attrs.get("op-secure-digest") == digests(cluster, rsc, node, entry, task).secure
    ):
        plan.messages.append(
            f"Only 'private' parameters to {readable(interval)}-interval {task} for {rsc.id} "
            f"on {node.name} changed: {entry.attrs.get('transition-magic', '')}"
        )
        return False
    match result:
        case Comparison.MATCH:
            return False
        case Comparison.RESTART:
            _force_restart(plan, rsc, node, task, interval)
        case _:
            _redo(plan, rsc, node, entry, task)
    return True


def _force_restart(plan: Plan, rsc: Resource, node: Node, task: str, interval: int) -> None:
    trigger_unfencing(plan, rsc, node, "Device parameters changed")
    act = op(plan, rsc, task, None, optional=False, interval=interval)
    act.reason = "resource definition change"
    act.note("the definition changed since it was started")


def _redo(plan: Plan, rsc: Resource, node: Node, entry: HistoryEntry, task: str) -> None:
    if entry.interval_ms > 0:
        trigger_unfencing(plan, rsc, node, "Device parameters changed (reschedule)")
        act = op(plan, rsc, task, node, optional=True, interval=entry.interval_ms)
        act.flags |= RESCHEDULE
    elif "op-restart-digest" in entry.attrs:
        trigger_unfencing(plan, rsc, node, "Device parameters changed (reload)")
        reload(plan, rsc, node)
    else:
        _force_restart(plan, rsc, node, task, entry.interval_ms)


def reload(plan: Plan, rsc: Resource, node: Node) -> None:
    """Have the agent take over new parameters without a restart (7.6)."""
    if rsc.children:
        for child in rsc.children:
            reload(plan, child, node)
        return
    if not rsc.managed or rsc.failed:
        return
    if rsc.start_pending:
        op(plan, rsc, "stop", node, optional=False)
        return
    rsc.reload = True
    act = op(plan, rsc, "reload-agent", node, optional=False)
    if act.reason is None:
        act.reason = "resource definition change"
    order_action_key(plan, act, rsc, op_key(rsc.id, "stop"), ORD | CANCELS)
    order_action_key(plan, act, rsc, op_key(rsc.id, "demote"), ORD | CANCELS)
