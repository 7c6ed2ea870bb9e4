"""Keyed digests of packets: HMAC-MD5, HMAC-SHA1, HMAC-SHA256, and Heartbeat's CRC-32.

Facts: heartbeat-v1.md section 3.  Uses the interpreter's own hash modules where it has them:
`hashlib` and `hmac` would load OpenSSL, 4 MB in a process that locks its memory.  The padded key
is hashed once, so a digest costs two copies of a hash state.
"""

from __future__ import annotations

import zlib
from _operator import _compare_digest  # what hmac.compare_digest is without OpenSSL
from collections.abc import Callable
from typing import Any

try:
    from _md5 import md5  # type: ignore[import-not-found]
    from _sha1 import sha1  # type: ignore[import-not-found]
    from _sha256 import sha256  # type: ignore[import-not-found]
except ImportError:  # other interpreters, and newer ones where the names moved
    from hashlib import md5, sha1, sha256

_BLOCK = 64
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_HASHES: dict[str, Callable[[bytes], Any]] = {"md5": md5, "sha1": sha1, "sha256": sha256}


def keyed(method: str, secret: bytes) -> Callable[[bytes], bytes]:
    """A function from data to the lower-case hex HMAC under `secret`.

    `method` is md5, sha1 or sha256.
    """
    new = _HASHES[method]
    if len(secret) > _BLOCK:
        secret = new(secret).digest()
    padded = secret.ljust(_BLOCK, b"\0")
    inner_start = new(bytes(byte ^ 0x36 for byte in padded))
    outer_start = new(bytes(byte ^ 0x5C for byte in padded))

    def digest(data: bytes) -> bytes:
        inner = inner_start.copy()
        inner.update(data)
        outer = outer_start.copy()
        outer.update(inner.digest())
        return bytes(outer.hexdigest(), "ascii")

    return digest


def crc32_msb_first(data: bytes) -> int:
    """CRC-32 as Heartbeat computes it: polynomial 0x04C11DB7, MSB first, start 0, complemented."""
    reflected = zlib.crc32(data.translate(_REVERSED_BITS), 0xFFFFFFFF)
    return int(f"{reflected:032b}"[::-1], 2)


def crc(data: bytes) -> bytes:
    """The digest of method crc: `%x` of the CRC, without leading zeros."""
    return b"%x" % crc32_msb_first(data)


def same(a: bytes, b: bytes) -> bool:
    """Whether two digests are equal, in a time that does not tell where they differ."""
    return bool(_compare_digest(a, b))
