"""Two hosts joined by a cable, in network namespaces of their own; agents run on the first."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_NUMBERS = itertools.count()
REPO = Path(__file__).resolve().parents[2]

LISTENER = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 3))
print("ready", flush=True)
while True:
    frame, where = s.recvfrom(2048)
    if where[2] != socket.PACKET_OUTGOING:
        print(f"{time.monotonic():.4f} {frame.hex()}", flush=True)
"""


def why_not() -> str:
    """Why namespaces cannot be made here; empty if they can."""
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "this kernel or container forbids network namespaces"


class TwoHosts:
    """`a` is where agents run (10.99.0.1/24 on eth0), `b` listens (10.99.0.2/24)."""

    def __init__(self, state: Path) -> None:
        self.state = state
        number = f"{os.getpid()}-{next(_NUMBERS)}"
        self.a, self.b = f"pk{number}a", f"pk{number}b"

    @contextlib.contextmanager
    def up(self) -> Iterator[TwoHosts]:
        from pyroute2 import NetNS, netns

        made: list[str] = []
        try:
            for name in (self.a, self.b):
                netns.create(name)
                made.append(name)
            with NetNS(self.a) as left:
                left.link("add", ifname="eth0", kind="veth", peer={"ifname": "p0"})
                peer = left.link_lookup(ifname="p0")[0]
                left.link("set", index=peer, net_ns_fd=self.b)
                self._address(left, "eth0", "10.99.0.1")
                self._address(left, "lo", "")
            with NetNS(self.b) as right:
                right.link("set", index=right.link_lookup(ifname="p0")[0], ifname="eth0")
                self._address(right, "eth0", "10.99.0.2")
            yield self
        finally:
            for name in made:
                netns.remove(name)

    def _address(self, net, nic: str, ip: str) -> None:
        index = net.link_lookup(ifname=nic)[0]
        net.link("set", index=index, state="up")
        if ip:
            net.addr("add", index=index, address=ip, prefixlen=24, broadcast="10.99.0.255")
            v6 = "fd99::" + ip.rsplit(".", 1)[1]
            net.addr("add", index=index, address=v6, prefixlen=64, flags=2)

    def inside(self, name: str, argv: list[str], **env: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{name}", *argv]

    def agent(self, module: str, action: str, **params: str) -> subprocess.CompletedProcess[str]:
        """Run one of our agents on host a; parameters as OCF_RESKEY_*, meta with CRM_meta_."""
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPO),
            "HA_RSCTMP": str(self.state),
            "OCF_RESOURCE_INSTANCE": "vip",
            **{f"OCF_RESKEY_{k}": v for k, v in params.items()},
        }
        argv = [sys.executable, "-m", f"ocf.agents.{module}", action]
        return subprocess.run(
            self.inside(self.a, argv),
            env=env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def addresses(self, ip: str) -> list[tuple[int, str]]:
        """(prefix, label) of every place where `ip` is on host a."""
        from pyroute2 import NetNS

        with NetNS(self.a) as net:
            found = [m for m in net.get_addr() if ip in (m.get("local"), m.get("address"))]
            return [(m["prefixlen"], m.get_attr("IFA_LABEL") or "") for m in found]

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[tuple[float, bytes]]]:
        """Frames that host b receives; the list fills when the block ends."""
        seen: list[tuple[float, bytes]] = []
        process = subprocess.Popen(
            self.inside(self.b, [sys.executable, "-c", LISTENER]), stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            yield seen
            time.sleep(0.05)
        finally:
            process.terminate()
            for line in process.stdout.read().splitlines():
                when, _, data = line.partition(" ")
                seen.append((float(when), bytes.fromhex(data)))
            process.wait(5)
