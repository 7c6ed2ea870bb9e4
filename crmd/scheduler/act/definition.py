"""The configured side of an action: its meta table, its own attributes, what it needs.

Source: scheduler-2-actions.md section 3.4.
"""

from __future__ import annotations

from cib import durations, scores
from cib.dates import DateError, parse_date
from crmd.scheduler.act.action import Action, Needs, Plan
from crmd.scheduler.act.names import parse_key
from crmd.scheduler.unpack.operations import MAX_MS, find_operation, operation_meta


def interval_of(act: Action) -> int:
    """Interval in milliseconds, from the key."""
    tail = act.key.rpartition("_")[2]
    return scores.integer(tail) if scores.is_number(tail) else 0


def define(plan: Plan, act: Action) -> None:
    """Meta table and needs of a new action of a resource."""
    rsc = act.rsc
    assert rsc is not None
    interval = interval_of(act)
    parsed = parse_key(act.key)
    task = act.task if act.task != "cancel" or parsed is None else parsed[1]
    if "_notify_" in act.key:
        task = "notify"
    act.meta = dict(operation_meta(plan.cluster, rsc, task, interval))
    _normalize_start_delay(plan, act, interval)
    if act.task in ("start", "promote"):
        if rsc.needs_fencing or rsc.needs_unfencing:
            act.needs = Needs.FENCING
        elif rsc.needs_quorum:
            act.needs = Needs.QUORUM


def _normalize_start_delay(plan: Plan, act: Action, interval: int) -> None:
    """`start-delay` in milliseconds, or what `interval-origin` makes of it (3.4.7)."""
    delay = act.meta.get("start-delay")
    if delay is not None:
        act.meta["start-delay"] = str(min(durations.interval_ms(delay), MAX_MS))
        return
    origin = act.meta.get("interval-origin")
    if origin is None or interval < 1000:
        return
    now = plan.cluster.attributes.now
    try:
        passed = int(plan.cluster.now) - parse_date(origin, now).epoch_s
    except DateError:
        plan.warnings.append(
            f"operation {act.key}: interval-origin '{origin}' is not a date; ignored"
        )
        return
    every = interval // 1000
    rest = passed % every if passed >= 0 else -(-passed % every)
    act.meta["start-delay"] = str(((0 if rest <= 0 else every) - rest) * 1000)


def evaluate_extra(plan: Plan, act: Action) -> None:
    """Instance attributes of the `<op>`, for the action's node."""
    rsc, node = act.rsc, act.node
    assert rsc is not None and node is not None
    config = find_operation(rsc, act.task, interval_of(act))
    if config is None:
        return
    attributes = plan.cluster.attributes
    if not attributes.blocks(config.element, "instance_attributes"):
        return
    given = attributes.given(node_attributes=node.attrs)
    attributes.merge(config.element, "instance_attributes", act.extra, given)
