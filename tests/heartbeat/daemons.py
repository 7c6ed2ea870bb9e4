"""Real heartbeatd processes on loopback multicast, for tests: started, watched, stopped by pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from crmd.daemon.ipc import Client, IpcError

REPO = Path(__file__).resolve().parents[2]
KEYS = "auth 1\n1 sha1 0123456789abcdef0123\n"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Cluster:
    """Nodes that hear each other through one multicast group on `lo`."""

    folder: Path
    nodes: tuple[str, ...]
    extra: str = ""
    keepalive: str = "100ms"
    deadtime: str = "500ms"
    initdead: str = "2"
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        port = free_port()
        for node in self.nodes:
            config = self.folder / node / "etc/ha.d"
            config.mkdir(parents=True)
            (config / "ha.cf").write_text(
                f"keepalive {self.keepalive}\ndeadtime {self.deadtime}\ninitdead {self.initdead}\n"
                f"mcast lo 239.255.7.1 {port} 0 1\nauto_failback on\nnode {' '.join(self.nodes)}\n"
                f"{self.extra}"
            )
            self.write_keys(node, KEYS)

    def write_keys(self, node: str, text: str) -> None:
        path = self.folder / node / "etc/ha.d/authkeys"
        path.write_text(text)
        path.chmod(0o600)

    def start(self, node: str, *options: str) -> None:
        log = (self.folder / f"{node}.log").open("ab")
        self.processes[node] = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "crmd.daemon.heartbeatd",
                *("--root", str(self.folder / node), "--node", node, *options),
            ],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdout=log,
            stderr=log,
        )
        log.close()

    def socket_path(self, node: str) -> Path:
        return self.folder / node / "run/pacekeeper/heartbeat.sock"

    def client(self, node: str, timeout_s: float = 5.0) -> Client:
        end = time.monotonic() + timeout_s
        while True:
            try:
                return Client(self.socket_path(node), timeout_s)
            except IpcError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def signal(self, node: str, number: signal.Signals) -> None:
        os.kill(self.processes[node].pid, number)

    def kill(self, node: str) -> None:
        process = self.processes.pop(node)
        process.kill()
        process.wait(5)

    def stop(self, node: str) -> int:
        process = self.processes.pop(node)
        process.terminate()
        return process.wait(10)

    def log(self, node: str) -> str:
        return (self.folder / f"{node}.log").read_text()

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(5)


def wait_for(client: Client, /, timeout_s: float = 5.0, **wanted: object) -> dict[str, object]:
    """The next frame that holds all of `wanted`."""
    end = time.monotonic() + timeout_s
    seen = []
    while (left := end - time.monotonic()) > 0:
        frame = client.receive(left)
        if wanted.items() <= frame.items():
            return frame
        seen.append(frame)
    raise AssertionError(f"no {wanted} within {timeout_s} s; seen: {seen}")
