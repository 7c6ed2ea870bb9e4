"""crmd's side of execd: hand over calls, hear results, come back after either side died.

Every call handed over gets a result.  If execd was replaced while a call was with it, the call is
either handed over again (`resubmit`: agents are idempotent, and a new execd first ends what was
under way) or answered with an error that says so.  Calls given while execd is away are sent when
it is back.  Facts: `crmd.daemon.execd_wire` (the messages).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crmd.daemon import ipc, ipc_async
from crmd.daemon.execd_wire import CallError, call_to_json, failed, result_from_json
from crmd.daemon.ipc import Message
from crmd.daemon.ipc_async import Peer
from ocf.calls import AgentCall, AgentResult, ExecStatus

RECONNECT_S = 0.1
LOST = "execd was restarted during this action; its outcome is unknown"


class ExecdClient:
    """`on_result` is called in the loop for each result, which is acknowledged after it returns.

    `on_connected(True/False)` hears of the connection.  Run `keep_connected()` as a task.
    """

    def __init__(
        self,
        path: Path,
        on_result: Callable[[AgentResult], None],
        on_connected: Callable[[bool], None] | None = None,
        resubmit: bool = False,
        on_conflict: Callable[[Message], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._resubmit = resubmit
        self._on_result = on_result
        self._on_conflict = on_conflict
        self._on_connected = on_connected or (lambda is_up: None)
        self._token = secrets.token_hex(8)
        self._peer: Peer | None = None
        self._instance: str | None = None
        self._closed = asyncio.Event()
        self._requests: dict[int, asyncio.Future[Message]] = {}
        self._next_request = 1
        self._pending: dict[int, AgentCall] = {}
        self._handed_over: set[int] = set()
        self._recurring: dict[tuple[str, str, int], AgentCall] = {}

    @property
    def is_connected(self) -> bool:
        return self._peer is not None and self._instance is not None

    async def keep_connected(self) -> None:
        """Connect, and connect again whenever the connection is lost; until cancelled."""
        while True:
            try:
                self._closed.clear()
                self._peer = await ipc_async.connect(self._path, self)
                await self._closed.wait()
            except ipc.IpcError:
                self._peer = None
            await asyncio.sleep(RECONNECT_S)

    def run(self, call: AgentCall) -> None:
        """Hand over a call; the result comes through `on_result`."""
        self._pending[call.call_id] = call
        if call.interval_ms > 0:
            self._recurring[(call.rsc, call.operation, call.interval_ms)] = call
        if self.is_connected:
            self._hand_over(call)

    def cancel(self, rsc: str, operation: str, interval_ms: int) -> None:
        """Cancel a recurring monitor; a result with status CANCELLED follows if it was there.

        While execd is away the request is lost: ask again when connected.
        """
        self._send({"op": "cancel", "rsc": rsc, "operation": operation, "interval_ms": interval_ms})

    def forget(self, rsc: str, failures_only: bool = False) -> None:
        """Have execd drop what it remembers of a resource; nothing is stopped."""
        self._send({"op": "forget", "rsc": rsc, "failures_only": failures_only})

    async def list(self, timeout_s: float = 5.0) -> Message:
        """What recurs, runs and waits, and the last results.  Raises ipc.IpcError."""
        if not self.is_connected:
            raise ipc.NotRunning(f"{self._path}: not connected to execd")
        number = self._next_request
        self._next_request += 1
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._requests[number] = answer
        self._send({"op": "list", "id": number})
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as e:
            raise ipc.IpcError(f"{self._path}: no answer in {timeout_s} s") from e
        finally:
            self._requests.pop(number, None)

    def close(self) -> None:
        """Cut the connection."""
        if self._peer is not None:
            self._peer.close()

    def _send(self, message: dict[str, Any]) -> None:
        if self._peer is not None:
            self._peer.send(message)

    def _hand_over(self, call: AgentCall) -> None:
        self._handed_over.add(call.call_id)
        self._send({"op": "run", "id": -call.call_id, "call": call_to_json(call)})

    # -- what the connection tells

    def connected(self, peer: Peer) -> None:
        peer.send({"op": "hello", "client": self._token})

    def disconnected(self, peer: Peer, reason: str) -> None:
        was_connected = self._instance is not None and self._peer is not None
        self._peer = None
        for waiting in self._requests.values():
            if not waiting.done():
                waiting.set_exception(ipc.IpcError(f"{self._path}: {reason}"))
        self._closed.set()
        if was_connected:
            self._on_connected(False)

    def received(self, peer: Peer, message: Message) -> None:
        match message.get("op"):
            case "hello":
                self._peer = peer
                self._greeted(str(message.get("instance")))
            case "result":
                self._take_result(message)
            case "conflict":
                self._on_conflict(message)
            case "error" if isinstance(message.get("id"), int) and message["id"] <= 0:
                self._refuse(-message["id"], str(message.get("error")))
            case _:
                waiting = self._requests.get(message.get("id", 0))
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)

    def _greeted(self, instance: str) -> None:
        is_new = self._instance is not None and instance != self._instance
        self._instance = instance
        lost: list[AgentCall] = []
        for call_id, call in sorted(self._pending.items()):
            if call_id not in self._handed_over or not is_new or self._resubmit:
                self._hand_over(call)  # execd knows a call it has already got
            elif call.interval_ms == 0:
                lost.append(call)
        if is_new:
            for _, call in sorted(self._recurring.items()):
                self._hand_over(call)  # nothing changes where execd resumed it by itself
        self._on_connected(True)
        for call in lost:
            self._deliver(failed(call, LOST))

    def _take_result(self, message: Message) -> None:
        try:
            result = result_from_json(message["result"])
        except (CallError, KeyError):
            return
        self._deliver(result)
        self._send({"op": "ack", "result_seq": message["seq"]})

    def _refuse(self, call_id: int, error: str) -> None:
        call = self._pending.get(call_id)
        if call is not None:
            self._deliver(failed(call, f"execd refused the call: {error}"))

    def _deliver(self, result: AgentResult) -> None:
        self._pending.pop(result.call_id, None)
        self._handed_over.discard(result.call_id)
        if result.status is ExecStatus.CANCELLED:
            key = (result.rsc, result.operation, result.interval_ms)
            known = self._recurring.get(key)
            if known is not None and known.call_id == result.call_id:
                del self._recurring[key]
        self._on_result(result)
