"""Unfencing: devices that must let a node in before resources may start there.

Source: scheduler-2-actions.md sections 9.2, 10.3 and 11.3.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan, relate
from crmd.scheduler.act.fencing import fence_op
from crmd.scheduler.model import Node, Resource


def trigger_unfencing(plan: Plan, rsc: Resource | None, node: Node | None, reason: str) -> None:
    """Require the `on` operation of a node, or of every node a device may run on."""
    cluster = plan.cluster
    if not cluster.unfencing_in_use or (rsc is not None and not rsc.fence_device):
        return
    if node is not None:
        if node.online and not node.unclean and not node.shutdown:
            fence_op(plan, node, "on", optional=False, reason=reason)
        return
    if rsc is not None:
        for candidate in cluster.nodes:
            if candidate.index in rsc.scores:
                trigger_unfencing(plan, rsc, candidate, reason)


def order_unfencing(plan: Plan, rsc: Resource, node: Node, act: Action, flags: int) -> None:
    """An action that needs an unfenced node waits for the unfencing, and may cause it."""
    in_use = plan.cluster.unfencing_in_use
    if not ((rsc.fence_device and in_use) or rsc.needs_unfencing):
        return
    unfence = fence_op(plan, node, "on", optional=True, reason=None)
    relate(unfence, act, flags)
    reachable = node.online and not node.unclean and not node.shutdown
    if reachable and "#node-unfenced" not in node.attrs:
        fence_op(plan, node, "on", optional=False, reason=f"required by {rsc.id} {act.task}")
