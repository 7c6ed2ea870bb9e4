"""What decides scores before anything is assigned: locks, locations, stickiness, thresholds.

Facts: scheduler-1-assignment.md section 17.
"""

from __future__ import annotations

from cib import durations, scores
from cib.lexical import Role, parse_integer
from cib.scores import INFINITY
from crmd.scheduler.model import Cluster, Location, Node, ProbeMode, Resource, Variant
from crmd.scheduler.requests import ActionRequest
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.activity import current_node
from crmd.scheduler.unpack.failcounts import fail_count

active_node = current_node


def apply_criteria(cluster: Cluster) -> None:
    """All criteria in their order (17.1)."""
    if cluster.options.shutdown_lock:
        for rsc in cluster.resources:
            _lock_for_shutdown(cluster, rsc)
    for location in cluster.locations:
        apply_location(cluster, location.resource, location)
    for rsc in cluster.resources:
        _add_stickiness(cluster, rsc)
    failing = [n for n in cluster.nodes if any(a.startswith("fail-count-") for a in n.attrs)]
    exclusive = any(r.exclusive_probes for r in cluster.resources)
    for node in cluster.nodes:
        has_failures = node in failing
        if not has_failures and not exclusive:
            continue
        for rsc in cluster.resources:
            if has_failures:
                apply_threshold(cluster, rsc, node)
            _apply_exclusive(cluster, rsc, node)


def _lock_for_shutdown(cluster: Cluster, rsc: Resource) -> None:
    """A resource waits for the node it was on to come back from a clean shutdown (17.2)."""
    if rsc.variant is Variant.GROUP:
        for child in rsc.children:
            _lock_for_shutdown(cluster, child)
        return
    if not rsc.is_primitive or rsc.fence_device:
        return
    if rsc.is_remote_connection and rsc.launcher is None:
        return  # a guest's connection is a resource like others here
    if rsc.lock_node is not None:
        if rsc.active_on:
            cluster.requests.append(
                ActionRequest(5, rsc, "lrm_delete", rsc.lock_node, managed=rsc.managed)
            )
            rsc.lock_node, rsc.lock_time = None, 0
    elif len(rsc.active_on) == 1:
        node = rsc.active_on[0]
        if node.shutdown and not node.unclean:
            rsc.lock_node = node
            started = parse_integer(node.attrs.get("shutdown"), 0)
            rsc.lock_time = started if started > 0 else int(cluster.now)
    if rsc.lock_node is None:
        return
    if cluster.options.shutdown_lock_limit_ms:
        limit = durations.seconds_of(cluster.options.shutdown_lock_limit_ms)
        cluster.recheck(rsc.lock_time + limit + 1)
    for node in cluster.nodes:
        if node is not rsc.lock_node:
            tables.ban(cluster, rsc, node, "shutdown-lock")


def apply_location(cluster: Cluster, rsc: Resource, location: Location) -> None:
    """A location constraint's effect on a resource and what is inside it (16.5)."""
    match rsc.variant:
        case Variant.PRIMITIVE:
            apply_to_table(cluster, rsc, location)
        case Variant.GROUP:
            apply_to_table(cluster, rsc, location)
            colocated = rsc.group is None or rsc.group.colocated
            zeroed = location
            if colocated:
                zeroed = Location(
                    location.id,
                    rsc,
                    location.role,
                    location.probe_mode,
                    dict.fromkeys(location.scores, 0),
                )
            for i, member in enumerate(rsc.children):
                apply_location(cluster, member, location if i == 0 else zeroed)
        case Variant.CLONE:
            apply_to_table(cluster, rsc, location)
            for instance in rsc.children:
                apply_location(cluster, instance, location)
        case Variant.BUNDLE:
            _apply_to_bundle(cluster, rsc, location)


def _apply_to_bundle(cluster: Cluster, bundle: Resource, location: Location) -> None:
    apply_to_table(cluster, bundle, location)
    facts = bundle.bundle_facts
    if facts is None:
        return
    for replica in facts.replicas:
        apply_location(cluster, replica.container, location)
        if replica.ip is not None:
            apply_location(cluster, replica.ip, location)
    if facts.clone is not None and location.role is Role.PROMOTED:
        apply_location(cluster, facts.clone, location)
        facts.clone.locations.insert(0, location)


def apply_to_table(cluster: Cluster, rsc: Resource, location: Location) -> None:
    """The effect on one table (16.5)."""
    if location.role is not Role.UNKNOWN and location.role is not rsc.next_role:
        return
    for index in location.scores:
        if index not in rsc.scores:
            base = cluster.nodes_by_index[index].probe_mode
            if base is not ProbeMode.ALWAYS:
                rsc.probe_modes[index] = base
    merge_location(rsc.scores, location)
    mode = location.probe_mode
    for index, score in location.scores.items():
        if rsc.probe_modes.get(index, ProbeMode.ALWAYS) < mode:
            if mode is ProbeMode.EXCLUSIVE:
                rsc.exclusive_probes = True
            rsc.probe_modes[index] = mode
        if cluster.explain is not None:
            cluster.explain.term(
                rsc, cluster.nodes_by_index[index], score, f"location {location.id}"
            )


def merge_location(table: dict[int, int], location: Location) -> None:
    """Add the constraint's scores; an entry the table lacks is made."""
    for index, score in location.scores.items():
        if index in table:
            table[index] = scores.add(table[index], score)
        else:
            table[index] = score


def _add_stickiness(cluster: Cluster, rsc: Resource) -> None:
    """17.4."""
    for child in rsc.children:
        _add_stickiness(cluster, child)
    if rsc.children or not rsc.managed or rsc.stickiness < 1 or len(rsc.active_on) != 1:
        return
    node = rsc.active_on[0]
    if cluster.options.symmetric or node.index in rsc.scores:
        tables.add_score(cluster, rsc, node, rsc.stickiness, "resource-stickiness")


def threshold_reached(cluster: Cluster, rsc: Resource, node: Node) -> Resource | None:
    """Whom to keep off a node because of failures there, or None (17.5)."""
    if (rsc.index, node.index) in cluster.cleared_failcounts:
        return None
    if rsc.ban_after == 0 or rsc.ignore_failure:
        return None
    count, _ = fail_count(cluster, rsc, node, with_launched=True)
    if count <= 0 or rsc.ban_after - count > 0:
        return None
    return rsc if rsc.unique else rsc.top


def apply_threshold(cluster: Cluster, rsc: Resource, node: Node) -> None:
    """-INFINITY where a leaf has failed too often (17.5)."""
    if rsc.children:
        for child in rsc.children:
            apply_threshold(cluster, child, node)
        return
    banned = threshold_reached(cluster, rsc, node)
    if banned is not None:
        tables.ban(cluster, banned, node, "failed there as often as migration-threshold allows")


def _apply_exclusive(cluster: Cluster, rsc: Resource, node: Node) -> None:
    """Exclusive discovery: nodes without it are out (17.6)."""
    if not (rsc.exclusive_probes or rsc.top.exclusive_probes):
        return
    for child in rsc.children:
        _apply_exclusive(cluster, child, node)
    if node.index in rsc.scores and rsc.probe_mode(node) is not ProbeMode.EXCLUSIVE:
        rsc.scores[node.index] = -INFINITY
        if cluster.explain is not None:
            cluster.explain.term(rsc, node, -INFINITY, "its discovery is exclusive to other nodes")
