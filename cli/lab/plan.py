"""What a lab is going to be: names, addresses, directories.  Values only, nothing is made here.

Addresses follow the handbook: service network 172.16.1.0/24 on eth0, heartbeat network
10.0.10.0/24 on eth1.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SERVICE, HEARTBEAT = "service", "heartbeat"
NETWORKS = {SERVICE: "172.16.1", HEARTBEAT: "10.0.10"}
INTERFACES = {SERVICE: "eth0", HEARTBEAT: "eth1"}
CLIENT = "client"
CLIENT_HOST = 200
NODE_LIMIT = 16

REPOSITORY = Path(__file__).resolve().parents[2]
STANDINS = Path(__file__).resolve().parent / "standins"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class LabError(Exception):
    """The lab cannot do what was asked; the text says what and what to do."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node; `index` counts from 1 and gives the addresses."""

    name: str
    index: int

    @property
    def service_address(self) -> str:
        return f"{NETWORKS[SERVICE]}.{150 + self.index}"

    @property
    def heartbeat_address(self) -> str:
        return f"{NETWORKS[HEARTBEAT]}.{self.index}"

    def address(self, network: str) -> str:
        return self.service_address if network == SERVICE else self.heartbeat_address

    def mac(self, network: str) -> str:
        """Locally administered hardware address, the same at each start of the lab."""
        return mac_address(network, self.index)


def mac_address(network: str, index: int) -> str:
    """Hardware address of the cable of node `index` (0: the client)."""
    return f"02:50:4b:{list(NETWORKS).index(network):02x}:00:{index:02x}"


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A lab named `name`, keeping its files in `state`."""

    name: str
    state: Path
    nodes: tuple[NodePlan, ...]
    watched: tuple[str, ...] = ()
    """Addresses the client asks every few milliseconds."""

    def node(self, name: str) -> NodePlan:
        """The node of that name.  Raises LabError."""
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(n.name for n in self.nodes)
        raise LabError(f"{name}: no such node in lab '{self.name}'; nodes are {known}")

    @property
    def control(self) -> Path:
        return self.shared / "control.sock"

    @property
    def shared(self) -> Path:
        """Seen by every node as /lab."""
        return self.state / "shared"

    @property
    def log(self) -> Path:
        return self.state / "lab.log"

    @property
    def client_log(self) -> Path:
        return self.state / "client.log"

    @property
    def pid_file(self) -> Path:
        return self.state / "lab.pid"

    @property
    def image(self) -> Path:
        """The shared disk of the nodes."""
        return self.state / "data.img"

    def disk(self, node: str) -> Path:
        """What of a node survives a power cut: `etc/ha.d` and `var`."""
        return self.state / "nodes" / node


def state_base() -> Path:
    """Directory of all labs of this user, private to the user.  Raises LabError."""
    base = Path(os.environ.get("TMPDIR", "/tmp")) / f"pacekeeper-lab-{os.geteuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise LabError(f"{base}: not a private directory of this user; remove it")
    return base


def plan(name: str, node_names: Iterable[str], base: Path, watched: Iterable[str] = ()) -> LabPlan:
    """A checked plan.  Raises LabError on unusable names or numbers."""
    names = tuple(node_names)
    for each in (name, *names):
        if not _NAME.fullmatch(each):
            raise LabError(f"{each!r}: not a usable name; letters, digits, dot, dash, underscore")
    if not 1 <= len(names) <= NODE_LIMIT:
        raise LabError(f"{len(names)} nodes; a lab has 1 to {NODE_LIMIT}")
    if len(set(names)) != len(names) or CLIENT in names:
        raise LabError(f"node names {', '.join(names)}: must differ, and '{CLIENT}' is taken")
    nodes = tuple(NodePlan(n, i) for i, n in enumerate(names, start=1))
    return LabPlan(name, base / name, nodes, tuple(watched))


def default_names(count: int) -> list[str]:
    return [f"n{i}" for i in range(1, count + 1)]


def nodes_of_ha_cf(text: str) -> list[str]:
    """Node names in the order of the file (as ha.cf's `node` directives give them)."""
    out: list[str] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words and words[0] == "node":
            out += [w for w in words[1:] if w not in out]
    return out


def loopback_ha_cf(nodes: Iterable[str], port: int) -> str:
    """One heartbeat path, over multicast on the loopback interface."""
    return "\n".join(
        [
            "keepalive 100ms",
            "warntime 500ms",
            "deadtime 1",
            "initdead 5",
            f"mcast lo 239.255.80.75 {port} 0 1",
            "auto_failback off",
            *(f"node {name}" for name in nodes),
            "crm respawn",
            "",
        ]
    )


def default_ha_cf(nodes: Iterable[NodePlan]) -> str:
    """Two heartbeat paths (unicast on eth1, broadcast on eth0), death after one second."""
    members = list(nodes)
    return "\n".join(
        [
            "keepalive 100ms",
            "warntime 500ms",
            "deadtime 1",
            "initdead 5",
            "udpport 694",
            *(f"ucast eth1 {n.heartbeat_address}" for n in members),
            "bcast eth0",
            "auto_failback off",
            *(f"node {n.name}" for n in members),
            "crm respawn",
            "",
        ]
    )
