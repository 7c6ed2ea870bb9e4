"""Which instance of an anonymous clone the history on a node belongs to.

Facts: scheduler-1-assignment.md 12.3.4, 12.5.
"""

from __future__ import annotations

from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.unpack.collectives import add_instance, clone_facts


def instance_for_history(
    cluster: Cluster, found: Resource, clone: Resource, base: str, node: Node
) -> Resource | None:
    """The primitive whose history this is, a new removed one if all instances are taken."""
    if found.bundle is not None:
        return _of_replica(found.bundle, node)
    match: Resource | None = None
    spare: Resource | None = None
    skip = False
    for child in clone.children:
        nodes = _occupied(child)
        if nodes:
            if len(nodes) == 1 and nodes[0] is node:
                match = member_of(child, base)
                if match is not None and match.active_on:
                    match, skip = None, True
                if match is not None:
                    break
        elif not skip and spare is None and not child.blocked:
            spare = member_of(child, base)
            if spare is not None and spare.pending_node is not None:
                if spare.pending_node is not node:
                    spare = None
    if match is None and not skip:
        match = spare
    if match is not None and not match.needs_fencing:
        down = (not node.online or node.unclean) and not node.is_guest
        if down and clone_facts(clone).max != len(cluster.nodes):
            match = None
    if match is None:
        created = add_instance(cluster, clone)
        match = None if created is None else member_of(created, base)
    return match


def _of_replica(bundle: Resource, node: Node) -> Resource | None:
    facts = bundle.bundle_facts
    for replica in facts.replicas if facts is not None else ():
        if replica.node is node:
            return replica.child
    return None


def _occupied(rsc: Resource) -> list[Node]:
    """Nodes where an instance or a member of it is active or has an operation pending."""
    nodes: list[Node] = []
    for part in [rsc, *rsc.children]:
        for node in part.active_on:
            if node not in nodes:
                nodes.append(node)
        if part.pending_node is not None and part.pending_node not in nodes:
            nodes.append(part.pending_node)
    return nodes


def member_of(instance: Resource, base: str) -> Resource | None:
    """The primitive in an instance whose id or configured id is `base`."""
    for part in [instance, *instance.children]:
        if part.is_primitive and base in (part.id, part.xml_id):
            return part
    return None
