"""Resources that exist only in the status section.

Facts: scheduler-1-assignment.md 12.6.
"""

from __future__ import annotations

from lxml import etree

from crmd.scheduler.model import Cluster, Node, Resource, ResourceHistory, Variant
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.nodes import remote_node
from crmd.scheduler.unpack.resources import (
    allow_known_nodes,
    is_remote_agent,
    link_node,
    new_resource,
    read_common,
)


def add_removed(cluster: Cluster, history: ResourceHistory, node: Node) -> Resource:
    """Make a resource of a history entry nobody is configured for."""
    element = etree.Element("primitive", dict(history.attrs))
    rsc = new_resource(cluster, history.id, Variant.PRIMITIVE, element, None)
    read_common(cluster, rsc)
    if rsc.fence_device:
        cluster.have_fence_devices = True
    rsc.removed = True
    allow_known_nodes(cluster, rsc)
    cluster.resources.append(rsc)
    if is_remote_agent(rsc):
        remote = remote_node(cluster, rsc.id)
        link_node(cluster, rsc, remote)
        remote.shutdown = True
    rsc.removed_launched = "container" in history.attrs
    if cluster.options.stop_removed:
        tables.ban_everywhere(cluster, rsc, "removed from the configuration")
    else:
        rsc.managed = False
    return rsc


def link_launchers(cluster: Cluster) -> None:
    """Removed resources that name an existing container get it as launcher."""
    for rsc in cluster.resources:
        if not rsc.removed_launched or rsc.launcher is not None:
            continue
        launcher = cluster.by_id.get(rsc.meta.get("container", ""))
        if launcher is not None:
            rsc.launcher = launcher
            launcher.launched.append(rsc)
