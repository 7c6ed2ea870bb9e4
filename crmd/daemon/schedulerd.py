"""schedulerd: a warm process that computes decisions, so that crmd's loop never waits for one.

It holds no state: killed at any moment, it is started again and crmd asks again.  One question at
a time; the garbage collector rests while it thinks.  After answering it keeps the input in
`pengine/pe-input-N.bz2`, so that every decision can be replayed (reliability.md I31).
"""

from __future__ import annotations

import argparse
import bz2
import contextlib
import gc
import os
import re
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crmd.daemon import ipc
from crmd.daemon.log import FileSink, PlainLog
from crmd.daemon.paths import PathError, Paths
from crmd.daemon.schedulerd_wire import BODY_LIMIT, decision_to_bytes
from crmd.scheduler.transition import Decision

EX_CONFIG = 78
INPUTS_KEPT = 400
INPUT_BYTES_KEPT = 64 * 1024 * 1024
READ_TIMEOUT_S = 10.0

_INPUT = re.compile(r"pe-input-(\d+)\.bz2")

Schedule = Callable[[bytes, float], Decision]


class Inputs:
    """Stored inputs of the scheduler, oldest out by number and by bytes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        found = [(int(m[1]), p) for p in directory.iterdir() if (m := _INPUT.fullmatch(p.name))]
        self._kept = [(p, p.stat().st_size) for _, p in sorted(found)]
        self._next = max((number for number, _ in found), default=-1) + 1

    def store(self, cib: bytes) -> str:
        """Keep one; its file name.  Raises OSError."""
        path = self._directory / f"pe-input-{self._next}.bz2"
        self._next += 1
        data = bz2.compress(cib, 1)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
        self._kept.append((path, len(data)))
        total = sum(size for _, size in self._kept)
        while len(self._kept) > INPUTS_KEPT or (total > INPUT_BYTES_KEPT and len(self._kept) > 1):
            oldest, size = self._kept.pop(0)
            total -= size
            oldest.unlink(missing_ok=True)
        return path.name


def _read_exactly(connection: socket.socket, start: bytes, size: int) -> bytes:
    parts, missing = [start], size - len(start)
    while missing > 0:
        data = connection.recv(min(missing, 1 << 20))
        if not data:
            raise ipc.IpcError("client went away in the middle of a document")
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def read_message(connection: socket.socket) -> tuple[ipc.Message, bytes] | None:
    """One header and its body; None at the end of the connection.  Raises IpcError."""
    head = b""
    while len(head) < 4:
        data = connection.recv(4 - len(head))
        if not data:
            return None
        head += data
    connection.settimeout(READ_TIMEOUT_S)
    size = int.from_bytes(head, "big")
    if size > 65536:
        raise ipc.FrameError(f"header of {size} bytes announced; the limit is 65536")
    [header] = ipc.Decoder(limit=65536).feed(head + _read_exactly(connection, b"", size))
    length = header.get("size", 0)
    if not isinstance(length, int) or not 0 <= length <= BODY_LIMIT:
        raise ipc.FrameError(f"size={length!r}: want 0 to {BODY_LIMIT}")
    body = _read_exactly(connection, b"", length)
    connection.settimeout(None)
    return header, body


class Schedulerd:
    """Answers one question after the other, from one client after the other."""

    def __init__(self, schedule: Schedule, inputs: Inputs | None, log: PlainLog) -> None:
        self._schedule = schedule
        self._inputs = inputs
        self._log = log

    def answer(self, header: ipc.Message, body: bytes) -> tuple[dict[str, Any], bytes]:
        """Header and body of the answer."""
        number = header.get("id")
        now = header.get("now")
        if header.get("op") != "schedule" or not isinstance(now, int | float):
            error = f"op {header.get('op')!r}, now {now!r}: want op 'schedule' and a time"
            return {"op": "decision", "id": number, "ok": False, "error": error, "size": 0}, b""
        began = time.monotonic()
        try:
            decision = self._schedule(body, float(now))
        except Exception as e:  # noqa: BLE001 - the one place: no input may end the process
            error = f"{type(e).__name__}: {e}"
            self._log.error("schedule.failed", id=number, error=error)
            return {"op": "decision", "id": number, "ok": False, "error": error, "size": 0}, b""
        data = decision_to_bytes(decision)
        self._log.info(
            "schedule.done",
            id=number,
            ms=round((time.monotonic() - began) * 1000, 1),
            actions=len(decision.transition.synapses),
            cib_bytes=len(body),
        )
        return {"op": "decision", "id": number, "ok": True, "size": len(data)}, data

    def converse(self, connection: socket.socket) -> bool:
        """One question and its answer; False when the client is gone or was cut."""
        try:
            message = read_message(connection)
            if message is None:
                return False
            gc.disable()
            header, body = self.answer(*message)
            connection.sendall(ipc.encode(header) + body)
            gc.enable()
        except (OSError, ipc.IpcError) as e:
            self._log.warning("client.cut", reason=str(e))
            return False
        if self._inputs is not None and header["ok"]:
            with contextlib.suppress(OSError):  # a full disk costs the record, not the decision
                self._log.info("input.kept", id=header["id"], file=self._inputs.store(message[1]))
        gc.collect()
        return True


def serve(listening: socket.socket, worker: Schedulerd) -> None:
    """Until SIGTERM."""
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    over = False

    def stop(*_: object) -> None:
        nonlocal over
        over = True

    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    selector.register(wake_read, selectors.EVENT_READ)
    while not over:
        for key, _ in selector.select():
            if key.fileobj is listening:
                connection, _ = listening.accept()
                if ipc.peer_credentials(connection).uid in {0, os.geteuid()}:
                    connection.setblocking(True)
                    selector.register(connection, selectors.EVENT_READ)
                else:
                    connection.close()
            elif isinstance(key.fileobj, socket.socket):
                if not worker.converse(key.fileobj):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def warm_up(schedule: Schedule) -> None:
    """Load and run everything once, then keep it out of the collector's sight."""
    empty = (
        b'<cib validate-with="pacemaker-3.9" epoch="0" num_updates="0" admin_epoch="0">'
        b"<configuration><crm_config/><nodes/><resources/><constraints/></configuration>"
        b"<status/></cib>"
    )
    schedule(empty, 0.0)
    gc.collect()
    gc.freeze()


def run(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit code 0, or 78 when the node's places are not usable."""
    parser = argparse.ArgumentParser(prog="schedulerd", description="Computes decisions.")
    parser.add_argument("--root", help="directory that holds all of the node's places")
    options = parser.parse_args(argv)
    paths = Paths.from_environment(options.root)
    from crmd.scheduler import schedule

    try:
        paths.prepare()
        log = PlainLog(FileSink(paths.log_file("schedulerd")), daemon="schedulerd")
        warm_up(schedule)
        listening = ipc.listen(paths.schedulerd_socket, mode=0o600, group=None)
        worker = Schedulerd(schedule, Inputs(paths.pengine), log)
    except (PathError, ipc.IpcError, OSError) as e:
        sys.stderr.write(f"schedulerd: {e}\n")
        return EX_CONFIG
    log.info("schedulerd.started", pid=os.getpid())
    serve(listening, worker)
    paths.schedulerd_socket.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(run())
