"""`cl_respawn [-m CODE] [-p PIDFILE] PROGRAM [ARG...]`: start a program again whenever it ends.

As Heartbeat's tool of that name: an end with the magic exit code is final.  Its connection to the
application heartbeat daemon (-i, -w) is gone with that daemon; the options are accepted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from cli.command_line import CommandError, Option, Takes, help_text, parse
from cli.streams import run_tool

TOOL = "cl_respawn"
SUMMARY = "Start a program again whenever it ends"
OPTIONS = (
    Option("magic", "m", Takes.VALUE, "CODE", "An end with this exit code is final"),
    Option("pidfile", "p", Takes.VALUE, "FILE", "Write our process id to this file"),
    Option("interval", "i", Takes.VALUE, "MS", "Accepted for old scripts, without effect"),
    Option("warntime", "w", Takes.VALUE, "MS", "Accepted for old scripts, without effect"),
    Option("recover", "r", Takes.NOTHING, "", "Accepted for old scripts, without effect"),
    Option("help", "h", Takes.NOTHING, "", "Show this text"),
)
NOTES = """\
SIGTERM ends the program and then cl_respawn.  A program that ends within a second is started
again after a pause that grows to ten seconds.

Examples:

Keep a program running unless it says by status 100 that it is done:
        # cl_respawn -m 100 /usr/local/sbin/watcher --all
"""
QUICK_S, PAUSE_S, LONGEST_PAUSE_S = 1.0, 0.1, 10.0


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own options, and the program with its arguments."""
    valued = {f"-{o.short}" for o in OPTIONS if o.takes is Takes.VALUE}
    at = 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] != "--":
        at += 2 if argv[at] in valued else 1
    return list(argv[:at]), [word for word in argv[at:] if word != "--" or at == 0]


class Ended(Exception):
    """We are told to end."""


def _told(number: int, frame: FrameType | None) -> None:
    raise Ended


def respawn(command: Sequence[str], magic: int | None, err: TextIO) -> int:
    """Run it for ever; returns the magic code, or 0 when told to end."""
    pause = PAUSE_S
    while True:
        began = time.monotonic()
        try:
            child = subprocess.Popen(list(command))
        except OSError as problem:
            err.write(f"{TOOL}: {command[0]}: cannot be run ({problem.strerror})\n")
            return 1
        try:
            code = child.wait()
            if code == magic:
                return code
            quick = time.monotonic() - began < QUICK_S
            pause = min(pause * 2, LONGEST_PAUSE_S) if quick else PAUSE_S
            time.sleep(pause)
        except Ended:
            child.terminate()
            with contextlib.suppress(Ended):
                child.wait()
            return 0


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """The command."""
    own, command = split(argv)
    try:
        given = parse(OPTIONS, own)
        word = given.value("magic")
        magic = None if word is None else int(word)
    except (CommandError, ValueError) as problem:
        err.write(f"{TOOL}: {problem}\n")
        return 1
    if given.has("help") or not command:
        out.write(help_text(SUMMARY, OPTIONS, TOOL, NOTES))
        return 0 if given.has("help") else 1
    if (pidfile := given.value("pidfile")) is not None:
        Path(pidfile).write_text(f"{os.getpid()}\n")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _told)
    try:
        return respawn(command, magic, err)
    except Ended:
        return 0


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
