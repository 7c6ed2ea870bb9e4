"""Does another machine claim an IPv4 address that is ours?  Frames in, alarms out; no I/O.

A claim is any ARP packet whose sender address is one of ours and whose sender hardware address is
not: a gratuitous announcement, a question the other holder asks, or its answer to a probe.  What
cannot be seen so: a holder that is silent and does not answer, or sits behind a router.
Source: RFC 826, RFC 5227 section 2.4.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

from ocf.announce import ETH_P_ARP, REQUEST, arp_frame

AGAIN_S = 60.0
"""An alarm is repeated so often while the claims go on."""
OVER_S = 35.0
"""Without a claim for so long (three probes unanswered) it is over."""
MAX_CONFLICTS = 64
NOBODY = bytes(4)
_HEAD = struct.Struct("!HHBBH")


@dataclass(frozen=True, slots=True)
class Claim:
    """A machine says that an address is its own."""

    ip: str
    mac: str
    nic: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """`is_over`: the other machine has not claimed it for a while, or we do not hold it now."""

    ip: str
    mac: str
    nic: str
    is_over: bool = False


def claim_of(frame: bytes, nic: str) -> Claim | None:
    """The claim in an Ethernet frame; None if it is no ARP for IPv4, or claims nothing."""
    if len(frame) < 42 or int.from_bytes(frame[12:14]) != ETH_P_ARP:
        return None
    hardware, protocol, hardware_size, size, _ = _HEAD.unpack_from(frame, 14)
    if (hardware, protocol, hardware_size, size) != (1, 0x0800, 6, 4):
        return None
    sender = frame[28:32]
    if sender == NOBODY:
        return None  # a probe asks, it does not claim
    return Claim(socket.inet_ntoa(sender), frame[22:28].hex(":"), nic)


def probe(mac: bytes, ip: str) -> bytes:
    """The frame that asks who else has `ip`; a holder answers, caches are not changed."""
    return arp_frame(REQUEST, mac, NOBODY, socket.inet_aton(ip), bytes(6))


@dataclass(slots=True)
class _Conflict:
    nic: str
    heard: float
    told: float


@dataclass(slots=True)
class ConflictWatch:
    """What others claim of ours.  `held`: pairs of address and interface; `macs`: all of ours."""

    held: frozenset[tuple[str, str]] = frozenset()
    macs: frozenset[str] = frozenset()
    conflicts: dict[tuple[str, str], _Conflict] = field(default_factory=dict)

    def claimed(self, claim: Claim, now: float) -> list[Alarm]:
        """Somebody claims an address; `now` is monotonic seconds."""
        if (claim.ip, claim.nic) not in self.held or claim.mac in self.macs:
            return []
        known = self.conflicts.get((claim.ip, claim.mac))
        if known is None:
            if len(self.conflicts) >= MAX_CONFLICTS:
                return []
            self.conflicts[claim.ip, claim.mac] = _Conflict(claim.nic, now, now)
            return [Alarm(claim.ip, claim.mac, claim.nic)]
        known.heard = now
        if now - known.told < AGAIN_S:
            return []
        known.told = now
        return [Alarm(claim.ip, claim.mac, claim.nic)]

    def tick(self, now: float) -> list[Alarm]:
        """Conflicts that are over."""
        out = []
        for (ip, mac), known in sorted(self.conflicts.items()):
            if now - known.heard >= OVER_S or (ip, known.nic) not in self.held:
                del self.conflicts[ip, mac]
                out.append(Alarm(ip, mac, known.nic, is_over=True))
        return out

    def going_on(self) -> list[Alarm]:
        """All conflicts of now."""
        return [Alarm(ip, mac, c.nic) for (ip, mac), c in sorted(self.conflicts.items())]


def words(alarm: Alarm) -> str:
    """One line for people."""
    if alarm.is_over:
        return f"{alarm.ip} on {alarm.nic} is no longer claimed by {alarm.mac}."
    return (
        f"ADDRESS CONFLICT: {alarm.ip} is held here and also claimed by {alarm.mac} on "
        f"{alarm.nic}: both nodes may be running its group; stop one of them"
    )
