"""Working set to chosen nodes and roles (scheduler part 1, 17 - 23)."""

from __future__ import annotations

from crmd.scheduler.assign import bundle, clone, compatible, group, primitive
from crmd.scheduler.assign.criteria import apply_criteria
from crmd.scheduler.assign.internal import add_internal_constraints
from crmd.scheduler.assign.node_attributes import mark_host_users
from crmd.scheduler.assign.utilization import sort_resources
from crmd.scheduler.assign.variants import assign
from crmd.scheduler.model import Cluster

__all__ = [
    "add_internal_constraints",
    "apply_criteria",
    "assign_all",
    "bundle",
    "clone",
    "compatible",
    "group",
    "primitive",
]


def assign_all(cluster: Cluster) -> None:
    """Assign every resource (19.1): remote connections first if there are remote nodes."""
    mark_host_users(cluster)
    cluster.usable = [node.usable for node in cluster.nodes_by_index]
    cluster.node_rank = [0] * len(cluster.nodes_by_index)
    for rank, node in enumerate(cluster.nodes):
        cluster.node_rank[node.index] = rank
    if cluster.options.placement != "default":
        sort_resources(cluster)
    if any(node.is_remote_kind for node in cluster.nodes):
        for rsc in cluster.resources:
            if rsc.is_remote_connection:
                assign(cluster, rsc, rsc.partial_tgt, True)
    for rsc in cluster.resources:
        if not rsc.is_remote_connection:
            assign(cluster, rsc, None, True)
