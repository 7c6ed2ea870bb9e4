"""Tells the neighbours where an address is now: gratuitous ARP, unsolicited neighbour adverts.

Frames are built by pure functions and sent from a raw socket at once; no helper program.
IPv4: pairs of a request and a reply, both broadcast, half an interval apart; the first pair goes
out immediately.  IPv6: adverts to all nodes with the override flag.  Facts: ocf.md 12.1.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial

ETH_P_ARP = 0x0806
BROADCAST = b"\xff" * 6
REQUEST, REPLY = 1, 2
ARPHRD_ETHER = 1
NEIGHBOUR_ADVERT = 136
OVERRIDE = 0x20000000
ALL_NODES = "ff02::1"


class CannotAnnounce(OSError):
    """The interface has no Ethernet address, or is not there; the text names it."""


def arp_frame(operation: int, mac: bytes, sender: bytes, target: bytes, target_mac: bytes) -> bytes:
    """One broadcast Ethernet frame with an ARP packet; addresses in network order."""
    ethernet = BROADCAST + mac + struct.pack("!H", ETH_P_ARP)
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return ethernet + head + mac + sender + target_mac + target


def announcement(mac: bytes, ip: str, number: int) -> bytes:
    """Frame `number` (from 0) of a series: even ones are requests, odd ones replies."""
    address = socket.inet_aton(ip)
    if number % 2 == 0:
        return arp_frame(REQUEST, mac, address, address, bytes(6))
    return arp_frame(REPLY, mac, address, address, mac)


def neighbour_advert(mac: bytes, ip: str) -> bytes:
    """ICMPv6 message; the kernel fills in the checksum."""
    target = socket.inet_pton(socket.AF_INET6, ip)
    head = struct.pack("!BBHI", NEIGHBOUR_ADVERT, 0, 0, OVERRIDE)
    return head + target + struct.pack("!BB", 2, 1) + mac


def open_link(nic: str, protocol: int = 0) -> tuple[socket.socket, bytes]:
    """A raw socket on `nic` and its hardware address.  Raises CannotAnnounce."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        link.bind((nic, protocol))
    except OSError as e:
        link.close()
        raise CannotAnnounce(e.errno, f"{nic}: {e.strerror}") from e
    _, _, _, hardware_type, mac = link.getsockname()
    if hardware_type != ARPHRD_ETHER or len(mac) != 6:
        link.close()
        raise CannotAnnounce(0, f"{nic}: hardware type {hardware_type}, want Ethernet")
    return link, mac


class Announcer:
    """Sends one frame after the other; `first()` at once, `rest()` takes its time."""

    def __init__(self, ip: str, nic: str, count: int, interval_ms: int) -> None:
        self.ip, self.nic = ip, nic
        self._count, self._interval_s = count, interval_ms / 1000
        if ":" in ip:
            self._socket, self._frames = self._open_v6()
        else:
            self._socket, self._frames = self._open_v4()

    @property
    def fd(self) -> int:
        """Descriptor that must stay open for `rest()`."""
        return self._socket.fileno()

    def _open_v4(self) -> tuple[socket.socket, Iterator[tuple[Callable[[], object], float]]]:
        link, mac = open_link(self.nic)

        def frames() -> Iterator[tuple[Callable[[], object], float]]:
            for number in range(2 * self._count):
                frame = announcement(mac, self.ip, number)
                yield partial(link.send, frame), self._interval_s / 2

        return link, frames()

    def _open_v6(self) -> tuple[socket.socket, Iterator[tuple[Callable[[], object], float]]]:
        link, mac = open_link(self.nic)
        link.close()
        index = socket.if_nametoindex(self.nic)
        raw = socket.socket(
            socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6
        )
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        scope = index if self.ip.lower().startswith("fe80") else 0
        raw.bind((self.ip, 0, 0, scope))
        message = neighbour_advert(mac, self.ip)

        def frames() -> Iterator[tuple[Callable[[], object], float]]:
            for _ in range(self._count):
                yield partial(raw.sendto, message, (ALL_NODES, 0, 0, index)), self._interval_s

        return raw, frames()

    def first(self) -> None:
        """The first frame of each kind, now.  Raises OSError when it cannot be sent."""
        for _ in range(1 if ":" in self.ip else 2):
            for send, _pause in self._frames:
                send()
                break

    def rest(self) -> None:
        """All further frames with pauses; a frame that cannot be sent ends the series."""
        for send, pause in self._frames:
            time.sleep(pause)
            send()

    def close(self) -> None:
        self._socket.close()


def is_taken(ip: str, nic: str, probes: int = 2, wait_s: float = 1.0) -> bool:
    """Whether somebody else answers for an IPv4 address (ARP probe, like `arping -D`)."""
    link, mac = open_link(nic, ETH_P_ARP)
    wanted = socket.inet_aton(ip)
    probe = arp_frame(REQUEST, mac, bytes(4), wanted, bytes(6))
    with link:
        for _ in range(probes):
            link.send(probe)
            end = time.monotonic() + wait_s
            while (left := end - time.monotonic()) > 0:
                link.settimeout(left)
                try:
                    frame = link.recv(2048)
                except TimeoutError:
                    break
                if len(frame) >= 42 and frame[28:32] == wanted and frame[22:28] != mac:
                    return True
    return False
