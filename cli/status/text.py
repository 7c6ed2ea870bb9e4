"""The status as text: which sections, in which order.

Facts: scheduler-2-actions.md sections 17.2 and 17.7 (crm_simulate), cli.md section 5 (crm_mon).
"""

from __future__ import annotations

from cli.status.listing import SPACER, Listing, render
from cli.status.model import ClusterStatus
from cli.status.show import Section, Show
from cli.status.text_nodes import node_items, nodes_with_resources
from cli.status.text_resources import items_on_node, resource_list
from cli.status.text_sections import (
    attributes_section,
    bans_section,
    failures_section,
    fencing_sections,
    operations_section,
    summary_section,
    tickets_section,
)

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


def monitor_sections(status: ClusterStatus, show: Show) -> list[Listing]:
    """The sections of `crm_mon` in their order; empty ones are left out."""
    wanted = show.sections
    out: list[Listing | None] = [summary_section(status, show)]
    if Section.MAINT_MODE in wanted and status.options.maintenance_mode:
        out.append(Listing("", list(MAINTENANCE_BANNER[1:]), decorated=False))
    if Section.NODES in wanted:
        out.append(nodes_section(status, show))
    if Section.RESOURCES in wanted:
        out.append(resources_section(status, show, always=True))
    if Section.ATTRIBUTES in wanted:
        out.append(attributes_section(status, show))
    if Section.OPERATIONS in wanted or Section.FAILCOUNTS in wanted:
        out.append(operations_section(status, show))
    if Section.FAILURES in wanted:
        out.append(failures_section(status, show))
    out += fencing_sections(status, show)
    if Section.TICKETS in wanted:
        out.append(tickets_section(status, show))
    if Section.BANS in wanted:
        out.append(bans_section(status, show))
    return [section for section in out if section is not None]


def monitor_text(status: ClusterStatus, show: Show) -> str:
    """What `crm_mon -1` prints."""
    items: list[str | Listing] = []
    for section in monitor_sections(status, show):
        items += [SPACER, section] if items else [section]
    return "".join(f"{line}\n" for line in render(items))
