"""All media of a node behind one face: UDP, serial lines, ping nodes, and their selector.

Who is heard is not decided here.  A medium that fails is reported once, tried again every second,
and never stops the others.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Sequence

from crmd.daemon.heartbeatd_media import MediumError, UdpMedia
from crmd.daemon.heartbeatd_ping import PingError, PingMedia
from crmd.daemon.heartbeatd_serial import SerialError, SerialLink
from crmd.heartbeat.media import Medium, Serial

Heard = Callable[[str, bytes], None]


class Links:
    """The opened media."""

    def __init__(
        self,
        media: Sequence[Medium],
        selector: selectors.BaseSelector,
        on_packet: Heard,
        on_ping: Heard,
    ) -> None:
        self._selector = selector
        self._on_packet, self._on_ping = on_packet, on_ping
        self._udp = UdpMedia(media)
        self._pings = PingMedia(media)
        self._serial = [SerialLink(medium) for medium in media if isinstance(medium, Serial)]
        self._registered: set[int] = set()
        self._reported: dict[str, str] = {}

    def open(self) -> None:
        """Open everything.  Raises MediumError, after trying all, with one line per failure."""
        failures: list[str] = []
        steps = [self._udp.open, self._pings.open, *(line.open for line in self._serial)]
        for step in steps:
            try:
                step()
            except (MediumError, PingError, SerialError) as error:
                failures.append(str(error))
        if failures:
            raise MediumError("\n".join(failures))

    def watch(self) -> None:
        """Register what is open with the selector."""
        for receiver, name in self._udp.receivers.items():
            self._register(receiver.fileno(), self._udp_reader(receiver, name))
        for sock in self._pings.sockets:
            self._register(sock.fileno(), self._ping_reader(sock))
        for line in self._serial:
            if line.descriptor >= 0:
                self._register(line.descriptor, self._serial_reactor(line), line.wants_to_write)

    def _register(self, fd: int, react: Callable[[int], None], write: bool = False) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        if fd in self._registered:
            self._selector.modify(fd, wanted, react)
        else:
            self._selector.register(fd, wanted, react)
            self._registered.add(fd)

    def _unwatch(self) -> None:
        for fd in self._registered:
            self._selector.unregister(fd)
        self._registered.clear()

    def _udp_reader(self, receiver: socket.socket, name: str) -> Callable[[int], None]:
        def react(_: int) -> None:
            for data in self._udp.receive(receiver):
                self._on_packet(name, data)

        return react

    def _ping_reader(self, sock: socket.socket) -> Callable[[int], None]:
        def react(_: int) -> None:
            for node, data in self._pings.receive(sock):
                self._on_ping(node, data)

        return react

    def _serial_reactor(self, line: SerialLink) -> Callable[[int], None]:
        def react(mask: int) -> None:
            fd = line.descriptor
            if mask & selectors.EVENT_WRITE:
                line.write()
            if mask & selectors.EVENT_READ and line.descriptor >= 0:
                for data in line.receive():
                    self._on_packet(line.name, data)
            self._follow(line, fd)

        return react

    def _follow(self, line: SerialLink, fd: int) -> None:
        """Keep the selector in step with a line after it was used."""
        if line.descriptor >= 0:
            self._register(line.descriptor, self._serial_reactor(line), line.wants_to_write)
        elif fd in self._registered:
            self._registered.discard(fd)
            self._selector.unregister(fd)

    def send(self, data: bytes) -> None:
        """Put a packet on all media."""
        self._udp.send(data)
        for line in self._serial:
            self._send_serial(line, data)

    def forward(self, came_from: str, data: bytes) -> None:
        """Put a packet on all serial lines but one."""
        for line in self._serial:
            if line.name != came_from:
                self._send_serial(line, data)

    def _send_serial(self, line: SerialLink, data: bytes) -> None:
        fd = line.descriptor
        line.send(data)
        if fd >= 0 and (line.wants_to_write or line.descriptor < 0):
            self._follow(line, fd)

    def ping(self, node: str, data: bytes) -> None:
        """Send an echo request to a ping node."""
        self._pings.send(node, data)

    def maintain(self, now: float) -> list[tuple[str, str]]:
        """Open again what failed; returns (link, problem) that are new, "" when it works again."""
        news: list[tuple[str, str]] = []
        if any(link.sender is None for link in self._udp.links):
            self._unwatch()
            self._udp.reopen(now)
            self.watch()
        for line in self._serial:
            if line.reopen(now):
                self.watch()
        problems = dict(self._udp.problems())
        problems.update((line.name, line.problem) for line in self._serial if line.problem)
        for name in sorted({*problems, *self._reported}):
            problem = problems.get(name, "")
            if problem != self._reported.get(name, ""):
                news.append((name, problem))
        self._reported = problems
        return news

    def close(self) -> None:
        """Close everything and leave the selector."""
        self._unwatch()
        self._udp.close()
        self._pings.close()
        for line in self._serial:
            line.close()
