"""How fast and how surely heartbeatd notices a death, on a busy machine.

Two real heartbeatd on loopback multicast; busy processes beside them.  Claims (issue targets):
a killed peer is declared dead within deadtime + 1 keepalive (p99 of the kills), never after less
silence than deadtime; no false death while nothing is killed; at keepalive 200 ms at most 1 % of
a core and 20 MB of resident memory per node.  Moments come from heartbeatd's own log lines
(CLOCK_MONOTONIC), so a slow reader does not blur them.

    python -m benchmarks.detection --kills 50 --quiet-s 600 --busy 8
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.heartbeat.daemons import Cluster, wait_for
from tests.heartbeat.fuzz import _cpu_s, _rss_kb

BUSY = "while True: pass"


def lines(cluster: Cluster, node: str, event: str) -> list[dict[str, object]]:
    """Log lines of one event."""
    found = []
    for text in cluster.log(node).splitlines():
        if text.startswith("{"):
            line = json.loads(text)
            if line["event"] == event:
                found.append(line)
    return found


def be_first() -> None:
    """This process sends the kills: it must not wait for a processor when it does."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError as error:
        print(f"note: no real-time class ({error.strerror}); figures include our own delay")


def until_member(cluster: Cluster) -> None:
    """Wait until a hears b."""
    with cluster.client("a") as client:
        if not client.receive()["nodes"][0]["member"]:
            wait_for(client, 10.0, event="peer_up", node="b")


def kills(cluster: Cluster, count: int) -> tuple[list[float], list[float]]:
    """(seconds from SIGKILL to the declaration, silence at the declaration) per kill."""
    took, silences = [], []
    for number in range(count):
        until_member(cluster)
        time.sleep(0.3 + number % 7 * 0.013)
        process = cluster.processes.pop("b")
        before = len(lines(cluster, "a", "peer.down"))
        at = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        end = at + 5
        while len(down := lines(cluster, "a", "peer.down")) == before and time.monotonic() < end:
            time.sleep(0.02)
        took.append(float(str(down[before]["mono"])) - at)
        silences.append(float(str(down[before]["silent_s"])))
        cluster.start("b")
    until_member(cluster)
    return took, silences


def quiet(cluster: Cluster, seconds: float) -> tuple[int, int]:
    """(false deaths, late beats) while nothing is killed."""
    before = {n: len(lines(cluster, n, "peer.down")) for n in cluster.nodes}
    late = {n: len(lines(cluster, n, "beat.late")) for n in cluster.nodes}
    time.sleep(seconds)
    deaths = sum(len(lines(cluster, n, "peer.down")) - before[n] for n in cluster.nodes)
    return deaths, sum(len(lines(cluster, n, "beat.late")) - late[n] for n in cluster.nodes)


def cost(folder: Path, seconds: float) -> tuple[float, int]:
    """(percent of one core, resident kB) of a heartbeatd at keepalive 200 ms."""
    cluster = Cluster(folder, ("a", "b"), keepalive="200ms", deadtime="1", initdead="3")
    try:
        for node in cluster.nodes:
            cluster.start(node)
        until_member(cluster)
        time.sleep(1)
        pid = cluster.processes["a"].pid
        before, begin = _cpu_s(pid), time.monotonic()
        time.sleep(seconds)
        return 100 * (_cpu_s(pid) - before) / (time.monotonic() - begin), _rss_kb(pid)
    finally:
        cluster.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Detection time, false deaths, cost.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--quiet-s", type=float, default=60.0)
    parser.add_argument("--busy", type=int, default=8, help="processes that compute all the time")
    parser.add_argument("--keepalive-ms", type=int, default=50)
    parser.add_argument("--deadtime-ms", type=int, default=200)
    parser.add_argument("--cost-s", type=float, default=20.0)
    options = parser.parse_args()
    be_first()
    ok = True
    with tempfile.TemporaryDirectory() as folder:
        percent, rss = cost(Path(folder) / "cost", options.cost_s)
        print(
            f"cost at keepalive 200 ms: {percent:.2f} % of one core, {rss / 1024:.1f} MB resident"
        )
        ok &= percent <= 1.0 and rss <= 20 * 1024
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(options.busy)]
        cluster = Cluster(
            Path(folder) / "busy",
            ("a", "b"),
            keepalive=f"{options.keepalive_ms}ms",
            deadtime=f"{options.deadtime_ms}ms",
            initdead="5",
        )
        try:
            for node in cluster.nodes:
                cluster.start(node)
            took, silences = kills(cluster, options.kills)
            deaths, late = quiet(cluster, options.quiet_s)
        finally:
            cluster.close()
            for process in busy:
                process.kill()
                process.wait()
    took.sort()
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))] * 1e3
    limit, quietest = options.deadtime_ms + options.keepalive_ms, min(silences) * 1e3
    print(
        f"{len(took)} kills beside {options.busy} busy processes, keepalive "
        f"{options.keepalive_ms} ms, deadtime {options.deadtime_ms} ms: declared dead after "
        f"min {took[0] * 1e3:.0f}, median {took[len(took) // 2] * 1e3:.0f}, p99 {p99:.0f}, "
        f"max {took[-1] * 1e3:.0f} ms (limit {limit}); shortest silence {quietest:.0f} ms"
    )
    print(f"{options.quiet_s:.0f} s without a kill: {deaths} false deaths, {late} late beats")
    ok &= p99 <= limit and quietest >= options.deadtime_ms - 0.5 and deaths == 0
    print("all within target" if ok else "NOT within target")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
