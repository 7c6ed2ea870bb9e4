"""ICMP and ICMPv6 echo for ping nodes and ping groups.

Facts: heartbeat-v1.md section 7.5.  One raw socket per address family for all ping nodes; only
echo replies pass the kernel's filter.  Sends never block and never raise.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crmd.heartbeat.media import Medium, Ping

_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_ECHO6_REQUEST, _ECHO6_REPLY = 128, 129
MOST_PER_TURN = 64
_BUFFER = 65536


class PingError(Exception):
    """The raw sockets cannot be opened; the text says what to do."""


def internet_checksum(data: bytes) -> int:
    """The checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


@dataclass(slots=True)
class PingMedia:
    """All ping nodes of ha.cf."""

    media: Sequence[Medium]
    sockets: dict[socket.socket, int] = field(default_factory=dict)
    """Raw socket -> IP version."""
    lost: int = 0
    _targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    """Address -> ping node."""
    _identifier: int = field(default_factory=lambda: os.getpid() & 0xFFFF)
    _count: int = 0

    def open(self) -> None:
        """Open what the ping lines need.  Raises PingError."""
        for medium in self.media:
            if isinstance(medium, Ping):
                self._targets[medium.node] = medium.addresses
                self._owners.update((address.lower(), medium.node) for address in medium.addresses)
        versions = {6 if ":" in address else 4 for address in self._owners}
        try:
            for version in sorted(versions):
                self.sockets[_raw_socket(version)] = version
        except OSError as error:
            raise PingError(
                f"ping: no raw socket ({error.strerror}); run as root or give CAP_NET_RAW"
            ) from error

    def send(self, node: str, data: bytes) -> None:
        """An echo request with payload `data` to every address of `node`."""
        self._count = (self._count + 1) & 0xFFFF
        for address in self._targets.get(node, ()):
            version = 6 if ":" in address else 4
            sock = next((s for s, v in self.sockets.items() if v == version), None)
            if sock is None:
                continue
            kind = _ECHO6_REQUEST if version == 6 else _ECHO_REQUEST
            head = struct.pack("!BBHHH", kind, 0, 0, self._identifier, self._count)
            if version == 4:
                checksum = internet_checksum(head + data)
                head = struct.pack("!BBHHH", kind, 0, checksum, self._identifier, self._count)
            try:
                sock.sendto(head + data, (address, 0))
            except OSError:
                self.lost += 1

    def receive(self, sock: socket.socket) -> Iterator[tuple[str, bytes]]:
        """(ping node, payload) of the replies that wait."""
        version = self.sockets[sock]
        for _ in range(MOST_PER_TURN):
            try:
                packet, source = sock.recvfrom(_BUFFER)
            except OSError:
                return  # nothing waits, or an error of an earlier request
            if version == 4:
                packet = packet[(packet[0] & 15) * 4 :] if packet else b""
            if len(packet) < 8:
                continue
            kind, _, _, identifier, _ = struct.unpack_from("!BBHHH", packet)
            node = self._owners.get(str(source[0]).partition("%")[0].lower())
            wanted = _ECHO6_REPLY if version == 6 else _ECHO_REPLY
            if kind == wanted and identifier == self._identifier and node is not None:
                yield node, packet[8:]

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()


def _raw_socket(version: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    if version == 4:
        sock = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", 0xFFFFFFFF ^ (1 << _ECHO_REPLY)))
        return sock
    sock = socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6)
    blocked = [0xFFFFFFFF] * 8
    blocked[_ECHO6_REPLY >> 5] &= ~(1 << (_ECHO6_REPLY & 31)) & 0xFFFFFFFF
    sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("8I", *blocked))
    return sock
