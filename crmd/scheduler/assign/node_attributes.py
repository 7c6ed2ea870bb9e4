"""Node attributes as colocations see them: a guest's host may answer for it.

Facts: scheduler-1-assignment.md 20.6, 6.8.
"""

from __future__ import annotations

from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.unpack.nodes import attribute


def mark_host_users(cluster: Cluster) -> None:
    """Note which resources may see attributes of hosts, so that the others need no look-up."""
    stack = list(cluster.resources)
    while stack:
        rsc = stack.pop()
        target = (rsc.meta.get("container-attribute-target") or "").lower()
        rsc.sees_host_attributes = target == "host" or rsc.bundle is not None
        stack.extend(rsc.children)


def seen_attribute(rsc: Resource, node: Node, name: str) -> str | None:
    """Value (lower case) of an attribute of a node as the resource sees it."""
    if rsc.sees_host_attributes:
        value = _through_host(rsc, node, name)
    else:
        value = node.attrs.get(name)
    return None if value is None else value.lower()


def _through_host(rsc: Resource, node: Node, name: str) -> str | None:
    bundle = rsc.bundle
    if node.is_bundle_node and bundle is not None and bundle.bundle_facts is not None:
        if rsc.top is bundle.bundle_facts.clone:
            launcher = node.conn.launcher if node.conn is not None else None
            host = launcher.assigned if launcher is not None else None
            return None if host is None else host.attrs.get(name)
    return attribute(rsc, node, name, assigned=True)
