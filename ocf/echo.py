"""Which of several hosts answer an ICMP echo: all are asked at once, so N hosts cost one timeout.

Raw sockets: agents run as root.  Facts: RFC 792, RFC 4443 section 4, ocf.md 12.5.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Sequence

REQUEST, REPLY = 8, 0
REQUEST6, REPLY6 = 128, 129
_HEAD = struct.Struct("!BBHHH")
MOST_HOSTS = 256


class EchoError(OSError):
    """No raw socket."""


def checksum(data: bytes) -> int:
    """The checksum of RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return int(~(total + (total >> 16)) & 0xFFFF)


def request(version: int, identifier: int, number: int, token: bytes) -> bytes:
    """An echo request; for IPv6 the kernel fills in the checksum."""
    kind = REQUEST6 if version == 6 else REQUEST
    bare = _HEAD.pack(kind, 0, 0, identifier, number) + token
    if version == 6:
        return bare
    return _HEAD.pack(kind, 0, checksum(bare), identifier, number) + token


def is_reply(packet: bytes, version: int, identifier: int, token: bytes) -> bool:
    """Whether a packet from the raw socket answers one of our requests."""
    if version == 4:
        packet = packet[(packet[0] & 15) * 4 :] if packet else b""
    if len(packet) < _HEAD.size:
        return False
    kind, _, _, found, _ = _HEAD.unpack_from(packet)
    wanted = REPLY6 if version == 6 else REPLY
    return bool(kind == wanted and found == identifier and packet[_HEAD.size :] == token)


def answering(hosts: Sequence[str], attempts: int, timeout_s: float) -> frozenset[str]:
    """The hosts that answer one of `attempts` requests, `timeout_s` apart.  Raises EchoError.

    A name that cannot be resolved does not answer.
    """
    targets: dict[tuple[int, str], str] = {}
    for host in list(dict.fromkeys(hosts))[:MOST_HOSTS]:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_RAW)[0]
        except (socket.gaierror, UnicodeError):
            continue
        version = 6 if family == socket.AF_INET6 else 4
        targets[version, str(address[0]).partition("%")[0]] = host
    sockets = {version: _open(version) for version in sorted({v for v, _ in targets})}
    try:
        return _ask(targets, sockets, attempts, timeout_s)
    finally:
        for each in sockets.values():
            each.close()


def _open(version: int) -> socket.socket:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(
            family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol
        )
    except OSError as e:
        raise EchoError(e.errno, f"no raw socket for ICMP ({e.strerror}); needs root") from e


def _ask(
    targets: dict[tuple[int, str], str],
    sockets: dict[int, socket.socket],
    attempts: int,
    timeout_s: float,
) -> frozenset[str]:
    identifier, token = os.getpid() & 0xFFFF, os.urandom(16)
    alive: set[str] = set()
    for number in range(attempts):
        for (version, address), host in targets.items():
            if host not in alive:
                try:
                    packet = request(version, identifier, number, token)
                    sockets[version].sendto(packet, (address, 0))
                except OSError:
                    continue  # no route: no answer either
        end = time.monotonic() + timeout_s
        while len(alive) < len(targets) and (left := end - time.monotonic()) > 0:
            readable, _, _ = select.select(list(sockets.values()), [], [], left)
            for version, each in sockets.items():
                if each in readable:
                    alive |= _heard(each, version, targets, identifier, token)
        if len(alive) == len(targets):
            break
    return frozenset(alive)


def _heard(
    each: socket.socket,
    version: int,
    targets: dict[tuple[int, str], str],
    identifier: int,
    token: bytes,
) -> set[str]:
    try:
        packet, source = each.recvfrom(4096)
    except OSError:
        return set()
    host = targets.get((version, str(source[0]).partition("%")[0]))
    return {host} if host is not None and is_reply(packet, version, identifier, token) else set()
