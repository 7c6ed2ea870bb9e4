"""Fencing: which node may be fenced, the fence operation, and what must wait for it.

Source: scheduler-2-actions.md sections 11.2 - 11.6, scheduler-1-assignment.md section 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.scheduler.act.action import Action, Needs, Plan, relate
from crmd.scheduler.act.names import op_key
from crmd.scheduler.model import Cluster, Node, Resource, Variant
from crmd.scheduler.order.flags import (
    BLOCK,
    F2T,
    GUESTOK,
    OPTIONAL,
    ORD,
    PSEUDO,
    RUNNABLE,
)
from crmd.scheduler.unpack.fencing import can_fence

if TYPE_CHECKING:
    from collections.abc import Iterator


def fence_node(plan: Plan, node: Node, reason: str, *, priority_delay: bool = False) -> None:
    """Decide that the node must be fenced (part 1, 15.1; part 2, 11.5 end)."""
    conn = node.conn
    if node.is_guest:
        assert conn is not None and conn.launcher is not None
        launcher = conn.launcher
        if not launcher.failed and launcher.managed:
            node.remote_reset = True
            launcher.failed = launcher.stop_if_failed = True
    elif node.is_remote_kind and conn is not None and conn.removed_launched:
        conn.failed = conn.stop_if_failed = True
    elif node.is_remote_kind:
        if conn is None or conn.managed:
            node.remote_reset = True
        node.unclean = True
        fence_op(plan, node, None, optional=True, reason=reason, priority_delay=priority_delay)
    elif not node.unclean:
        node.unclean = True
        fence_op(plan, node, None, optional=True, reason=reason, priority_delay=priority_delay)


def fence_op(
    plan: Plan,
    node: Node,
    operation: str | None,
    *,
    optional: bool,
    reason: str | None,
    priority_delay: bool = False,
) -> Action:
    """The fence operation of a node: made if missing, required if asked and possible (11.3)."""
    from crmd.scheduler.act.create import singleton

    options = plan.cluster.options
    operation = operation or options.fencing_action
    key = f"stonith-{node.name}-{operation}"
    act = plan.singletons.get(key.lower())
    if act is None:
        act = singleton(plan, key, "stonith", node, optional=True)
        act.meta["on_node"] = node.name
        act.meta["on_node_uuid"] = node.id
        act.meta["stonith_action"] = operation
        if plan.cluster.unfencing_in_use:
            from crmd.scheduler.act.unfencing import add_device_digests

            if add_device_digests(plan, act, node):
                optional = False
    if options.priority_fencing_delay_ms > 0 and (
        priority_delay or "priority-fencing-delay" in act.meta
    ):
        delay = _priority_delay(plan.cluster, node)
        act.meta["priority-fencing-delay"] = str(delay)
    if not optional and can_fence(plan.cluster, node):
        act.flags &= ~OPTIONAL
    if reason is not None and act.reason is None:
        act.reason = reason
    return act


def _priority_delay(cluster: Cluster, node: Node) -> int:
    """Seconds by which the fencing of this node is delayed (part 1, 15.5)."""
    if node.is_remote_kind or node.online:
        return 0
    members = [n for n in cluster.nodes if not n.is_remote_kind]
    sums = [n.priority_sum for n in members]
    if sum(n.online for n in members) > len(members) // 2:
        return 0
    top = max(sums)
    if top == min(sums) or node.priority_sum < top:
        return 0
    return (cluster.options.priority_fencing_delay_ms + 500) // 1000


def any_managed(resources: list[Resource]) -> bool:
    """Whether at least one resource, or part of one, is managed."""
    return any(r.managed or any_managed(r.children) for r in resources)


def primitives(rsc: Resource) -> Iterator[Resource]:
    """Primitives of a resource, depth first in the order of the children."""
    if rsc.variant is Variant.PRIMITIVE:
        yield rsc
    else:
        for child in rsc.children:
            yield from primitives(child)


def schedule_fencing_and_shutdown(plan: Plan) -> None:
    """Phase 14: fence what is unclean, shut down what leaves (11.2)."""
    from crmd.scheduler.act.create import singleton
    from crmd.scheduler.order.relations import order_actions

    cluster = plan.cluster
    managed = any_managed(cluster.resources)
    concurrent = cluster.options.concurrent_fencing
    dc_down: Action | None = None
    fences: list[Action] = []
    shutdowns: list[Action] = []
    for node in cluster.nodes:
        if node.is_guest:
            if node.remote_reset and managed and can_fence(cluster, node):
                fence_guest(plan, node)
            continue
        if node.unclean and managed and can_fence(cluster, node):
            op = fence_op(plan, node, None, optional=False, reason="node is unclean")
            order_against_fencing(plan, op, node)
            if node.is_dc:
                dc_down = op
            else:
                if not concurrent and fences:
                    order_actions(plan, fences[-1], op, ORD)
                fences.append(op)
        elif not node.is_remote_kind and node.online and node.shutdown:
            down = singleton(plan, f"do_shutdown-{node.name}", "do_shutdown", node, optional=False)
            _order_stops_before_shutdown(plan, node, down)
            down.meta["op_no_wait"] = "true"
            if node.is_dc:
                dc_down = down
            else:
                shutdowns.append(down)
    if dc_down is None:
        return
    if dc_down.task == "do_shutdown":
        for act in reversed(shutdowns):
            order_actions(plan, act, dc_down, ORD)
    if concurrent:
        for act in reversed(fences):
            order_actions(plan, act, dc_down, ORD)
    elif fences:
        order_actions(plan, fences[-1], dc_down, ORD)


def _order_stops_before_shutdown(plan: Plan, node: Node, down: Action) -> None:
    from crmd.scheduler.order.relations import order_actions

    for act in reversed(plan.actions[:]):
        rsc = act.rsc
        if act.task != "stop" or rsc is None or act.node is not node:
            continue
        if rsc.maintenance or node.maintenance:
            continue
        if not (rsc.managed or rsc.blocked):
            continue
        act.flags &= ~OPTIONAL
        order_actions(plan, act, down, ORD | BLOCK)


def order_against_fencing(plan: Plan, op: Action, target: Node) -> None:
    """Relate every managed primitive to the fencing of a node (11.4)."""
    for top in plan.cluster.resources:
        for rsc in primitives(top):
            if rsc.managed:
                _order_starts(plan, rsc, op, target)
                _order_stops(plan, rsc, op, target)


def _order_starts(plan: Plan, rsc: Resource, op: Action, target: Node) -> None:
    in_table = target.index in rsc.scores
    for act in plan.newest_first(rsc):
        if act.needs is Needs.FENCING:
            relate(op, act, ORD)
        elif act.needs is Needs.QUORUM and act.task == "start" and in_table:
            if not state_known(rsc, target):
                relate(op, act, ORD | BLOCK)


def state_known(rsc: Resource, node: Node) -> bool:
    """Whether the resource's state on the node is known (probed, or in its history there)."""
    if node.index in rsc.known_on:
        return True
    if rsc.parent is not None and not rsc.unique:
        return node.index in rsc.parent.known_on
    return False


def _order_stops(plan: Plan, rsc: Resource, op: Action, target: Node) -> None:
    from crmd.scheduler.act.notify import notify_of_fencing

    top = rsc.top
    implied = rsc.needs_fencing or target.is_guest
    top_stop = plan.newest(top, "stop")
    bundled = rsc.bundle is not None
    for act in plan.find(rsc, op_key(rsc.id, "stop"), target):
        act.flags |= PSEUDO | RUNNABLE
        if implied:
            if not bundled:
                relate(op, act, GUESTOK)
            relate(op, top_stop, GUESTOK)
        if rsc.notify:
            notify_of_fencing(plan, rsc, act, op, target)
    for act in plan.find(rsc, op_key(rsc.id, "demote"), target):
        node = act.node
        assert node is not None
        if node.online and not node.unclean and not rsc.failed:
            continue
        act.flags |= PSEUDO | RUNNABLE
        if not bundled and implied:
            relate(op, act, GUESTOK | ORD)


def fence_guest(plan: Plan, node: Node) -> None:
    """A guest node is "fenced" by stopping its container (11.5)."""
    assert node.conn is not None
    container = node.conn.launcher
    assert container is not None
    stop = plan.newest(container, "stop")
    start = plan.newest(container, "start")
    operation = "reboot" if start is not None else "off"
    fence = fence_op(plan, node, operation, optional=False, reason="guest is unclean")
    fence.flags |= PSEUDO | RUNNABLE
    if stop is not None:
        if stop.flags & PSEUDO and stop.node is not None:
            host = fence_op(plan, stop.node, None, optional=False, reason=None)
            relate(host, fence, BLOCK | F2T)
        else:
            relate(stop, fence, BLOCK | F2T)
    else:
        conn_stop = plan.newest(node.conn, "stop")
        if conn_stop is not None:
            relate(conn_stop, fence, ORD)
    order_against_fencing(plan, fence, node)
