"""The actions that take a primitive from where it is to where it shall be.

Source: scheduler-2-actions.md sections 10.1 - 10.3.
"""

from __future__ import annotations

from typing import Final

from crmd.scheduler.act.action import Plan, relate
from crmd.scheduler.act.create import op
from crmd.scheduler.act.fencing import fence_op
from crmd.scheduler.act.migration import create_migration, may_migrate
from crmd.scheduler.act.names import op_key
from crmd.scheduler.act.recurring import schedule_recurring
from crmd.scheduler.act.unfencing import order_unfencing
from crmd.scheduler.model import MultipleActive, Node, Resource, Role
from crmd.scheduler.order.flags import ABORT, ALWAYS, F2T, OPTIONAL, PSEUDO, RUNNABLE, T2F
from crmd.scheduler.unpack.activity import active_counts, current_node

_U, _S, _T, _N, _P = (
    Role.UNKNOWN,
    Role.STOPPED,
    Role.STARTED,
    Role.UNPROMOTED,
    Role.PROMOTED,
)

# Next single step from a role (row) towards another (column), 10.2.
_STEP: Final = (
    (_U, _S, _S, _S, _S),
    (_S, _S, _T, _N, _N),
    (_S, _S, _T, _N, _P),
    (_S, _S, _S, _N, _P),
    (_S, _N, _N, _N, _P),
)


def _action_of(start: Role, end: Role) -> str | None:
    """Which procedure makes one step; None ends the walk."""
    if start is end:
        return None
    if start is Role.PROMOTED:
        return "demote"
    if end is Role.PROMOTED:
        return "promote"
    if start is Role.STOPPED:
        return "start"
    if start is Role.STARTED and end is Role.UNPROMOTED:
        return None
    return "stop"


def create_primitive_actions(plan: Plan, rsc: Resource) -> None:
    """Phase 12 for one primitive."""
    current = current_node(rsc)
    target = rsc.assigned
    if rsc.next_role is Role.UNKNOWN:
        rsc.next_role = Role.STOPPED if target is None else Role.STARTED
    for node in rsc.dangling:
        stop = op(plan, rsc, "stop", node, optional=False)
        stop.flags |= ABORT
    moving = (
        current is not None
        and target is not None
        and current is not target
        and rsc.next_role >= Role.STARTED
    )
    need_stop = moving
    migrate = moving and may_migrate(rsc, current)
    multiple, stop_for_partial, migrate = _multiply_active(rsc, current, target, migrate)
    need_stop = need_stop or stop_for_partial
    if multiple:
        if rsc.multiple_active is MultipleActive.STOP_START:
            need_stop = True
        elif rsc.multiple_active is MultipleActive.STOP_UNEXPECTED:
            need_stop = True
            rsc.stop_unexpected = True
    else:
        rsc.stop_unexpected = False
    if rsc.start_pending:
        op(plan, rsc, "start", target, optional=True).flags |= ALWAYS
    need_promote = False
    if not moving:
        if rsc.failed:
            if rsc.stop_if_failed:
                need_stop = True
            elif rsc.next_role is Role.PROMOTED:
                need_promote = True
        elif rsc.blocked:
            need_stop = True
        elif rsc.orig_role > Role.STARTED and current is not None and target is not None:
            start = op(plan, rsc, "start", target, optional=True)
            if not start.flags & OPTIONAL:
                need_stop = True
    why = _why_stop(rsc, current, moving, multiple) if need_stop else ""
    _restart(plan, rsc, current, need_stop, need_promote)
    if why:
        for act in plan.newest_first(rsc):
            if act.task == "stop" and not act.flags & OPTIONAL:
                act.note(why)
    _change_role(plan, rsc)
    schedule_recurring(plan, rsc)
    if migrate:
        assert current is not None
        create_migration(plan, rsc, current)


def _why_stop(rsc: Resource, current: Node | None, moving: bool, multiple: bool) -> str:
    """Why the resource must stop, for people."""
    if multiple:
        return "active on " + " and ".join(node.name for node in rsc.active_on)
    if moving and current is not None and rsc.assigned is not None:
        return f"moves from {current.name} to {rsc.assigned.name}"
    if rsc.failed:
        return "failed and is recovered"
    return "blocked" if rsc.blocked else "restarts"


def _multiply_active(
    rsc: Resource, current: Node | None, target: Node | None, migrate: bool
) -> tuple[bool, bool, bool]:
    """(multiply active, must stop, may still migrate) (10.1.4)."""
    n_all, n_clean = active_counts(rsc)
    source, goal = rsc.partial_src, rsc.partial_tgt
    if source is not None and goal is not None:
        if migrate and n_all == 2 and current is source and target is goal:
            return False, False, True
    if source is not None or goal is not None:
        rsc.partial_src = rsc.partial_tgt = None
        return False, True, False
    multiple = n_all > 1 if rsc.needs_fencing else n_clean > 1
    return multiple, False, migrate


def _restart(
    plan: Plan, rsc: Resource, current: Node | None, need_stop: bool, need_promote: bool
) -> None:
    """Walk down from the current role and up again, optional unless a stop is needed (10.1.8)."""
    rsc.restarting = True
    role = rsc.orig_role
    while role is not Role.STOPPED:
        step = _STEP[role][Role.STOPPED]
        if not _take(plan, rsc, role, step, current, optional=not need_stop):
            break
        role = step
    while rsc.orig_role <= rsc.next_role and role is not rsc.orig_role and not rsc.blocked:
        step = _STEP[role][rsc.orig_role]
        required = need_stop or (need_promote and step is Role.PROMOTED)
        if not _take(plan, rsc, role, step, rsc.assigned, optional=not required):
            break
        role = step
    rsc.restarting = False


def _change_role(plan: Plan, rsc: Resource) -> None:
    role = rsc.orig_role
    while role is not rsc.next_role:
        step = _STEP[role][rsc.next_role]
        before = len(plan.actions)
        if not _take(plan, rsc, role, step, rsc.assigned, optional=False):
            break
        for act in plan.actions[before:]:
            if act.rsc is rsc:
                act.note(f"shall be {_WORDS[rsc.next_role]}")
        role = step


_WORDS: Final = {
    Role.UNKNOWN: "as it is",
    Role.STOPPED: "stopped",
    Role.STARTED: "started",
    Role.UNPROMOTED: "unpromoted",
    Role.PROMOTED: "promoted",
}


def _take(
    plan: Plan, rsc: Resource, role: Role, step: Role, node: Node | None, *, optional: bool
) -> bool:
    match _action_of(role, step):
        case "stop":
            _stop(plan, rsc, node, optional)
        case "start":
            _start(plan, rsc, node, optional)
        case "promote":
            _promote(plan, rsc, node, optional)
        case "demote":
            _demote(plan, rsc, optional)
        case _:
            return False
    return True


def _is_expected(rsc: Resource, node: Node | None) -> bool:
    """The node on which a multiply active resource may stay."""
    return (
        rsc.stop_unexpected
        and rsc.restarting
        and rsc.next_role > Role.STOPPED
        and node is not None
        and node is rsc.assigned
    )


def _stop(plan: Plan, rsc: Resource, node: Node | None, optional: bool) -> None:
    for active in rsc.active_on[:]:
        if _is_expected(rsc, active):
            continue
        if rsc.partial_tgt is not None:
            if rsc.partial_tgt is active and rsc.assigned is active:
                continue
            optional = False
        stop = op(plan, rsc, "stop", active, optional=optional)
        if rsc.assigned is None:
            stop.reason = "node availability"
        elif rsc.restarting and rsc.stop_unexpected:
            stop.reason = "being multiply active"
        if not rsc.managed:
            stop.flags &= ~RUNNABLE
        if rsc.needs_unfencing:
            unfence = fence_op(plan, active, "on", optional=True, reason=None)
            relate(stop, unfence, T2F)


def _start(plan: Plan, rsc: Resource, node: Node | None, optional: bool) -> None:
    start = op(plan, rsc, "start", rsc.assigned, optional=True)
    if rsc.assigned is not None:
        order_unfencing(plan, rsc, rsc.assigned, start, F2T)
    if start.flags & RUNNABLE and not optional:
        start.flags &= ~OPTIONAL
    if _is_expected(rsc, rsc.assigned):
        start.flags |= PSEUDO


def _promote(plan: Plan, rsc: Resource, node: Node | None, optional: bool) -> None:
    target = rsc.assigned
    starts = plan.find_exact(rsc, op_key(rsc.id, "start"), target)
    if all(act.flags & RUNNABLE for act in starts):
        promote = op(plan, rsc, "promote", target, optional=optional)
        if _is_expected(rsc, target):
            promote.flags |= PSEUDO
        return
    for act in plan.find_exact(rsc, op_key(rsc.id, "promote"), target):
        act.flags &= ~RUNNABLE


def _demote(plan: Plan, rsc: Resource, optional: bool) -> None:
    for active in rsc.active_on[:]:
        if not _is_expected(rsc, active):
            op(plan, rsc, "demote", active, optional=optional)
