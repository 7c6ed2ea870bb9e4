"""A reader for classic pcap files of Ethernet frames: just enough for the recorded packets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram of a capture."""

    at: float
    src: str
    dst: str
    dport: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    at: float
    data: bytes


def frames(path: Path) -> Iterator[Frame]:
    blob = path.read_bytes()
    magic, _, _, _, _, _, network = struct.unpack_from("<IHHiIII", blob)
    assert magic == 0xA1B2C3D4 and network == 1, f"{path} is no classic Ethernet capture"
    at = 24
    while at < len(blob):
        seconds, micros, kept, length = struct.unpack_from("<IIII", blob, at)
        assert kept == length, f"{path}: a truncated frame"
        yield Frame(seconds + micros / 1e6, blob[at + 16 : at + 16 + kept])
        at += 16 + kept


def datagrams(path: Path) -> Iterator[Datagram]:
    """UDP datagrams in order of capture; IPv4 fragments are not expected in these files."""
    for frame in frames(path):
        data = frame.data
        if data[12:14] != b"\x08\x00" or data[14 + 9] != 17:
            continue
        assert not struct.unpack_from("!H", data, 20)[0] & 0x3FFF, "a fragment"
        header = 14 + (data[14] & 15) * 4
        _, dport, length = struct.unpack_from("!HHH", data, header)
        yield Datagram(
            frame.at,
            socket.inet_ntoa(data[26:30]),
            socket.inet_ntoa(data[30:34]),
            dport,
            data[header + 8 : header + length],
        )
