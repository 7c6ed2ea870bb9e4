"""Abstract orderings, and turning them into relations between actions.

Source: scheduler-2-actions.md sections 4 and 12.1.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Ordering, Plan, relate
from crmd.scheduler.act.create import action as make
from crmd.scheduler.act.names import op_key, parse_key
from crmd.scheduler.model import Resource, Role, Variant
from crmd.scheduler.order.flags import ABORT, F2T, IF_UNMIG, ORD


def order(
    plan: Plan,
    first_rsc: Resource | None,
    first_task: str,
    then_rsc: Resource | None,
    then_task: str,
    flags: int,
) -> None:
    """K(first_rsc, first_task) before K(then_rsc, then_task)."""
    assert first_rsc is not None and then_rsc is not None
    order_keys(
        plan,
        first_rsc,
        op_key(first_rsc.id, first_task),
        then_rsc,
        op_key(then_rsc.id, then_task),
        flags,
    )


def order_keys(
    plan: Plan,
    first_rsc: Resource,
    first_key: str,
    then_rsc: Resource,
    then_key: str,
    flags: int,
) -> None:
    """An ordering between whatever actions of the two resources have these keys."""
    _record(plan, Ordering(first_rsc, first_key, None, then_rsc, then_key, None, flags))


def order_actions(plan: Plan, first: Action, then: Action, flags: int) -> None:
    """An ordering between two actions."""
    _record(plan, Ordering(first.rsc, first.key, first, then.rsc, then.key, then, flags))


def order_action_key(
    plan: Plan, first: Action, then_rsc: Resource, then_key: str, flags: int
) -> None:
    """An ordering from an action to a key of a resource."""
    _record(plan, Ordering(first.rsc, first.key, first, then_rsc, then_key, None, flags))


def order_key_action(
    plan: Plan, first_rsc: Resource, first_key: str, then: Action, flags: int
) -> None:
    """An ordering from a key of a resource to an action."""
    _record(plan, Ordering(first_rsc, first_key, None, then.rsc, then.key, then, flags))


def _record(plan: Plan, ordering: Ordering) -> None:
    plan.orderings.append(ordering)
    a, b = ordering.first_rsc, ordering.then_rsc
    if a is None or b is None or a is b:
        return
    if not (a.migratable or b.migratable):
        return
    if is_ancestor(a, b) or is_ancestor(b, a):
        return
    _migration_equivalents(plan, ordering, a, b)


def is_ancestor(candidate: Resource, rsc: Resource) -> bool:
    """Whether `candidate` is somewhere above `rsc`."""
    parent = rsc.parent
    while parent is not None:
        if parent is candidate:
            return True
        parent = parent.parent
    return False


def _task(act: Action | None, key: str | None) -> str | None:
    if act is not None:
        return act.task
    parsed = parse_key(key or "")
    return parsed[1] if parsed is not None else None


def _migration_equivalents(plan: Plan, ordering: Ordering, a: Resource, b: Resource) -> None:
    """Orderings that hold when the resources migrate instead (4.1)."""
    first = _task(ordering.first, ordering.first_key)
    then = _task(ordering.then, ordering.then_key)
    flags = ORD | (IF_UNMIG if a.migratable else 0)
    if (first, then) == ("start", "start"):
        if a.migratable and b.migratable:
            order(plan, a, "migrate_from", b, "migrate_to", ORD)
        if b.migratable:
            order(plan, a, "start", b, "migrate_to", flags)
    elif (first, then) == ("stop", "stop") and b.migratable:
        order(plan, a, "stop", b, "migrate_to", flags)
        if b.partial_tgt is not None:
            order(plan, a, "stop", b, "migrate_from", flags)
    elif (first, then) == ("promote", "start") and b.migratable:
        order(plan, a, "promote", b, "migrate_to", ORD)
    elif (first, then) == ("demote", "stop") and b.migratable:
        order(plan, a, "demote", b, "migrate_to", ORD)
        if b.partial_tgt is not None:
            order(plan, a, "demote", b, "migrate_from", ORD)


# ---- 12.1 -------------------------------------------------------------------------------------


def current_role(rsc: Resource) -> Role:
    """Highest current role of the resource's parts."""
    if rsc.variant is Variant.PRIMITIVE:
        return rsc.orig_role
    best = Role.UNKNOWN
    for child in rsc.children:
        role = current_role(child)
        if role > best:
            best = role
    return best


def resolve(plan: Plan) -> None:
    """Turn every abstract ordering into relations, oldest first (12.1)."""
    for ordering in plan.orderings:
        if ordering.first_rsc is not None:
            _resolve_first(plan, ordering, ordering.first_rsc)
        elif ordering.then_rsc is not None:
            if ordering.first is not None:
                _resolve_then(plan, ordering, ordering.then_rsc, ordering.first)
        else:
            relate(ordering.first, ordering.then, ordering.flags)


def _lookup(plan: Plan, rsc: Resource, key: str) -> list[Action]:
    found = plan.find(rsc, key, None)
    if found:
        return found
    parsed = parse_key(key)
    if parsed is None:
        return []
    return plan.find(rsc, op_key(rsc.id, parsed[1], parsed[2]), None)


def _resolve_first(plan: Plan, ordering: Ordering, a: Resource) -> None:
    firsts: list[Action]
    if ordering.first is not None:
        firsts = [ordering.first]
    else:
        assert ordering.first_key is not None
        firsts = _lookup(plan, a, ordering.first_key)
        if not firsts:
            made = _make_missing(plan, ordering, a)
            if made is None:
                return
            firsts = [made]
    b = (
        ordering.then_rsc
        if ordering.then_rsc is not None
        else (ordering.then.rsc if ordering.then is not None else None)
    )
    for first in firsts:
        if b is None:
            relate(first, ordering.then, ordering.flags)
        else:
            _resolve_then(plan, ordering, b, first)


def _make_missing(plan: Plan, ordering: Ordering, a: Resource) -> Action | None:
    if ordering.then_rsc is a:
        return None
    parsed = parse_key(ordering.first_key or "")
    if parsed is None:
        return None
    _, task, interval = parsed
    if task == "stop" and current_role(a) is Role.STOPPED:
        return None
    if task == "demote" and current_role(a) is Role.UNPROMOTED:
        return None
    return make(plan, a, op_key(a.id, task, interval), task, None, optional=True)


def _resolve_then(plan: Plan, ordering: Ordering, b: Resource, first: Action) -> None:
    flags = ordering.flags
    if ordering.then is not None:
        thens = [ordering.then]
    else:
        assert ordering.then_key is not None
        thens = _lookup(plan, b, ordering.then_key)
    if first.rsc is b and first.flags & ABORT:
        flags &= ~F2T
    for then in thens:
        relate(first, then, flags)
