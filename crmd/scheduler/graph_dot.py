"""The plan as Graphviz text: what will be done, and what would be if it could.

Source: scheduler-2-actions.md section 14.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.graph_actions import history_key
from crmd.scheduler.order.flags import GRAPHED, OPTIONAL, PSEUDO, SAMENODE_TGT


def to_dot(plan: Plan, *, all_actions: bool = False, verbose: bool = False) -> str:
    """The whole file; `all_actions` also shows what is optional or unmanaged."""
    lines = [' digraph "g" {']
    shown: set[int] = set()
    names: dict[int, str] = {}
    actions = plan.actions[::-1]
    for action in actions:
        name = names[action.id] = dot_name(action, verbose=verbose)
        style, color, font, shown_always = _look(action)
        if shown_always or all_actions:
            shown.add(action.id)
            lines.append(f'"{name}" [ style={style} color="{color}" fontcolor="{font}"]')
    for action in actions:
        for entry in action.befores:
            first = entry.action
            if entry.graphed:
                style = "bold"
            elif entry.flags == 0:
                continue
            elif (
                first.id in shown and action.id in shown and entry.flags != SAMENODE_TGT
            ) or all_actions:
                style = "dashed"
            else:
                continue
            lines.append(f'"{names[first.id]}" -> "{names[action.id]}" [ style = {style}]')
    lines.append("}")
    return "\n".join(lines) + "\n"


def _look(action: Action) -> tuple[str, str, str, bool]:
    """(style, color, font color, shown without --all-actions)."""
    font = "orange" if action.flags & PSEUDO else "black"
    if action.flags & GRAPHED:
        return "bold", "green", font, True
    if action.rsc is not None and not action.rsc.managed:
        return "dashed", "red", "purple", False
    if action.flags & OPTIONAL:
        return "dashed", "blue", font, False
    return "dashed", "red", font, True


def dot_name(action: Action, *, verbose: bool = False) -> str:
    """The label of an action."""
    if action.node is not None:
        host: str | None = action.node.name
    else:
        host = None if action.flags & PSEUDO else "<none>"
    prefix = "Cancel " if action.task == "cancel" else ""
    rsc = action.rsc
    tail = f" {host}" if host is not None else ""
    if rsc is not None and rsc.history_id is not None:
        name = prefix + history_key(action, for_dot=True) + tail
    elif action.task == "stonith":
        name = f"stonith '{action.meta.get('stonith_action', '')}' {host}"
    elif rsc is not None and host is not None:
        name = prefix + action.key + tail
    elif host is not None and rsc is None:
        name = prefix + action.task + tail
    else:
        name = action.key
    return f"{name} ({action.id})" if verbose else name
