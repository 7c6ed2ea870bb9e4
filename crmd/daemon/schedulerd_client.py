"""crmd's side of schedulerd: ask, and ask again when schedulerd died meanwhile.

One question is under way at a time; of those that arrive meanwhile only the newest is kept, since
a newer document makes older questions worthless.  A question that killed schedulerd three times,
or took longer than SCHEDULE_LIMIT_S, is answered with an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crmd.daemon import ipc
from crmd.daemon.schedulerd_wire import BODY_LIMIT, DecisionError, decision_from_bytes
from crmd.scheduler.transition import Decision

RECONNECT_S = 0.05
TRIES = 3
SCHEDULE_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """What to schedule."""

    request_id: int
    cib: bytes
    now_epoch: float


Answer = Callable[[int, Decision | None, str], None]


class SchedulerClient:
    """`on_answer(request_id, decision or None, error)` is called in the loop.

    Run `work()` as a task.
    """

    def __init__(self, path: Path, on_answer: Answer) -> None:
        self._path = path
        self._on_answer = on_answer
        self._newest: Question | None = None
        self._arrived = asyncio.Event()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def ask(self, question: Question) -> None:
        """Ask, instead of a question that still waits."""
        self._newest = question
        self._arrived.set()

    async def work(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                question, self._newest = self._newest, None
                if question is not None:
                    await self._resolve(question)
        finally:
            self._hang_up()

    async def _resolve(self, question: Question) -> None:
        deaths = 0
        while True:
            try:
                await self._connect()
                async with asyncio.timeout(SCHEDULE_LIMIT_S):
                    decision, error = await self._converse(question)
            except TimeoutError:
                self._kill()
                self._on_answer(question.request_id, None, f"not done in {SCHEDULE_LIMIT_S:.0f} s")
                return
            except (OSError, EOFError, ipc.IpcError) as e:
                self._hang_up()
                deaths += not isinstance(e, ipc.NotRunning)
                if self._newest is not None:
                    question, deaths = self._newest, 0
                    self._newest = None
                elif deaths >= TRIES:
                    text = f"schedulerd ended {deaths} times over this document"
                    self._on_answer(question.request_id, None, text)
                    return
                await asyncio.sleep(RECONNECT_S)
            else:
                self._on_answer(question.request_id, decision, error)
                return

    async def _connect(self) -> None:
        if self._writer is not None:
            return
        try:
            with ipc.socket_address(self._path) as address:
                self._reader, self._writer = await asyncio.open_unix_connection(address)
        except (FileNotFoundError, ConnectionRefusedError) as e:
            raise ipc.NotRunning(f"{self._path}: nobody listens there") from e
        with self._socket() as connection:
            ipc.check_server(self._path, connection)

    def _socket(self) -> socket.socket:
        assert self._writer is not None
        found = self._writer.get_extra_info("socket")
        return socket.socket(fileno=os.dup(found.fileno()))

    async def _converse(self, question: Question) -> tuple[Decision | None, str]:
        assert self._writer is not None and self._reader is not None
        header = {
            "op": "schedule",
            "id": question.request_id,
            "now": question.now_epoch,
            "size": len(question.cib),
        }
        self._writer.write(ipc.encode(header) + question.cib)
        await self._writer.drain()
        size = int.from_bytes(await self._reader.readexactly(4), "big")
        [answer] = ipc.Decoder(65536).feed(
            size.to_bytes(4, "big") + await self._reader.readexactly(min(size, 65536))
        )
        length = answer.get("size")
        if not isinstance(length, int) or not 0 <= length <= BODY_LIMIT:
            raise ipc.FrameError(f"size={length!r} in schedulerd's answer")
        body = await self._reader.readexactly(length)
        if not answer.get("ok"):
            return None, str(answer.get("error"))
        try:
            return decision_from_bytes(body), ""
        except DecisionError as e:
            return None, str(e)

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    def _kill(self) -> None:
        """It thinks for too long; the supervisor starts a fresh one."""
        if self._writer is not None:
            with self._socket() as connection, contextlib.suppress(OSError):
                os.kill(ipc.peer_credentials(connection).pid, signal.SIGKILL)
        self._hang_up()
