"""Packets out of a stream of bytes: what a serial line needs and a datagram does not.

Facts: heartbeat-v1.md section 2 (a packet is self-delimiting) and 12.2 (`serial`).  Only the
frame is found here; whether a packet is authentic is decided by message.py.  Noise costs bytes,
never more than one frame's worth of memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST_FRAME = 64 * 1024
_BEGIN, _END = b"###\n", b"%%%\n"
_LENGTH = re.compile(rb"(\d{1,6}):")
_TRAILER = re.compile(rb"\d{1,3}:\d{1,2} [0-9a-f]{1,128},")
_MAYBE_LENGTH = re.compile(rb"\d{0,6}")
_MAYBE_TRAILER = re.compile(rb"(?:\d{1,3}(?::(?:\d{1,2}(?: [0-9a-f]{0,128})?)?)?)?")


class _Noise(Exception):
    """What stands here is no frame."""


@dataclass(slots=True)
class FrameSplitter:
    """Bytes in, whole packets out, in any portions."""

    _buffer: bytearray = field(default_factory=bytearray)
    dropped: int = 0
    """Bytes that belonged to no frame."""

    def feed(self, data: bytes) -> list[bytes]:
        """Packets that are complete now."""
        self._buffer += data
        found: list[bytes] = []
        while True:
            start = self._buffer.find(_BEGIN)
            if start < 0:
                self._drop(max(0, len(self._buffer) - len(_BEGIN) + 1))
                return found
            self._drop(start)
            try:
                end = _frame_end(self._buffer)
            except _Noise:
                self._drop(len(_BEGIN))
                continue
            if end is None:
                if len(self._buffer) > LONGEST_FRAME:
                    self._drop(len(_BEGIN))
                    continue
                return found
            found.append(bytes(self._buffer[:end]))
            del self._buffer[:end]

    def _drop(self, count: int) -> None:
        self.dropped += count
        del self._buffer[:count]


def _frame_end(buffer: bytearray) -> int | None:
    """Where the frame at the start of `buffer` ends; None: not complete yet."""
    at = len(_BEGIN)
    while True:
        if buffer.startswith(_END, at):
            break
        if _END.startswith(buffer[at : at + len(_END)]):
            return None
        match = _LENGTH.match(buffer, at)
        if match is None:
            if _MAYBE_LENGTH.fullmatch(buffer, at):
                return None
            raise _Noise
        stop = match.end() + int(match[1])
        if stop >= LONGEST_FRAME:
            raise _Noise
        if stop >= len(buffer):
            return None
        if buffer[stop] != 0x2C:
            raise _Noise
        at = stop + 1
    at += len(_END)
    trailer = _TRAILER.match(buffer, at)
    if trailer is not None:
        return trailer.end()
    if _MAYBE_TRAILER.fullmatch(buffer, at):
        return None
    raise _Noise
