"""Bundles: the containers, addresses and connections they imply, and the clone inside.

The texts made here are hashed and compared with digests in the status section, so they are exact.
Facts: scheduler-1-assignment.md 9.4 - 9.6; scheduler-cases.md, "Constants that leak".
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

from lxml import etree

from cib import scores
from cib.lexical import integer_at_least, parse_boolean
from cib.scores import INFINITY
from crmd.scheduler.model import (
    BundleFacts,
    Cluster,
    Node,
    PortMapping,
    ProbeMode,
    Replica,
    Resource,
    StorageMapping,
)
from crmd.scheduler.unpack.collectives import bounded
from crmd.scheduler.unpack.nodes import add_node, add_permanent_attributes, connection_element
from crmd.scheduler.unpack.resources import link_node, unpack_resource

REPLICA_NODE_SCORE = 500
MAX_REPLICAS = 500
"""Most replicas of one bundle that are planned for; each knows the addresses of all."""
DEFAULT_PORT = "3121"
REMOTE_DAEMON = "/usr/sbin/pacemaker-remoted"
KEY_FILE = "/etc/pacemaker/authkey"
LOG_DIRECTORY = "/var/log/pacemaker/bundles"


@dataclass(slots=True)
class _Description:
    """The XML of a bundle, read."""

    kind: str
    image: str
    promoted_max: int
    replicas: int
    per_host: int
    run_command: str | None
    options: str | None
    network: str | None
    address_start: str | None
    netmask: str | None
    interface: str | None
    control_port: str | None
    add_host: bool
    ports: list[PortMapping]
    storage: list[StorageMapping]
    primitive: etree._Element | None


def read_bundle(cluster: Cluster, bundle: Resource) -> bool:
    """Everything a bundle implies; False when it cannot be used."""
    if bundle.element is None:
        return False
    d = _describe(cluster, bundle, bundle.element)
    if d is None:
        return False
    facts = bundle.bundle_facts = BundleFacts(d.kind, d.image, d.promoted_max, d.per_host)
    bundle.unique = d.per_host > 1
    clone = None
    if d.primitive is not None:
        if d.address_start is None and d.control_port is None:
            cluster.warnings.append(
                f"bundle {bundle.id}: a primitive inside needs ip-range-start or control-port; "
                "ignored"
            )
            return False
        clone = unpack_resource(cluster, _implicit_clone(bundle.id, d), bundle)
        if clone is None:
            return False
        facts.clone = clone
        _imply_remote_mappings(cluster, d)
        for instance in clone.children:
            instance.exclusive_probes = True
            if instance.notify:
                clone.notify = True
        target = clone.children[0].meta.get("container-attribute-target")
        if target is not None:
            bundle.meta["container-attribute-target"] = target
            clone.meta["container-attribute-target"] = target
    addresses = _addresses(d)
    for offset in range(d.replicas):
        child = clone.children[offset] if clone is not None else None
        if not _add_replica(cluster, bundle, facts, d, offset, addresses, child):
            return False
    if clone is not None:
        bundle.children.append(clone)
    return True


def _describe(cluster: Cluster, bundle: Resource, element: etree._Element) -> _Description | None:
    container = None
    for kind in ("docker", "podman"):
        container = element.find(kind)
        if container is not None:
            break
    if container is None:
        cluster.warnings.append(f"bundle {bundle.id}: neither docker nor podman in it; ignored")
        return None
    promoted_max = integer_at_least(container.get("promoted-max"), 0)
    replicas = container.get("replicas")
    per_host = integer_at_least(container.get("replicas-per-host"), 1)
    network = element.find("network")
    net: dict[str, str] = {}
    if network is not None:
        net = {str(k): str(v) for k, v in network.attrib.items()}
    primitive = element.find("primitive")
    if primitive is not None and "ip-range-start" not in net and per_host > 1:
        if "control-port" in net:
            cluster.warnings.append(
                f"bundle {bundle.id}: replicas-per-host={per_host} needs ip-range-start; using 1"
            )
            per_host = 1
    return _Description(
        kind=container.tag,
        image=container.get("image") or "",
        promoted_max=promoted_max,
        replicas=bounded(
            cluster,
            bundle.id,
            "replicas",
            (promoted_max or 1) if replicas is None else integer_at_least(replicas, 1),
            MAX_REPLICAS,
        ),
        per_host=per_host,
        run_command=container.get("run-command"),
        options=container.get("options"),
        network=container.get("network"),
        address_start=net.get("ip-range-start"),
        netmask=net.get("host-netmask"),
        interface=net.get("host-interface"),
        control_port=net.get("control-port"),
        add_host=parse_boolean(net.get("add-host", "true")) is not False,
        ports=_port_mappings(network),
        storage=_storage_mappings(element.find("storage")),
        primitive=primitive,
    )


def _port_mappings(network: etree._Element | None) -> list[PortMapping]:
    found: list[PortMapping] = []
    if network is None:
        return found
    for mapping in network.iterchildren("port-mapping"):
        source = mapping.get("port")
        target = mapping.get("internal-port") if source is not None else None
        source = source or mapping.get("range")
        if source is not None:
            found.append(PortMapping(mapping.get("id") or "", source, target or source))
    return found


def _storage_mappings(storage: etree._Element | None) -> list[StorageMapping]:
    found: list[StorageMapping] = []
    if storage is None:
        return found
    for mapping in storage.iterchildren("storage-mapping"):
        source, target = mapping.get("source-dir"), mapping.get("target-dir")
        per_replica = source is None
        source = source or mapping.get("source-dir-root")
        if source is not None and target is not None:
            found.append(StorageMapping(source, per_replica, target, mapping.get("options")))
    return found


def _implicit_clone(bundle_id: str, d: _Description) -> etree._Element:
    """The clone around the bundled primitive (9.5)."""
    suffix = "master" if d.promoted_max > 0 else "clone"
    clone_id = f"{bundle_id}-{suffix}"
    clone = etree.Element("clone", id=clone_id)
    meta = etree.SubElement(clone, "meta_attributes", id=f"{clone_id}-meta")
    values = {
        "ordered": "true",
        "clone-max": str(d.replicas),
        "clone-node-max": str(d.per_host),
        "globally-unique": "true" if d.per_host > 1 else "false",
    }
    if d.promoted_max > 0:
        values["promotable"] = "true"
        values["promoted-max"] = str(d.promoted_max)
    for name, value in values.items():
        etree.SubElement(meta, "nvpair", id=f"{clone_id}-meta-{name}", name=name, value=value)
    if d.primitive is not None:
        clone.append(copy.deepcopy(d.primitive))
    return clone


def _imply_remote_mappings(cluster: Cluster, d: _Description) -> None:
    """The key, the log directory and the control port of a container with a primitive."""
    logs_mapped = any(m.target == "/var/log" for m in d.storage)
    d.storage.append(StorageMapping(KEY_FILE, False, KEY_FILE, None))
    if not logs_mapped:
        d.storage.append(StorageMapping(LOG_DIRECTORY, True, "/var/log", None))
    port = d.control_port or DEFAULT_PORT
    d.ports.append(PortMapping("pcmk-remote-port", port, port))


def _addresses(d: _Description) -> list[str | None]:
    """One address per replica, counted up from the first (9.5)."""
    out: list[str | None] = []
    at = d.address_start
    for _ in range(d.replicas):
        out.append(at)
        at = next_address(at) if at is not None else None
    return out


def next_address(address: str) -> str | None:
    """The address after a dotted quad; None when there is none."""
    found = re.match(r"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)", address)
    if found is None:
        return None
    a, b, c, last = (scores.integer(part) for part in found.groups())
    if last > 253:
        if c > 253:
            return None
        c, last = c + 1, 1
    else:
        last += 1
    return f"{a}.{b}.{c}.{last}"


def _add_replica(
    cluster: Cluster,
    bundle: Resource,
    facts: BundleFacts,
    d: _Description,
    offset: int,
    addresses: list[str | None],
    child: Resource | None,
) -> bool:
    container = unpack_resource(
        cluster, _container_element(bundle.id, d, offset, addresses), bundle
    )
    if container is None:
        return False
    container.replica_container = True
    bundle.children.append(container)
    address = addresses[offset]
    replica = Replica(offset, container, address, child=child)
    container.replica = replica
    facts.replicas.append(replica)
    if address is not None:
        ip = unpack_resource(cluster, _address_element(bundle.id, d, address), bundle)
        if ip is None:
            return False
        ip.replica = replica
        replica.ip = ip
        bundle.children.append(ip)
    if child is not None:
        child.replica = replica
        _add_connection(cluster, bundle, d, replica, child)
        container.utilization, child.utilization = child.utilization, {}
    return True


def _container_element(
    bundle_id: str, d: _Description, offset: int, addresses: list[str | None]
) -> etree._Element:
    name = f"{bundle_id}-{d.kind}-{offset}"
    mounts = []
    for mapping in d.storage:
        source = mapping.source
        if mapping.per_replica:
            source = f"{source}/{bundle_id}-{offset}"
            mounts.append(source)
    params = {
        "image": d.image,
        "allow_pull": "true",
        "force_kill": "false",
        "reuse": "false",
        "run_opts": _run_options(bundle_id, d, offset, addresses),
        "mount_points": ",".join(mounts),
    }
    command = d.run_command
    if command is None and d.primitive is not None:
        command = REMOTE_DAEMON
    if command is not None:
        params["run_cmd"] = command
    params["monitor_cmd"] = "/bin/true"
    return _primitive(name, "heartbeat", d.kind, params)


def _run_options(bundle_id: str, d: _Description, offset: int, addresses: list[str | None]) -> str:
    """The options of the container command, to the character (9.6.1)."""
    name = f"{bundle_id}-{offset}"
    parts = []
    if d.kind == "docker":
        parts.append(" --restart=no")
    if d.address_start is not None:
        parts.append(f" -h {name}")
    parts.append(" -e PCMK_stderr=1")
    if d.network is not None:
        parts.append(f" --net={d.network}")
    parts.append(f" -e PCMK_remote_port={d.control_port or DEFAULT_PORT}")
    for mapping in d.storage:
        source = f"{mapping.source}/{name}" if mapping.per_replica else mapping.source
        tail = f":{mapping.options}" if mapping.options is not None else ""
        parts.append(f" -v {source}:{mapping.target}{tail}")
    for port in d.ports:
        if addresses[offset] is not None:
            parts.append(f" -p {addresses[offset]}:{port.source}:{port.target}")
        elif d.network != "host":
            parts.append(f" -p {port.source}:{port.target}")
    if d.options is not None:
        parts.append(f" {d.options}")
    parts.append(" ")
    for j, address in enumerate(addresses):
        if address is not None:
            host = f"{bundle_id}-{j}"
            parts.append(
                f" --add-host={host}:{address}"
                if d.add_host
                else f" --hosts-entry={address}={host}"
            )
    return "".join(parts)


def _address_element(bundle_id: str, d: _Description, address: str) -> etree._Element:
    name = re.sub(r"[^A-Za-z0-9._-]", ".", f"{bundle_id}-ip-{address}")
    params = {"ip": address}
    if d.interface is not None:
        params["nic"] = d.interface
    params["cidr_netmask"] = d.netmask or "32"
    return _primitive(name, "heartbeat", "IPaddr2", params)


def _primitive(name: str, provider: str, agent: str, params: dict[str, str]) -> etree._Element:
    element = etree.Element(
        "primitive", {"id": name, "class": "ocf", "provider": provider, "type": agent}
    )
    block_id = f"{name}-attributes-{name}"
    block = etree.SubElement(element, "instance_attributes", id=block_id)
    for key, value in params.items():
        etree.SubElement(block, "nvpair", id=f"{block_id}-{key}", name=key, value=value)
    operations = etree.SubElement(element, "operations")
    etree.SubElement(operations, "op", id=f"{name}-monitor-60s", name="monitor", interval="60s")
    return element


def _add_connection(
    cluster: Cluster, bundle: Resource, d: _Description, replica: Replica, child: Resource
) -> None:
    """The connection of a replica and its bundle node (9.6.3)."""
    name = f"{bundle.id}-{replica.offset}"
    if name in cluster.by_id:
        name = f"pcmk-internal-{child.id}-remote-{replica.offset}"
    node = _bundle_node(cluster, name)
    replica.node = node
    child.scores = {node.index: REPLICA_NODE_SCORE}
    child.probe_modes = {node.index: ProbeMode.EXCLUSIVE}
    if cluster.explain is not None:
        cluster.explain.term(child, node, REPLICA_NODE_SCORE, "the node of its replica")
    if child.parent is not None:
        child.parent.scores[node.index] = -INFINITY
        child.parent.probe_modes[node.index] = ProbeMode.NEVER
    element = connection_element(
        name,
        container=replica.container.id,
        address=replica.address or "#uname",
        port=d.control_port or DEFAULT_PORT,
        start_timeout=None,
    )
    remote = unpack_resource(cluster, element, bundle)
    if remote is None:
        raise AssertionError(f"connection {name} of bundle {bundle.id} was not accepted")
    for index in remote.scores:
        if cluster.nodes_by_index[index].is_remote_kind:
            remote.scores[index] = -INFINITY
            if cluster.explain is not None:
                other = cluster.nodes_by_index[index]
                cluster.explain.term(remote, other, -INFINITY, "a connection needs a full node")
    remote.launcher = replica.container
    replica.container.launched.append(remote)
    remote.nesting_allowed = True
    remote.replica = replica
    replica.remote = remote
    bundle.children.append(remote)
    link_node(cluster, remote, node)


def _bundle_node(cluster: Cluster, name: str) -> Node:
    node = cluster.node(name)
    if node is None:
        node = add_node(cluster, name, name, remote=True, score=-INFINITY)
        add_permanent_attributes(cluster, node, None)
    else:
        for other in cluster.by_id.values():
            if node.index in other.scores:
                other.scores[node.index] = -INFINITY
                if cluster.explain is not None:
                    cluster.explain.term(other, node, -INFINITY, "takes only its bundle's resource")
                other.probe_modes[node.index] = ProbeMode.NEVER
    node.score = -INFINITY
    node.probe_mode = ProbeMode.NEVER
    return node
