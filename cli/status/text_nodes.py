"""The node list as text.  Facts: scheduler-2-actions.md section 17.3, cli.md section 5."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cli.status.listing import Listing
from cli.status.model import NodeKind, NodeStatus
from cli.status.show import Show

_LISTS = (
    ("Online", NodeKind.MEMBER, True),
    ("OFFLINE", NodeKind.MEMBER, False),
    ("RemoteOnline", NodeKind.REMOTE, True),
    ("RemoteOFFLINE", NodeKind.REMOTE, False),
    ("GuestOnline", NodeKind.GUEST, True),
)


def node_line(node: NodeStatus, show: Show) -> str:
    """`Node NAME: STATE`, with id, host and feature set where details are wanted."""
    name = node.name
    if show.details:
        if node.kind is NodeKind.GUEST:
            name = f"{node.name}@{node.host or ''}"
        elif node.kind is NodeKind.MEMBER and node.id != node.name:
            name = f"{node.name} ({node.id})"
    line = f"{node.kind.value} {name}: {node.state}"
    if node.health < 0:
        line += " (health is RED)"
    elif node.health == 0:
        line += " (health is YELLOW)"
    if show.details and node.feature_set is not None:
        line += f", feature set {node.feature_set}"
    return line


def node_title(node: NodeStatus, show: Show) -> str:
    """`Node: NAME`, the heading of a node's part in another section."""
    if not show.details:
        return f"Node: {node.name}"
    if node.kind is NodeKind.GUEST:
        return f"Node: {node.name}@{node.host or ''}"
    return f"Node: {node.name}" + (f" ({node.id})" if node.id != node.name else "")


def node_items(nodes: Iterable[NodeStatus], show: Show) -> list[str | Listing]:
    """Odd nodes singly and the others gathered; all of them singly with details."""
    single: list[str | Listing] = []
    gathered: list[NodeStatus] = []
    for node in nodes:
        if not show.wants_node(node.name):
            continue
        if show.details or node.is_odd:
            single.append(node_line(node, show))
        else:
            gathered.append(node)
    for title, kind, online in _LISTS:
        names = [node.name for node in gathered if node.kind is kind and node.online is online]
        if names:
            single.append(f"{title}: [ {' '.join(names)} ]")
    return single


def nodes_with_resources(
    nodes: Iterable[NodeStatus],
    show: Show,
    resources_on: Callable[[NodeStatus], list[str | Listing]],
) -> list[str | Listing]:
    """Every node with what runs there (`crm_mon -n`)."""
    out: list[str | Listing] = []
    for node in nodes:
        if not show.wants_node(node.name):
            continue
        items = resources_on(node)
        if show.brief and not items:
            continue
        out.append(Listing(node_line(node, show), [Listing("Resources", items)]))
    return out
