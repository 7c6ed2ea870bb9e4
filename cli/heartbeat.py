"""`heartbeat [-s|-k|-r|-f]`: start, ask about, stop and reload the cluster on this node.

Options, texts and exit statuses as Heartbeat's master program (heartbeat-v1.md section 1); what
runs is pacekeeperd and its daemons.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, Option, Takes, help_text, parse
from cli.streams import run_tool

if TYPE_CHECKING:
    from crmd.daemon.paths import Paths

TOOL = "heartbeat"
SUMMARY = "Start, stop, reload or look at the cluster on this node"
OPTIONS = (
    Option("status", "s", Takes.NOTHING, "", "Say whether it runs"),
    Option("kill", "k", Takes.NOTHING, "", "Stop it, resources first, and wait for the end"),
    Option("reload", "r", Takes.NOTHING, "", "Read ha.cf, authkeys and haresources again"),
    Option("foreground", "f", Takes.NOTHING, "", "Start, and stay in the foreground"),
    Option("debug", "d", Takes.NOTHING, "", "Accepted for old scripts, without effect"),
    Option("version", "V", Takes.NOTHING, "", "Show the version"),
    Option("help", "h", Takes.NOTHING, "", "Show this text"),
)
NOTES = """\
Without an option it starts in the background.

Examples:

Does it run on this node?
        # heartbeat -s

Stop it; what it holds is released and the other node takes over:
        # heartbeat -k
"""
EX_CONFIG, EX_USAGE = 6, 2
STOP_LIMIT_S = 1200.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Running:
    """`pid` is None when nothing runs; `has_file`: a pid file was left behind."""

    pid: int | None
    has_file: bool


def running(paths: Paths) -> Running:
    """Whether pacekeeperd runs: it holds a lock on its pid file as long as it lives."""
    try:
        descriptor = os.open(paths.pid_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Running(None, has_file=False)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return Running(int(text) if text.isdigit() else None, has_file=True)
    finally:
        os.close(descriptor)
    return Running(None, has_file=True)


def stop(paths: Paths, out: TextIO, err: TextIO) -> int:
    """End it and wait; 0 also when it did not run."""
    found = running(paths)
    if found.pid is None:
        err.write("INFO: Heartbeat already stopped.\n")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    end = time.monotonic() + STOP_LIMIT_S
    while running(paths).pid is not None:
        if time.monotonic() > end:
            err.write(f"heartbeat: pid {found.pid} did not end within {STOP_LIMIT_S:g} s\n")
            return 1
        time.sleep(_POLL_S)
    return 0


def problems(paths: Paths) -> list[str]:
    """What is wrong with the files, one line each."""
    from crmd.daemon.haresourcesd_files import read_setup
    from crmd.daemon.heartbeatd_files import StartRefused
    from crmd.daemon.heartbeatd_files import read_setup as read_heartbeat
    from crmd.daemon.supervisor import wants_haresources

    node = os.uname().nodename
    try:
        if wants_haresources(paths, "auto"):
            read_setup(paths, node)
        else:
            read_heartbeat(paths, node, None, 0.0)
    except StartRefused as refused:
        return refused.lines
    return []


def _refused(lines: list[str], err: TextIO, what: str) -> int:
    err.writelines(f"heartbeat: ERROR: {line}\n" for line in lines)
    err.write(f"heartbeat: ERROR: Configuration error, heartbeat not {what}.\n")
    return EX_CONFIG


def start(paths: Paths, out: TextIO, err: TextIO, foreground: bool) -> int:
    """Start it unless it runs; 6 when the files are refused."""
    from crmd.daemon import supervisor

    found = running(paths)
    if found.pid is not None:
        out.write(f"already running [pid {found.pid}].\n")
        return 0
    wrong = problems(paths)
    if wrong:
        return _refused(wrong, err, "started")
    if foreground:
        return supervisor.run(["--foreground", "--root", str(paths.root)])
    child = os.fork()
    if child == 0:
        os._exit(supervisor.run(["--root", str(paths.root)]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def reload(paths: Paths, out: TextIO, err: TextIO) -> int:
    """Have the files read again, if there is nothing wrong with them; starts what does not run."""
    found = running(paths)
    if found.pid is None:
        return start(paths, out, err, foreground=False)
    wrong = problems(paths)
    if wrong:
        return _refused(wrong, err, "reloaded")
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGHUP)
    return 0


def status(paths: Paths, out: TextIO) -> int:
    """0 and a line if it runs; 1 with a pid file left behind, 3 without."""
    found = running(paths)
    host = os.uname().nodename
    if found.pid is not None:
        out.write(f"heartbeat OK [pid {found.pid} et al] is running on {host} [{host}]...\n")
        return 0
    out.write("heartbeat is stopped. No process\n")
    return 1 if found.has_file else 3


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """The command."""
    from crmd.daemon.paths import Paths

    try:
        given = parse(OPTIONS, argv)
    except CommandError as problem:
        err.write(f"heartbeat: {problem}\n")
        return EX_USAGE
    if given.words:
        err.write(f"heartbeat: {given.words[0]!r}: only options are understood, see --help\n")
        return EX_USAGE
    paths = Paths.from_environment(env.get("PACEKEEPER_ROOT"))
    if given.has("help"):
        out.write(help_text(SUMMARY, OPTIONS, TOOL, NOTES))
        return 0
    if given.has("version"):
        from cli.version import version_text

        out.write(version_text())
        return 0
    if given.has("status"):
        return status(paths, out)
    if given.has("kill"):
        return stop(paths, out, err)
    if given.has("reload"):
        return reload(paths, out, err)
    return start(paths, out, err, given.has("foreground"))


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
