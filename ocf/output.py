"""Bounded capture of what an agent prints: the head and the tail, never more.

Facts: reliability.md section 8 (64 KiB head + 64 KiB tail, truncated with a mark), ocf.md
section 2 (the last exit reason on stderr counts).
"""

from __future__ import annotations

from ocf.codes import EXIT_REASON_PREFIX

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 64 * 1024
EXIT_REASON_CHARS = 1024


class Capture:
    """Bytes in, bounded text out."""

    def __init__(self, head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> None:
        self._head_limit, self._tail_limit = head, tail
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data[-self._tail_limit :]
            if len(self._tail) > 2 * self._tail_limit:
                del self._tail[: -self._tail_limit]

    def text(self) -> str:
        """All of it, or head, a mark with the number of bytes left out, and tail."""
        tail = bytes(self._tail[-self._tail_limit :])
        dropped = self.total - len(self._head) - len(tail)
        mark = f"\n[... {dropped} bytes left out ...]\n".encode() if dropped > 0 else b""
        return (bytes(self._head) + mark + tail).decode("utf-8", "replace")


def exit_reason(stderr: str) -> str:
    """Text after the last exit-reason mark, to the end of its line; empty when there is none."""
    at = stderr.rfind(EXIT_REASON_PREFIX)
    if at < 0:
        return ""
    rest = stderr[at + len(EXIT_REASON_PREFIX) :]
    line = rest.split("\n", 1)[0].strip()
    return "".join(c if c.isprintable() else "?" for c in line)[:EXIT_REASON_CHARS]
