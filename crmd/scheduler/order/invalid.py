"""Relations that would make the graph wait for itself.

Source: scheduler-2-actions.md section 12.11.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.graph import included, is_input
from crmd.scheduler.order.flags import GUESTOK, SAMENODE_TGT


def drop_invalid_relations(plan: Plan) -> None:
    """Take the force of relations that cannot be meant, newest action first."""
    for action in reversed(plan.actions):
        for entry in action.befores[::-1]:
            first = entry.action
            if not entry.flags & GUESTOK and _is_own_container(first, action):
                entry.flags = 0
                plan.warnings.append(
                    f"order {first.key} then {action.key}: {first.key} runs inside what "
                    f"{action.key} manages; ignored"
                )
            elif entry.flags == SAMENODE_TGT and action.task == "migrate_to":
                if _leads_back(action, first):
                    entry.flags = 0


def _is_own_container(first: Action, then: Action) -> bool:
    if first.rsc is None or then.rsc is None or first.node is None:
        return False
    conn = first.node.conn
    return first.node.is_guest and conn is not None and conn.launcher is then.rsc


def _leads_back(target: Action, start: Action) -> bool:
    """Whether the inputs of `start`, followed backwards, reach `target`."""
    seen: set[int] = set()
    stack = [start]
    while stack:
        action = stack.pop()
        if action.id in seen:
            continue
        seen.add(action.id)
        if not included(action):
            continue
        for entry in action.befores:
            if entry.action.id in seen and entry.action is not target:
                continue
            if is_input(action, entry):
                if entry.action is target:
                    return True
                stack.append(entry.action)
    return False
