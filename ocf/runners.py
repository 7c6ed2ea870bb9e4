"""Two ways to run one agent process: spawn a program, or have the warm process fork.

Both give the same: own session and process group, clean environment, bounded output, a timeout
that ends the whole group (SIGTERM, a short grace, SIGKILL), and a result as soon as the agent
itself is gone - a service that kept stdout open is not waited for longer than DRAIN_S.
Processes the agent left in its group after a normal end are its service and stay.
Facts: ocf.md section 6, style.md section 4, reliability.md I19.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ocf.output import Capture

DRAIN_S = 0.2
QUIET_S = 0.02
TERM_GRACE_S = 0.2
KILL_WAIT_S = 0.5
GROUP_CHECKS = 50
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Job:
    """One process to run. `argv[0]` is a path, or a `module:attribute` for a forked agent."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    timeout_s: float
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: `code` is the exit code, None if it was killed or never began."""

    code: int | None
    stdout: str = ""
    stderr: str = ""
    signal: int = 0
    timed_out: bool = False
    fault: str = ""
    """Why it never began, or how it was lost (not the agent's own doing)."""
    missing: bool = False
    """True when the program does not exist (or its interpreter does not)."""


class Started(Protocol):
    """Told the process id of each job, for whoever must clean up after a crash of ours."""

    def __call__(self, pid: int) -> None: ...


@dataclass(slots=True)
class Drain:
    """Reads one pipe in the loop into a Capture until its end."""

    fd: int
    capture: Capture = field(default_factory=Capture)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        os.set_blocking(self.fd, False)
        asyncio.get_running_loop().add_reader(self.fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self.capture.feed(data)
        else:
            self._finish()

    def _finish(self) -> None:
        asyncio.get_running_loop().remove_reader(self.fd)
        self.ended.set()

    def close(self) -> None:
        """Stop reading; what was not read is lost."""
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


@dataclass(slots=True)
class Pipes:
    """Standard output and error of one job."""

    out: Drain
    err: Drain
    child_fds: list[int]

    @classmethod
    def open(cls) -> Pipes:
        out_r, out_w = os.pipe2(os.O_CLOEXEC)
        err_r, err_w = os.pipe2(os.O_CLOEXEC)
        pipes = cls(Drain(out_r), Drain(err_r), [out_w, err_w])
        pipes.out.begin()
        pipes.err.begin()
        return pipes

    def close_child_ends(self) -> None:
        for fd in self.child_fds:
            os.close(fd)
        self.child_fds = []

    async def drain(self) -> None:
        """Read on until both ends are closed, or nothing came for QUIET_S; at most DRAIN_S.

        What the agent itself wrote is in the pipe when it ends; only its children can write on.
        """
        end = time.monotonic() + DRAIN_S
        before = -1
        while time.monotonic() < end and before != (before := self._received()):
            if await wait_at_most(self.out.ended, QUIET_S):
                if await wait_at_most(self.err.ended, QUIET_S):
                    return

    def _received(self) -> int:
        return self.out.capture.total + self.err.capture.total

    def texts(self) -> tuple[str, str]:
        return self.out.capture.text(), self.err.capture.text()

    def close(self) -> None:
        self.close_child_ends()
        self.out.close()
        self.err.close()


def kill_group(pgid: int, number: signal.Signals) -> bool:
    """Signal a process group; False when it is empty."""
    try:
        os.killpg(pgid, number)
    except ProcessLookupError:
        return False
    return True


async def end_group(pgid: int, gone: asyncio.Event | asyncio.Future[int]) -> None:
    """SIGTERM to the group, a grace, SIGKILL; returns when all are gone or cannot die.

    The group is killed even when its leader has ended in time: nobody in it may survive.
    """
    kill_group(pgid, signal.SIGTERM)
    await wait_at_most(gone, TERM_GRACE_S)
    if not kill_group(pgid, signal.SIGKILL):
        return
    await wait_at_most(gone, KILL_WAIT_S)
    for _ in range(GROUP_CHECKS):
        if not is_group_alive(pgid):
            return
        await asyncio.sleep(KILL_WAIT_S / GROUP_CHECKS)


def is_group_alive(pgid: int) -> bool:
    """Whether a process group has a member (one that nobody has reaped counts)."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    return True


async def wait_at_most(gone: asyncio.Event | asyncio.Future[int], seconds: float) -> bool:
    """Whether it happened within `seconds`."""
    waiter = gone.wait() if isinstance(gone, asyncio.Event) else asyncio.shield(gone)
    try:
        async with asyncio.timeout(seconds):
            await waiter
    except TimeoutError:
        return False
    return True


async def spawn(job: Job, started: Started | None = None) -> Ended:
    """Run a program.  Never raises for what the program does or lacks.

    Cancelling the task ends the process group.
    """
    pipes = Pipes.open()
    try:
        stdin_fd = _stdin(job.stdin)
        try:
            process = await asyncio.create_subprocess_exec(
                *job.argv,
                stdin=stdin_fd,
                stdout=pipes.child_fds[0],
                stderr=pipes.child_fds[1],
                env=dict(job.env),
                cwd="/",
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError) as e:
            return Ended(None, fault=f"{e.filename or job.argv[0]}: {e.strerror}", missing=True)
        except OSError as e:
            return Ended(None, fault=f"{job.argv[0]}: cannot be run ({e.strerror})")
        except ValueError as e:
            return Ended(None, fault=f"{job.argv[0]}: cannot be run ({e})")
        finally:
            os.close(stdin_fd)
            pipes.close_child_ends()
        if started:
            started(process.pid)
        waiting: asyncio.Future[int] = asyncio.ensure_future(process.wait())
        timed_out = False
        try:
            if not await wait_at_most(waiting, job.timeout_s):
                timed_out = True
                await end_group(process.pid, waiting)
        except asyncio.CancelledError:
            kill_group(process.pid, signal.SIGKILL)
            raise
        finally:
            if not waiting.done():
                waiting.cancel()
        await pipes.drain()
        out, err = pipes.texts()
        code = process.returncode
        number = -code if code is not None and code < 0 else 0
        return Ended(None if number or timed_out else code, out, err, number, timed_out)
    finally:
        pipes.close()


def _stdin(data: bytes) -> int:
    """A descriptor that yields `data`: /dev/null, or an anonymous file (nothing to block on)."""
    if not data:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
