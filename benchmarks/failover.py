"""How long an address is away after its node is killed: ours, and the real Heartbeat beside it.

Run as root: `python -m benchmarks.failover [--runs N] [--engines ours,heartbeat]`.  Both engines
get the same lab (namespaces, cables, client), the same ha.cf times (keepalive 100 ms, deadtime 1 s)
and the same kind of address; a run is a SIGKILL of the whole node that holds the address, and the
figure is the silence that a client on the service network saw, asking every 5 ms.  The engines
take turns, so that the load of the machine falls on both alike.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cli.lab.plan import LabError
from cli.lab.session import Lab

REAL = Path("/usr/libexec/heartbeat/heartbeat")
ADDRESS = "172.16.1.164"
NODES = ("n1", "n2")
WAIT_S = 60.0
HA_CF = """\
keepalive 100ms
warntime 500ms
deadtime 1
initdead 5
udpport 694
bcast eth1
auto_failback off
node n1 n2
"""
START_REAL = """\
#!/bin/sh
# Process 1 of the node keeps this running: the real Heartbeat in the foreground.
set -e
for d in api casual ccm ckpt crm cores/root cores/hacluster cores/nobody fencing; do
    mkdir -p /var/lib/heartbeat/$d
done
mkdir -p /run/heartbeat/rsctmp /run/heartbeat/ccm /run/heartbeat/dopd /run/resource-agents
cp -a /etc/ha.d/stock.d/. /etc/ha.d/resource.d/
exec /usr/libexec/heartbeat/heartbeat -f
"""


class BenchError(Exception):
    """A run did not come to its end; the text says where."""


def wait_for(what: str, condition: Callable[[], bool], limit_s: float = WAIT_S) -> None:
    """Until the condition holds; raises BenchError."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {limit_s:.0f} s")
        time.sleep(0.05)


class Bench:
    """One engine in one lab, killed again and again."""

    def __init__(self, engine: str, lab: Lab) -> None:
        self.engine = engine
        self._lab = lab

    def up(self, folder: Path) -> None:
        """Start the lab with the engine and wait until the address answers from a node."""
        _write_config(folder, self.engine)
        daemon = ("/etc/ha.d/start-real",) if self.engine == "heartbeat" else ()
        self._lab.up(NODES, folder, [ADDRESS], daemon)
        if self.engine == "ours":
            self._import()
        wait_for(f"{self.engine}: first start of {ADDRESS}", lambda: self._holder() is not None)
        time.sleep(1.0)

    def _import(self) -> None:
        wait_for("formation", lambda: "Online: [ n1 n2 ]" in self._said("n1", "crm_mon", "-1"))
        words = ("haresources2cib", "--quiet", "--apply", "/etc/ha.d")
        status, text = self._lab.output("n1", *words)
        if status:
            raise BenchError(f"import ended with status {status}: {text}")

    def _said(self, node: str, *argv: str) -> str:
        return self._lab.output(node, *argv)[1]

    def _alive(self) -> list[str]:
        states = self._lab.ask({"op": "status"})["nodes"]
        return [str(n["name"]) for n in states if n["state"] == "on"]

    def _holder(self) -> str | None:
        for node in self._alive():
            if f" {ADDRESS}/" in self._said(node, "ip", "-4", "-o", "addr"):
                return node
        return None

    def kill(self) -> float:
        """Kill the holder; the client's outage in ms.  The node is back afterwards."""
        victim = self._holder()
        if victim is None:
            raise BenchError(f"{self.engine}: nobody holds {ADDRESS}")
        at = float(self._lab.ask({"op": "kill", "node": victim})["at"])
        wait_for(f"{self.engine}: outage seen", lambda: self._outage(at) is not None)
        outage = self._outage(at)
        assert outage is not None
        self._lab.ask({"op": "start", "node": victim})
        wait_for(f"{self.engine}: return of {victim}", lambda: self._is_back(victim))
        time.sleep(1.0)
        return outage

    def _outage(self, at: float) -> float | None:
        for line in self._lab.lines(self._lab.state / "client.log"):
            if line.get("event") == "client.outage" and line.get("address") == ADDRESS:
                if line["last_answer"] >= at - 0.1:
                    return float(line["first_answer"] - line["last_answer"]) * 1000.0
        return None

    def _is_back(self, node: str) -> bool:
        other = next(name for name in NODES if name != node)
        if self.engine == "heartbeat":
            return self._said(other, "cl_status", "nodestatus", node).strip() == "active" and (
                self._said(node, "cl_status", "hbstatus").startswith("Heartbeat is running")
            )
        return "Online: [ n1 n2 ]" in self._said(other, "crm_mon", "-1")


def _write_config(folder: Path, engine: str) -> None:
    if engine == "heartbeat":
        shutil.copytree("/etc/ha.d", folder, dirs_exist_ok=True, symlinks=True)
        shutil.copytree("/etc/ha.d/resource.d", folder / "stock.d", symlinks=True)
        (folder / "start-real").write_text(START_REAL)
        (folder / "start-real").chmod(0o755)
    logs = "logfile /var/log/ha-log\n" if engine == "heartbeat" else ""
    (folder / "ha.cf").write_text(HA_CF + logs)
    (folder / "haresources").write_text(f"n1 IPaddr2::{ADDRESS}/24/eth0\n")
    (folder / "authkeys").write_text("auth 1\n1 sha1 0123456789abcdef0123456789abcdef\n")
    (folder / "authkeys").chmod(0o600)


@contextlib.contextmanager
def running(engine: str) -> Iterator[Bench]:
    """An engine that is up; its lab is gone afterwards."""
    lab = Lab(f"failover-{engine}-{os.getpid()}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(engine, lab)
        try:
            bench.up(Path(folder))
            yield bench
        finally:
            lab.down()


def table(figures: dict[str, list[float]]) -> str:
    """Minimum, median, maximum per engine, and the ratio of the medians."""
    out = ["engine      runs   min ms   median ms   max ms"]
    for engine, values in figures.items():
        if values:
            low, middle, high = min(values), statistics.median(values), max(values)
            out.append(f"{engine:10} {len(values):5} {low:8.0f} {middle:11.0f} {high:8.0f}")
    if figures.get("ours") and figures.get("heartbeat"):
        ratio = statistics.median(figures["ours"]) / statistics.median(figures["heartbeat"])
        out.append(f"ours / heartbeat, medians: {ratio:.2f}")
    return "\n".join(out) + "\n"


def main(argv: Sequence[str]) -> int:
    """Measure and print; 0 when every engine came to its end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--engines", default="ours,heartbeat")
    args = parser.parse_args(argv)
    engines = [e for e in args.engines.split(",") if e]
    if "heartbeat" in engines and not REAL.exists():
        print("Debian's heartbeat is not installed (apt-get install heartbeat): ours only")
        engines.remove("heartbeat")
    figures: dict[str, list[float]] = {engine: [] for engine in engines}
    try:
        with contextlib.ExitStack() as stack:
            benches = [stack.enter_context(running(engine)) for engine in engines]
            for number in range(1, args.runs + 1):
                for bench in benches:
                    outage = bench.kill()
                    figures[bench.engine].append(outage)
                    print(f"run {number:2}: {bench.engine:10} {outage:7.0f} ms", flush=True)
    except (BenchError, LabError) as problem:
        print(f"failover: {problem}", file=sys.stderr)
        print(table(figures))
        return 1
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
