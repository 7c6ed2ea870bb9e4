"""The caller's side of a lab: bring one up, ask it things, take it down without leftovers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cli.lab.launch import start_time
from cli.lab.plain import kill_marked
from cli.lab.plan import REPOSITORY, LabError, LabPlan, plan, state_base
from crmd.daemon import ipc

UP_TIMEOUT_S = 90.0
DOWN_TIMEOUT_S = 20.0


def precompile() -> None:
    """Byte-code for our packages, since the nodes see them read-only."""
    import compileall

    for package in ("cib", "ocf", "crmd", "cli"):
        compileall.compile_dir(REPOSITORY / package, quiet=2)


class Lab:
    """A lab by name; usable as a context manager that takes it down."""

    def __init__(self, name: str = "default", base: Path | None = None) -> None:
        self.name = name
        self.base = base or state_base()
        self.state = self.base / name
        self._leash: int | None = None
        self.note = ""
        """What the lab cannot do here, in words; empty where it can do everything."""

    # --- up and down ------------------------------------------------------------------------

    def up(
        self,
        nodes: Iterable[str],
        config: Path | None = None,
        watch: Iterable[str] = (),
        daemon: Sequence[str] = (),
        stays: bool = False,
    ) -> None:
        """Start the lab.  It ends when this process ends, unless `stays`.  Raises LabError."""
        planned = plan(self.name, nodes, self.base, watch)
        if self.is_running():
            raise LabError(f"lab '{self.name}' is running; 'crm lab down' first, or --name")
        self.sweep()
        self.state.mkdir(mode=0o700)
        precompile()
        ready_read, ready_write = os.pipe()
        leash_read, self._leash = os.pipe()
        command = [sys.executable, "-m", "cli.lab.launch", "--name", self.name]
        command += ["--state", str(self.state)]
        command += [f"--node={n.name}" for n in planned.nodes]
        command += [f"--watch={a}" for a in planned.watched]
        command += [f"--daemon={word}" for word in daemon]
        command += ["--config", str(config.resolve())] if config else []
        command += ["--leash", str(leash_read), "--ready", str(ready_write)]
        try:
            with (self.state / "launch.out").open("wb") as out:
                launcher = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd="/",
                    env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                    pass_fds=(leash_read, ready_write),
                    start_new_session=True,
                )
            os.close(ready_write)
            os.close(leash_read)
            self._wait_ready(ready_read)
            launcher.wait(timeout=DOWN_TIMEOUT_S)
        except BaseException:
            self.down()
            raise
        finally:
            os.close(ready_read)
        if stays:
            os.write(self._leash, b"r")
            self._let_go()

    def _wait_ready(self, ready: int) -> None:
        text, deadline = b"", time.monotonic() + UP_TIMEOUT_S
        while not text.endswith(b"\n"):
            if not select.select([ready], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise LabError(f"lab '{self.name}' was not ready in {UP_TIMEOUT_S:.0f} s")
            data = os.read(ready, 65536)
            if not data:
                out = (self.state / "launch.out").read_text(errors="replace").strip()
                raise LabError(f"lab '{self.name}' ended while starting: {out}")
            text += data
        answer = json.loads(text)
        if not answer["ok"]:
            raise LabError(answer["error"])
        self.note = answer.get("note", "")

    def _let_go(self) -> None:
        if self._leash is not None:
            os.close(self._leash)
            self._leash = None

    def down(self) -> None:
        """Take everything away, whatever state it is in.  Raises LabError if it does not go."""
        with contextlib.suppress(ipc.IpcError, LabError):
            self.ask({"op": "down"}, timeout_s=DOWN_TIMEOUT_S)
        self._let_go()
        self.sweep()

    def sweep(self) -> None:
        """End a server that does not answer and remove its files."""
        deadline = time.monotonic() + DOWN_TIMEOUT_S
        pid = self.server_pid()
        killed_at = time.monotonic() + 2.0
        while pid is not None and self.server_pid() == pid:
            if time.monotonic() > killed_at:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise LabError(f"lab '{self.name}': process {pid} does not end; kill -9 {pid}")
            time.sleep(0.02)
        for disk in sorted((self.state / "nodes").glob("*")):
            kill_marked(str(disk))
        if self.state.exists():
            shutil.rmtree(self.state)

    def server_pid(self) -> int | None:
        """Host's pid of the lab's process 1; None when it is gone."""
        try:
            pid, started = (self.state / "lab.pid").read_text().split()
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if start_time(int(pid)) != started or stat[0] == "Z":
                return None
        except (OSError, ValueError):
            return None
        return int(pid)

    def is_running(self) -> bool:
        return self.server_pid() is not None and (self.state / "shared/control.sock").exists()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    # --- asking -----------------------------------------------------------------------------

    def ask(self, message: dict[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
        """One request to the server.  Raises LabError with its words when it refuses."""
        try:
            with ipc.Client(self.state / "shared/control.sock", timeout_s) as client:
                answer = client.call(message)
        except ipc.NotRunning as e:
            raise LabError(f"lab '{self.name}' is not running; 'crm lab up' starts one") from e
        if not answer.get("ok"):
            raise LabError(str(answer.get("error")))
        return answer

    def execute(
        self, node: str, argv: Sequence[str], fds: Sequence[int] = (0, 1, 2), timeout_s: float = 600
    ) -> int:
        """Run a command in a node with these standard streams; its exit status."""
        frame = ipc.encode({"op": "exec", "node": node, "argv": list(argv)})
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(timeout_s)
            place = self.state / "shared/control.sock"
            try:
                with ipc.socket_address(place) as address:
                    line.connect(address)
            except OSError as e:
                raise LabError(f"lab '{self.name}' is not running ({e.strerror})") from e
            socket.send_fds(line, [frame], list(fds))
            decoder = ipc.Decoder()
            messages: list[ipc.Message] = []
            while not messages:
                try:
                    data = line.recv(65536)
                except TimeoutError as e:
                    raise LabError(f"{argv[0]} on {node}: not done in {timeout_s} s") from e
                if not data:
                    raise LabError(f"lab '{self.name}' ended meanwhile")
                messages = decoder.feed(data)
        if not messages[0].get("ok"):
            raise LabError(str(messages[0].get("error")))
        return int(messages[0]["status"])

    def output(self, node: str, *argv: str, timeout_s: float = 60) -> tuple[int, str]:
        """Exit status and output (both streams) of a command in a node."""
        with tempfile.TemporaryFile() as out, open(os.devnull, "rb") as null:
            fds = (null.fileno(), out.fileno(), out.fileno())
            status = self.execute(node, argv, fds, timeout_s)
            out.seek(0)
            return status, out.read().decode(errors="replace")

    def holders(self, address: str) -> list[str]:
        """Nodes that are on and have the address on an interface, as their kernels know it."""
        states = self.ask({"op": "status"})["nodes"]
        living = [n["name"] for n in states if n["state"] == "on"]
        return [n for n in living if self.has_address(n, address)]

    def has_address(self, node: str, address: str) -> bool:
        """Whether the kernel of a node takes `address` for its own."""
        table = self.output(node, "cat", "/proc/net/fib_trie")[1]
        return re.search(rf"\|-- {re.escape(address)}\n\s+/32 host LOCAL", table) is not None

    def disk(self, node: str) -> Path:
        """A node's own disk, as the host sees it (`var`, `etc/ha.d`)."""
        return self.state / "nodes" / node

    def keep_logs(self, target: Path) -> None:
        """Copy all logs of the lab to a directory that outlives it."""
        for node in sorted((self.state / "nodes").glob("*")):
            shutil.copytree(node / "var/log", target / node.name, dirs_exist_ok=True)
        for path in sorted(self.state.glob("*.log")):
            shutil.copy2(path, target / path.name)

    def lines(self, place: Path) -> list[dict[str, Any]]:
        """A JSON log of the lab as values; lines that are not JSON are left out."""
        out = []
        with contextlib.suppress(OSError):
            for line in place.read_text(errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    out.append(json.loads(line))
        return out


def all_labs(base: Path | None = None) -> list[Lab]:
    """Every lab of this user, running or left over."""
    place = base or state_base()
    return [Lab(entry.name, place) for entry in sorted(place.iterdir()) if entry.is_dir()]


__all__ = ["Lab", "LabError", "LabPlan", "all_labs", "precompile"]
