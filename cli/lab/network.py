"""The lab's cables: two bridges in the lab's own network namespace, one cable per node and net.

Runs in the lab's namespace, never in the host's.  A whole cable is pulled by taking the bridge's
end down; traffic between two nodes is cut by nftables rules in the bridge, matching hardware
addresses, so each direction can be cut alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from cli.lab import filter
from cli.lab.plan import CLIENT_HOST, INTERFACES, NETWORKS, SERVICE, LabError, mac_address

_BRIDGES = {network: f"br-{network}"[:15] for network in NETWORKS}


class Cables:
    """Bridges and cables; one open netlink socket, so that a cut takes well under 1 ms."""

    def __init__(self) -> None:
        self._ipr = IPRoute()
        self._index: dict[str, int] = {}
        self._bridge: dict[str, int] = {}
        self._cuts: set[tuple[str, str, str]] = set()

    def build(self) -> None:
        """Make the bridges."""
        self._ipr.link("set", index=self._find("lo"), state="up")
        for network, name in _BRIDGES.items():
            self._ipr.link("add", ifname=name, kind="bridge", br_stp_state=0, br_mcast_snooping=0)
            self._bridge[network] = self._find(name)
            self._ipr.link("set", index=self._bridge[network], state="up")

    def _find(self, name: str) -> int:
        found: list[int] = self._ipr.link_lookup(ifname=name)
        if not found:
            raise LabError(f"interface {name} is missing in the lab's network namespace")
        return found[0]

    def plug(self, label: str, index: int, pid: int, networks: Iterable[str]) -> None:
        """Cables of a node (or of the client, index 0) into the namespace of process `pid`."""
        for network in networks:
            near = _port(network, index)
            with contextlib.suppress(NetlinkError):
                self._ipr.link("del", index=self._find_or_zero(near))
            self._ipr.link(
                "add",
                ifname=near,
                kind="veth",
                peer={
                    "ifname": INTERFACES[network],
                    "net_ns_pid": pid,
                    "address": mac_address(network, index),
                },
            )
            port = self._find(near)
            self._index[f"{label}/{network}"] = port
            self._ipr.link("set", index=port, master=self._bridge[network], state="up")

    def _find_or_zero(self, name: str) -> int:
        found: list[int] = self._ipr.link_lookup(ifname=name)
        return found[0] if found else 0

    def set_cable(self, label: str, networks: Iterable[str], up: bool) -> None:
        """Pull or push in whole cables; a cable that is gone with its node is no error."""
        for network in networks:
            port = self._index.get(f"{label}/{network}")
            if port is None:
                continue
            with contextlib.suppress(NetlinkError):
                self._ipr.link("set", index=port, state="up" if up else "down")

    def cut(self, source: str, target: str, networks: Iterable[str]) -> None:
        """Drop what `source` sends to `target` (one direction)."""
        for network in networks:
            self._cuts.add((network, source, target))
        self.apply_cuts()

    def heal(self) -> None:
        """Let everything through again (pulled cables stay pulled)."""
        self._cuts.clear()
        self.apply_cuts()

    def apply_cuts(self) -> None:
        """Write the cuts for the ports of now; called again when a node has new cables."""
        pairs = []
        for network, source, target in sorted(self._cuts):
            near = self._index.get(f"{source}/{network}")
            far = self._index.get(f"{target}/{network}")
            if near is not None and far is not None:
                pairs.append((near, far))
        try:
            filter.set_cuts(pairs)
        except OSError as e:
            raise LabError(f"cannot cut between two nodes here ({e}); pull whole cables") from e

    def cuts(self) -> list[tuple[str, str, str]]:
        """(network, source, target), sorted."""
        return sorted(self._cuts)

    def close(self) -> None:
        self._ipr.close()


def _port(network: str, index: int) -> str:
    return f"{network[:2]}{index}"


def configure(addresses: Mapping[str, str]) -> None:
    """Inside a node: give each interface its address and bring it up."""
    with IPRoute() as ipr:
        ipr.link("set", index=ipr.link_lookup(ifname="lo")[0], state="up")
        for network, address in addresses.items():
            index = ipr.link_lookup(ifname=INTERFACES[network])[0]
            broadcast = f"{NETWORKS[network]}.255"
            ipr.addr("add", index=index, address=address, prefixlen=24, broadcast=broadcast)
            ipr.link("set", index=index, state="up")
        if SERVICE in addresses:
            gateway = f"{NETWORKS[SERVICE]}.{CLIENT_HOST}"
            if addresses[SERVICE] != gateway:
                ipr.route("add", dst="default", gateway=gateway)


def client_addresses() -> dict[str, str]:
    return {SERVICE: f"{NETWORKS[SERVICE]}.{CLIENT_HOST}"}
