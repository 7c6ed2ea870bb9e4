"""Application messages: any payload up to 4 MiB as a row of numbered heartbeat messages.

Facts: heartbeat-v1.md section 5, last line (a real node accepts, numbers, acknowledges and
ignores unknown types); limits: reliability.md section 8.  No I/O, no clock.

Going out, a payload is compressed if that helps and cut into fragments that fit an Ethernet
frame, so that one lost frame costs one fragment.  Coming in, `Ordering` releases one sender's
messages by number (all receivers see all numbers), and `Assembly` puts fragments together.  A
number that is lost for good breaks the stream: the session above starts it anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from crmd.heartbeat.message import MAX_RATIO, Message, PacketError, expand, make_field

TYPE = "pacekeeper"
MAX_PAYLOAD = 4 * 1024 * 1024
FRAGMENT = 900
"""Payload bytes of one fragment: with headers, digests and long names one Ethernet frame."""
SMALLEST_TO_COMPRESS = 512
MAX_HELD = 600
MAX_TOPIC = 64


class PayloadTooLong(ValueError):
    """A payload above 4 MiB; the text names topic and size."""


def fragments(topic: str, payload: bytes, number: int, to: str | None) -> Iterator[Message]:
    """The messages that carry `payload`, without the fields every message has.

    `number` tells the payloads of a sender apart.  Raises PayloadTooLong.
    """
    if len(payload) > MAX_PAYLOAD:
        raise PayloadTooLong(
            f"message {topic!r} has {len(payload)} bytes; at most {MAX_PAYLOAD} can be sent"
        )
    if not topic or len(topic.encode()) > MAX_TOPIC:
        raise PayloadTooLong(f"topic {topic[:80]!r} must have 1 to {MAX_TOPIC} bytes")
    data, coding = payload, "plain"
    if len(payload) >= SMALLEST_TO_COMPRESS:
        packed = zlib.compress(payload, 1)
        if len(packed) < len(payload) <= MAX_RATIO * len(packed):
            data, coding = packed, "zlib"
    return _cut(topic, data, coding, number, to)


def _cut(topic: str, data: bytes, coding: str, number: int, to: str | None) -> Iterator[Message]:
    count = max(1, -(-len(data) // FRAGMENT))
    for index in range(count):
        fields = [make_field("t", TYPE)]
        if to is not None:
            fields.append(make_field("dest", to))
        fields += [
            make_field("topic", topic),
            make_field("n", f"{number:x}"),
            make_field("part", f"{index:x}"),
            make_field("parts", f"{count:x}"),
            make_field("coding", coding),
            make_field("data", data[index * FRAGMENT : (index + 1) * FRAGMENT]),
        ]
        yield Message(tuple(fields))


@dataclass(slots=True)
class Ordering:
    """Releases the messages of one sender by number, each once."""

    next: int
    held: dict[int, Message] = field(default_factory=dict)

    def arrive(self, seq: int, message: Message) -> list[Message]:
        """Messages that may be used now.  Call only with numbers that are new."""
        if seq < self.next:
            return []
        self.held[seq] = message
        return self._release()

    def skip(self, seq: int) -> list[Message]:
        """`seq` will never come and is not missed; messages that may be used now."""
        return self.arrive(seq, Message(()))

    def overflows(self) -> bool:
        """So much waits for one missing number that the stream cannot be kept."""
        return len(self.held) > MAX_HELD

    def _release(self) -> list[Message]:
        released: list[Message] = []
        while self.next in self.held:
            released.append(self.held.pop(self.next))
            self.next += 1
        return released


@dataclass(frozen=True, slots=True)
class Payload:
    """A complete application message."""

    topic: str
    data: bytes


@dataclass(slots=True)
class Assembly:
    """Puts the fragments of one sender together; they come in order."""

    number: int | None = None
    parts: int = 0
    size: int = 0
    chunks: list[bytes] = field(default_factory=list)

    def add(self, message: Message) -> Payload | None:
        """The payload that `message` completes.

        A fragment without its beginning is the rest of a payload that began before we listened:
        it is dropped.  Raises PacketError for what no sender of ours makes.
        """
        number, index = message.hexadecimal("n"), message.hexadecimal("part")
        parts, data = message.hexadecimal("parts"), message.raw("data")
        if number is None or index is None or parts is None or data is None or index >= parts:
            raise PacketError("fragment")
        if index == 0:
            self.number, self.parts, self.size, self.chunks = number, parts, 0, []
        elif number != self.number or index != len(self.chunks) or parts != self.parts:
            self._clear()
            return None
        self.size += len(data)
        if self.size > MAX_PAYLOAD:
            self._clear()
            raise PacketError("too-long")
        self.chunks.append(data)
        if len(self.chunks) < self.parts:
            return None
        whole = b"".join(self.chunks)
        self._clear()
        if message.text("coding") == "zlib":
            whole = expand(whole, "zlib", MAX_PAYLOAD)
        return Payload(message.text("topic") or "", whole)

    def _clear(self) -> None:
        self.number, self.parts, self.size, self.chunks = None, 0, 0, []
