"""Orderings that follow from the structure of resources.

Source: scheduler-2-actions.md section 6.  Colocations and bans made in the same place of the
specification belong to part 1 (`crmd.scheduler.assign`).
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.fencing import fence_op
from crmd.scheduler.act.names import op_key
from crmd.scheduler.act.probes import instance_number
from crmd.scheduler.model import Node, Resource, Role, Variant
from crmd.scheduler.order.flags import (
    BLOCK,
    CANCELS,
    F2T,
    F2T_NODE,
    G_FIRST,
    G_THEN,
    GUESTOK,
    OPTIONAL,
    ORD,
    RESTART,
    SAMENODE,
    SAMENODE_TGT,
    T2F,
    T2F_PROM,
)
from crmd.scheduler.order.relations import order, order_action_key, order_key_action


def order_internally(plan: Plan, rsc: Resource) -> None:
    """Phase 6 for one resource of any variant."""
    match rsc.variant:
        case Variant.PRIMITIVE:
            _primitive(plan, rsc)
        case Variant.GROUP:
            _group(plan, rsc)
        case Variant.CLONE:
            _clone(plan, rsc)
        case Variant.BUNDLE:
            _bundle(plan, rsc)


# ---- primitive (6.1) ----------------------------------------------------------------------------


def _allowed(plan: Plan, rsc: Resource) -> list[Node]:
    return [node for node in plan.cluster.nodes if node.index in rsc.scores]


def _primitive(plan: Plan, rsc: Resource) -> None:
    if not rsc.managed:
        return
    order(plan, rsc, "stop", rsc, "start", ORD | F2T | RESTART)
    if rsc.top.promotable or rsc.orig_role is Role.PROMOTED:
        order(plan, rsc, "demote", rsc, "stop", T2F_PROM)
        order(plan, rsc, "start", rsc, "promote", BLOCK)
    order(plan, rsc, "lrm_delete", rsc, "monitor", SAMENODE | CANCELS)
    cluster = plan.cluster
    if not rsc.fence_device and cluster.unfencing_in_use and rsc.needs_unfencing:
        for node in _allowed(plan, rsc):
            unfence = fence_op(plan, node, "on", optional=True, reason=None)
            order_key_action(plan, rsc, op_key(rsc.id, "stop"), unfence, ORD | SAMENODE)
            order_action_key(plan, unfence, rsc, op_key(rsc.id, "start"), F2T_NODE | SAMENODE)
    if rsc.utilization and cluster.options.placement != "default":
        _order_load(plan, rsc)
    if rsc.launcher is not None and rsc.launcher is not rsc:
        _order_launched(plan, rsc, rsc.launcher)


def _order_load(plan: Plan, rsc: Resource) -> None:
    """Free capacity before using it (6.1.5)."""
    for node in rsc.active_on:
        point = load_point(plan, node)
        order_key_action(plan, rsc, op_key(rsc.id, "stop"), point, SAMENODE_TGT)
    for node in _allowed(plan, rsc):
        point = load_point(plan, node)
        order_action_key(plan, point, rsc, op_key(rsc.id, "start"), SAMENODE_TGT)
        order_action_key(plan, point, rsc, op_key(rsc.id, "migrate_to"), SAMENODE_TGT)


def load_point(plan: Plan, node: Node) -> Action:
    """The pseudo-action `load_stopped_<node>`."""
    point = plan.pseudo(f"load_stopped_{node.name}")
    if point.node is None:
        point.node = node
        point.flags &= ~OPTIONAL
    return point


def _order_launched(plan: Plan, rsc: Resource, container: Resource) -> None:
    """A resource that another one launches (6.1.6)."""
    if rsc.is_remote_connection:
        order(plan, container, "monitor", rsc, "stop", ORD)
    elif container.is_remote_connection or any(r.is_remote_connection for r in container.launched):
        return
    order(plan, container, "start", rsc, "start", F2T | BLOCK)
    order(plan, rsc, "stop", container, "stop", T2F)


# ---- group (6.2) --------------------------------------------------------------------------------


def _group(plan: Plan, group: Resource) -> None:
    order(plan, group, "stop", group, "stopped", BLOCK)
    order(plan, group, "stopped", group, "start", ORD)
    order(plan, group, "start", group, "running", BLOCK)
    assert group.group is not None
    ordered = group.group.ordered
    promotable = group.top.promotable
    previous: Resource | None = None
    last_active: Resource | None = None
    for member in group.children:
        down, post = G_FIRST, G_THEN
        if ordered and previous is None:
            down, post = G_FIRST | ORD, F2T
        order_internally(plan, member)
        if promotable:
            order(plan, group, "demote", member, "demote", down)
            order(plan, member, "demote", group, "demoted", post)
            order(plan, member, "promote", group, "promoted", BLOCK | F2T | G_THEN)
            order(plan, group, "promote", member, "promote", G_FIRST)
        order(plan, group, "stop", member, "stop", down)
        order(plan, member, "stop", group, "stopped", post)
        order(plan, group, "start", member, "start", G_FIRST)
        order(plan, member, "start", group, "running", BLOCK | F2T | G_THEN)
        _order_in_group(plan, group, member, previous, ordered, promotable)
        if member.active_on:
            if (
                ordered
                and previous is not None
                and not previous.active_on
                and last_active is not None
                and last_active.active_on
            ):
                order(plan, member, "stop", last_active, "stop", ORD)
            last_active = member
        previous = member


def _order_in_group(
    plan: Plan,
    group: Resource,
    member: Resource,
    previous: Resource | None,
    ordered: bool,
    promotable: bool,
) -> None:
    if not ordered:
        order(plan, group, "start", member, "start", F2T | BLOCK | G_FIRST)
        if promotable:
            order(plan, group, "promote", member, "promote", F2T | BLOCK | G_FIRST)
        return
    if previous is None:
        order(plan, group, "start", member, "start", 0)
        if promotable:
            order(plan, group, "promote", member, "promote", 0)
        return
    order(plan, previous, "start", member, "start", F2T | BLOCK)
    order(plan, member, "stop", previous, "stop", ORD | RESTART)
    if member.active_on and not previous.active_on:
        order(plan, member, "stop", previous, "start", T2F | BLOCK)
    if promotable:
        order(plan, previous, "promote", member, "promote", F2T | BLOCK)
        order(plan, member, "demote", previous, "demote", ORD)


# ---- clone (6.3) --------------------------------------------------------------------------------


def order_promotable_restart(plan: Plan, rsc: Resource) -> None:
    """The phases of a promotable collective, one after the other (6.3.5)."""
    for first, then in (
        ("stopped", "start"),
        ("stopped", "promote"),
        ("demoted", "stop"),
        ("demoted", "start"),
        ("demoted", "promote"),
        ("running", "promote"),
        ("demote", "demoted"),
    ):
        order(plan, rsc, first, rsc, then, ORD)


def _clone(plan: Plan, clone: Resource) -> None:
    order(plan, clone, "stopped", clone, "start", ORD)
    order(plan, clone, "start", clone, "running", BLOCK)
    order(plan, clone, "stop", clone, "stopped", BLOCK)
    if clone.promotable:
        order(plan, clone, "demoted", clone, "stop", ORD)
        order(plan, clone, "running", clone, "promote", BLOCK)
    assert clone.clone is not None
    ordered = clone.clone.ordered
    if ordered:
        clone.children.sort(key=instance_number)
    for i, inst in enumerate(clone.children):
        order_internally(plan, inst)
        order(plan, clone, "start", inst, "start", BLOCK | G_FIRST)
        order(plan, inst, "start", clone, "running", G_THEN)
        order(plan, clone, "stop", inst, "stop", G_FIRST)
        order(plan, inst, "stop", clone, "stopped", G_THEN)
        if ordered:
            for later in clone.children[i + 1 :]:
                order(plan, inst, "start", later, "start", ORD)
                order(plan, later, "stop", inst, "stop", ORD)
    if clone.promotable:
        _order_promotion(plan, clone, ordered)


def _order_promotion(plan: Plan, clone: Resource, ordered: bool) -> None:
    order_promotable_restart(plan, clone)
    previous: Resource | None = None
    for inst in clone.children:
        order(plan, inst, "demote", inst, "promote", ORD)
        order(plan, clone, "promote", inst, "promote", ORD)
        order(plan, inst, "promote", clone, "promoted", ORD)
        if ordered and previous is not None:
            order(plan, previous, "promote", inst, "promote", ORD)
        order(plan, clone, "demote", inst, "demote", G_FIRST)
        order(plan, inst, "demote", clone, "demoted", G_THEN)
        if ordered and previous is not None:
            order(plan, inst, "demote", previous, "demote", ORD)
        previous = inst


# ---- bundle (6.4) -------------------------------------------------------------------------------


def _bundle(plan: Plan, bundle: Resource) -> None:
    facts = bundle.bundle_facts
    assert facts is not None
    for replica in facts.replicas:
        container = replica.container
        order_internally(plan, container)
        order(plan, bundle, "start", container, "start", BLOCK | G_FIRST)
        if replica.child is not None:
            order(plan, bundle, "stop", replica.child, "stop", G_FIRST)
        order(plan, bundle, "stop", container, "stop", G_FIRST)
        order(plan, container, "start", bundle, "running", G_THEN)
        order(plan, container, "stop", bundle, "stopped", G_THEN)
        if replica.ip is not None:
            order_internally(plan, replica.ip)
            order(plan, replica.ip, "start", container, "start", BLOCK | GUESTOK)
            order(plan, container, "stop", replica.ip, "stop", T2F | GUESTOK)
        if replica.remote is not None:
            order_internally(plan, replica.remote)
    if facts.clone is None:
        return
    inner = facts.clone
    order(plan, bundle, "start", inner, "start", G_FIRST)
    order(plan, inner, "running", bundle, "running", G_THEN)
    order(plan, bundle, "stop", inner, "stop", G_FIRST)
    order(plan, inner, "stopped", bundle, "stopped", G_THEN)
    order_internally(plan, inner)
    if inner.promotable:
        order_promotable_restart(plan, bundle)
        order(plan, bundle, "demote", inner, "demote", G_FIRST)
        order(plan, inner, "demoted", bundle, "demoted", G_THEN)
        order(plan, bundle, "promote", inner, "promote", G_FIRST)
        order(plan, inner, "promoted", bundle, "promoted", G_THEN)
