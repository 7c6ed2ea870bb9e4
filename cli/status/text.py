"""The status as text: which sections, in which order.

Facts: scheduler-2-actions.md sections 17.2 and 17.7 (crm_simulate), cli.md section 5 (crm_mon).
"""

from __future__ import annotations

from cli.status.listing import SPACER, Listing
from cli.status.model import ClusterStatus
from cli.status.show import Section, Show
from cli.status.text_nodes import node_items, nodes_with_resources
from cli.status.text_resources import items_on_node, resource_list

MAINTENANCE_BANNER = (
    "",
    "              *** Resource management is DISABLED ***",
    "  The cluster will not attempt to start, stop or recover services",
)


def nodes_section(status: ClusterStatus, show: Show) -> Listing | None:
    """`Node List`, with the resources of each node where they are grouped so."""
    if show.by_node:
        items = nodes_with_resources(
            status.nodes, show, lambda node: items_on_node(status.resources, node, show)
        )
    else:
        items = node_items(status.nodes, show)
    return Listing("Node List", items) if items else None


def resources_section(status: ClusterStatus, show: Show, *, always: bool) -> Listing | None:
    """The list of resources, by the name that says how much of them is in it."""
    title, none = "Active Resources", "No active resources"
    if show.inactive:
        title, none = "Full List of Resources", "No resources"
        if show.by_node:
            title, none = "Inactive Resources", "No inactive resources"
    elif show.by_node:
        return None
    items = resource_list(status.resources, show)
    if not items and not always:
        return None
    return Listing(title, items or [none])


def simulator_status(
    status: ClusterStatus, *, pending: bool, extra: tuple[Listing, ...] = ()
) -> list[str | Listing]:
    """Node list and full resource list, as `crm_simulate` shows them."""
    show = Show(pending=pending, sections=frozenset({Section.NODES, Section.RESOURCES}))
    sections = [nodes_section(status, show), resources_section(status, show, always=True), *extra]
    items: list[str | Listing] = []
    for section in sections:
        if section is not None:
            items += [SPACER, section] if items else [section]
    return items


def counts_line(status: ClusterStatus) -> str | None:
    """How many instances are disabled or blocked; None if none is."""
    total, disabled, blocked = status.counts()
    if not disabled and not blocked:
        return None
    return (
        f"{disabled} of {total} resource instances DISABLED and {blocked} BLOCKED "
        "from further action due to failure"
    )
