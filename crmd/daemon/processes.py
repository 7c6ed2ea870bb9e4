"""One supervised process: started, adopted, watched by pidfd, told to end.

A daemon outlives its supervisor: a new supervisor finds it by the record of the old one and
watches it on.  No policy here (`crmd.daemon.restarts`, `crmd.daemon.supervisor`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from crmd.daemon.paths import ROOT_VARIABLE, Paths

_KEPT = ("PYTHONPATH", "TZ", "NOTIFY_SOCKET", ROOT_VARIABLE)
_KEPT_PREFIX = "PACEKEEPER_"
NICE = {"crmd": -10, "schedulerd": -10}
"""They decide for the whole cluster and start no programs that would inherit it."""
SAFE_PATH = "/sbin:/bin:/usr/sbin:/usr/bin"


def start_time(pid: int) -> str | None:
    """Kernel's start time of a living process, which tells reused ids apart; None: gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if words[0] in "ZX" else words[19]


def life_of_node() -> str:
    """Differs between two boots of a node, also of a node that is a process namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{start_time(1)}"


@dataclass(frozen=True, slots=True)
class Process:
    """A living process and a descriptor that becomes readable when it ends."""

    name: str
    pid: int
    pidfd: int
    is_child: bool

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def collect(self) -> int | None:
        """After its end: exit status (128 + signal), None if it was not our child."""
        status = None
        if self.is_child:
            with contextlib.suppress(ChildProcessError):
                _, raw = os.waitpid(self.pid, 0)
                status = 128 + os.WTERMSIG(raw) if os.WIFSIGNALED(raw) else os.WEXITSTATUS(raw)
        os.close(self.pidfd)
        return status


def output_file(paths: Paths, name: str) -> Path:
    """Where what a daemon says on its standard streams goes; heartbeatd's log is just that."""
    return paths.log_file(name) if name == "heartbeatd" else paths.log / f"{name}.err"


def spawn(name: str, module: str, arguments: list[str], paths: Paths) -> Process:
    """Start a daemon of ours.  Raises OSError."""
    environment = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith(_KEPT_PREFIX)}
    environment |= {"PATH": SAFE_PATH, "LC_ALL": "C", "HOME": "/"}
    command = [sys.executable, "-P", "-m", module, "--root", str(paths.root), *arguments]
    errors = os.open(
        output_file(paths, name),
        os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
        0o640,
    )
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        pid = os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, errors, 1),
                (os.POSIX_SPAWN_DUP2, errors, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM, signal.SIGINT],
        )
    finally:
        os.close(errors)
        os.close(null)
    with contextlib.suppress(PermissionError):  # without the right to it: as everybody else
        os.setpriority(os.PRIO_PROCESS, pid, NICE.get(name, 0))
    return Process(name, pid, os.pidfd_open(pid), is_child=True)


class Register:
    """Which daemons run, kept where only root writes, for the next supervisor of this boot."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.state / "daemons.json"
        self._life = life_of_node()

    def ran(self) -> frozenset[str]:
        """Daemons that some supervisor started in this life of the node."""
        try:
            data = json.loads(self._file.read_text())
            return frozenset(data["ran"]) if data["life"] == self._life else frozenset()
        except (OSError, ValueError, KeyError, TypeError):
            return frozenset()

    def write(self, living: list[Process]) -> None:
        """Keep the record; it need not survive a power cut, so no sync."""
        data = {
            "life": self._life,
            "ran": sorted(self.ran() | {p.name for p in living}),
            "daemons": {p.name: [p.pid, start_time(p.pid)] for p in living},
        }
        fresh = self._file.with_suffix(".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as f:
            json.dump(data, f)
        os.replace(fresh, self._file)

    def adopt(self, name: str) -> Process | None:
        """The daemon an earlier supervisor started, if it still runs."""
        try:
            data = json.loads(self._file.read_text())
            if data["life"] != self._life:
                return None
            pid, started = data["daemons"][name]
            pidfd = os.pidfd_open(pid)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if started is None or start_time(pid) != started:
            os.close(pidfd)
            return None
        return Process(name, pid, pidfd, is_child=False)
