"""Time the scheduling of every file in a folder (`crm_simulate --profile`).

Facts: scheduler-2-actions.md section 16.1.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TextIO

from cli.command_line import CommandError
from cli.exits import Exit
from cli.simulator.planning import plan, unpack_own
from cli.source import FileSource
from cli.status.reading import prepare
from crmd.scheduler.pipeline import effective_now

MAX_FILES = 10_000


def profile(folder: str, repeat: int, out: TextIO, err: TextIO) -> int:
    """Schedule each XML file `repeat` times and print CPU seconds; 66 without such a folder."""
    try:
        files = sorted(Path(folder).glob("*.xml"))[:MAX_FILES]
    except OSError as e:
        raise CommandError(Exit.NOINPUT, f"{folder}: cannot read ({e.strerror})") from e
    if not files:
        raise CommandError(Exit.NOINPUT, f"{folder}: no folder with XML files")
    for path in files:
        try:
            root = prepare(FileSource(path).read(), str(path)).root
        except CommandError as e:
            err.write(f"{path}: skipped: {e}\n")
            continue
        now = effective_now(root, time.time())
        used_s = 0.0
        for turn in range(repeat):
            if turn:
                root = prepare(FileSource(path).read(), str(path)).root
            began = time.process_time()
            plan(unpack_own(root, now), scores=False, utilization=False, explain=None)
            used_s += time.process_time() - began
        out.write(f"* Testing {path.name} {used_s:.2f} secs\n")
    return Exit.OK
