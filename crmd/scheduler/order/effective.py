"""What an action looks like from outside: the flags of a collective's point are those of its parts.

Looking can change the point itself (a group start loses OPTIONAL once a member must start); that
is part of the rule.  Source: scheduler-2-actions.md section 12.8.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.names import REDUCED
from crmd.scheduler.model import Node, Resource, Variant
from crmd.scheduler.order.flags import OPTIONAL, PSEUDO, RUNNABLE

_ALL = OPTIONAL | RUNNABLE | PSEUDO
_CONTAINER_TASKS = frozenset({"start", "running", "stop", "stopped"})


def effective(plan: Plan, action: Action, node: Node | None) -> int:
    """Flags of `action` as another action sees them, for its parts on `node` if given."""
    rsc = action.rsc
    if rsc is None or rsc.variant is Variant.PRIMITIVE:
        return action.flags
    flags = variant_flags(plan, action, None)
    if node is not None and rsc.variant is Variant.CLONE:
        return variant_flags(plan, action, node) | (flags & RUNNABLE)
    return flags


def variant_flags(plan: Plan, action: Action, node: Node | None) -> int:
    """The same by variant, without the second look of clones."""
    rsc = action.rsc
    if rsc is None or rsc.variant is Variant.PRIMITIVE:
        return action.flags
    if rsc.variant is Variant.GROUP:
        return _group_flags(plan, action, rsc, node)
    return _collective_flags(plan, action, rsc, node)


def _group_flags(plan: Plan, action: Action, group: Resource, node: Node | None) -> int:
    flags = _ALL
    own_task = action.task
    task = REDUCED.get(own_task, own_task)
    for member in group.children:
        part = plan.newest(member, task, node)
        if part is not None:
            if not part.flags & OPTIONAL:
                flags &= ~OPTIONAL
                action.flags &= ~OPTIONAL
            if task != own_task and not part.flags & RUNNABLE:
                flags &= ~RUNNABLE
                action.flags &= ~RUNNABLE
        elif task not in ("stop", "demote"):
            flags &= ~RUNNABLE
    return flags


def instance_task(action: Action, rsc: Resource) -> str:
    """The task that instances of `rsc` perform for the point `action`."""
    task = action.task
    if task in ("notify", "notified"):
        task = action.key.partition("_notify_")[2].rpartition("_")[0]
    if rsc.children and rsc.children[0].variant is Variant.PRIMITIVE:
        task = REDUCED.get(task, task)
    return task


def instances_for(action: Action, rsc: Resource) -> list[Resource]:
    """Children of a clone; of a bundle its containers, or its clone's children by task."""
    if rsc.variant is not Variant.BUNDLE:
        return rsc.children
    facts = rsc.bundle_facts
    assert facts is not None
    if action.task in _CONTAINER_TASKS:
        return [r.container for r in facts.replicas]
    return facts.clone.children if facts.clone is not None else []


def _collective_flags(plan: Plan, action: Action, rsc: Resource, node: Node | None) -> int:
    flags = _ALL
    task = instance_task(action, rsc)
    any_runnable = False
    for inst in instances_for(action, rsc):
        part = plan.newest(inst, task, node if inst.variant is Variant.PRIMITIVE else None)
        if part is None:
            continue
        part_flags = variant_flags(plan, part, node)
        if not part_flags & OPTIONAL:
            flags &= ~OPTIONAL
            action.flags &= ~OPTIONAL
        if part_flags & RUNNABLE:
            any_runnable = True
    if not any_runnable:
        flags &= ~RUNNABLE
        if node is None:
            action.flags &= ~RUNNABLE
    return flags
