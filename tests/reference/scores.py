"""Score lines of the reference cases, compared in this process.

    python -m tests.reference.scores [--random | --all] [--diff NAME] [--write] [NAME...]

Runs part 1 of the scheduler only.  Each case may take `LIMIT_S` seconds.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from crmd.scheduler import pipeline
from tests.shared_data import SHARED

LIMIT_S = 20
SUITES = ("scheduler-cases", "scheduler-cases-random")
RATCHET = Path(__file__).parent / "ratchet" / "scores.txt"

CLOCKS = {
    "date-2": datetime(2005, 1, 20, 12, 30, tzinfo=UTC),
    "date-3": datetime(2005, 1, 20, 11, 30, tzinfo=UTC),
    "origin": datetime(2014, 5, 7, 0, 28, tzinfo=UTC),
}


def _timed_out(signum: int, frame: object) -> None:
    raise TimeoutError


def score_lines(cib: bytes, name: str) -> list[str]:
    """Sorted score lines of an input, as `crm_simulate -sSQ` would print them."""
    root = pipeline.parse(cib)
    now = CLOCKS[name].timestamp() if name in CLOCKS else pipeline.effective_now(root, time.time())
    cluster = pipeline.read(cib, now, record_scores=True)
    pipeline.assign(cluster)
    return sorted(cluster.score_lines)


def run_case(suite: str, name: str) -> tuple[str, str, float]:
    """(name, problem or an empty text, seconds)."""
    if SHARED is None:
        return name, "no reference data", 0.0
    folder = SHARED / suite
    expected = (folder / "scores" / f"{name}.scores").read_text().splitlines()
    wanted = sorted(" ".join(line.split()) for line in expected if line.strip())
    signal.signal(signal.SIGALRM, _timed_out)
    signal.alarm(LIMIT_S)
    started = time.perf_counter()
    try:
        got = score_lines((folder / "xml" / f"{name}.xml").read_bytes(), name)
    except TimeoutError:
        return name, f"took more than {LIMIT_S} s", float(LIMIT_S)
    except Exception as e:
        last = traceback.extract_tb(e.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return name, f"{type(e).__name__} {e} at {where}", 0.0
    finally:
        signal.alarm(0)
    took = time.perf_counter() - started
    return name, difference(wanted, got), took


def difference(wanted: list[str], got: list[str]) -> str:
    """The lines that only one side has, marked - (expected) and + (ours)."""
    if wanted == got:
        return ""
    missing, extra = Counter(wanted), Counter(got)
    missing, extra = missing - extra, extra - missing
    lines = [f"  - {line}" for line in missing.elements()]
    lines += [f"  + {line}" for line in extra.elements()]
    return "\n".join(sorted(lines, key=lambda line: (line[4:], line)))


def case_names(suite: str) -> list[str]:
    """All cases of a suite."""
    if SHARED is None:
        return []
    return sorted(p.stem for p in (SHARED / suite / "xml").glob("*.xml"))


def run(cases: Iterable[tuple[str, str]], workers: int = 2) -> list[tuple[str, str, float]]:
    """Results of (suite, name) pairs, in order."""
    pairs = list(cases)
    with ProcessPoolExecutor(workers) as pool:
        suites, names = [s for s, _ in pairs], [n for _, n in pairs]
        return list(pool.map(run_case, suites, names, chunksize=8))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", action="store_true", help="the random suite only")
    parser.add_argument("--all", action="store_true", help="both suites")
    parser.add_argument("--diff", action="store_true", help="print whole differences")
    parser.add_argument("--write", action="store_true", help="add passing cases to the ratchet")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args(argv)
    suites = SUITES if args.all else SUITES[1:] if args.random else SUITES[:1]
    pairs = [(s, n) for s in suites for n in case_names(s) if not args.names or n in args.names]
    results = run(pairs)
    failed = [(name, problem) for name, problem, _ in results if problem]
    for name, problem in failed:
        print(name + ":", problem if args.diff else problem.splitlines()[0].strip())
        if not args.diff and "\n" in problem:
            print(f"    ... {len(problem.splitlines())} lines differ")
    slowest = sorted(results, key=lambda r: -r[2])[:3]
    print("slowest:", ", ".join(f"{name} {took:.2f}s" for name, _, took in slowest))
    print(f"{len(results) - len(failed)} of {len(results)} pass")
    if args.write:
        passing = {name for name, problem, _ in results if not problem}
        known = set(RATCHET.read_text().split()) if RATCHET.exists() else set()
        RATCHET.parent.mkdir(exist_ok=True)
        RATCHET.write_text("".join(f"{name}\n" for name in sorted(known | passing)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
