"""heartbeatd's local clients: crmd and tools, over heartbeat.sock.

Facts: docs/interfaces.md (frames and words), reliability.md sections 7 and 8 (who may, limits).
Non-blocking and without asyncio: heartbeatd's own loop calls `accept`, `readable`, `writable`.
A client that does not read is evicted at its limit and may connect again; no client can delay a
heartbeat.  Who may connect at all is the socket's mode (root, cluster user, haclient group); who
may send or change something is decided here by SO_PEERCRED.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmd.daemon import ipc
from crmd.daemon.paths import CLUSTER_USER

READ_AT_ONCE = 65536
TRUSTED_RESERVE = 32
"""Of the places, so many are kept for those who may change something (crmd above all)."""
QUESTION_LIMIT = 4096
"""Bytes of one frame of a client that may only ask."""
Request = dict[str, Any]


def cluster_uid() -> int | None:
    """The uid of the cluster user, or None.  Asked once at start: a directory service may stall."""
    import pwd

    try:
        return pwd.getpwnam(CLUSTER_USER).pw_uid
    except KeyError:
        return None


@dataclass(slots=True, eq=False)
class Connection:
    """One client."""

    sock: socket.socket
    may_change: bool
    pid: int
    uid: int = -1
    gid: int = -1
    name: str | None = None
    """Name it registered by; only named clients get application messages."""
    wants_raw: bool = False
    decoder: ipc.Decoder = field(default_factory=ipc.Decoder)
    queue: deque[memoryview] = field(default_factory=deque)
    queued_bytes: int = 0
    waiting: list[Request] = field(default_factory=list)


@dataclass(slots=True)
class Clients:
    """The server side of heartbeat.sock."""

    selector: selectors.BaseSelector
    listener: socket.socket
    path: Path
    greet: Callable[[], Request]
    """Makes the snapshot that every client gets first."""
    handle: Callable[[Connection, Request], None]
    gone: Callable[[Connection, str], None]
    trusted_uids: frozenset[int] = field(default_factory=lambda: frozenset({0, os.geteuid()}))
    connections: list[Connection] = field(default_factory=list)
    is_reading: bool = True
    """False while acknowledgements are awaited: clients may send no more for now."""
    refused: int = 0

    def start(self) -> None:
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def accept(self, _: int = 0) -> None:
        """Take one new client, if there is room."""
        try:
            sock, _address = self.listener.accept()
        except OSError:
            return  # it went away already, or we are out of descriptors: try at the next one
        who = ipc.peer_credentials(sock)
        is_trusted = who.uid in self.trusted_uids
        room = ipc.CLIENT_LIMIT - (0 if is_trusted else TRUSTED_RESERVE)
        if len(self.connections) >= room:
            self.refused += 1
            sock.close()
            return
        sock.setblocking(False)
        connection = Connection(sock, is_trusted, who.pid, who.uid, who.gid)
        connection.decoder = ipc.Decoder(ipc.FRAME_LIMIT if is_trusted else QUESTION_LIMIT)
        self.connections.append(connection)
        self.selector.register(sock, self._wanted(connection), self._on_event(connection))
        self.send(connection, self.greet())

    def _wanted(self, connection: Connection) -> int:
        read = selectors.EVENT_READ if self.is_reading and not connection.waiting else 0
        return read | (selectors.EVENT_WRITE if connection.queue else 0)

    def _on_event(self, connection: Connection) -> Callable[[int], None]:
        def react(mask: int) -> None:
            if mask & selectors.EVENT_WRITE:
                self._write(connection)
            if mask & selectors.EVENT_READ and connection in self.connections:
                self._read(connection)

        return react

    def _update(self, connection: Connection) -> None:
        """Tell the selector what we wait for; it cannot be told to wait for nothing."""
        wanted = self._wanted(connection)
        registered = connection.sock in self.selector.get_map()
        if wanted and registered:
            self.selector.modify(connection.sock, wanted, self._on_event(connection))
        elif wanted:
            self.selector.register(connection.sock, wanted, self._on_event(connection))
        elif registered:
            self.selector.unregister(connection.sock)

    def set_reading(self, is_reading: bool) -> None:
        """Stop or go on reading requests (flow control)."""
        if is_reading == self.is_reading:
            return
        self.is_reading = is_reading
        for connection in list(self.connections):
            if is_reading:
                self._dispatch(connection)
            if connection in self.connections:
                self._update(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(READ_AT_ONCE)
        except BlockingIOError:
            return
        except OSError as error:
            self.drop(connection, error.strerror or str(error))
            return
        if not data:
            self.drop(connection, "closed by client")
            return
        try:
            connection.waiting += connection.decoder.feed(data)
        except ipc.FrameError as error:
            self.drop(connection, str(error))
            return
        self._dispatch(connection)
        if connection in self.connections:
            self._update(connection)

    def _dispatch(self, connection: Connection) -> None:
        while connection.waiting and self.is_reading and connection in self.connections:
            self.handle(connection, connection.waiting.pop(0))

    def send(self, connection: Connection, message: Request) -> None:
        """Queue one frame; a client that lets it grow beyond the limit is evicted."""
        if connection not in self.connections:
            return
        frame = ipc.encode(message)
        if (
            len(connection.queue) >= ipc.QUEUE_MESSAGES
            or connection.queued_bytes + len(frame) > ipc.QUEUE_BYTES
        ):
            self.drop(connection, f"evicted: {connection.queued_bytes} bytes unread")
            return
        connection.queue.append(memoryview(frame))
        connection.queued_bytes += len(frame)
        self._write(connection)

    def broadcast(self, message: Request, *, only_named: bool = False, raw: bool = False) -> None:
        """The same frame to all clients, to the named ones, or to those that asked for raw."""
        for connection in list(self.connections):
            if only_named and connection.name is None:
                continue
            if raw and not connection.wants_raw:
                continue
            self.send(connection, message)

    def _write(self, connection: Connection) -> None:
        try:
            while connection.queue:
                frame = connection.queue[0]
                written = connection.sock.send(frame)
                connection.queued_bytes -= written
                if written < len(frame):
                    connection.queue[0] = frame[written:]
                    break
                connection.queue.popleft()
        except BlockingIOError:
            pass  # the selector says when there is room
        except OSError as error:
            self.drop(connection, error.strerror or str(error))
            return
        self._update(connection)

    def drop(self, connection: Connection, reason: str) -> None:
        """End a connection; `gone` is called once."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        if connection.sock in self.selector.get_map():
            self.selector.unregister(connection.sock)
        connection.sock.close()
        self.gone(connection, reason)

    def names(self) -> set[str]:
        """Names of the clients that registered."""
        return {c.name for c in self.connections if c.name is not None}

    def close(self) -> None:
        """Stop serving and remove the socket."""
        for connection in list(self.connections):
            self.drop(connection, "heartbeatd stops")
        self.selector.unregister(self.listener)
        self.listener.close()
        self.path.unlink(missing_ok=True)
