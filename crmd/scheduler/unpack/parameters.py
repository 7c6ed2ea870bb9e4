"""Instance attributes of resources, evaluated for a node.

Facts: scheduler-1-assignment.md 7.5.
"""

from __future__ import annotations

from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.unpack.attributes import Agent


def agent(rsc: Resource) -> Agent:
    """(class, provider, type) as rules see them."""
    return (rsc.klass or None, rsc.provider, rsc.type or None)


def parameters(cluster: Cluster, rsc: Resource, node: Node | None) -> dict[str, str]:
    """The resource's parameters on a node (None: the node-independent ones).

    A cached dict, not to be changed.
    """
    owner = -rsc.index - 1 if rsc.element is None else id(rsc.element)
    key = (owner, -1 if node is None else node.index)
    found = cluster.parameters.get(key)
    if found is None:
        found = {}
        given = cluster.attributes.given(node_attributes=None if node is None else node.attrs)
        at: Resource | None = rsc
        while at is not None:
            cluster.attributes.merge(at.element, "instance_attributes", found, given)
            at = at.parent
        cluster.parameters[key] = found
    return found
