"""Score lines, in the order of events.

Facts: scheduler-1-assignment.md section 25.
"""

from __future__ import annotations

from cib import scores
from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.sorting import slot_order


def report_table(cluster: Cluster, label: str, rsc: Resource) -> None:
    """One line per entry of a resource's table, then its children's (25.2)."""
    if not cluster.record_scores or rsc.removed:
        return
    rank, nodes = cluster.node_rank, cluster.nodes_by_index
    for index in sorted(rsc.scores, key=rank.__getitem__):
        text = scores.to_text(rsc.scores[index])
        cluster.score_lines.append(
            f"{label}: {rsc.id} allocation score on {nodes[index].name}: {text}"
        )
    for child in rsc.children:
        report_table(cluster, label, child)


def report_promotion(cluster: Cluster, rsc: Resource, node: Node | None) -> None:
    """The line of one instance when roles are chosen (25.4)."""
    if not cluster.record_scores:
        return
    text = scores.to_text(rsc.promotion_priority)
    where = "(inactive)" if node is None else f"on {node.name}"
    cluster.score_lines.append(f"{rsc.id} promotion score {where}: {text}")


def report_capacities(cluster: Cluster, comment: str) -> None:
    """What each node has left; `comment` is Original or Remaining (25.6)."""
    if not cluster.record_utilization:
        return
    for node in cluster.nodes:
        if not node.is_bundle_node:
            line = f"{comment}: {node.name} capacity:{_amounts(node.utilization)}"
            cluster.score_lines.append(line)


def report_placement(cluster: Cluster, rsc: Resource, node: Node) -> None:
    """What a resource takes from the node it was just placed on (25.6)."""
    if cluster.record_utilization:
        cluster.score_lines.append(
            f"pcmk__assign_resource: {rsc.id} utilization on {node.name}:"
            f"{_amounts(rsc.utilization)}"
        )


def _amounts(utilization: dict[str, int]) -> str:
    names = tuple(utilization)
    return "".join(f" {names[i]}={utilization[names[i]]}" for i in slot_order(names))
