"""The warm process: Python agents preloaded, one fork per action.

It saves the start of an interpreter and all imports for each action.  Single-threaded and small
on purpose: it receives a request with three descriptors, forks, and forgets; the child tells its
own process id and exit code through the status descriptor, so that a death of this process loses
no result.  Timeouts, output and concurrency are the client's matter (`ocf.warm`).
Started as `python -m ocf.forkserver FD` with a SOCK_SEQPACKET socket.  Facts: ocf.md 6.1.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from ocf.agent import call_target
from ocf.codes import Rc

PRELOADED = ("sh", "subprocess", "ocf.metadata", "ctypes")
REQUEST_LIMIT = 1024 * 1024
"""Bytes of one request; larger ones are run by starting an interpreter."""


def preload(targets: Sequence[str]) -> None:
    """Import what the agents need, once, and take it out of the garbage collector's sight."""
    for target in targets:
        importlib.import_module(target.partition(":")[0])
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("ocf.netlink").preload()
    gc.collect()
    gc.freeze()


def _become_agent(request: dict[str, Any], fds: list[int]) -> None:
    """The child: take over descriptors and environment, run, tell the code, and end."""
    status = -1
    code = int(Rc.GENERIC)
    try:
        os.setsid()
        status = os.dup(fds[2])
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(fds[0], 1)
        os.dup2(fds[1], 2)
        status = os.dup2(status, 3, inheritable=False)
        os.closerange(4, 1024)
        os.write(status, f"{os.getpid()}\n".encode())
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.chdir("/")
        os.umask(0o022)
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = [request["target"], *request["argv"]]
        code = call_target(request["target"], request["argv"])
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(Rc.GENERIC)
    except BaseException:  # noqa: BLE001 - the edge of this process: say what it was, end
        traceback.print_exc()
    finally:
        _end(status, code)


def _end(status: int, code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or int(Rc.GENERIC)
    os.closerange(1, 3)  # the client sees their end now, not after this process is torn down
    if status >= 0:
        try:
            os.write(status, f"{code}\n".encode())
        except OSError:
            os._exit(code & 0xFF)
    os._exit(code & 0xFF)


class ForkServer:
    """Serves requests on one socket until its other end closes."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._wake_r, self._wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def serve(self) -> None:
        import select

        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake_r, select.POLLIN)
        try:
            self._control.send(b"ready")
        except OSError:
            return  # whoever wanted us is gone
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if self._wake_r in ready:
                os.read(self._wake_r, 4096)
                _reap()
            if self._control.fileno() in ready and not self._one_request():
                return

    def _one_request(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, REQUEST_LIMIT, 8)
        if not data:
            return False
        try:
            request = json.loads(data)
            if len(fds) != 3:
                raise ValueError(f"{len(fds)} descriptors, want 3")
            if os.fork() == 0:
                signal.set_wakeup_fd(-1)
                _become_agent(request, fds)
        except (ValueError, OSError) as e:
            sys.stderr.write(f"forkserver: request refused: {e}\n")
        finally:
            for fd in fds:
                os.close(fd)
        return True


def _reap() -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def run(argv: Sequence[str]) -> int:
    """Entry point: `argv` is [descriptor number]."""
    from ocf.classes import PYTHON_AGENTS

    control = socket.socket(fileno=int(argv[0]))
    preload(sorted(PYTHON_AGENTS.values()))
    ForkServer(control).serve()
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
