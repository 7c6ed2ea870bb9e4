"""Stands for a daemon under pacekeeperd: writes its name to `order`, ends as its file says.

`ROOT/behaviour/NAME` holds a word: `stay` (default), `crash`, `refuse`, `stubborn`.
"""

import os
import signal
import sys
import time
from pathlib import Path

name = Path(sys.argv[0]).stem
root = Path(sys.argv[sys.argv.index("--root") + 1])


def note(word):
    with open(root / "order", "a") as f:
        f.write(f"{word} {name}\n")


def main(own_name):
    global name
    name = own_name
    place = root / "behaviour" / name
    behaviour = place.read_text() if place.exists() else "stay"
    note("start")
    if behaviour == "refuse":
        sys.stderr.write(f"{name}: authkeys line 1: not good\n")
        sys.exit(78)
    if behaviour == "crash":
        os.kill(os.getpid(), signal.SIGKILL)

    def term(*_):
        note("term")
        if behaviour != "stubborn":
            sys.exit(0)

    signal.signal(signal.SIGTERM, term)
    if name == "fake_last":
        (root / "run/pacekeeper/crmd.sock").touch()
    while True:
        time.sleep(60)
