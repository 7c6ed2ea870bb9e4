"""Sockets of the heartbeat media: broadcast, multicast, unicast over IPv4 and IPv6.

Facts: heartbeat-v1.md section 12.2 (kind M) and 18.29-30.  Sends never block and never raise: a
full buffer or a missing interface costs packets and is counted.  A medium whose interface went
away is opened again when it is back.  Receive sockets are bound to the interface, so that two
links stay two links; media on one interface and port share one of them.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from crmd.heartbeat.media import Bcast, Mcast, Medium, Ucast
from crmd.heartbeat.message import MAX_DATAGRAM

REOPEN_EVERY_S = 1.0
RECEIVE_BUFFER = 1 << 20
MOST_PER_TURN = 512
_SIOCGIFADDR, _SIOCGIFBRDADDR, _SIOCGIFNETMASK = 0x8915, 0x8919, 0x891B
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29
_LOW_DELAY = 0x10
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL, errno.ENOENT, errno.EBADF})


class MediumError(Exception):
    """A medium cannot be opened; the text names the line's values and the remedy."""


def _device(sock: socket.socket, device: str) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")


def _udp(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def _receiver(family: socket.AddressFamily, address: str, port: int, device: str) -> socket.socket:
    sock = _udp(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        _device(sock, device)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def broadcast_address(device: str) -> str:
    """The IPv4 broadcast address of an interface; where none is set, the one of its network.

    (An address added without `brd` has none, and a datagram to it would come back to ourselves.)
    Raises OSError.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        request = struct.pack("256s", device.encode()[:15])

        def asked(what: int) -> bytes:
            return fcntl.ioctl(sock.fileno(), what, request)[20:24]

        own, found = asked(_SIOCGIFADDR), asked(_SIOCGIFBRDADDR)
        if found in (own, bytes(4)):
            mask = asked(_SIOCGIFNETMASK)
            found = bytes(a | (~m & 0xFF) for a, m in zip(own, mask, strict=True))
    return socket.inet_ntoa(found)


@dataclass(slots=True)
class UdpLink:
    """One media line, opened."""

    medium: Bcast | Mcast | Ucast
    sender: socket.socket | None = None
    target: tuple[str, int] | tuple[str, int, int, int] = ("", 0)
    problem: str = ""
    reopen_at: float = 0.0
    lost: int = 0

    @property
    def name(self) -> str:
        return self.medium.name

    def send(self, data: bytes) -> bool:
        """Put a datagram on the medium.  False: it was lost, `problem` says why."""
        if self.sender is None:
            self.lost += 1
            return False
        try:
            self.sender.sendto(data, self.target)
        except OSError as error:
            self.lost += 1
            if error.errno == errno.ECONNREFUSED:
                return False  # the peer's port is closed just now: that is its death, not ours
            self.problem = f"{error.strerror}"
            if error.errno in _GONE:
                self.close()
            return False
        self.problem = ""
        return True

    def close(self) -> None:
        if self.sender is not None:
            self.sender.close()
            self.sender = None


@dataclass(slots=True)
class UdpMedia:
    """All UDP media of a node: send to all, receive from any."""

    media: Sequence[Medium]
    links: list[UdpLink] = field(default_factory=list)
    receivers: dict[socket.socket, str] = field(default_factory=dict)
    """Receive socket -> link name."""
    _shared: dict[tuple[int, str, str, int], socket.socket] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=lambda: bytearray(MAX_DATAGRAM + 1))

    def open(self) -> None:
        """Open all media.  Raises MediumError, after trying all, with one line per failure.

        Those that could not be opened are tried again by `reopen`.
        """
        failures = []
        for medium in self.media:
            if not isinstance(medium, Bcast | Mcast | Ucast):
                continue
            link = UdpLink(medium)
            self.links.append(link)
            try:
                self._open(link)
            except OSError as error:
                link.close()
                link.problem = error.strerror or str(error)
                failures.append(
                    f"{_words(medium)}: cannot be opened ({link.problem}); is the interface up, "
                    "has it an address, and may this process bind to it (root)?"
                )
        if failures:
            raise MediumError("\n".join(failures))

    def _open(self, link: UdpLink) -> None:
        medium = link.medium
        if isinstance(medium, Bcast):
            sender = self._open_bcast(link, medium)
        elif isinstance(medium, Mcast):
            sender = self._open_mcast(link, medium)
        else:
            sender = self._open_ucast(link, medium)
        if sender.family == socket.AF_INET:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _LOW_DELAY)
        link.sender, link.problem = sender, ""

    def _open_bcast(self, link: UdpLink, medium: Bcast) -> socket.socket:
        link.target = (broadcast_address(medium.device), medium.port)
        self._receive(socket.AF_INET, "0.0.0.0", medium.port, medium.device)
        sender = _udp(socket.AF_INET)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        _device(sender, medium.device)
        return sender

    def _open_mcast(self, link: UdpLink, medium: Mcast) -> socket.socket:
        index = socket.if_nametoindex(medium.device)
        if medium.is_ipv6:
            family, group = socket.AF_INET6, socket.inet_pton(socket.AF_INET6, medium.group)
            link.target = (medium.group, medium.port, 0, index)
            receiver = self._receive(family, medium.group, medium.port, medium.device)
            _join(
                receiver,
                socket.IPPROTO_IPV6,
                socket.IPV6_JOIN_GROUP,
                struct.pack("16sI", group, index),
            )
            receiver.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            sender = _udp(family)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, medium.ttl)
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, int(medium.loop))
            return sender
        request = struct.pack("4s4si", socket.inet_aton(medium.group), b"\0" * 4, index)
        link.target = (medium.group, medium.port)
        receiver = self._receive(socket.AF_INET, medium.group, medium.port, medium.device)
        _join(receiver, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        receiver.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        sender = _udp(socket.AF_INET)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, medium.ttl)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, int(medium.loop))
        return sender

    def _open_ucast(self, link: UdpLink, medium: Ucast) -> socket.socket:
        if medium.is_ipv6:
            address, _, scope = medium.peer.partition("%")
            link_local = address.lower().startswith("fe80")
            index = socket.if_nametoindex(scope or medium.device) if link_local else 0
            link.target = (address, medium.port, 0, index)
            self._receive(socket.AF_INET6, "::", medium.port, medium.device)
            sender = _udp(socket.AF_INET6)
        else:
            link.target = (medium.peer, medium.port)
            self._receive(socket.AF_INET, "0.0.0.0", medium.port, medium.device)
            sender = _udp(socket.AF_INET)
        _device(sender, medium.device)
        return sender

    def _receive(
        self, family: socket.AddressFamily, address: str, port: int, device: str
    ) -> socket.socket:
        key = (int(family), address, device, port)
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = _receiver(family, address, port, device)
            self.receivers[found] = device
        return found

    def send(self, data: bytes) -> None:
        """Put a datagram on all media."""
        for link in self.links:
            link.send(data)

    def receive(self, receiver: socket.socket) -> Iterable[bytes]:
        """What waits on a receive socket, at most 512 datagrams; longer ones come cut."""
        view = memoryview(self._buffer)
        for _ in range(MOST_PER_TURN):
            try:
                length = receiver.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                # an ICMP error of an earlier packet, or the interface is gone: nothing waits
                return
            yield bytes(view[:length])

    def reopen(self, now: float) -> list[str]:
        """Open the links of interfaces that were lost, all of an interface together.

        Returns the names of those that are back; `receivers` has changed for them.
        """
        broken = {x.name: x for x in self.links if x.sender is None and now >= x.reopen_at}
        return [name for name in sorted(broken) if self._reopen_device(name, now)]

    def _reopen_device(self, device: str, now: float) -> bool:
        links = [link for link in self.links if link.name == device]
        for key, sock in list(self._shared.items()):
            if key[2] == device:
                del self._shared[key], self.receivers[sock]
                sock.close()
        for link in links:
            link.close()
            link.reopen_at = now + REOPEN_EVERY_S
        try:
            for link in links:
                self._open(link)
        except OSError as error:
            for link in links:
                link.close()
                link.problem = error.strerror or str(error)
            return False
        return True

    def problems(self) -> list[tuple[str, str]]:
        """(link, problem) of media that did not take the last datagram."""
        return [(link.name, link.problem) for link in self.links if link.problem]

    def close(self) -> None:
        for link in self.links:
            link.close()
        for sock in list(self.receivers):
            sock.close()
        self.receivers.clear()
        self._shared.clear()


def _join(receiver: socket.socket, level: int, option: int, request: bytes) -> None:
    try:
        receiver.setsockopt(level, option, request)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:  # a second line with the same group: already joined
            raise


def _words(medium: Bcast | Mcast | Ucast) -> str:
    if isinstance(medium, Bcast):
        return f"bcast {medium.device} port {medium.port}"
    if isinstance(medium, Mcast):
        kind = "mcast6" if medium.is_ipv6 else "mcast"
        return f"{kind} {medium.device} {medium.group} {medium.port}"
    return f"{'ucast6' if medium.is_ipv6 else 'ucast'} {medium.device} {medium.peer}"
