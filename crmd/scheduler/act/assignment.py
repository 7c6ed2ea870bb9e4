"""What losing its node does to the actions a resource already has.

Source: scheduler-2-actions.md section 8.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.parts import primitives
from crmd.scheduler.assign.placing import place
from crmd.scheduler.model import Resource
from crmd.scheduler.order.flags import OPTIONAL, RUNNABLE


def left_without_node(plan: Plan, rsc: Resource) -> None:
    """Assignment ended without a node: stop what exists, do not start it."""
    for act in plan.newest_first(rsc):
        if act.task == "stop":
            act.flags &= ~OPTIONAL
        elif act.task == "start" or _runs_while_active(act):
            act.flags &= ~RUNNABLE


def _runs_while_active(act: Action) -> bool:
    return "interval" in act.meta and act.meta.get("op_target_rc") != "7"


def unassign(plan: Plan, rsc: Resource) -> bool:
    """Take the node of a resource and of all its parts away for good; whether it had one."""
    changed = place(plan.cluster, rsc, None, forced=True, stop_if_fail=True)
    for part in primitives(rsc):
        left_without_node(plan, part)
    return changed
