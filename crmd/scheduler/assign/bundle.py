"""Assignment of a bundle: containers, then what belongs to each, then roles inside.

Facts: scheduler-1-assignment.md 23.1.
"""

from __future__ import annotations

from cib.scores import INFINITY
from crmd.scheduler.assign.criteria import threshold_reached
from crmd.scheduler.assign.instances import assign_instances, sort_instances
from crmd.scheduler.assign.report import report_table
from crmd.scheduler.assign.terms import tell_new_table
from crmd.scheduler.assign.variants import ASSIGN, assign
from crmd.scheduler.model import Cluster, Node, Replica, Resource, Variant
from crmd.scheduler.unpack.colocations import colocate


def assign_bundle(
    cluster: Cluster, bundle: Resource, prefer: Node | None, stop_if_fail: bool
) -> Node | None:
    """Containers like instances of a clone, then the rest of each replica (23.1).

    A second call reports the tables again and finds everything else done: the reference does so
    for a bundle that was assigned early as somebody's primary.
    """
    facts = bundle.bundle_facts
    if bundle.assigning or facts is None:
        return None
    bundle.assigning = True
    report_table(cluster, "pcmk__bundle_assign", bundle)
    containers = sort_instances(cluster, [r.container for r in facts.replicas])
    assign_instances(cluster, bundle, containers, len(facts.replicas), facts.per_host)
    for replica in facts.replicas:
        _assign_rest(cluster, replica, prefer, stop_if_fail)
    clone = facts.clone
    if clone is not None:
        own = {replica.node.index for replica in facts.replicas if replica.node is not None}
        for index in clone.scores:
            clone.scores[index] = 0 if index in own else -INFINITY
        tell_new_table(cluster, clone, f"runs only inside {bundle.id}")
        assign(cluster, clone, prefer, stop_if_fail)
    bundle.assigning = bundle.unassigned = False
    return None


def _assign_rest(
    cluster: Cluster, replica: Replica, prefer: Node | None, stop_if_fail: bool
) -> None:
    if replica.ip is not None:
        assign(cluster, replica.ip, prefer, stop_if_fail)
    host = replica.container.assigned
    remote, child, node = replica.remote, replica.child, replica.node
    if remote is not None:
        if host is not None and host.is_remote_kind and host.conn is not None:
            colocate(
                cluster,
                "#replica-remote-with-host-remote",
                INFINITY,
                remote,
                host.conn,
                explicit=False,
            )
        assign(cluster, remote, prefer, stop_if_fail)
    if child is None or node is None:
        return
    for index in child.scores:
        if index != node.index:
            child.scores[index] = -INFINITY
        elif threshold_reached(cluster, child, node) is None:
            child.scores[index] = INFINITY
    tell_new_table(cluster, child, f"its place is {node.name}")
    clone = child.parent
    if clone is None:
        raise AssertionError(f"{child.id} has no clone around it")
    clone.assigning = True
    assign(cluster, child, node, stop_if_fail)
    clone.assigning = False


ASSIGN[Variant.BUNDLE] = assign_bundle
