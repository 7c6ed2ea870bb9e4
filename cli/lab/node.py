"""Making one lab node (or the client) as a set of namespaces, and running commands in it.

Every function here is called by the lab's server, which is process 1 of the lab's own process
namespace.  Processes of a node are descendants of the node's own process 1.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cli.lab import kernel
from cli.lab.plan import LabError

_NODE = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWPID
)
_ENTER = ("net", "uts", "ipc", "pid", "mnt")
STAGE_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Born:
    """A process 1 that waits for its cables; `go` lets it proceed."""

    pid: int
    line: socket.socket

    def go(self) -> None:
        """Cables are in: let it set itself up, and wait until it has.  Raises LabError."""
        self.line.settimeout(STAGE_TIMEOUT_S)
        self.line.sendall(b"go\n")
        answer = _read_all(self.line)
        self.line.close()
        if answer:
            raise LabError(f"a lab node could not be set up:\n{answer.strip()}")


def _read_all(line: socket.socket) -> str:
    parts = []
    try:
        while data := line.recv(65536):
            parts.append(data)
    except TimeoutError as e:
        raise LabError(f"a lab node was not ready in {STAGE_TIMEOUT_S:.0f} s") from e
    return b"".join(parts).decode(errors="replace")


def bear(
    set_up: Callable[[], None], command: Sequence[str], environment: Mapping[str, str]
) -> Born:
    """New namespaces, and in them a process that will run `set_up` and become `command`.

    The end of its line without a word means success (the line closes at exec).
    """
    ours, theirs = socket.socketpair()
    middle = os.fork()
    if middle == 0:
        ours.close()
        _middle(theirs, set_up, command, environment)
    theirs.close()
    ours.settimeout(STAGE_TIMEOUT_S)
    first = b""
    while not first.endswith(b"\n") and (data := ours.recv(65536)):
        first += data
    os.waitpid(middle, 0)
    if not first.startswith(b"pid "):
        raise LabError(f"namespaces are not available:\n{first.decode(errors='replace').strip()}")
    return Born(int(first.split()[1]), ours)


def _middle(
    line: socket.socket,
    set_up: Callable[[], None],
    command: Sequence[str],
    environment: Mapping[str, str],
) -> NoReturn:
    try:
        kernel.unshare(_NODE)
        child = os.fork()
        if child:
            line.sendall(f"pid {child}\n".encode())
            os._exit(0)
        line.set_inheritable(False)
        if line.recv(16) != b"go\n":
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        set_up()
        _close_others({0, 1, 2, line.fileno()})
        os.execve(command[0], list(command), dict(environment))
    except BaseException:  # noqa: BLE001 - a forked child: all it can do is tell, and end
        with contextlib.suppress(OSError):
            line.sendall(traceback.format_exc().encode())
    os._exit(1)


def _close_others(keep: set[int]) -> None:
    low = 0
    for fd in sorted(keep):
        if low < fd:  # an empty range starting at 0 would close everything
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 65536)


def run_inside(
    init_pid: int, command: Sequence[str], environment: Mapping[str, str], fds: Sequence[int]
) -> int:
    """Start `command` in the namespaces of `init_pid` with `fds` as standard streams.

    Returns the pid of a child of ours that ends as the command ended (128 + signal if killed).
    """
    child = os.fork()
    if child:
        return child
    try:
        spaces = [os.open(f"/proc/{init_pid}/ns/{kind}", os.O_RDONLY) for kind in _ENTER]
        for space in spaces:
            kernel.setns(space)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        inner = os.fork()
        if inner == 0:
            os.setsid()
            for target, fd in enumerate(fds):
                os.dup2(fd, target)
            _close_others({0, 1, 2})
            os.chdir("/")
            _exec(command, environment)
        _close_others({2})
        _, status = os.waitpid(inner, 0)
        os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    except BaseException:  # noqa: BLE001 - a forked child: all it can do is tell, and end
        os.write(2, traceback.format_exc().encode())
        os._exit(125)


def _exec(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    try:
        os.execvpe(command[0], list(command), dict(environment))
    except OSError as e:
        os.write(2, f"crm lab exec: {command[0]}: {e.strerror}\n".encode())
    os._exit(127 if not any(Path(d, command[0]).exists() for d in ("/", "/sbin")) else 126)


def processes_of(init_pid: int) -> list[int]:
    """All processes in the process namespace of `init_pid`, itself first."""
    try:
        wanted = os.readlink(f"/proc/{init_pid}/ns/pid")
    except OSError:
        return []
    out = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{name}/ns/pid") == wanted:
                    out.append(int(name))
    return sorted(out, key=lambda pid: (pid != init_pid, pid))


def signal_all(init_pid: int, number: int, rounds: int = 20) -> int:
    """Send a signal to all processes of a node until no new ones appear; how many there were."""
    seen: set[int] = set()
    for _ in range(rounds):
        fresh = [pid for pid in processes_of(init_pid) if pid not in seen]
        if not fresh:
            break
        for pid in fresh:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        seen.update(fresh)
    return len(seen)
