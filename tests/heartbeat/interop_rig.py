"""Two nodes in namespaces, one of them with Debian's heartbeat 3.0.6, the other with ours.

Three network namespaces: a switch with a bridge, and one per node, which also has its own mount,
UTS and PID namespace and private state directories, so that two daemons with fixed paths can run
on one machine.  Everything ends with the first process of each namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from crmd.daemon.ipc import Client, IpcError
from tests.heartbeat.daemons import REPO

REAL = Path("/usr/libexec/heartbeat/heartbeat")
NEEDED = ("unshare", "nsenter", "ip")
UNSHARE = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork")
KEYS = "auth 1\n1 sha1 0123456789abcdef0123\n"


def why_not() -> str | None:
    """Why the rig cannot run here; None if it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not REAL.exists():
        return "needs Debian's package heartbeat (apt-get install heartbeat)"
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        return f"needs the commands {' '.join(missing)}"
    probe = subprocess.run([*UNSHARE, "true"], capture_output=True)
    return None if probe.returncode == 0 else "namespaces are not permitted here"


@dataclass
class Space:
    """One set of namespaces, alive as long as its first process."""

    holder: subprocess.Popen[bytes]
    pid: int

    @classmethod
    def make(cls) -> Space:
        holder = subprocess.Popen([*UNSHARE, "--kill-child", "--mount-proc", "sleep", "600"])
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        for _ in range(500):
            text = children.read_text().split()
            if text and Path(f"/proc/{text[0]}/comm").read_text().strip() == "sleep":
                return cls(holder, int(text[0]))
            time.sleep(0.01)
        holder.kill()
        raise RuntimeError("unshare made no child")

    def enter(self, *argv: str, pid_namespace: bool = True) -> list[str]:
        """The command in our namespaces; without the PID one, its process is the one started."""
        inside = ["-p"] if pid_namespace else []
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", *inside, "--", *argv]

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.enter(*argv), capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
        return done

    def run_outside(self, *argv: str) -> None:
        """Run in this network namespace only: process ids are those of the test."""
        command = ["nsenter", "-t", str(self.pid), "-n", "--", *argv]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def end(self) -> None:
        self.holder.kill()
        self.holder.wait(10)


@dataclass
class Rig:
    """Nodes `real` and `ours` on one bridge."""

    folder: Path
    extra: str = ""
    names: tuple[str, str] = ("real", "ours")
    switch: Space = field(init=False)
    spaces: dict[str, Space] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.switch = Space.make()
        for bridge in ("br0", "br1"):
            self.switch.run("ip", "link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
            self.switch.run("ip", "link", "set", bridge, "up")
        for name in self.names:
            self.connect(name)

    def connect(self, name: str) -> None:
        space = self.spaces[name] = Space.make()
        index = self.names.index(name) + 1
        space.run("hostname", name)
        space.run("ip", "link", "set", "lo", "up")
        for net in range(2):
            self._plug(space, index, net)
        space.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
        root = self.folder / name
        for place, owner in (
            ("etc/ha.d", None),
            ("var/lib/heartbeat", None),
            ("run/heartbeat/rsctmp", None),
            ("log", "hacluster"),
        ):
            (root / place).mkdir(parents=True, exist_ok=True)
            if owner:
                shutil.chown(root / place, owner)
        self._configure(root / "etc/ha.d")
        for inner in ("api", "casual", "ccm", "ckpt", "crm", "cores/root", "cores/hacluster"):
            (root / "var/lib/heartbeat" / inner).mkdir(parents=True, exist_ok=True)
        for place in ("etc/ha.d", "var/lib/heartbeat", "run"):
            space.run("mount", "--bind", str(root / place), f"/{place}")

    def _plug(self, space: Space, index: int, net: int) -> None:
        """A cable from bridge br<net> to eth<net> of a node."""
        port, device = f"port{net}{index}", f"eth{net}"
        # The kernel takes a dead node's cables away in its own time: do not wait for it.
        self.switch.run("ip", "link", "del", port, check=False)
        self.switch.run_outside(
            *("ip", "link", "add", port, "type", "veth", "peer", "name", device),
            *("netns", str(space.pid)),
        )
        self.switch.run("ip", "link", "set", port, "master", f"br{net}", "up")
        space.run("ip", "addr", "add", f"10.99.{net}.{index}/24", "brd", "+", "dev", device)
        space.run(
            *("ip", "addr", "add", f"fd99:{net}::{index}/64", "dev", device, "nodad"),
        )
        space.run("ip", "link", "set", device, "up")

    def cut(self, name: str, net: int, *, heal: bool = False) -> None:
        """Pull (or plug in again) the cable of a node at the switch."""
        port = f"port{net}{self.names.index(name) + 1}"
        self.switch.run("ip", "link", "set", port, "up" if heal else "down")

    def _configure(self, target: Path) -> None:
        if not (target / "harc").exists():
            shutil.copytree("/etc/ha.d", target, dirs_exist_ok=True, symlinks=True)
        log = target.parents[1] / "log/ha.log"
        (target / "ha.cf").write_text(
            "keepalive 200ms\ndeadtime 1\nwarntime 500ms\ninitdead 3\nudpport 694\n"
            f"logfile {log}\nauto_failback on\nnode {' '.join(self.names)}\n"
            f"{self.extra or 'mcast eth0 225.0.0.64 694 1 0'}\n"
        )
        (target / "haresources").write_text("")
        (target / "authkeys").write_text(KEYS)
        (target / "authkeys").chmod(0o600)

    # --- the real one ---------------------------------------------------------------------------

    def start_real(self, name: str = "real") -> None:
        out = (self.folder / f"{name}.out").open("ab")
        self.processes[name] = subprocess.Popen(
            self.spaces[name].enter(str(REAL), "-f"), stdout=out, stderr=out
        )
        out.close()

    def real_log(self, name: str = "real") -> str:
        path = self.folder / name / "log/ha.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def real_status_of(self, node: str, name: str = "real") -> str:
        done = self.spaces[name].run("cl_status", "nodestatus", node, check=False)
        return done.stdout.strip()

    def real_link_to(self, node: str, link: str = "eth0") -> str:
        done = self.spaces["real"].run("cl_status", "hblinkstatus", node, link, check=False)
        return done.stdout.strip()

    # --- ours -----------------------------------------------------------------------------------

    def start_ours(self, name: str = "ours") -> None:
        out = (self.folder / f"{name}.out").open("ab")
        root = self.folder / name
        python = [sys.executable, "-m", "crmd.daemon.heartbeatd", "--root", str(root)]
        self.processes[name] = subprocess.Popen(
            self.spaces[name].enter(*python, "--node", name, pid_namespace=False),
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdout=out,
            stderr=out,
        )
        out.close()

    def client(self, name: str = "ours") -> Client:
        path = self.folder / name / "run/pacekeeper/heartbeat.sock"
        end = time.monotonic() + 5
        while True:
            try:
                return Client(path, 10.0)
            except IpcError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    # --- faults ---------------------------------------------------------------------------------

    def kill_node(self, name: str) -> float:
        """Everything of a node ends at once, as in a power cut; returns the moment."""
        at = time.monotonic()
        self.spaces[name].end()
        process = self.processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(10)
        return at

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(10)
        for space in [*self.spaces.values(), self.switch]:
            space.end()


def until(condition, timeout_s: float, what: str) -> float:  # type: ignore[no-untyped-def]
    """Wait for a true condition; returns the seconds it took."""
    begin = time.monotonic()
    while time.monotonic() - begin < timeout_s:
        if condition():
            return time.monotonic() - begin
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout_s} s: {what}")
