"""The executor's side of the warm process: keeps one, asks it to fork, watches the child.

If the warm process is killed, actions under way go on and report; the next action starts a new
one, and meanwhile (or when a request is too large) actions run by starting an interpreter.
Facts: ocf.md 6.1; the protocol is in `ocf.forkserver`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ocf.forkserver import REQUEST_LIMIT
from ocf.runners import Ended, Job, Pipes, Started, end_group, kill_group, spawn, wait_at_most

BIRTH_S = 2.0
"""Seconds a request may wait for its child; then the warm process is replaced."""
READY_S = 20.0
PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)


def cold_job(job: Job) -> Job:
    """The same agent by a fresh interpreter."""
    target = job.argv[0]
    code = (
        "import sys;from ocf.agent import call_target;"
        f"sys.exit(call_target({target!r}, sys.argv[1:]))"
    )
    env = {**job.env, "PYTHONPATH": PACKAGE_ROOT}
    return replace(job, argv=(sys.executable, "-c", code, *job.argv[1:]), env=env)


@dataclass(slots=True)
class _Status:
    """What the child told: its process id, then its exit code; `gone` at the end of file."""

    fd: int
    text: bytes = b""
    born: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the code is known, or the child is gone without one."""

    def begin(self) -> None:
        os.set_blocking(self.fd, False)
        asyncio.get_running_loop().add_reader(self.fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self.fd, 256)
        except BlockingIOError:
            return
        self.text += data
        if b"\n" in self.text:
            self.born.set()
        if not data or self.text.count(b"\n") >= 2:
            self.done.set()
            self.born.set()
        if not data:
            asyncio.get_running_loop().remove_reader(self.fd)

    @property
    def pid(self) -> int | None:
        lines = self.text.split(b"\n")
        return int(lines[0]) if len(lines) > 1 else None

    @property
    def code(self) -> int | None:
        lines = self.text.split(b"\n")
        return int(lines[1]) if len(lines) > 2 else None

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


class WarmRunner:
    """Runs Python agents. `log(event, fields)` hears of deaths of the warm process."""

    def __init__(self, log: Callable[[str, dict[str, object]], None] | None = None) -> None:
        self._log = log or (lambda event, fields: None)
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the warm process, if there is one."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> bool:
        """Have a warm process; False when it does not come up."""
        async with self._starting:
            if self._control is not None and self.pid is not None:
                return True
            await self._discard(self._process)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_LIMIT)
            ours.setblocking(False)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "ocf.forkserver",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": PACKAGE_ROOT},
                    cwd="/",
                    start_new_session=True,
                )
            finally:
                theirs.close()
            self._control = ours
            self.starts += 1
            try:
                async with asyncio.timeout(READY_S):
                    word = await asyncio.get_running_loop().sock_recv(ours, 64)
            except (TimeoutError, OSError):
                word = b""
            if word != b"ready":
                self._log("forkserver.failed", {"pid": self._process.pid})
                await self._discard(self._process)
                return False
            self._log("forkserver.ready", {"pid": self._process.pid, "starts": self.starts})
            return True

    async def _discard(self, process: asyncio.subprocess.Process | None) -> None:
        if process is None or process is not self._process:
            return
        control, self._control, self._process = self._control, None, None
        if control is not None:
            control.close()
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                self._log("forkserver.gone", {"pid": process.pid})
        await process.wait()

    async def close(self) -> None:
        """End the warm process; forked agents are not touched."""
        await self._discard(self._process)

    async def run(self, job: Job, started: Started | None = None) -> Ended:
        """Run `job.argv[0]` (`module:attribute`); the same promises as `runners.spawn`."""
        request = json.dumps(
            {"target": job.argv[0], "argv": list(job.argv[1:]), "env": dict(job.env)}
        ).encode("utf-8", "surrogateescape")
        if len(request) > REQUEST_LIMIT // 4 or not await self.start():
            return await spawn(cold_job(job), started)
        process = self._process
        pipes = Pipes.open()
        status_r, status_w = os.pipe2(os.O_CLOEXEC)
        status = _Status(status_r)
        status.begin()
        try:
            sent = self._send(request, [*pipes.child_fds, status_w])
            os.close(status_w)
            pipes.close_child_ends()
            if sent and not await wait_at_most(status.born, BIRTH_S):
                self._log("forkserver.silent", {"waited_s": BIRTH_S})
                await self._discard(process)
                # Now the child either exists and tells its id, or its descriptors are closed.
                await status.born.wait()
            if status.pid is None:
                return await spawn(cold_job(job), started)
            if started:
                started(status.pid)
            return await _watch(status, status.pid, pipes, job.timeout_s)
        finally:
            status.close()
            pipes.close()

    def _send(self, request: bytes, fds: list[int]) -> bool:
        assert self._control is not None
        try:
            socket.send_fds(self._control, [request], fds)
        except OSError as e:
            self._log("forkserver.send", {"error": e.strerror or str(e)})
            return False
        return True


async def _watch(status: _Status, pid: int, pipes: Pipes, timeout_s: float) -> Ended:
    timed_out = False
    try:
        if not await wait_at_most(status.done, timeout_s):
            timed_out = True
            await end_group(pid, status.done)
    except asyncio.CancelledError:
        kill_group(pid, signal.SIGKILL)
        raise
    await pipes.drain()
    out, err = pipes.texts()
    if timed_out:
        return Ended(None, out, err, timed_out=True)
    if status.code is None:
        return Ended(None, out, err, fault="the agent process died without an exit code")
    return Ended(status.code, out, err)
