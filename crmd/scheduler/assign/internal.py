"""Constraints that follow from what resources are: members of groups, parts of bundles, guests.

Only what matters for scores; their orderings are part 2's.
Facts: scheduler-1-assignment.md section 18.
"""

from __future__ import annotations

from cib import scores
from cib.scores import INFINITY
from crmd.scheduler.model import Cluster, Resource, Variant
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.colocations import colocate

BUNDLE_CONNECTION_SCORE = 10_000


def add_internal_constraints(cluster: Cluster) -> None:
    """For each top-level resource in list order."""
    for rsc in cluster.resources:
        _constrain(cluster, rsc)


def _constrain(cluster: Cluster, rsc: Resource) -> None:
    match rsc.variant:
        case Variant.PRIMITIVE:
            _constrain_primitive(cluster, rsc)
        case Variant.GROUP:
            _constrain_group(cluster, rsc)
        case Variant.CLONE:
            if rsc.clone is not None and rsc.clone.ordered:
                sort_by_number(rsc)
            for instance in rsc.children:
                _constrain(cluster, instance)
        case Variant.BUNDLE:
            _constrain_bundle(cluster, rsc)


def instance_number(rsc: Resource) -> int:
    """The number after the last colon, or after the last dash of a bundle's part."""
    _, separator, number = rsc.id.rpartition(":" if ":" in rsc.id else "-")
    return scores.integer(number) if separator and scores.is_number(number) else -1


def sort_by_number(clone: Resource) -> None:
    """Instances in the order of their numbers."""
    clone.children.sort(key=instance_number)


def _constrain_primitive(cluster: Cluster, rsc: Resource) -> None:
    if not rsc.managed:
        return
    launcher = rsc.launcher
    if launcher is not None:
        if rsc.is_remote_connection and not rsc.nesting_allowed:
            _avoid_connected_nodes(cluster, launcher, "cannot run on remote nodes")
        connection = None
        if not rsc.is_remote_connection:
            connection = _guest_connection(launcher)
        if connection is not None:
            for index in list(rsc.scores):
                node = cluster.nodes_by_index[index]
                if node.conn is not connection:
                    tables.ban(cluster, rsc, node, "launched inside a remote node")
        else:
            colocate(
                cluster,
                "#resource-with-container",
                BUNDLE_CONNECTION_SCORE if rsc.nesting_allowed else INFINITY,
                rsc,
                launcher,
                explicit=False,
            )
    if rsc.is_remote_connection or rsc.fence_device:
        _avoid_connected_nodes(cluster, rsc, "cannot run on remote nodes")


def _guest_connection(launcher: Resource) -> Resource | None:
    """The connection that a launcher is, or that it launches."""
    if launcher.is_remote_connection:
        return launcher
    return next((r for r in launcher.launched if r.is_remote_connection), None)


def _avoid_connected_nodes(cluster: Cluster, rsc: Resource, reason: str) -> None:
    """-INFINITY on the allowed nodes that have a connection; no entry is made for others."""
    for index in list(rsc.scores):
        node = cluster.nodes_by_index[index]
        if node.is_remote_kind and node.conn is not None:
            tables.ban(cluster, rsc, node, reason)


def _constrain_group(cluster: Cluster, group: Resource) -> None:
    previous: Resource | None = None
    colocated = group.group is not None and group.group.colocated
    for member in group.children:
        _constrain(cluster, member)
        if previous is not None and colocated:
            colocate(
                cluster,
                "#group-members",
                INFINITY,
                member,
                previous,
                explicit=False,
                influence=member.critical,
            )
        previous = member


def _constrain_bundle(cluster: Cluster, bundle: Resource) -> None:
    facts = bundle.bundle_facts
    if facts is None:
        return
    for replica in facts.replicas:
        _constrain(cluster, replica.container)
        if replica.ip is not None:
            _constrain(cluster, replica.ip)
            colocate(
                cluster,
                "#ip-with-container",
                INFINITY,
                replica.ip,
                replica.container,
                explicit=False,
            )
        if replica.remote is not None:
            _constrain(cluster, replica.remote)
    if facts.clone is not None:
        _constrain(cluster, facts.clone)
