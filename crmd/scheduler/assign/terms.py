"""Telling the recorder what a step of assignment made of a score table (`crm_simulate --explain`).

A step may try tables that it drops again; only the difference between the table before and the
table after it counts, so that the terms of a node add up to its score.
"""

from __future__ import annotations

from cib.scores import INFINITY
from crmd.scheduler.model import Cluster, Resource

Table = dict[int, int]


def table_before(cluster: Cluster, rsc: Resource) -> Table | None:
    """The table to compare with later; None when nobody listens."""
    return None if cluster.explain is None else dict(rsc.scores)


def tell_changes(cluster: Cluster, rsc: Resource, before: Table | None, reason: str) -> None:
    """One term per node whose score is not what it was in `before`."""
    if before is None or cluster.explain is None:
        return
    for index, score in rsc.scores.items():
        old = before.get(index, 0)
        if score != old:
            change = score if abs(score) >= INFINITY else score - old
            cluster.explain.term(rsc, cluster.nodes_by_index[index], change, reason)


def tell_new_table(cluster: Cluster, rsc: Resource, reason: str) -> None:
    """The table was made anew: terms told before no longer count."""
    if cluster.explain is None:
        return
    cluster.explain.withdraw(rsc, 0)
    for index, score in rsc.scores.items():
        if score:
            cluster.explain.term(rsc, cluster.nodes_by_index[index], score, reason)
