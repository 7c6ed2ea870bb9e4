"""Local IPC: length-prefixed JSON frames over Unix stream sockets, and a blocking client.

A frame is a 4-byte big-endian length and one UTF-8 JSON object.  The peer's identity comes from
SO_PEERCRED, never from a message.  No asyncio here and nothing heavy: command-line tools and
heartbeatd import this module; `crmd.daemon.ipc_async` holds the asyncio server and client.
Facts: docs/interfaces.md, reliability.md sections 7 and 8.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crmd.daemon.paths import CLUSTER_GROUP, SOCKET_MODE, give_to_cluster

FRAME_LIMIT = 16 * 1024 * 1024
"""Bytes of one frame's body, both ways; a longer one ends the connection."""
CLIENT_LIMIT = 256
QUEUE_MESSAGES = 500
QUEUE_BYTES = 32 * 1024 * 1024

_LENGTH = struct.Struct(">I")
_CREDENTIALS = struct.Struct("3i")
_SUN_PATH = 107

Message = dict[str, Any]


class IpcError(Exception):
    """The conversation cannot go on; the text names the socket or the broken rule."""


class FrameError(IpcError):
    """The other side sent something that is not a frame."""


class NotRunning(IpcError):
    """Nobody listens on the socket."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who is at the other end, as the kernel knows it."""

    pid: int
    uid: int
    gid: int


def encode(message: Mapping[str, Any]) -> bytes:
    """One frame.  Raises FrameError above FRAME_LIMIT."""
    body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    if len(body) > FRAME_LIMIT:
        raise FrameError(f"frame of {len(body)} bytes; the limit is {FRAME_LIMIT}")
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Bytes in, messages out, in any portions.  Holds at most one unfinished frame."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def is_between_frames(self) -> bool:
        """Whether an end of file here would lose nothing."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Message]:
        """Messages that are now complete.  Raises FrameError; do not feed on after that."""
        self._buffer += data
        out: list[Message] = []
        at, size = 0, len(self._buffer)
        while size - at >= 4:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if length > self._limit:
                raise FrameError(f"frame of {length} bytes announced; the limit is {self._limit}")
            if size - at - 4 < length:
                break
            out.append(_parse(bytes(self._buffer[at + 4 : at + 4 + length])))
            at += 4 + length
        del self._buffer[:at]
        return out


def _parse(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise FrameError(f"frame body is not JSON in UTF-8 ({type(e).__name__})") from e
    if not isinstance(message, dict):
        raise FrameError(f"frame body is a {type(message).__name__}, not an object")
    return message


def peer_credentials(connection: socket.socket) -> Credentials:
    """Process, user and group at the other end of a Unix socket."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Credentials(*_CREDENTIALS.unpack(raw))


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """A name for `path` short enough for sockaddr_un (a deep --root would not fit)."""
    if len(os.fsencode(path)) <= _SUN_PATH:
        yield str(path)
        return
    parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{parent}/{path.name}"
    finally:
        os.close(parent)


def listen(path: Path, mode: int = SOCKET_MODE, group: str | None = CLUSTER_GROUP) -> socket.socket:
    """A listening socket at `path`, replacing what a dead server left there.

    Raises IpcError when a live server answers at `path`, or something else stands there.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _clear(path)
        before = os.umask(0o777 & ~mode)
        try:
            with socket_address(path) as address:
                server.bind(address)
        finally:
            os.umask(before)
        give_to_cluster(path, None, group)
        server.listen(CLIENT_LIMIT)
        server.setblocking(False)
    except OSError as e:
        server.close()
        raise IpcError(f"{path}: cannot listen ({e.strerror})") from e
    except IpcError:
        server.close()
        raise
    return server


def _clear(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise IpcError(f"{path}: not a socket; remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, socket_address(path) as name:
        probe.settimeout(0.5)
        try:
            probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as e:
            raise IpcError(f"{path}: in use and does not answer ({e.strerror})") from e
    raise IpcError(f"{path}: another server is running there; stop it first")


def check_server(path: Path, connection: socket.socket) -> None:
    """Trust a daemon by its socket: it must run as root, as the socket's owner, or as we do.

    Raises IpcError for a decoy (reliability.md section 9, process impersonation).
    """
    server = peer_credentials(connection)
    owner = path.stat().st_uid
    if server.uid not in {0, os.geteuid()} or owner not in {0, server.uid, os.geteuid()}:
        raise IpcError(
            f"{path}: owned by uid {owner}, served by uid {server.uid}; not a cluster daemon"
        )


class Client:
    """Blocking client for command-line tools: one question, one answer, in order.

    `timeout_s` bounds the connection and each wait for an answer.
    """

    def __init__(self, path: Path, timeout_s: float = 30.0) -> None:
        self.path = path
        self._decoder = Decoder()
        self._waiting: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout_s)
        try:
            with socket_address(path) as address:
                self._socket.connect(address)
            check_server(path, self._socket)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as e:
            self._socket.close()
            raise NotRunning(f"{path}: nobody listens there; is the cluster running?") from e
        except OSError as e:
            self._socket.close()
            raise IpcError(f"{path}: cannot connect ({e.strerror or e})") from e
        except IpcError:
            self._socket.close()
            raise

    def send(self, message: Mapping[str, Any]) -> None:
        """Hand over one message.  Raises IpcError when the server is gone."""
        try:
            self._socket.sendall(encode(message))
        except OSError as e:
            raise IpcError(f"{self.path}: server went away ({e.strerror or e})") from e

    def receive(self, timeout_s: float | None = None) -> Message:
        """The next message.  Raises IpcError at the end of the connection or on timeout."""
        if timeout_s is not None:
            self._socket.settimeout(timeout_s)
        while not self._waiting:
            try:
                data = self._socket.recv(262144)
            except TimeoutError as e:
                raise IpcError(f"{self.path}: no answer in {self._socket.gettimeout()} s") from e
            except OSError as e:
                raise IpcError(f"{self.path}: server went away ({e.strerror or e})") from e
            if not data:
                raise IpcError(f"{self.path}: server closed the connection")
            self._waiting = self._decoder.feed(data)
        return self._waiting.pop(0)

    def call(self, message: Mapping[str, Any], timeout_s: float | None = None) -> Message:
        """Send one message and return the next one received."""
        self.send(message)
        return self.receive(timeout_s)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
