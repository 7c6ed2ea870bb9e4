"""Carry out what part 1 asked for, in the order in which it asked.

Source: scheduler-2-actions.md sections 3.6, 5 and 8; the requests are
`crmd.scheduler.requests`.
"""

from __future__ import annotations

from typing import assert_never

from crmd.scheduler.act.action import Plan, relate
from crmd.scheduler.act.assignment import left_without_node
from crmd.scheduler.act.create import op
from crmd.scheduler.act.failcounts import clear_failcount
from crmd.scheduler.act.fencing import fence_op
from crmd.scheduler.order.constraints import order_colocation, unpack_order
from crmd.scheduler.order.flags import F2T, OPTIONAL, RUNNABLE
from crmd.scheduler.requests import (
    ActionRequest,
    ClearFailCount,
    ColocationMade,
    DeferredFailureCheck,
    FenceRequest,
    LeftWithoutNode,
    OrderElement,
    Request,
    RescheduleRecurring,
    StopsBecomeOptional,
    TicketMade,
)


def replay(plan: Plan, start: int = 0) -> int:
    """Carry out the requests from number `start` on; the number of requests now done."""
    requests = plan.cluster.requests
    done = start
    while done < len(requests):
        _carry_out(plan, requests[done])
        done += 1
    return done


def _carry_out(plan: Plan, request: Request) -> None:
    match request:
        case ActionRequest():
            _make_action(plan, request)
        case ClearFailCount():
            act = clear_failcount(plan, request.resource, request.node)
            act.note(request.reason)
            if request.fence_first is not None:
                fence = fence_op(plan, request.fence_first, None, optional=True, reason=None)
                relate(fence, act, F2T)
        case FenceRequest():
            fence_op(
                plan,
                request.node,
                None,
                optional=True,
                reason=request.reason,
                priority_delay=request.priority_delay,
            )
        case StopsBecomeOptional():
            rsc = request.resource
            if rsc.index in plan.ops:
                for act in plan.find(rsc, plan.key(rsc, "stop"), request.node):
                    act.flags |= OPTIONAL
        case RescheduleRecurring():
            plan.expired.add(id(request.entry))
        case DeferredFailureCheck():
            plan.deferred_failures.append((request.resource, request.node, request.entry))
        case OrderElement():
            before = len(plan.orderings)
            unpack_order(plan, request.element)
            plan.user_orderings += plan.orderings[before:]
        case ColocationMade():
            order_colocation(plan, request.colocation)
        case TicketMade():
            pass
        case LeftWithoutNode():
            left_without_node(plan, request.resource)
        case _:
            assert_never(request)


def _make_action(plan: Plan, request: ActionRequest) -> None:
    """The state of resource and node may have changed since; the request knows how it was."""
    rsc, node = request.resource, request.node
    state = (rsc.managed, node.online, node.unclean, node.pending, node.remote_reset)
    rsc.managed = request.managed
    try:
        act = op(
            plan,
            rsc,
            request.task,
            node,
            optional=request.optional,
            interval=request.interval_ms,
        )
    finally:
        rsc.managed = state[0]
    if request.runnable:
        act.flags |= RUNNABLE
    else:
        act.flags &= ~RUNNABLE
