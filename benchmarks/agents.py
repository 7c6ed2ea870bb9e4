"""How long an agent action takes: ours in the warm process and as executables, beside Debian's.

Run as root: `python -m benchmarks.agents [--runs N]`.  All three ways go through the same executor
on the same interface of a private network and mount namespace, interleaved in the same run, so
that the load of the machine falls on all alike; the ratio is what counts.  The last column is how
soon after the call the peer heard the first announcement.  Source: ocf.md 14.4.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocf import install
from ocf.calls import AgentCall, AgentRef
from ocf.environment import Places
from ocf.executor import Executor
from ocf.warm import WarmRunner

SYSTEM_ROOT = Path("/usr/lib/ocf")
STEPS = ("probe", "start", "monitor", "stop")


@dataclass(frozen=True)
class Scenario:
    """One agent with its parameters; `address` is what the peer should hear of."""

    agent: AgentRef
    params: dict[str, str]
    address: str = ""


@dataclass
class Times:
    """Milliseconds per (way, agent, step)."""

    of: dict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))


class Listener(threading.Thread):
    """Notes when the peer interface receives an ARP frame for an address."""

    def __init__(self, nic: str) -> None:
        super().__init__(daemon=True)
        import socket

        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self._socket.bind((nic, 0x0806))
        self.heard: dict[bytes, float] = {}

    def run(self) -> None:
        while True:
            frame = self._socket.recv(2048)
            self.heard.setdefault(frame[28:32], time.monotonic())


def make_cable() -> None:
    """veth pair eth0 (10.98.0.1/24) and peer0 in our own namespace."""
    from pyroute2 import IPRoute

    with IPRoute() as net:
        net.link("add", ifname="eth0", kind="veth", peer={"ifname": "peer0"})
        for name in ("lo", "eth0", "peer0"):
            net.link("set", index=net.link_lookup(ifname=name)[0], state="up")
        eth0 = net.link_lookup(ifname="eth0")[0]
        net.addr("add", index=eth0, address="10.98.0.1", prefixlen=24, broadcast="10.98.0.255")


def scenarios(directory: Path) -> list[Scenario]:
    """What is measured."""
    mount = {"device": "none", "directory": str(directory / "mnt"), "fstype": "tmpfs"}
    return [
        Scenario(AgentRef("ocf", "IPaddr2", "heartbeat"), {"ip": "10.98.0.50"}, "10.98.0.50"),
        Scenario(AgentRef("ocf", "IPaddr", "heartbeat"), {"ip": "10.98.0.51"}, "10.98.0.51"),
        Scenario(AgentRef("ocf", "Filesystem", "heartbeat"), mount),
        Scenario(AgentRef("ocf", "Dummy", "heartbeat"), {}),
    ]


async def one_round(
    way: str, executor: Executor, case: Scenario, times: Times, ear: Listener
) -> None:
    """Probe, start, monitor and stop once.  Raises RuntimeError for an unexpected code."""
    import socket

    for step, expected in zip(STEPS, (7, 0, 0, 0), strict=True):
        operation = "monitor" if step == "probe" else step
        call = AgentCall(1, "bench", case.agent, operation, case.params)
        packed = socket.inet_aton(case.address) if case.address else b""
        ear.heard.pop(packed, None)
        began = time.monotonic()
        result = await executor.run(call)
        took = (time.monotonic() - began) * 1000
        if result.rc != expected:
            raise RuntimeError(f"{way} {case.agent} {step}: code {result.rc}, {result.exit_reason}")
        times.of[(way, case.agent.type, step)].append(took)
        if step == "start" and packed:
            end = time.monotonic() + 2
            while packed not in ear.heard and time.monotonic() < end:
                await asyncio.sleep(0.002)
            if packed in ear.heard:
                heard = (ear.heard[packed] - began) * 1000
                times.of[(way, case.agent.type, "1st frame")].append(heard)


async def measure(runs: int, directory: Path) -> Times:
    """All rounds, the ways taking turns."""
    ear = Listener("peer0")
    ear.start()
    install.install(directory / "ocf")
    warm = WarmRunner()
    ours = (directory / "ocf",)
    ways = {
        "warm": Executor(Places(ocf_roots=ours), warm),
        "exe": Executor(Places(ocf_roots=ours, use_system_agents=True)),
    }
    if (SYSTEM_ROOT / "resource.d/heartbeat/IPaddr2").exists():
        ways["debian"] = Executor(Places(ocf_roots=(SYSTEM_ROOT,), use_system_agents=True))
    times = Times()
    await warm.start()
    try:
        for number in range(runs):
            for case in scenarios(directory):
                for way, executor in ways.items():
                    await one_round(way, executor, case, times, ear)
            print(f"round {number + 1} of {runs}", file=sys.stderr)
    finally:
        await warm.close()
    return times


def table(times: Times) -> str:
    """Medians, and Debian's median over ours."""
    lines = [f"{'agent':12}{'step':11}{'warm ms':>9}{'exe ms':>9}{'debian ms':>11}{'ratio':>8}"]
    for agent, step in dict.fromkeys((a, s) for _, a, s in times.of):
        median = {
            way: statistics.median(times.of[(way, agent, step)])
            for way in ("warm", "exe", "debian")
            if times.of.get((way, agent, step))
        }
        shown = [f"{median[w]:.1f}" if w in median else "-" for w in ("warm", "exe", "debian")]
        both = "warm" in median and "debian" in median
        ratio = f"{median['debian'] / median['warm']:.1f}x" if both else "-"
        lines.append(f"{agent:12}{step:11}{shown[0]:>9}{shown[1]:>9}{shown[2]:>11}{ratio:>8}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; runs itself again inside the namespaces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if os.geteuid() != 0:
        print("benchmarks.agents: needs root, to make an interface and to mount", file=sys.stderr)
        return 1
    if not options.inside:
        words = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable]
        words += ["-m", "benchmarks.agents", "--inside", "--runs", str(options.runs)]
        return subprocess.run(words, check=False).returncode
    with tempfile.TemporaryDirectory() as name:
        make_cable()
        print(table(asyncio.run(measure(options.runs, Path(name)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
