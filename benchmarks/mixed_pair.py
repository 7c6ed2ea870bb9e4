"""How long an address is away after a power cut, for each mixture of real Heartbeat and ours.

Two nodes in namespaces run haresources, each either Debian's heartbeat 3.0.6 or ours, with
keepalive 200 ms and deadtime 1 s.  The node that holds the address loses its cables and its
processes at one moment; a client that asks the address every 10 ms sees the gap.  Needs root and
the package heartbeat.

    python -m benchmarks.mixed_pair --runs 5
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from tests.heartbeat.interop_rig import why_not
from tests.interop import probe
from tests.interop.pair import Pair
from tests.interop.probe import Probe

KINDS = ("real", "ours")
ADDRESS = "10.99.0.100"


def outage(pair: Pair, dead_kind: str, number: int) -> float:
    """Seconds without an answer after a power cut of node `real`, the address's home."""
    asked = Probe.begin(pair.client, ADDRESS, pair.folder)
    try:
        time.sleep(1.0 + number % 5 * 0.037)
        for net in range(2):
            pair.cut("real", net)
        pair.kill_node("real")
        pair.wait(20, a="ours", b="ours")
        time.sleep(0.5)
    finally:
        asked.end()
    gaps = [gap.seconds for gap in asked.gaps(0.1)]
    pair.connect("real")
    pair.start("real", dead_kind)
    pair.wait(30, a="real", b="ours")
    pair.settled(30)
    return max(gaps)


def mixture(folder: Path, dead_kind: str, survivor_kind: str, runs: int) -> list[float]:
    """The outages of all runs of one mixture, sorted."""
    pair = Pair(folder)
    try:
        pair.start("real", dead_kind)
        pair.start("ours", survivor_kind)
        pair.wait(30, a="real", b="ours")
        pair.settled(30)
        time.sleep(6)  # a real node announces deadtime + 2 s during its first 5 s
        found = []
        for number in range(runs):
            if number:
                time.sleep(6)
            found.append(outage(pair, dead_kind, number))
        return sorted(found)
    finally:
        pair.close()


def main() -> int:
    """Measure and print; 0 when every run came to its end."""
    parser = argparse.ArgumentParser(description="Outage by kind of the dead node and survivor.")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    reason = why_not()
    if reason is not None:
        print(f"mixed_pair cannot run here: {reason}")
        return 0
    probe.EVERY_S = 0.01
    print("| dead node | survivor | min | median | max |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        for dead, survivor in product(KINDS, KINDS):
            folder = Path(place) / f"{dead}-{survivor}"
            folder.mkdir()
            folder.chmod(0o755)
            took = mixture(folder, dead, survivor, options.runs)
            words = {"real": "Heartbeat 3.0.6", "ours": "Pacekeeper"}
            figures = (took[0], took[len(took) // 2], took[-1])
            row = " | ".join(f"{seconds:.2f} s" for seconds in figures)
            print(f"| {words[dead]} | {words[survivor]} | {row} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
