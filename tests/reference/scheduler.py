"""All recorded scheduler cases: `python -m tests.reference.scheduler --report`.

Runs `crm_simulate` in this process with a few workers, grades every level, and prints a table by
feature, the slowest cases and the total time.  `--update` adds newly passing cases to the ratchet.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path

from tests.reference.cases import SETS, Case, find_cases
from tests.reference.levels import LEVELS, Grade, grade, suite

RATCHET = Path(__file__).with_name("ratchet")
RATCHET_FILES = {
    "L1": "L1",
    "L2": "L2",
    "L3": "scores",
    "L4": "L4",
    "EXP": "EXP",
    "official": "official",
}
"""Level -> file of the names that must pass it."""


def run_all(cases: list[Case], workers: int = 2) -> list[Grade]:
    """Grades of all cases, in their order."""
    if workers <= 1 or len(cases) < 4:
        return [grade(case) for case in cases]
    with multiprocessing.get_context("fork").Pool(workers, maxtasksperchild=200) as pool:
        return pool.map(grade, cases, chunksize=8)


def ratchet(level: str) -> set[str]:
    """Names of the cases that must pass a level."""
    path = RATCHET / f"{RATCHET_FILES.get(level, level)}.txt"
    if not path.exists():
        return set()
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def update_ratchet(grades: list[Grade]) -> None:
    """Add what passes; nothing is ever taken out."""
    RATCHET.mkdir(exist_ok=True)
    for level, name in RATCHET_FILES.items():
        passing = ratchet(level) | {g.name for g in grades if g.levels[level]}
        path = RATCHET / f"{name}.txt"
        path.write_text("".join(f"{key}\n" for key in sorted(passing)), encoding="utf-8")


def report(grades: list[Grade], elapsed_s: float) -> str:
    """The table, the slowest cases, the total."""
    width = 22
    lines = [f"{'':{width}}{'cases':>6}" + "".join(f"{level:>10}" for level in LEVELS)]

    def row(title: str, some: list[Grade]) -> None:
        counts = "".join(f"{sum(g.levels[level] for g in some):>10}" for level in LEVELS)
        lines.append(f"{title:{width}}{len(some):>6}{counts}")

    for name in SETS:
        some = [g for g in grades if g.set == name]
        if some:
            row(name, some)
    row("all", grades)
    lines.append("")
    for feature in sorted({f for g in grades for f in g.features}):
        row(feature, [g for g in grades if feature in g.features])
    slowest = sorted(grades, key=lambda g: -g.seconds)[:10]
    lines += ["", "slowest: " + ", ".join(f"{g.name} {g.seconds:.2f}s" for g in slowest)]
    total = sum(g.seconds for g in grades)
    lines.append(f"{len(grades)} cases, {elapsed_s:.1f} s elapsed, {total:.1f} s in the runs")
    errors = Counter(g.error.strip().splitlines()[-1] for g in grades if g.error)
    lines += [f"{count:>5} x {text}" for text, count in errors.most_common(10)]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", action="store_true", help="print the table (default)")
    parser.add_argument("--update", action="store_true", help="add passing cases to the ratchet")
    parser.add_argument("--set", choices=SETS, action="append", help="only this set")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failing", metavar="LEVEL", help="list the cases that miss this level")
    parser.add_argument("--show", type=int, default=25, help="how many of them")
    parser.add_argument("names", nargs="*", help="case names; differences are shown")
    options = parser.parse_args()
    if suite() is None:
        print("no reference data: no folder shared/ beside the repository", file=sys.stderr)
        return 2
    cases = find_cases(tuple(options.set or SETS))
    if options.names:
        cases = [case for case in cases if case.name in options.names]
    began = time.monotonic()
    grades = run_all(cases, options.jobs)
    elapsed_s = time.monotonic() - began
    if options.update:
        update_ratchet(grades)
    if options.failing:
        for g in [g for g in grades if not g.levels[options.failing]][: options.show]:
            print(g.key, *g.detail.get(options.failing, [g.error]), sep="\n   ")
    if options.names:
        for g in grades:
            print(g.key, {k: v for k, v in g.levels.items() if not v} or "all levels")
            for level, lines in g.detail.items():
                print(f"  {level}", *lines, sep="\n    ")
            if g.error:
                print(g.error)
        return 0
    print(report(grades, elapsed_s))
    lost = {level: ratchet(level) - {g.name for g in grades if g.levels[level]} for level in LEVELS}
    if not options.set:
        for level, keys in lost.items():
            if keys:
                print(f"lost {level}: {' '.join(sorted(keys)[:20])}")
        return 1 if any(lost.values()) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
