"""Nodes of the `nodes` section and nodes implied by remote connections.

Their state comes from the status section (`node_state`).  Facts: scheduler-1-assignment.md 6.
"""

from __future__ import annotations

from bisect import insort_left
from functools import cmp_to_key

from lxml import etree

from cib import scores
from cib.lexical import compare_names, is_true
from crmd.scheduler.model import Cluster, Node, Resource

_name_key = cmp_to_key(compare_names)


def add_node(cluster: Cluster, node_id: str, name: str, remote: bool, score: int = 0) -> Node:
    """Create a node and put it into the list by name, before its equals."""
    node = Node(len(cluster.nodes_by_index), node_id, name, remote, score=score)
    node.attrs["#kind"] = "remote" if remote else "cluster"
    if not remote:
        node.unclean = cluster.options.startup_fencing
    if name.lower() in cluster.nodes_by_name:
        cluster.warnings.append(f"node '{name}' (id {node_id}): another node has that name")
    cluster.nodes_by_index.append(node)
    cluster.nodes_by_id.setdefault(node_id.lower(), node)
    cluster.nodes_by_name.setdefault(name.lower(), node)
    insort_left(cluster.nodes, node, key=lambda n: _name_key(n.name))
    return node


def find_node(cluster: Cluster, node_id: str | None, name: str | None) -> Node | None:
    """A node by id, else by name, ignoring case."""
    if node_id is not None:
        found = cluster.nodes_by_id.get(node_id.lower())
        if found is not None:
            return found
    return cluster.node(name)


def node_by_id_or_name(cluster: Cluster, word: str) -> Node | None:
    """A node by a word that is its id or its name; ids first."""
    return find_node(cluster, word, word)


def by_name(nodes: list[Node]) -> list[Node]:
    """Nodes in name order."""
    return sorted(nodes, key=lambda n: _name_key(n.name))


def read_nodes(cluster: Cluster) -> None:
    """The `nodes` section, in document order; an entry of unknown type ends the reading (6.1)."""
    section = cluster.attributes.section("nodes")
    if section is None:
        return
    for element in section.iterchildren("node"):
        node_id = element.get("id")
        if node_id is None:
            cluster.warnings.append("a node element without id is ignored")
            continue
        kind = element.get("type", "member")
        if kind not in ("member", "remote"):
            cluster.warnings.append(
                f"node {node_id}: type '{kind}' is neither member nor remote; "
                "this and all later node entries are ignored"
            )
            return
        score = scores.parse(element.get("score"), 0, cluster.attributes.health)
        name = element.get("uname") or node_id
        node = add_node(cluster, node_id, name, kind == "remote", score)
        add_permanent_attributes(cluster, node, element)


def add_permanent_attributes(cluster: Cluster, node: Node, element: etree._Element | None) -> None:
    """Built-in attributes, then those of the node element (6.2)."""
    attrs = node.attrs
    attrs["#uname"], attrs["#id"] = node.name, node.id
    dc = cluster.dc_uuid
    node.is_dc = dc is not None and dc == node.id and cluster.dc_node is None
    if node.is_dc:
        cluster.dc_node = node
    attrs["#is_dc"] = "true" if node.is_dc else "false"
    cluster_name = cluster.options.cluster_name
    if cluster_name is not None:
        attrs["#cluster-name"] = cluster_name
    cluster.attributes.merge(element, "instance_attributes", attrs)
    add_utilization(cluster, element, node.utilization)
    site = attrs.get("site-name") or cluster_name
    if "#site-name" not in attrs and site is not None:
        attrs["#site-name"] = site


def add_utilization(cluster: Cluster, element: etree._Element | None, into: dict[str, int]) -> None:
    """Utilization blocks of an element, as integers, without overwriting."""
    values: dict[str, str] = {}
    cluster.attributes.merge(element, "utilization", values)
    for name, text in values.items():
        if name not in into:
            number = scores.leading_integer(text)
            into[name] = 0 if number is None else max(-(2**31), min(2**31 - 1, number))


def is_remote_element(element: etree._Element) -> bool:
    """Whether an element's attributes say `ocf:pacemaker:remote`."""
    return (
        (element.get("class") or "").lower() == "ocf"
        and (element.get("provider") or "").lower() == "pacemaker"
        and (element.get("type") or "").lower() == "remote"
    )


def remote_node(cluster: Cluster, name: str) -> Node:
    """The remote node of that name; created, without attributes of its own, unless it exists."""
    found = cluster.node(name)
    if found is not None:
        return found
    node = add_node(cluster, name, name, remote=True)
    add_permanent_attributes(cluster, node, None)
    return node


def add_implied_remote_nodes(cluster: Cluster) -> None:
    """Nodes of connections and guests; guests get a connection element of their own (6.4)."""
    section = cluster.attributes.section("resources")
    if section is None:
        return
    taken = {e.get("id") for e in section.iter("primitive")}
    index = 0
    children = list(section.iterchildren(etree.Element))
    while index < len(children):
        element = children[index]
        index += 1
        if element.tag == "primitive" and is_remote_element(element):
            name = element.get("id")
            if name is not None:
                remote_node(cluster, name)
            continue
        guests = [element] if element.tag == "primitive" else []
        if element.tag == "group":
            guests = [e for e in element.iterchildren("primitive")]
        for guest in guests:
            if is_remote_element(guest):
                if guest.get("id"):
                    remote_node(cluster, guest.get("id") or "")
                continue
            made = _guest_connection(guest)
            if made is None:
                continue
            name = made.get("id") or ""
            remote_node(cluster, name)
            if name not in taken:
                taken.add(name)
                section.append(made)
                children.append(made)
    cluster.attributes.document_changed()


def _guest_connection(guest: etree._Element) -> etree._Element | None:
    """The connection element that a resource with `remote-node` implies, or None."""
    meta: dict[str, str] = {}
    for block in guest.iterchildren("meta_attributes"):
        for nvpair in block.iterchildren("nvpair"):
            name, value = nvpair.get("name"), nvpair.get("value")
            if name is not None and value is not None:
                meta[name] = value
    name = meta.get("remote-node")
    guest_id = guest.get("id")
    if name is None or guest_id is None:
        return None
    return connection_element(
        name,
        container=guest_id,
        address=meta.get("remote-addr"),
        port=meta.get("remote-port"),
        start_timeout=meta.get("remote-connect-timeout", "60s"),
        allow_migrate=meta.get("remote-allow-migrate"),
        is_managed=meta.get("is-managed"),
    )


def connection_element(
    name: str,
    container: str,
    address: str | None,
    port: str | None,
    start_timeout: str | None,
    allow_migrate: str | None = None,
    is_managed: str | None = None,
) -> etree._Element:
    """A `primitive` for the connection of a guest or bundle node (6.4, 9.6)."""
    element = etree.Element(
        "primitive", {"id": name, "class": "ocf", "provider": "pacemaker", "type": "remote"}
    )
    meta = etree.SubElement(element, "meta_attributes", id=f"{name}-meta_attributes")
    pairs = {
        "internal_rsc": "true",
        "container": container,
        "allow-migrate": allow_migrate,
        "is-managed": is_managed,
    }
    for key, value in pairs.items():
        if value is not None:
            etree.SubElement(
                meta, "nvpair", id=f"{name}-meta_attributes-{key}", name=key, value=value
            )
    if address is not None or port is not None:
        params = etree.SubElement(element, "instance_attributes", id=f"{name}-instance_attributes")
        for key, value in {"addr": address, "port": port}.items():
            if value is not None:
                etree.SubElement(
                    params, "nvpair", id=f"{name}-instance_attributes-{key}", name=key, value=value
                )
    operations = etree.SubElement(element, "operations")
    etree.SubElement(
        operations, "op", id=f"{name}-monitor-interval-30s", name="monitor", interval="30s",
        timeout="30s",
    )  # fmt: skip
    if start_timeout is not None:
        etree.SubElement(
            operations, "op", id=f"{name}-start-interval-0s", name="start", interval="0",
            timeout=start_timeout,
        )  # fmt: skip
    return element


def attribute_host(rsc: Resource, node: Node, assigned: bool) -> Node | None:
    """Whose attributes count for a resource on a node (6.8, 20.6): the node, or a guest's host."""
    if not node.is_guest or (rsc.meta.get("container-attribute-target") or "").lower() != "host":
        return node
    launcher = node.conn.launcher if node.conn is not None else None
    if launcher is None:
        return None
    if assigned:
        return launcher.assigned
    return launcher.active_on[0] if launcher.active_on else None


def attribute(rsc: Resource, node: Node, name: str, assigned: bool = False) -> str | None:
    """A node attribute as seen by a resource ("with target", 6.8)."""
    host = attribute_host(rsc, node, assigned)
    return None if host is None else host.attrs.get(name)


def node_is_true(node: Node, name: str) -> bool:
    """Whether a node attribute is a true boolean."""
    return is_true(node.attrs.get(name))
