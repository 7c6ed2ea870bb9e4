"""Probes: finding out what already runs where nobody has looked.

Source: scheduler-2-actions.md section 9.
"""

from __future__ import annotations

from cib import scores
from crmd.scheduler.act.action import Plan
from crmd.scheduler.act.create import op
from crmd.scheduler.act.failcounts import clear_failcount
from crmd.scheduler.act.fencing import fence_node
from crmd.scheduler.act.names import op_key
from crmd.scheduler.act.remote import RemoteState, remote_state
from crmd.scheduler.act.unfencing import order_unfencing
from crmd.scheduler.model import Node, ProbeMode, Replica, Resource, Role, Variant
from crmd.scheduler.order.collective_rules import location
from crmd.scheduler.order.flags import BLOCK, NESTPROBE, OPTIONAL, ORD, RUNNABLE, SAMENODE
from crmd.scheduler.order.relations import order, order_action_key, order_key_action
from crmd.scheduler.unpack.failcounts import fail_count


def schedule_probes(plan: Plan) -> None:
    """Phase 10: probe every resource on every node that answers."""
    cluster = plan.cluster
    if not cluster.options.startup_probes:
        return
    for node in cluster.nodes:
        if not node.online:
            if node.is_remote and remote_state(plan, node) is RemoteState.FAILED:
                fence_node(plan, node, "the connection is unrecoverable")
            continue
        if node.unclean or not node.probes_allowed:
            continue
        for rsc in cluster.resources:
            probe(plan, rsc, node)


def clear_removed_failcounts(plan: Plan) -> None:
    """Phase 11: resources that are gone from the configuration leave no fail counts (9.3)."""
    cluster = plan.cluster
    if not cluster.options.stop_removed:
        return
    for rsc in cluster.resources:
        if not rsc.removed:
            continue
        for node in cluster.nodes:
            if node.online and fail_count(cluster, rsc, node, effective=True)[0] > 0:
                act = clear_failcount(plan, rsc, node)
                order_action_key(plan, act, rsc, op_key(rsc.id, "stop"), ORD)


def instance_number(rsc: Resource) -> int:
    """The number at the end of an instance's id, or of a bundle part's."""
    text = rsc.id
    for mark in (":", "-"):
        tail = text.rpartition(mark)
        if tail[1] and scores.is_number(tail[2]):
            return scores.integer(tail[2])
    return -1


def probe(plan: Plan, rsc: Resource, node: Node) -> bool:
    """Probe a resource, or its parts, on a node; whether any probe was made."""
    if rsc.variant is Variant.CLONE:
        return _probe_clone(plan, rsc, node)
    if rsc.variant is Variant.BUNDLE:
        return _probe_bundle(plan, rsc, node)
    if node.is_remote_kind:
        if rsc.fence_device or rsc.is_remote_connection:
            return False
        if node.is_guest and _contains_guest(rsc):
            return False
    if rsc.children:
        made = False
        for child in rsc.children:
            made |= probe(plan, child, node)
        return made
    return _probe_primitive(plan, rsc, node)


def _contains_guest(rsc: Resource) -> bool:
    """Whether the resource itself is a guest; a group is not one because a member is."""
    return any(r.is_remote_connection for r in rsc.launched)


def _suppressed(plan: Plan, rsc: Resource, node: Node) -> bool:
    if rsc.launcher is not None and not rsc.is_remote_connection:
        return True
    if rsc.removed or node.index in rsc.known_on:
        return True
    top = rsc.top
    allowed = node.index in rsc.scores
    mode = rsc.probe_mode(node) if allowed else node.probe_mode
    if rsc.exclusive_probes or top.exclusive_probes:
        if not allowed or mode is not ProbeMode.EXCLUSIVE:
            return True
    if mode is ProbeMode.NEVER:
        return True
    return node.is_guest and _guest_forbids(plan, rsc, node)


def _guest_forbids(plan: Plan, rsc: Resource, node: Node) -> bool:
    assert node.conn is not None and node.conn.launcher is not None
    guest = node.conn.launcher
    top = rsc.top
    if guest.orig_role is Role.STOPPED:
        if guest.assigned is not None and guest.assigned.index not in guest.known_on:
            order(plan, guest, "monitor", top, "start", ORD)
        return True
    leaves = (
        node.remote_reset
        or node.unclean
        or guest.failed
        or guest.next_role is Role.STOPPED
        or (
            bool(guest.active_on)
            and guest.assigned is not None
            and guest.assigned not in guest.active_on
        )
    )
    if leaves:
        order(plan, guest, "stop", top, "start", ORD)
    return leaves


def _probe_primitive(plan: Plan, rsc: Resource, node: Node) -> bool:
    if _suppressed(plan, rsc, node):
        return False
    act = op(plan, rsc, "monitor", node, optional=False)
    act.flags &= ~OPTIONAL
    order_unfencing(plan, rsc, node, act, ORD)
    active = node in rsc.active_on
    if not active:
        act.meta["op_target_rc"] = "7"
    elif rsc.orig_role is Role.PROMOTED:
        act.meta["op_target_rc"] = "8"
    top = rsc.top
    target = top if top.variant is Variant.CLONE else rsc
    flags = ORD
    if not act.flags & RUNNABLE and not target.active_on:
        flags |= BLOCK
    order_action_key(plan, act, target, plan.key(target, "start"), flags)
    order_action_key(plan, act, target, plan.key(rsc, "reload-agent"), ORD)
    return True


def _probe_clone(plan: Plan, clone: Resource, node: Node) -> bool:
    if not clone.children:
        return False
    if clone.exclusive_probes and clone.probe_mode(node) is not ProbeMode.EXCLUSIVE:
        clone.scores.pop(node.index, None)
        return False
    clone.children.sort(key=instance_number)
    if clone.unique:
        made = False
        for child in clone.children:
            made |= probe(plan, child, node)
        return made
    return probe(plan, _instance_to_probe(clone, node), node)


def _instance_to_probe(clone: Resource, node: Node) -> Resource:
    for child in clone.children:
        if _known(child, node):
            return child
    for child in clone.children:
        if location(child, current=False) is node:
            return child
    return clone.children[0]


def _known(rsc: Resource, node: Node) -> bool:
    return node.index in rsc.known_on or any(_known(child, node) for child in rsc.children)


def _probe_bundle(plan: Plan, bundle: Resource, node: Node) -> bool:
    facts = bundle.bundle_facts
    assert facts is not None
    made = False
    for replica in facts.replicas:
        if replica.ip is not None:
            made |= probe(plan, replica.ip, node)
        if replica.child is not None and replica.node is node:
            made |= probe(plan, replica.child, node)
        if probe(plan, replica.container, node):
            made = True
            _order_other_replicas(plan, facts.replicas, facts.per_host, replica)
        if replica.remote is not None and probe(plan, replica.remote, node):
            made = True
            act = plan.newest(replica.remote, "monitor", node)
            if act is not None:
                order_key_action(
                    plan,
                    replica.container,
                    op_key(replica.container.id, "start"),
                    act,
                    NESTPROBE,
                )
    return made


def _order_other_replicas(
    plan: Plan, replicas: list[Replica], per_host: int, replica: Replica
) -> None:
    if per_host > 1:
        return
    for other in replicas:
        if other is not replica:
            order(plan, replica.container, "monitor", other.container, "start", ORD | SAMENODE)
