"""A short task that goes on after its agent has answered, such as repeated announcements.

It runs in a fork with its own session, holds none of the agent's descriptors, and is found again
by a pid file and by its process name, so that no other process is ever signalled.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence


def in_background(
    work: Callable[[], None], pid_file: str, name: str, keep: Sequence[int] = ()
) -> int:
    """Process id of a fork that does `work`; `keep` are the descriptors it needs.

    An OSError of `work` ends it silently: nobody is left who could hear.
    """
    pid = os.fork()
    if pid:
        with open(pid_file, "w", encoding="ascii") as f:
            f.write(f"{pid}\n")
        return pid
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        for fd in _open_descriptors():
            if fd > 2 and fd not in keep:
                _close(fd)
        with open("/proc/self/comm", "w", encoding="ascii") as f:
            f.write(name)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        work()
    except OSError:
        os._exit(1)
    finally:
        os._exit(0)


def _open_descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        return  # the descriptor of the listing itself


def stop_background(pid_file: str, name: str) -> bool:
    """End the task of `pid_file`, if it is still that task; whether there was one."""
    pid = background_pid(pid_file, name)
    if pid is not None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pid = None
    try:
        os.unlink(pid_file)
    except FileNotFoundError:
        return False
    return pid is not None


def background_pid(pid_file: str, name: str) -> int | None:
    """Process id of a task that still runs, else None."""
    try:
        with open(pid_file, encoding="ascii") as f:
            pid = int(f.read().split()[0])
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
            comm = f.read().strip()
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            state = f.read().rsplit(")", 1)[1].split()[0]
    except (OSError, ValueError, IndexError):
        return None
    return pid if comm == name[:15] and state != "Z" else None
