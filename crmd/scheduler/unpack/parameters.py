"""Instance attributes of resources, evaluated for a node.

Facts: scheduler-1-assignment.md 7.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.scheduler.model import Cluster, Node, Resource
from crmd.scheduler.unpack.attributes import Agent

if TYPE_CHECKING:
    from lxml import etree


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
        found = cluster.parameters[key] = {}
        attributes = cluster.attributes
        chain = _with_ancestors(rsc)
        if any(attributes.blocks(element, "instance_attributes") for element in chain):
            given = attributes.given(node_attributes=None if node is None else node.attrs)
            for element in chain:
                attributes.merge(element, "instance_attributes", found, given)
    return found


def _with_ancestors(rsc: Resource) -> list[etree._Element | None]:
    elements = []
    at: Resource | None = rsc
    while at is not None:
        elements.append(at.element)
        at = at.parent
    return elements
