"""How much processor time and memory scheduling takes, and how it grows.

Generates clusters of 10 to 3,000 resources on 2 to 32 nodes (groups, clones, colocations, orders,
locations) in three states: no status; everything running; everything running and known not to run
elsewhere.  Each is scheduled in a process of its own by `crm_simulate --profile` (from a parsed
document to the graph; no printing).  Prints CPU
seconds, peak memory and the growth exponent.  Where another crm_simulate is installed it does the
same files in the same run, beside ours, and the ratio is printed: the machine may be busy, ratios
stay.  Claims: CPU no more than the original's from 300 resources on, at most half of it and a third
of its memory at 3,000 x 32; `-S` at most a tenth at 1,000 x 2; exponent at most 1.1; 30 resources
on 3 nodes below 20 ms when warm.

    python -m benchmarks.scheduler                      # everything
    python -m benchmarks.scheduler --sizes 100x16,300x16 --repeat 3
    python -m benchmarks.scheduler --write DIR          # only write the CIBs
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

NOW = 1_700_000_000
SIZES = "10x2,30x3,100x16,300x16,1000x16,3000x32"
SIMULATED = "1000x2"
STATES = ("empty", "running", "probed")
LIMIT_S = 900.0
ROOT = Path(__file__).resolve().parents[1]
DIGEST = "f2317cad3d54cec5d7d7aa7d0bf35cf8"
UUID = "5eed5eed-0000-4000-8000-0123456789ab"


# ---- clusters -----------------------------------------------------------------------------------


def _primitive(name: str) -> str:
    return (
        f'<primitive id="{name}" class="ocf" provider="pacemaker" type="Dummy"><operations>'
        f'<op id="{name}-monitor" name="monitor" interval="10s" timeout="20s"/></operations>'
        "</primitive>"
    )


def _history(name: str, *, active: bool) -> str:
    """What a node knows of a resource: that it runs with its monitor, or that it does not run."""
    out = [f'<lrm_resource id="{name}" class="ocf" provider="pacemaker" type="Dummy">']
    results = (("start", 0, 0), ("monitor", 10000, 0)) if active else (("monitor", 0, 7),)
    for call, (task, interval, rc) in enumerate(results, start=1):
        key = f"{call}:1:{rc}:{UUID}"
        out.append(
            f'<lrm_rsc_op id="{name}_{task}_{interval}" operation_key="{name}_{task}_{interval}" '
            f'operation="{task}" transition-key="{key}" transition-magic="0:{rc};{key}" '
            f'call-id="{call}" rc-code="{rc}" op-status="0" interval="{interval}" '
            f'last-rc-change="{NOW - 1000}" op-digest="{DIGEST}"/>'
        )
    out.append("</lrm_resource>")
    return "".join(out)


def _section(start: int, count: int, resources: list[str], constraints: list[str]) -> list[str]:
    """`count` primitives: a third in groups of four, the rest single; who must be together."""
    names = [f"r{i}" for i in range(start, start + count)]
    at = 0
    singles = []
    while at < count:
        if at % 12 == 0 and at + 4 <= count:
            members = "".join(_primitive(n) for n in names[at : at + 4])
            resources.append(f'<group id="g{start + at}">{members}</group>')
            at += 4
        else:
            resources.append(_primitive(names[at]))
            singles.append(names[at])
            at += 1
    for a, b in zip(singles[::4], singles[1::4], strict=False):
        constraints.append(
            f'<rsc_colocation id="c-{a}" rsc="{b}" with-rsc="{a}" score="INFINITY"/>'
        )
        constraints.append(f'<rsc_order id="o-{a}" first="{a}" then="{b}"/>')
    for a, b in zip(singles[2::4], singles[3::4], strict=False):
        constraints.append(f'<rsc_colocation id="c-{a}" rsc="{b}" with-rsc="{a}" score="-50"/>')
    return names


def make_cib(resources: int, nodes: int, state: str) -> bytes:
    """A cluster; every hundredth resource (at least one) is cloned, the others are placed once."""
    made: list[str] = []
    constraints: list[str] = []
    histories: list[list[str]] = [[] for _ in range(nodes)]
    clones = max(1, resources // 100)
    for i in range(clones):
        extra = '<meta_attributes id="k%d-m"><nvpair id="k%d-i" name="interleave" value="true"/>'
        made.append(
            f'<clone id="k{i}">{extra % (i, i)}</meta_attributes>{_primitive(f"p{i}")}</clone>'
        )
        for history in histories:
            history.append(_history(f"p{i}", active=True))
    names = _section(0, resources - clones, made, constraints)
    for i, name in enumerate(names):
        if i % 12 >= 4:
            if i % 12 == 11:
                constraints.append(
                    f'<rsc_order id="ok-{name}" first="k{i % clones}" then="{name}"/>'
                )
            preferred = i * 7 % nodes + 1
            constraints.append(
                f'<rsc_location id="l-{name}" rsc="{name}" node="n{preferred}" score="10"/>'
            )
        home = i // 12 % nodes
        for at, history in enumerate(histories):
            if at == home or state == "probed":
                history.append(_history(name, active=at == home))
    members = "".join(f'<node id="{i}" uname="n{i}"/>' for i in range(1, nodes + 1))
    states = "".join(
        f'<node_state id="{i}" uname="n{i}" in_ccm="true" crmd="online" join="member" '
        f'expected="member"><lrm id="{i}"><lrm_resources>'
        f"{'' if state == 'empty' else ''.join(histories[i - 1])}"
        "</lrm_resources></lrm></node_state>"
        for i in range(1, nodes + 1)
    )
    options = {"stonith-enabled": "false", "no-quorum-policy": "ignore"}
    pairs = "".join(f'<nvpair id="o-{k}" name="{k}" value="{v}"/>' for k, v in options.items())
    return (
        '<cib epoch="1" num_updates="0" admin_epoch="0" validate-with="pacemaker-3.9" '
        f'crm_feature_set="3.16.0" have-quorum="1" dc-uuid="1" execution-date="{NOW}">'
        f'<configuration><crm_config><cluster_property_set id="o">{pairs}</cluster_property_set>'
        f"</crm_config><nodes>{members}</nodes><resources>{''.join(made)}</resources>"
        f"<constraints>{''.join(constraints)}</constraints><rsc_defaults>"
        '<meta_attributes id="d"><nvpair id="d-s" name="resource-stickiness" value="100"/>'
        f"</meta_attributes></rsc_defaults></configuration><status>{states}</status></cib>"
    ).encode()


# ---- measuring ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What one child process used."""

    schedule_s: float
    """CPU seconds by the tool's own account (--profile); else all of the process."""
    cpu_s: float
    peak_mib: float


def run_child(argv: list[str], environment: dict[str, str]) -> Cost:
    """Run a command to its end; raises RuntimeError when it does not succeed."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            argv, stdout=out, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT
        )
        give_up = time.monotonic() + LIMIT_S
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > give_up:
                child.kill()
                raise RuntimeError(f"{argv}: no end after {LIMIT_S:.0f} s")
            time.sleep(0.02)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{argv}: exit status {child.returncode}")
        out.seek(0)
        told = re.search(r"Testing \S+[ .]* ([\d.]+) secs", out.read().decode(errors="replace"))
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(float(told[1]) if told else cpu, cpu, usage.ru_maxrss / 1024)


def median_cost(argv: list[str], environment: dict[str, str], repeat: int) -> Cost:
    """Medians of several runs."""
    costs = [run_child(argv, environment) for _ in range(repeat)]
    return Cost(
        statistics.median(c.schedule_s for c in costs),
        statistics.median(c.cpu_s for c in costs),
        statistics.median(c.peak_mib for c in costs),
    )


def growth_exponent(points: list[tuple[int, float]]) -> float:
    """Slope of log(seconds) over log(size), least squares; NaN with fewer than two points."""
    if len(points) < 2:
        return math.nan
    xs = [math.log(size) for size, _ in points]
    ys = [math.log(max(cost, 1e-4)) for _, cost in points]
    mx, my = statistics.mean(xs), statistics.mean(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum(
        (x - mx) ** 2 for x in xs
    )


def warm_ms(document: bytes, repeat: int = 20) -> float:
    """CPU milliseconds of `schedule` alone in a warm process, median."""
    from crmd.scheduler import schedule

    took = []
    for _ in range(repeat):
        began = time.process_time()
        schedule(document, NOW)
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took)


@dataclass(slots=True)
class Bench:
    """Ours, and the other crm_simulate if there is one."""

    folder: Path
    other: str | None
    repeat: int

    def both(self, words: list[str]) -> tuple[Cost, Cost | None]:
        """The same words to both tools."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
        ours = median_cost(
            [sys.executable, "-m", "cli.crm_simulate", *words], environment, self.repeat
        )
        if self.other is None:
            return ours, None
        return ours, median_cost([self.other, *words], environment, self.repeat)

    def schedule(self, size: str, state: str) -> float:
        """One line of the table; our CPU seconds."""
        resources, nodes = (int(word) for word in size.split("x"))
        where = self.folder / f"{size}-{state}"
        where.mkdir(exist_ok=True)
        (where / "cib.xml").write_bytes(make_cib(resources, nodes, state))
        ours, other = self.both(["--profile", str(where)])
        _line(where.name, ours, other)
        return ours.schedule_s

    def simulate(self, size: str) -> None:
        """`-S`: schedule, pretend, show the outcome."""
        resources, nodes = (int(word) for word in size.split("x"))
        path = self.folder / f"simulate-{size}.xml"
        path.write_bytes(make_cib(resources, nodes, "empty"))
        ours, other = self.both(["-S", "-x", str(path)])
        _line(f"{size} -S", ours, other)


def _line(title: str, ours: Cost, other: Cost | None) -> None:
    text = f"{title:18}{ours.schedule_s:9.2f}{ours.peak_mib:9.0f}"
    if other is not None:
        text += f"{other.schedule_s:11.2f}{other.peak_mib:9.0f}"
        text += f"{ours.schedule_s / max(other.schedule_s, 0.005):9.2f}"
        text += f"{ours.peak_mib / other.peak_mib:9.2f}"
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=SIZES, help="RESOURCESxNODES, ...")
    parser.add_argument("--simulate", default=SIMULATED, help="size for -S; empty: none")
    parser.add_argument("--repeat", type=int, default=1, help="runs per figure (median)")
    parser.add_argument("--other", default=shutil.which("crm_simulate"), help="empty: none")
    parser.add_argument("--state", choices=STATES, action="append")
    parser.add_argument("--write", metavar="DIR", help="only write the CIBs there")
    options = parser.parse_args()
    sizes = [word for word in options.sizes.split(",") if word]
    states = options.state or STATES
    if options.write:
        for size in sizes:
            resources, nodes = (int(word) for word in size.split("x"))
            for state in states:
                name = f"{size}-{state}.xml"
                document = make_cib(resources, nodes, state)
                (Path(options.write) / name).write_bytes(document)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.other or None, options.repeat)
        print(f"{'':18}{'CPU s':>9}{'MiB':>9}" + (
            f"{'other s':>11}{'MiB':>9}{'CPU':>9}{'memory':>9}" if bench.other else ""
        ))  # fmt: skip
        for state in states:
            points: dict[int, list[tuple[int, float]]] = {}
            for size in sizes:
                resources, nodes = (int(word) for word in size.split("x"))
                points.setdefault(nodes, []).append((resources, bench.schedule(size, state)))
            for nodes, costs in points.items():
                if len(costs) > 1:
                    print(f"growth exponent on {nodes} nodes: {growth_exponent(costs):.2f}")
        if options.simulate:
            bench.simulate(options.simulate)
    print(f"30x3, warm: {warm_ms(make_cib(30, 3, 'empty')):.1f} ms without status, "
          f"{warm_ms(make_cib(30, 3, 'running')):.1f} ms running")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
