"""Why each action is there, or cannot be done: chains of causes, for people.

Relations note who changed whom while they propagate; here the notes become sentences.
Source: scheduler-2-actions.md sections 12.7 and 18.4 (words); the chains are ours.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Cause, Plan
from crmd.scheduler.order.flags import RUNNABLE

LONGEST = 8
"""Links of a chain that are told; in a chain of thousands the first ones matter."""


def causes_of_actions(plan: Plan) -> dict[str, tuple[str, ...]]:
    """`<operation key>[ on <node>]` -> causes, nearest first, for all actions that have any."""
    out: dict[str, tuple[str, ...]] = {}
    for action in plan.actions:
        chain = _chain(action)
        if chain:
            out[_name(action)] = chain
    return out


def _name(action: Action) -> str:
    return action.key if action.node is None else f"{action.key} on {action.node.name}"


def _chain(action: Action) -> tuple[str, ...]:
    links: list[str] = []
    if action.reason is not None and (
        not action.causes or not (action.flags & RUNNABLE or _unrunnable(action))
    ):
        links.append(action.reason)
    seen: set[int] = set()
    at: Action | None = action
    while at is not None and at.id not in seen and len(links) < LONGEST:
        seen.add(at.id)
        cause = _decisive(at)
        if cause is None:
            break
        at = cause.because
        links.append(cause.text if at is None else f"{cause.text} by {_name(at)}")
    return tuple(links)


def _unrunnable(action: Action) -> bool:
    return any(cause.text.startswith("unrunnable") for cause in action.causes)


def _decisive(action: Action) -> Cause | None:
    """What stopped the action if it cannot run, else what made it required first."""
    if not action.flags & RUNNABLE:
        for cause in action.causes:
            if cause.text.startswith("unrunnable"):
                return cause
    return action.causes[0] if action.causes else None
