"""Who must be fenced, and who can be.

The fence action is part 2's; here a node becomes unclean and the wish is recorded.
Facts: scheduler-1-assignment.md 15.1, 15.2, 12.17 (unrunnable stops).
"""

from __future__ import annotations

from crmd.scheduler.model import Cluster, Node, QuorumPolicy, Resource
from crmd.scheduler.requests import ActionRequest, FenceRequest


def fence(
    cluster: Cluster, node: Node, reason: str, *, phase: int = 2, priority_delay: bool = False
) -> None:
    """Ask for a node to be fenced; for a guest, for its launcher to be recovered (15.1)."""
    conn = node.conn
    if node.is_guest and conn is not None and conn.launcher is not None:
        launcher = conn.launcher
        if not launcher.failed and launcher.managed:
            node.remote_reset = True
            launcher.failed = launcher.stop_if_failed = True
        return
    if node.is_remote_kind:
        if conn is not None and conn.removed_launched and conn.launcher is None:
            conn.failed = conn.stop_if_failed = True
            return
        if conn is None or conn.managed:
            node.remote_reset = True
        node.unclean = True
        cluster.requests.append(FenceRequest(phase, node, reason, priority_delay))
        return
    if node.unclean:
        return
    node.unclean = True
    cluster.requests.append(FenceRequest(phase, node, reason, priority_delay))


def can_fence(cluster: Cluster, node: Node) -> bool:
    """Whether fencing the node is possible at all (15.2)."""
    if node.is_guest and node.conn is not None and node.conn.launcher is not None:
        hosts = node.conn.launcher.active_on
        return all(host.online or can_fence(cluster, host) for host in hosts)
    options = cluster.options
    if not options.fencing_enabled or not cluster.have_fence_devices:
        return False
    if cluster.quorate or options.no_quorum_policy is QuorumPolicy.IGNORE:
        return True
    if not node.online:
        return False
    if node.is_remote_kind and not options.fence_remote_without_quorum and node.conn is not None:
        return all(cluster.nodes_by_index[i].online for i in node.conn.scores)
    return True


def request_action(
    cluster: Cluster,
    rsc: Resource,
    node: Node,
    task: str,
    interval_ms: int = 0,
    *,
    optional: bool = False,
    phase: int = 2,
) -> None:
    """Ask part 2 for an action; an unrunnable stop on a clean offline node fences it."""
    runnable, fence_it = True, False
    if not node.online and (not node.is_guest or node.remote_reset):
        runnable = False
        fence_it = rsc.managed and task == "stop" and not node.unclean
    elif node.pending or (node.is_guest and not can_fence(cluster, node)):
        runnable = False
    cluster.requests.append(
        ActionRequest(phase, rsc, task, node, interval_ms, optional, rsc.managed, runnable)
    )
    if fence_it:
        fence(cluster, node, "stop is unrunnable", phase=phase)
