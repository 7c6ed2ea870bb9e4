"""The lab's client: asks each watched address every 5 ms and writes down every silence.

It runs in its own network namespace on the service bridge and sees the cluster as a user does:
through ARP and ICMP of its kernel.  A line `client.outage` gives the last answer before and the
first answer after a silence (CLOCK_MONOTONIC), the outage in ms, and who answers now.  The longest
time for which the client itself did not run is in `stall_ms`; a silence that is explained by it is
not counted.
Arguments: LOG_FILE WATCH_FILE (one address per line, read again when it changes).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cli.lab.plan import SERVICE, mac_address
from crmd.daemon.log import FileSink, PlainLog

PERIOD_S = 0.005
OUTAGE_S = 0.05
REREAD_S = 0.25
_ECHO_REQUEST, _ECHO_REPLY = 8, 0


def checksum(data: bytes) -> int:
    """Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(identifier: int, sequence: int) -> bytes:
    """An ICMP echo request without payload beyond 8 bytes."""
    body = struct.pack("!HH8s", identifier, sequence & 0xFFFF, b"lab echo")
    total = checksum(struct.pack("!BBH", _ECHO_REQUEST, 0, 0) + body)
    return struct.pack("!BBH", _ECHO_REQUEST, 0, total) + body


def is_answer(packet: bytes, identifier: int) -> bool:
    """Whether a received IP packet is an echo reply to one of ours."""
    at = (packet[0] & 15) * 4 if packet else 0
    if len(packet) < at + 8:
        return False
    kind, _, _, ident = struct.unpack_from("!BBHH", packet, at)
    return bool(kind == _ECHO_REPLY and ident == identifier)


@dataclass(slots=True)
class Watch:
    """One address: when it last answered, and the longest pause of the client itself since."""

    last: float | None = None
    stall: float = 0.0


@dataclass(frozen=True, slots=True)
class Silence:
    """A finished silence. Monotonic seconds."""

    address: str
    last_answer: float
    first_answer: float
    stall_s: float

    @property
    def outage_ms(self) -> float:
        return (self.first_answer - self.last_answer) * 1000


class Observer:
    """Turns answers and their times into silences; no I/O."""

    def __init__(self) -> None:
        self.watches: dict[str, Watch] = {}
        self._last_turn: float | None = None

    def set_addresses(self, addresses: list[str]) -> None:
        self.watches = {a: self.watches.get(a, Watch()) for a in addresses}

    def turn(self, now: float) -> None:
        """The client's loop is running."""
        if self._last_turn is not None:
            gap = now - self._last_turn
            for watch in self.watches.values():
                watch.stall = max(watch.stall, gap)
        self._last_turn = now

    def answered(self, address: str, now: float) -> Silence | bool | None:
        """False: not watched; True: first answer ever; a Silence: one ended; None: as before."""
        watch = self.watches.get(address)
        if watch is None:
            return False
        before, watch.last = watch.last, now
        stall, watch.stall = watch.stall, 0.0
        if before is None:
            return True
        if now - before - stall < OUTAGE_S:  # nobody can say what happened while we stood still
            return None
        return Silence(address, before, now, stall)


def answering_node(address: str) -> int | None:
    """Index of the node whose hardware address the kernel has for `address`."""
    indices = {mac_address(SERVICE, i): i for i in range(1, 255)}
    try:
        lines = Path("/proc/net/arp").read_text().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) > 3 and words[0] == address:
            return indices.get(words[3])
    return None


def _hurry() -> None:
    """The observer must not be the one who is late."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def _read_watch(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _report(log: PlainLog, address: str, found: Silence | bool | None) -> None:
    if found is None or found is False:
        return
    node = answering_node(address)
    if found is True:
        log.info("client.first_answer", address=address, node_index=node)
        return
    log.info(
        "client.outage",
        address=address,
        outage_ms=round(found.outage_ms, 1),
        last_answer=round(found.last_answer, 6),
        first_answer=round(found.first_answer, 6),
        stall_ms=round(found.stall_s * 1000, 1),
        node_index=node,
    )


def main(argv: list[str]) -> None:
    log = PlainLog(FileSink(Path(argv[0])), daemon="client")
    watch_file = Path(argv[1])
    _hurry()
    identifier, sequence = os.getpid() & 0xFFFF, 0
    icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    icmp.setblocking(False)
    observer = Observer()
    next_send = next_read = time.monotonic()
    while True:
        now = time.monotonic()
        observer.turn(now)
        if now >= next_read:
            observer.set_addresses(_read_watch(watch_file))
            next_read = now + REREAD_S
        if now >= next_send:
            sequence += 1
            request = echo_request(identifier, sequence)
            for address in observer.watches:
                with contextlib.suppress(OSError):  # no route, no neighbour: that is the silence
                    icmp.sendto(request, (address, 0))
            next_send = max(next_send + PERIOD_S, now)
        if not select.select([icmp], [], [], max(0.0, next_send - time.monotonic()))[0]:
            continue
        for _ in range(64):
            try:
                packet, (source, _) = icmp.recvfrom(2048)
            except OSError:
                break
            if is_answer(packet, identifier):
                _report(log, source, observer.answered(source, time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1:])
