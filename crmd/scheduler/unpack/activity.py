"""Where a resource is active.

Facts: scheduler-1-assignment.md 0.6, 12.21, 15.5.
"""

from __future__ import annotations

from cib.scores import INFINITY
from crmd.scheduler.model import Cluster, MultipleActive, Node, Resource, Role, Variant
from crmd.scheduler.unpack import tables


def current_node(rsc: Resource) -> Node | None:
    """The node that counts as "where it is" (0.6)."""
    if rsc.variant is Variant.BUNDLE and rsc.bundle_facts is not None:
        return _current_node_of_bundle(rsc)
    candidate: Node | None = None
    source = rsc.partial_src
    for node in rsc.active_on:
        if source is not None:
            if node is source:
                candidate = node
        elif not rsc.needs_fencing:
            if node.online and not node.unclean:
                if candidate is None or not candidate.online or candidate.unclean:
                    candidate = node
        if candidate is None:
            candidate = node
        if source is None and rsc.needs_fencing:
            break
    return candidate


def _current_node_of_bundle(bundle: Resource) -> Node | None:
    facts = bundle.bundle_facts
    containers = [r.container for r in facts.replicas if r.container.active_on] if facts else []
    if len(containers) == 1:
        return current_node(containers[0])
    nodes: list[Node] = []
    for container in containers:
        for node in container.active_on:
            if node not in nodes:
                nodes.append(node)
    probe = Resource(bundle.id, bundle.xml_id, Variant.PRIMITIVE, None)
    probe.active_on, probe.needs_fencing = nodes, bundle.needs_fencing
    return current_node(probe)


def active_counts(rsc: Resource) -> tuple[int, int]:
    """(active nodes, active nodes that are online and clean) (0.6)."""
    nodes = rsc.active_on
    facts = rsc.bundle_facts
    if facts is not None:
        nodes = []
        for replica in facts.replicas:
            for node in replica.container.active_on:
                if node not in nodes:
                    nodes.append(node)
    return len(nodes), sum(1 for n in nodes if n.online and not n.unclean)


def add_active(cluster: Cluster, rsc: Resource, node: Node, failed: bool) -> None:
    """Take note that a resource is active on a node, and its ancestors with it (12.21)."""
    if node in rsc.active_on:
        return
    rsc.active_on.append(node)
    if rsc.is_primitive:
        node.running.append(rsc)
        if not failed:
            _account_priority(rsc, node)
        if node.maintenance:
            rsc.managed = False
            rsc.maintenance = True
    if not rsc.managed:
        tables.add_score(cluster, rsc, node, INFINITY, "not managed and active here")
        ancestor = rsc.parent
        while ancestor is not None:
            ancestor.active_on.append(node)
            ancestor = ancestor.parent
        return
    if rsc.is_primitive:
        everywhere, clean = active_counts(rsc)
        if (everywhere if rsc.needs_fencing else clean) > 1:
            _react_to_multiple(cluster, rsc)
    if rsc.parent is not None:
        add_active(cluster, rsc.parent, node, failed=False)


def _account_priority(rsc: Resource, node: Node) -> None:
    """Priorities of what runs on a node, for the priority fencing delay (15.5)."""
    if rsc.priority == 0:
        return
    amount = rsc.priority + (1 if rsc.orig_role is Role.PROMOTED else 0)
    node.priority_sum += amount
    if node.is_guest and node.conn is not None and node.conn.launcher is not None:
        for host in node.conn.launcher.active_on:
            host.priority_sum += amount


def _react_to_multiple(cluster: Cluster, rsc: Resource) -> None:
    match rsc.multiple_active:
        case MultipleActive.STOP_ONLY:
            tables.replace_with_bans(cluster, rsc, cluster.nodes, "multiple-active=stop_only")
        case MultipleActive.BLOCK:
            _block(rsc)
            parent = rsc.parent
            if (
                parent is not None
                and parent.variant in (Variant.GROUP, Variant.BUNDLE)
                and parent.multiple_active is MultipleActive.BLOCK
            ):
                for child in parent.children:
                    _block(child)
        case _:
            pass


def _block(rsc: Resource) -> None:
    rsc.managed = False
    rsc.blocked = True
