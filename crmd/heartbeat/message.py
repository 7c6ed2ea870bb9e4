"""The packet formats of Linux-HA Heartbeat 3: netstring and classic text, digests, compression.

Facts: heartbeat-v1.md sections 2 and 3.  No I/O, no clock, no state: bytes to values and back.
The order matters for safety: lengths first, then the outer digest over the raw bytes, and only
then parsing (the real node parses first and can be crashed by anyone; section 18.32).
Every refusal is a PacketError with a stable reason word; no other exception leaves this module.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from crmd.heartbeat.authkeys import Keyring

MAX_DATAGRAM = 64 * 1024
MAX_EXPANDED = 4 * 1024 * 1024
MAX_RATIO = 200
MAX_FIELDS = 256
MAX_NAME = 64
MAX_VALUE = 64 * 1024
MAX_NESTING = 8

STRING, BINARY, STRUCT, LIST, PACKED, UNPACKED = range(6)

_BEGIN, _END = b"###\n", b"%%%\n"
_CLASSIC_BEGIN, _CLASSIC_END = b">>>\n", b"<<<\n"
_AUTH = re.compile(rb"(\d{1,2}) ([0-9a-f]{1,128})")
_TRAILER = re.compile(rb"([1-9]\d{0,2}):(\d{1,2}) ([0-9a-f]{1,128}),")
_LENGTH = re.compile(rb"(0|[1-9]\d{0,6}):")
_NAME = re.compile(rb"[!-<>-~]{1,64}")
_HEX = re.compile(r"[0-9a-fA-F]{1,16}")
_LONGEST_TRAILER = 140


class PacketError(Exception):
    """A packet that is not to be believed.  `reason` is one stable word, for counters and tests."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `kind` is the type digit of the wire."""

    name: str
    value: bytes
    kind: int = STRING


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in wire order.  Names may repeat; look-ups take the first."""

    fields: tuple[Field, ...]

    def raw(self, name: str) -> bytes | None:
        """Value of the first field called `name`, whatever its type."""
        for field in self.fields:
            if field.name == name:
                return field.value
        return None

    def text(self, name: str) -> str | None:
        """The same as text; bytes that are not UTF-8 survive as surrogates."""
        value = self.raw(name)
        return None if value is None else value.decode("utf-8", "surrogateescape")

    def hexadecimal(self, name: str) -> int | None:
        """A number written `%x`; None if absent.  Raises PacketError if it is something else."""
        value = self.text(name)
        if value is None:
            return None
        if not _HEX.fullmatch(value):
            raise PacketError("bad-number")
        return int(value, 16)

    def decimal(self, name: str) -> int | None:
        """A decimal number; None if absent.  Raises PacketError if it is something else."""
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise PacketError("bad-number")
        return int(value)

    @property
    def type(self) -> str:
        """The message type, field `t`; empty if there is none."""
        return self.text("t") or ""


def message(type_: str, /, **fields: str | bytes) -> Message:
    """A message of strings (str values) and binary fields (bytes values), in the given order."""
    made = [Field("t", type_.encode("utf-8", "surrogateescape"))]
    made += [make_field(name, value) for name, value in fields.items()]
    return Message(tuple(made))


def make_field(name: str, value: str | bytes) -> Field:
    """A string field for str, a binary one for bytes."""
    if isinstance(value, bytes):
        return Field(name, value, BINARY)
    return Field(name, value.encode("utf-8", "surrogateescape"))


# --- netstring form -----------------------------------------------------------------------------


def encode_body(fields: Iterable[Field]) -> bytes:
    """`###\\n ... %%%\\n` of the fields: what the outer digest covers."""
    parts = [_BEGIN]
    for field in fields:
        name = field.name.encode("ascii")
        parts.append(
            b"%d:(%d)%s=%s," % (len(name) + len(field.value) + 4, field.kind, name, field.value)
        )
    parts.append(_END)
    return b"".join(parts)


def encode(msg: Message, ring: Keyring, *, inner: bool) -> bytes:
    """The datagram of `msg`, signed with the active key.

    `inner` adds the field `auth` (ha.cf `msgfmt classic`), unless the message holds nested
    structures, for which no classic form is defined here.
    """
    fields = msg.fields
    if inner and all(field.kind <= BINARY for field in fields):
        fields = (*fields, Field("auth", ring.sign(classic_text(fields))))
    return sealed(encode_body(fields), ring)


def sealed(body: bytes, ring: Keyring) -> bytes:
    """A body followed by its outer digest."""
    signature = ring.sign(body)
    return b"%s%d:%s," % (body, len(signature), signature)


def parse_body(data: bytes, depth: int = 0) -> Message:
    """The fields of a complete netstring body.  Raises PacketError."""
    if depth > MAX_NESTING:
        raise PacketError("nesting")
    if not data.startswith(_BEGIN) or not data.endswith(_END) or len(data) < 8:
        raise PacketError("frame")
    fields: list[Field] = []
    at, end = len(_BEGIN), len(data) - len(_END)
    while at < end:
        match = _LENGTH.match(data, at, min(at + 8, end))
        if match is None:
            raise PacketError("length")
        start = match.end()
        stop = start + int(match[1])
        if stop >= end or data[stop] != 0x2C:
            raise PacketError("length")
        fields.append(_parse_field(data[start:stop], depth))
        if len(fields) > MAX_FIELDS:
            raise PacketError("too-many-fields")
        at = stop + 1
    return Message(tuple(fields))


def _parse_field(data: bytes, depth: int) -> Field:
    if len(data) < 5 or data[0] != 0x28 or data[2] != 0x29 or not 0x30 <= data[1] <= 0x35:
        raise PacketError("field-type")
    name, equals, value = data[3 : MAX_NAME + 4].partition(b"=")
    if not equals or not _NAME.fullmatch(name):
        raise PacketError("field-name")
    value = data[4 + len(name) :]
    if len(value) > MAX_VALUE and depth == 0:
        raise PacketError("value-too-long")
    kind = data[1] - 0x30
    if kind == STRUCT:
        parse_body(value, depth + 1)
    return Field(name.decode("ascii"), value, kind)


def parse_list(data: bytes) -> list[bytes]:
    """The strings of a list value (type 3).  Raises PacketError."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        match = _LENGTH.match(data, at, at + 8)
        if match is None or len(found) >= MAX_FIELDS:
            raise PacketError("list")
        stop = match.end() + int(match[1])
        if stop >= len(data) or data[stop] != 0x2C:
            raise PacketError("list")
        found.append(data[match.end() : stop])
        at = stop + 1
    return found


# --- classic text form --------------------------------------------------------------------------


def classic_text(fields: Iterable[Field]) -> bytes:
    """The fields in classic text form without the markers: what the inner digest covers."""
    return b"".join(
        b"%s=%s\n" % (field.name.encode("ascii"), field.value)
        if field.kind == STRING
        else b"(%d)%s=%s\n"
        % (field.kind, field.name.encode("ascii"), base64.b64encode(field.value))
        for field in fields
    )


def encode_classic(msg: Message, ring: Keyring | None = None) -> bytes:
    """Classic frame, as written to the FIFO; with a `ring` the field `auth` is added."""
    text = classic_text(msg.fields)
    if ring is not None:
        text += b"auth=%s\n" % ring.sign(text)
    return _CLASSIC_BEGIN + text + _CLASSIC_END


def parse_classic(data: bytes) -> Message:
    """The fields of a classic frame (with or without the trailing NUL).  Raises PacketError."""
    data = data.removesuffix(b"\0")
    if not data.startswith(_CLASSIC_BEGIN) or not data.endswith(b"\n" + _CLASSIC_END):
        raise PacketError("frame")
    lines = data[len(_CLASSIC_BEGIN) : -len(_CLASSIC_END) - 1].split(b"\n", MAX_FIELDS)
    if len(lines) > MAX_FIELDS:
        raise PacketError("too-many-fields")
    return Message(tuple(_parse_classic_line(line) for line in lines))


def _parse_classic_line(line: bytes) -> Field:
    kind = STRING
    if len(line) > 3 and line[0] == 0x28 and line[2] == 0x29 and 0x30 <= line[1] <= 0x35:
        kind, line = line[1] - 0x30, line[3:]
    name, equals, value = line.partition(b"=")
    if not equals or not _NAME.fullmatch(name):
        raise PacketError("field-name")
    if len(value) > MAX_VALUE:
        raise PacketError("value-too-long")
    if kind != STRING:
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise PacketError("base64") from None
    return Field(name.decode("ascii"), value, kind)


# --- the whole way in ---------------------------------------------------------------------------


def decode(data: bytes, ring: Keyring, now: float) -> Message:
    """The message in a datagram, after its digest has been verified.  Raises PacketError.

    `now` (monotonic seconds) only decides whether a stated downgrade window is still open.
    """
    if len(data) > MAX_DATAGRAM:
        raise PacketError("too-long")
    if data.startswith(_BEGIN):
        parsed = parse_body(_authenticated_body(data, ring, now))
        return _inflated(parsed) if parsed.raw("_compressed_payload") is not None else parsed
    if data.startswith(_CLASSIC_BEGIN):
        _authenticate_classic(data, ring, now)
        return parse_classic(data)
    raise PacketError("frame")


def _authenticated_body(data: bytes, ring: Keyring, now: float) -> bytes:
    cut = data.rfind(_END, max(0, len(data) - _LONGEST_TRAILER))
    if cut < 0:
        raise PacketError("no-digest")
    cut += len(_END)
    match = _TRAILER.fullmatch(data, cut)
    if match is None or int(match[1]) != len(match[2]) + 1 + len(match[3]):
        raise PacketError("no-digest")
    body = data[:cut]
    refusal = ring.refusal(int(match[2]), match[3], body, now)
    if refusal is not None:
        raise PacketError(refusal)
    return body


def _authenticate_classic(data: bytes, ring: Keyring, now: float) -> None:
    end = data.removesuffix(b"\0")
    if not end.endswith(b"\n" + _CLASSIC_END):
        raise PacketError("frame")
    cut = end.rfind(b"\nauth=", max(0, len(end) - _LONGEST_TRAILER - 16))
    if cut < 0:
        raise PacketError("no-digest")
    match = _AUTH.fullmatch(end, cut + 6, len(end) - len(_CLASSIC_END) - 1)
    if match is None:
        raise PacketError("no-digest")
    text = end[len(_CLASSIC_BEGIN) : cut + 1]
    refusal = ring.refusal(int(match[1]), match[2], text, now)
    if refusal is not None:
        raise PacketError(refusal)


def inner_digest_refusal(msg: Message, ring: Keyring, now: float) -> str | None:
    """Why the inner digest is wrong; None if it is right or there is none."""
    if not msg.fields or msg.fields[-1].name != "auth":
        return None
    match = _AUTH.fullmatch(msg.fields[-1].value)
    if match is None:
        return "no-digest"
    return ring.refusal(int(match[1]), match[2], classic_text(msg.fields[:-1]), now)


# --- compression --------------------------------------------------------------------------------


def deflated(msg: Message, algorithm: str = "zlib") -> Message:
    """`msg` wrapped in whole-message ("traditional") compression; `algorithm` zlib or bz2."""
    body = encode_body(msg.fields)
    packed = zlib.compress(body) if algorithm == "zlib" else bz2.compress(body)
    return Message(
        (
            Field("_compressed_payload", packed, BINARY),
            Field("_compression_algorithm", algorithm.encode("ascii")),
        )
    )


def expand(data: bytes, algorithm: str, limit: int = MAX_EXPANDED) -> bytes:
    """Decompressed `data`, at most `limit` bytes and 200 times the input.  Raises PacketError."""
    bound = min(limit, max(4096, len(data) * MAX_RATIO))
    try:
        if algorithm == "zlib":
            inflate = zlib.decompressobj()
            out, complete = inflate.decompress(data, bound + 1), inflate.eof
        elif algorithm == "bz2":
            bunzip = bz2.BZ2Decompressor()
            out, complete = bunzip.decompress(data, bound + 1), bunzip.eof
        else:
            raise PacketError("compression-method")
    except (zlib.error, OSError, ValueError):
        raise PacketError("compression") from None
    if len(out) > bound:
        raise PacketError("expands-too-much")
    if not complete:
        raise PacketError("compression")
    return out


def _inflated(outer: Message) -> Message:
    packed = outer.raw("_compressed_payload") or b""
    text = expand(packed, outer.text("_compression_algorithm") or "")
    inner = parse_body(text) if text.startswith(_BEGIN) else parse_classic(text)
    if inner.raw("_compressed_payload") is not None:
        raise PacketError("nesting")
    return inner


def unpack_struct(field: Field) -> Message:
    """The structure inside a field of type 2, 4 or 5.  Raises PacketError."""
    if field.kind == PACKED:
        algorithm = "bz2" if field.value.startswith(b"BZh") else "zlib"
        return parse_body(expand(field.value, algorithm), depth=1)
    if field.kind in (STRUCT, UNPACKED):
        return parse_body(field.value, depth=1)
    raise PacketError("field-type")
