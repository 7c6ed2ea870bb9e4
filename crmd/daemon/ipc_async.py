"""The asyncio side of local IPC: a server with bounded clients, and a client.

Callbacks are plain functions called in the loop: they must not block.  A peer that does not read
what it is sent is evicted when its queue reaches the limit; the server never waits for a client.
Facts: reliability.md sections 7 and 8 (limits and what happens at them).
"""

from __future__ import annotations

import asyncio
import collections
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from crmd.daemon import ipc
from crmd.daemon.ipc import Credentials, Decoder, FrameError, IpcError, Message

ROOT_RESERVE = 32
"""Of the client slots, so many are kept for root: others cannot lock the administrator out."""


class Handler(Protocol):
    """What a server's owner provides."""

    def connected(self, peer: Peer) -> None: ...

    def received(self, peer: Peer, message: Message) -> None: ...

    def disconnected(self, peer: Peer, reason: str) -> None: ...


class Peer(asyncio.Protocol):
    """One end of a connection in the loop; `send` never blocks and never grows without bound."""

    def __init__(self, owner: Handler, credentials: Credentials | None = None) -> None:
        self._owner = owner
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._queue: collections.deque[bytes] = collections.deque()
        self._queued_bytes = 0
        self._is_paused = False
        self._reason = "closed by peer"
        self.credentials = credentials or Credentials(0, -1, -1)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=262144)
        connection = transport.get_extra_info("socket")
        self.credentials = ipc.peer_credentials(cast(socket.socket, connection))
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except FrameError as e:
            self.evict(str(e))
            return
        for message in messages:
            if not self.is_open:
                return
            self._owner.received(self, message)

    def send(self, message: Mapping[str, Any]) -> bool:
        """Queue one message; False when the peer is gone or had to be evicted."""
        if self._transport is None or self._transport.is_closing():
            return False
        frame = ipc.encode(message)
        if not self._is_paused:
            self._transport.write(frame)
            return True
        if (
            len(self._queue) >= ipc.QUEUE_MESSAGES
            or self._queued_bytes + len(frame) > ipc.QUEUE_BYTES
        ):
            self.evict(f"{len(self._queue)} messages, {self._queued_bytes} bytes unread")
            return False
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        return True

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        while self._queue and not self._is_paused and self._transport is not None:
            frame = self._queue.popleft()
            self._queued_bytes -= len(frame)
            self._transport.write(frame)

    def evict(self, reason: str) -> None:
        """Cut the connection now; `reason` reaches the owner."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close after what is queued in the transport has gone out."""
        self._reason = "closed here"
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._queue.clear()
        self._transport = None
        self._owner.disconnected(self, str(exc) if exc else self._reason)


class Server:
    """Listens at `path`, hands the conversation to `handler`.

    `admit` says who may connect at all; what each may ask is the handler's matter.
    """

    def __init__(
        self,
        path: Path,
        handler: Handler,
        admit: Callable[[Credentials], bool] = lambda _: True,
        client_limit: int = ipc.CLIENT_LIMIT,
    ) -> None:
        self._path = path
        self._handler = handler
        self._admit = admit
        self._limit = client_limit
        self._server: asyncio.Server | None = None
        self.peers: list[Peer] = []
        self.refused = 0

    async def start(self) -> None:
        """Begin to listen.  Raises IpcError when the place is taken."""
        listening = ipc.listen(self._path)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Peer(self), sock=listening)

    def connected(self, peer: Peer) -> None:
        who = peer.credentials
        room = self._limit if who.uid == 0 else self._limit - min(ROOT_RESERVE, self._limit // 8)
        if len(self.peers) >= room or not self._admit(who):
            self.refused += 1
            peer.evict("refused")
            return
        self.peers.append(peer)
        self._handler.connected(peer)

    def received(self, peer: Peer, message: Message) -> None:
        self._handler.received(peer, message)

    def disconnected(self, peer: Peer, reason: str) -> None:
        if peer in self.peers:
            self.peers.remove(peer)
            self._handler.disconnected(peer, reason)

    async def close(self) -> None:
        """Stop listening, cut all peers, remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            self._server = None
        for peer in list(self.peers):
            peer.close()


async def connect(path: Path, handler: Handler) -> Peer:
    """A client in the loop.  Raises ipc.NotRunning, or IpcError for a server we do not trust."""
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.setblocking(False)
    try:
        with ipc.socket_address(path) as address:
            await loop.sock_connect(connection, address)
        ipc.check_server(path, connection)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as e:
        connection.close()
        raise ipc.NotRunning(f"{path}: nobody listens there") from e
    except OSError as e:
        connection.close()
        raise IpcError(f"{path}: cannot connect ({e.strerror or e})") from e
    except IpcError:
        connection.close()
        raise
    _, peer = await loop.create_unix_connection(lambda: Peer(handler), sock=connection)
    return peer
