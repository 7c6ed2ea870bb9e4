"""Get-or-create of actions, and whether they can run.

Ids are visible in the graph, so every look-up here that may create must happen exactly where the
rules say.  Source: scheduler-2-actions.md sections 3.3 and 3.5.
"""

from __future__ import annotations

from crmd.scheduler.act import fencing
from crmd.scheduler.act.action import Action, Needs, Plan
from crmd.scheduler.act.definition import define, evaluate_extra
from crmd.scheduler.act.names import op_key
from crmd.scheduler.model import Node, QuorumPolicy, Resource, Role, Variant
from crmd.scheduler.order.flags import (
    ATTRS_DONE,
    ON_DC,
    OPTIONAL,
    PSEUDO,
    RUNNABLE,
)
from crmd.scheduler.unpack.fencing import can_fence


def action(
    plan: Plan,
    rsc: Resource,
    key: str,
    task: str,
    node: Node | None,
    *,
    optional: bool,
) -> Action:
    """The action of that key on that node, made if missing; "required" sticks once asked."""
    found = plan.find(rsc, key, node)
    if found:
        act = found[0]
    else:
        act = _new(plan, rsc, key, task, node, optional=optional)
    _update_optional(act, optional)
    if act.node is not None and not act.flags & ATTRS_DONE:
        act.flags |= ATTRS_DONE
        evaluate_extra(plan, act)
    _update_runnable(plan, act)
    return act


def op(
    plan: Plan, rsc: Resource, task: str, node: Node | None, *, optional: bool, interval: int = 0
) -> Action:
    """`action` with the ordinary key of a task."""
    key = op_key(rsc.id, task, interval) if interval else plan.key(rsc, task)
    return action(plan, rsc, key, task, node, optional=optional)


def _new(
    plan: Plan, rsc: Resource, key: str, task: str, node: Node | None, *, optional: bool
) -> Action:
    act = Action(len(plan.actions) + 1, key, task, rsc, node)
    act.flags = RUNNABLE | (OPTIONAL if optional else 0)
    if task == "lrm_delete":
        act.flags |= ON_DC
    plan.add(act)
    define(plan, act)
    return act


def collective_point(
    plan: Plan, rsc: Resource, task: str, *, optional: bool, runnable: bool
) -> Action:
    """A point of a group, clone or bundle: a pseudo-action without node."""
    act = op(plan, rsc, task, None, optional=optional)
    act.flags |= PSEUDO
    if runnable:
        act.flags |= RUNNABLE
    return act


def _update_optional(act: Action, optional: bool) -> None:
    rsc = act.rsc
    if (
        rsc is not None
        and act.node is not None
        and not act.flags & PSEUDO
        and not rsc.managed
        and "interval" not in act.meta
    ):
        act.flags |= OPTIONAL
    elif not optional:
        act.flags &= ~OPTIONAL


def _update_runnable(plan: Plan, act: Action) -> None:
    flags = act.flags
    rsc, node = act.rsc, act.node
    if flags & PSEUDO or rsc is None:
        return
    if node is None:
        act.flags = flags & ~RUNNABLE
        return
    on_dc = flags & ON_DC
    if not on_dc and not node.online and (not node.is_guest or node.remote_reset):
        act.flags = flags & ~RUNNABLE
        if rsc.managed and act.task == "stop" and not node.unclean:
            fencing.fence_node(plan, node, "stop is unrunnable")
        return
    if not on_dc and node.pending:
        act.flags = flags & ~RUNNABLE
        return
    if act.needs is Needs.NOTHING:
        act.reason = None
        if node.is_guest and not can_fence(plan.cluster, node):
            act.flags = flags & ~RUNNABLE
        else:
            act.flags = flags | RUNNABLE
        return
    policy = effective_policy(plan, rsc)
    if policy is QuorumPolicy.STOP:
        act.flags = flags & ~RUNNABLE
        act.reason = "no quorum"
    elif policy is QuorumPolicy.FREEZE:
        if not fully_active(rsc) or rsc.next_role > rsc.orig_role:
            act.flags = flags & ~RUNNABLE
            act.reason = "quorum freeze"
    else:
        act.flags = flags | RUNNABLE


def effective_policy(plan: Plan, rsc: Resource) -> QuorumPolicy:
    """What the lack of quorum means for this resource now; may lower its next role (3.5.5)."""
    cluster = plan.cluster
    policy = cluster.options.no_quorum_policy
    if cluster.quorate:
        return QuorumPolicy.IGNORE
    if policy is QuorumPolicy.DEMOTE:
        if rsc.orig_role in (Role.PROMOTED, Role.UNPROMOTED):
            if rsc.next_role > Role.UNPROMOTED:
                rsc.next_role = Role.UNPROMOTED
            return QuorumPolicy.IGNORE
        return QuorumPolicy.STOP
    if policy is QuorumPolicy.FENCE:
        # The effective policy of part 1 (4.4) is "fence" only when the cluster had quorum before.
        return QuorumPolicy.FENCE
    return policy


def fully_active(rsc: Resource) -> bool:
    """Whether every part of the resource is active somewhere."""
    if rsc.variant is Variant.PRIMITIVE:
        return bool(rsc.active_on)
    return all(fully_active(child) for child in rsc.children)
