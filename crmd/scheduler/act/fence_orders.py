"""What waits for fencing and for the shutdown of a node.

Source: scheduler-2-actions.md sections 11.2, 11.4 and 11.5.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Needs, Plan, relate
from crmd.scheduler.act.fencing import fence_op
from crmd.scheduler.act.names import op_key
from crmd.scheduler.act.notify import notify_of_fencing
from crmd.scheduler.act.parts import any_managed, primitives
from crmd.scheduler.model import Node, Resource
from crmd.scheduler.order.flags import BLOCK, F2T, GUESTOK, OPTIONAL, ORD, PSEUDO, RUNNABLE
from crmd.scheduler.order.relations import order_actions
from crmd.scheduler.unpack.fencing import can_fence


def schedule_fencing_and_shutdown(plan: Plan) -> None:
    """Phase 14: fence what is unclean, shut down what leaves (11.2)."""
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
            down = plan.singleton(f"do_shutdown-{node.name}", "do_shutdown", node, optional=False)
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
