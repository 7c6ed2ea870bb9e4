"""Recurring operations of a resource, cancellations included.

Source: scheduler-2-actions.md sections 7.3 and 10.4.
"""

from __future__ import annotations

from cib.lexical import parse_role
from crmd.scheduler.act.action import Action, Plan, relate
from crmd.scheduler.act.create import action as make
from crmd.scheduler.act.create import op
from crmd.scheduler.act.names import op_key
from crmd.scheduler.model import Node, OperationConfig, Resource, Role, Variant
from crmd.scheduler.order.flags import (
    BLOCK,
    F2T,
    OPTIONAL,
    ORD,
    RESCHEDULE,
    RUNNABLE,
)
from crmd.scheduler.order.relations import (
    order_action_key,
    order_actions,
    order_key_action,
)

_NOT_RECURRING = frozenset(
    {"start", "stop", "promote", "demote", "reload-agent", "migrate_to", "migrate_from"}
)


def cancel(plan: Plan, rsc: Resource, name: str, interval: int, node: Node) -> Action:
    """The cancellation of a recurring operation; an action seen in history is converted."""
    act = make(plan, rsc, op_key(rsc.id, name, interval), "cancel", node, optional=False)
    act.task = "cancel"
    act.cancel_task = name
    act.meta["operation"] = name
    act.meta["interval"] = str(interval)
    return act


def usable_operations(rsc: Resource) -> list[OperationConfig]:
    """The recurring `<op>`s that can be used: unique, enabled, of a task that may recur."""
    count: dict[tuple[str, int], int] = {}
    for config in rsc.operations:
        key = (config.name, config.interval_ms)
        count[key] = count.get(key, 0) + 1
    out = []
    for config in rsc.operations:
        if config.interval_ms <= 0 or not config.attrs.get("id"):
            continue
        if config.name in _NOT_RECURRING or count[config.name, config.interval_ms] > 1:
            continue
        role = config.attrs.get("role")
        if role is not None and parse_role(role) is None:
            continue
        if config.enabled:
            out.append(config)
    return out


def schedule_recurring(plan: Plan, rsc: Resource) -> None:
    """Recurring operations of a primitive, for the role it will have and for "stopped"."""
    if rsc.blocked or rsc.maintenance:
        return
    start: Action | None = None
    node = rsc.assigned
    if (
        node is not None
        and not node.maintenance
        and (rsc.next_role is not Role.STOPPED or not rsc.managed)
    ):
        start = op(plan, rsc, "start", node, optional=True)
    for config in usable_operations(rsc):
        if config.role is Role.STOPPED:
            _while_stopped(plan, rsc, config)
        elif start is not None:
            assert node is not None
            _while_active(plan, rsc, config, start, node)


def _while_active(
    plan: Plan, rsc: Resource, config: OperationConfig, start: Action, node: Node
) -> None:
    role = config.role
    if role is Role.UNKNOWN:
        matches = rsc.next_role is not Role.PROMOTED
    else:
        matches = rsc.next_role is role
    key = op_key(rsc.id, config.name, config.interval_ms)
    optional = False
    if start.flags & OPTIONAL:
        known = plan.find_exact(rsc, key, node)
        optional = bool(known) and not any(a.flags & RESCHEDULE for a in known)
    if not matches:
        if optional:
            _cancel_for_role(plan, rsc, config, node)
        return
    act = make(plan, rsc, key, config.name, node, optional=optional)
    if not start.flags & RUNNABLE or not node.online or node.unclean:
        act.flags &= ~RUNNABLE
    if rsc.next_role is Role.PROMOTED:
        act.meta["op_target_rc"] = "8"
    if not rsc.managed:
        return
    order_key_action(plan, rsc, op_key(rsc.id, "start"), act, F2T | BLOCK)
    order_key_action(plan, rsc, op_key(rsc.id, "reload-agent"), act, F2T | BLOCK)
    if rsc.next_role is Role.PROMOTED:
        order_key_action(plan, rsc, op_key(rsc.id, "promote"), act, ORD | BLOCK)
    elif rsc.orig_role is Role.PROMOTED:
        order_key_action(plan, rsc, op_key(rsc.id, "demote"), act, ORD | BLOCK)


def _cancel_for_role(plan: Plan, rsc: Resource, config: OperationConfig, node: Node) -> None:
    act = cancel(plan, rsc, config.name, config.interval_ms, node)
    after: str | None = None
    if rsc.orig_role in (Role.STARTED, Role.UNPROMOTED):
        if rsc.next_role is Role.PROMOTED:
            after = "promote"
        elif rsc.next_role is Role.STOPPED:
            after = "stop"
    elif rsc.orig_role is Role.PROMOTED:
        after = "demote"
    if after is not None:
        order_action_key(plan, act, rsc, op_key(rsc.id, after), BLOCK)


def _while_stopped(plan: Plan, rsc: Resource, config: OperationConfig) -> None:
    top = rsc.top
    if top.variant is Variant.CLONE and not rsc.unique:
        return
    key = op_key(rsc.id, config.name, config.interval_ms)
    for node in plan.cluster.nodes:
        known = plan.find_exact(rsc, key, node)
        if node is rsc.assigned:
            if known:
                act = cancel(plan, rsc, config.name, config.interval_ms, node)
                if rsc.next_role in (Role.STARTED, Role.UNPROMOTED):
                    order_action_key(plan, act, rsc, op_key(rsc.id, "start"), BLOCK)
            continue
        act = make(plan, rsc, key, config.name, node, optional=bool(known))
        act.meta["op_target_rc"] = "7"
        if rsc.managed:
            for probe in plan.find(rsc, op_key(rsc.id, "monitor"), node):
                relate(probe, act, BLOCK)
        _order_after_stops(plan, rsc, act, node)
        if not node.online or node.unclean:
            act.flags &= ~RUNNABLE


def _order_after_stops(plan: Plan, rsc: Resource, act: Action, node: Node) -> None:
    for stop in plan.find_exact(rsc, op_key(rsc.id, "stop"), node):
        if not stop.flags & OPTIONAL and not act.flags & OPTIONAL and not rsc.managed:
            act.flags |= OPTIONAL
        if not stop.flags & RUNNABLE:
            act.flags &= ~RUNNABLE
        if rsc.managed:
            order_actions(plan, stop, act, F2T | BLOCK)
