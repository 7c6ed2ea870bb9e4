"""The fence operation of a node, and deciding that one is needed.

What has to wait for it is `crmd.scheduler.act.fence_orders`.
Source: scheduler-2-actions.md section 11.3 and 11.5 (end), scheduler-1-assignment.md section 15.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.device_digests import add_device_digests
from crmd.scheduler.model import Cluster, Node
from crmd.scheduler.order.flags import OPTIONAL
from crmd.scheduler.unpack.fencing import can_fence


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
    options = plan.cluster.options
    operation = operation or options.fencing_action
    key = f"stonith-{node.name}-{operation}"
    act = plan.singletons.get(key.lower())
    if act is None:
        act = plan.singleton(key, "stonith", node, optional=True)
        act.meta["on_node"] = node.name
        act.meta["on_node_uuid"] = node.id
        act.meta["stonith_action"] = operation
        if plan.cluster.unfencing_in_use:
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
