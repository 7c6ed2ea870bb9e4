"""Changing a resource's table of allowed nodes.

Facts: scheduler-1-assignment.md 1.2, 7.13.  `reason` texts reach `crm_simulate --explain` only.
"""

from __future__ import annotations

from collections.abc import Iterable

from cib.scores import INFINITY, add
from crmd.scheduler.model import Cluster, Node, ProbeMode, Resource


def add_entry(rsc: Resource, node: Node) -> None:
    """Make sure of an entry: a new one is a copy of the node's base view."""
    if node.index not in rsc.scores:
        rsc.scores[node.index] = node.score
        if node.probe_mode is not ProbeMode.ALWAYS:
            rsc.probe_modes[node.index] = node.probe_mode


def add_score(cluster: Cluster, rsc: Resource, node: Node, score: int, reason: str) -> None:
    """Add a score for one node to a resource, its children first (7.13)."""
    for child in rsc.children:
        add_score(cluster, child, node, score, reason)
    add_entry(rsc, node)
    rsc.scores[node.index] = add(rsc.scores[node.index], score)
    if cluster.explain is not None:
        cluster.explain.term(rsc, node, score, reason)


def ban(cluster: Cluster, rsc: Resource, node: Node, reason: str) -> None:
    """-INFINITY on one node."""
    add_score(cluster, rsc, node, -INFINITY, reason)


def ban_everywhere(cluster: Cluster, rsc: Resource, reason: str) -> None:
    """-INFINITY on every node of the node list (7.13)."""
    for node in cluster.nodes:
        add_score(cluster, rsc, node, -INFINITY, reason)


def replace_with_bans(cluster: Cluster, rsc: Resource, nodes: Iterable[Node], reason: str) -> None:
    """A new table that has -INFINITY for each of the nodes and nothing else."""
    rsc.scores = {}
    rsc.probe_modes = {}
    if cluster.explain is not None:
        cluster.explain.withdraw(rsc, 0)
    for node in nodes:
        rsc.scores[node.index] = -INFINITY
        if node.probe_mode is not ProbeMode.ALWAYS:
            rsc.probe_modes[node.index] = node.probe_mode
        if cluster.explain is not None:
            cluster.explain.term(rsc, node, -INFINITY, reason)
