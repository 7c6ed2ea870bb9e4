"""The lab where namespaces are not allowed: nodes are groups of processes with a root of their own.

They talk over multicast on the loopback interface and can run resources that need no address and
no mount, such as Dummy.  Cables cannot be pulled, there is no client, and if this server is
killed its nodes stay until `crm lab down`.  The same requests as `cli.lab.server`, as far as they
make sense; the rest is refused with the reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.lab import furnish
from cli.lab.plan import REPOSITORY, LabError, LabPlan, loopback_ha_cf
from crmd.daemon.log import FileSink, PlainLog

MARK = "PACEKEEPER_LAB_NODE"
NOTE = (
    "nodes are groups of processes on the loopback interface: resources that need no address and "
    "no mount (Dummy), no cables to cut, no client"
)
KILL_LIMIT_S = 5.0


def marked(mark: str) -> list[int]:
    """Processes that were started with this mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def kill_marked(mark: str) -> None:
    """SIGKILL until none is left.  Raises LabError."""
    deadline = time.monotonic() + KILL_LIMIT_S
    while left := marked(mark):
        if time.monotonic() > deadline:
            raise LabError(f"processes {left} do not end")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


class PlainServer:
    """State of a running lab without namespaces."""

    def __init__(self, plan: LabPlan, config: Path | None) -> None:
        self.plan = plan
        self._config = config
        self._log = PlainLog(FileSink(plan.log), daemon="lab")
        self._on: dict[str, str] = {}
        """Living nodes: `on` or `paused`."""
        self._waiting: dict[int, Callable[[int], None]] = {}
        self._ends = False

    def build(self) -> None:
        """Everything up to running nodes.  Raises LabError or OSError."""
        furnish.furnish(self.plan, self._config, has_real_disk=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        for each in self.plan.nodes:
            text = loopback_ha_cf([n.name for n in self.plan.nodes], port)
            (self.plan.disk(each.name) / "etc/ha.d/ha.cf").write_text(text)
        for each in self.plan.nodes:
            self.start(each.name)

    def _mark(self, name: str) -> str:
        return str(self.plan.disk(name))

    def environment(self, name: str) -> Mapping[str, str]:
        launchers = self.plan.state / "launchers"
        return {
            "PATH": f"{launchers}:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "PACEKEEPER_ROOT": self._mark(name),
            "PACEKEEPER_LAB": self.plan.name,
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            MARK: self._mark(name),
        }

    def start(self, name: str) -> None:
        """Power on.  Raises LabError."""
        self.plan.node(name)
        if name in self._on:
            raise LabError(f"{name} is running; 'crm lab kill {name}' first")
        disk = self.plan.disk(name)
        shutil.rmtree(disk / "run", ignore_errors=True)  # what a reboot clears
        program = self.plan.state / "launchers/pacekeeperd"
        options = ["--manager", "crm", "--root", str(disk), "--node", name]
        with (disk / "var/log/pacekeeperd.out").open("ab") as out:
            subprocess.Popen(
                [str(program), "--foreground", *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(self.environment(name)),
                start_new_session=True,
                cwd="/",
            )
        self._on[name] = "on"
        self._log.info("lab.start", node=name)

    def kill(self, name: str) -> dict[str, Any]:
        """Power cut: SIGKILL to everything of the node."""
        self.plan.node(name)
        at = time.monotonic()
        was = self._on.pop(name, "off")
        kill_marked(self._mark(name))
        self._log.info("lab.kill", node=name, at=round(at, 6))
        return {"node": name, "state": "off", "was": was, "at": at}

    def fence(self, name: str, action: str) -> dict[str, Any]:
        """What a power switch does."""
        if action in {"monitor", "list"}:
            return {"rc": 0, "nodes": [n.name for n in self.plan.nodes]}
        if action not in {"on", "off", "reboot", "status"}:
            raise LabError(f"fence action {action!r}; known: on off reboot status monitor list")
        self.plan.node(name)
        if action in {"off", "reboot"}:
            self.kill(name)
        if action in {"on", "reboot"} and name not in self._on:
            self.start(name)
        state = "on" if name in self._on else "off"
        return {
            "node": name,
            "state": state,
            "rc": 2 if (action, state) == ("status", "off") else 0,
        }

    def pause(self, name: str, stop: bool) -> dict[str, Any]:
        """SIGSTOP or SIGCONT to every process of the node."""
        self.plan.node(name)
        if name not in self._on:
            raise LabError(f"{name} is off; 'crm lab start {name}' first")
        pids = marked(self._mark(name))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if stop else signal.SIGCONT)
        self._on[name] = "paused" if stop else "on"
        return {"node": name, "processes": len(pids)}

    def cut(self, *_: object) -> dict[str, Any]:
        raise LabError("cables need namespaces, which are not allowed here")

    def heal(self) -> dict[str, Any]:
        raise LabError("cables need namespaces, which are not allowed here")

    def set_watched(self, addresses: list[str]) -> dict[str, Any]:
        if addresses:
            raise LabError("the client needs namespaces, which are not allowed here")
        return {"watched": []}

    def status(self) -> dict[str, Any]:
        """As the other server's."""
        nodes: list[dict[str, Any]] = [
            {
                "name": n.name,
                "index": n.index,
                "state": self._on.get(n.name, "off"),
                "pid": None,
                "service": "127.0.0.1",
                "heartbeat": "multicast on lo",
                "pulled": [],
            }
            for n in self.plan.nodes
        ]
        return {
            "name": self.plan.name,
            "state_directory": str(self.plan.state),
            "nodes": nodes,
            "cuts": [],
            "disk": "none",
            "watched": [],
            "note": NOTE,
        }

    def run(
        self, name: str, argv: Sequence[str], fds: Sequence[int], done: Callable[[int], None]
    ) -> None:
        """Run a command with the node's root in its environment."""
        self.plan.node(name)
        environment = dict(self.environment(name))
        try:
            child = subprocess.Popen(
                list(argv),
                stdin=fds[0],
                stdout=fds[1],
                stderr=fds[2],
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as e:
            raise LabError(f"{argv[0]}: {e.strerror}") from e
        self._waiting[child.pid] = done

    def reap(self) -> None:
        """Collect ended children; a node whose pacekeeperd left in good order stays `on`."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if pid in self._waiting:
                    killed = os.WIFSIGNALED(status)
                    code = 128 + os.WTERMSIG(status) if killed else os.WEXITSTATUS(status)
                    self._waiting.pop(pid)(code)

    def end(self) -> None:
        """Power off everything."""
        self._ends = True
        for node in self.plan.nodes:
            kill_marked(self._mark(node.name))

    @property
    def has_ended(self) -> bool:
        return self._ends
