"""`python -m tests.simulation --seeds N --start K [--trace] [--scheduler plain|real]
[--knobs any|replication]`.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation import plain_scheduler
from tests.simulation.storm import DRAWS, Run

SHOWN = 50


def scheduler(name):
    """The scheduler to drive the run with."""
    if name == "plain":
        return plain_scheduler.schedule
    from crmd.scheduler import schedule

    return schedule


def play(seed, schedule, trace, draw):
    """None if all held, else the error."""
    run = Run(seed, schedule, trace, draw(seed))
    try:
        run.play()
    except Exception as e:
        return run, e
    return run, None


def report(seed, run, error):
    """What a person needs to understand a failing seed."""
    print(f"seed {seed} FAILED: {error}")
    print(f"knobs: {run.knobs}")
    print(f"at {run.world.now:.3f} s; last events:")
    for line in list(run.world.last)[-SHOWN:]:
        print("  " + line[:300])
    if type(error).__name__ != "Broken":
        traceback.print_exception(error)


def main(argv):
    parser = argparse.ArgumentParser(prog="tests.simulation")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--knobs", choices=sorted(DRAWS), default="any")
    parser.add_argument("--scheduler", choices=("plain", "real"), default="plain")
    args = parser.parse_args(argv)
    schedule = scheduler(args.scheduler)
    begun, stats, failed, steps, virtual = time.monotonic(), {}, [], 0, 0.0
    for seed in range(args.start, args.start + args.seeds):
        run, error = play(seed, schedule, args.trace, DRAWS[args.knobs])
        steps += run.world.steps
        virtual += run.world.now
        for name, count in run.monitor.stats.items():
            stats[name] = stats.get(name, 0) + count
        if error is not None:
            failed.append((seed, str(error).splitlines()[0][:150]))
            if not args.keep_going:
                report(seed, run, error)
                return 1
    took = time.monotonic() - begun
    for name in sorted(stats):
        print(f"{name:40} {stats[name]}")
    for seed, text in failed:
        print(f"seed {seed}: {text}")
    print(
        f"{args.seeds} seeds, {len(failed)} failed, {steps} steps, {virtual:.0f} virtual s"
        f" in {took:.1f} s ({virtual / max(took, 0.001):.0f} x)"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
