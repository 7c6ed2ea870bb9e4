"""What a heartbeat path is: the media lines of ha.cf as values.

Facts: heartbeat-v1.md section 12.2, kind M.  Descriptions only: the sockets and terminals are
opened in crmd/daemon/heartbeatd_media.py.  The name of a medium is what link events call it:
the interface or terminal name, so two `ucast` lines on one interface are one link.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

DEFAULT_PORT = 694
BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800)
HEARTBEAT_MAX_TTL = 4


@dataclass(frozen=True, slots=True)
class Bcast:
    """UDP broadcast on one interface."""

    device: str
    port: int

    @property
    def name(self) -> str:
        return self.device


@dataclass(frozen=True, slots=True)
class Mcast:
    """UDP multicast on one interface, IPv4 (`mcast`) or IPv6 (`mcast6`)."""

    device: str
    group: str
    port: int
    ttl: int
    loop: bool

    @property
    def name(self) -> str:
        return self.device

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.group


@dataclass(frozen=True, slots=True)
class Ucast:
    """UDP to one address over one interface, IPv4 (`ucast`) or IPv6 (`ucast6`)."""

    device: str
    peer: str
    port: int

    @property
    def name(self) -> str:
        return self.device

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.peer


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial line; nodes form a ring, and each passes on what still has hops left."""

    device: str
    baud: int

    @property
    def name(self) -> str:
        return self.device


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping node (one address) or ping group (several; alive if any answers)."""

    node: str
    addresses: tuple[str, ...]
    is_group: bool = False

    @property
    def name(self) -> str:
        return self.node


Medium = Bcast | Mcast | Ucast | Serial | Ping


class MediaError(ValueError):
    """A media line that cannot be used; the text names the value and the remedy."""


def _device(word: str, interfaces: Collection[str] | None) -> str:
    if not word or len(word.encode()) > 15 or "/" in word:
        raise MediaError(f"{word!r} is no interface name; write one that `ip link` shows")
    if interfaces is not None and word not in interfaces:
        known = " ".join(sorted(interfaces)) or "none"
        raise MediaError(f"interface {word} does not exist here (there are: {known}); correct it")
    return word


def _address(
    word: str, version: int, directive: str
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(word.partition("%")[0])
    except ValueError:
        raise MediaError(f"{word!r} is no IP address; write it in numbers") from None
    if address.version != version:
        other = directive.removesuffix("6") + ("" if version == 6 else "6")
        raise MediaError(f"{word} is an IPv{address.version} address; use {other} for it")
    return address


def parse_port(word: str) -> int:
    """A UDP port.  Raises MediaError."""
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:6]) <= 65535):
        raise MediaError(f"port {word!r} is not within 1 to 65535")
    return int(word)


def parse_bcast(device: str, port: int, interfaces: Collection[str] | None) -> Bcast:
    """A word of a `bcast` line.  Raises MediaError."""
    return Bcast(_device(device, interfaces), port)


def parse_mcast(
    words: Sequence[str], interfaces: Collection[str] | None, *, ipv6: bool
) -> tuple[Mcast, str | None]:
    """The words after `mcast` or `mcast6`, and a warning or None.  Raises MediaError."""
    directive = "mcast6" if ipv6 else "mcast"
    wanted = ("device", "group", "port", "hops" if ipv6 else "ttl", "loop")
    if len(words) != len(wanted):
        missing = wanted[len(words)] if len(words) < len(wanted) else None
        what = f"missing {missing}" if missing else f"one word too many: {words[5]!r}"
        raise MediaError(f"{directive}: {what}; write: {directive} {' '.join(wanted).upper()}")
    device, group, port, ttl, loop = words
    address = _address(group, 6 if ipv6 else 4, directive)
    if not address.is_multicast:
        span = "ff00::/8" if ipv6 else "224.0.0.0 to 239.255.255.255"
        raise MediaError(f"{group} is no multicast group; use one of {span}")
    if not (ttl.isascii() and ttl.isdigit() and int(ttl[:4]) <= 255):
        raise MediaError(f"{wanted[3]} {ttl!r} is not within 0 to 255")
    if loop not in ("0", "1"):
        raise MediaError(f"loop {loop!r} is neither 0 nor 1; write 0")
    warning = None
    if int(ttl) > HEARTBEAT_MAX_TTL:
        warning = f"{wanted[3]} {ttl} is refused by a Heartbeat 3 node, which accepts 0 to 4"
    medium = Mcast(
        _device(device, interfaces), str(address), parse_port(port), int(ttl), loop == "1"
    )
    return medium, warning


def parse_ucast(
    words: Sequence[str], port: int, interfaces: Collection[str] | None, *, ipv6: bool
) -> Ucast:
    """The words after `ucast` or `ucast6`.  Raises MediaError."""
    directive = "ucast6" if ipv6 else "ucast"
    if len(words) != 2:
        raise MediaError(
            f"{directive} takes one interface and one address, not {len(words)} words; "
            "write one line per peer"
        )
    address = _address(words[1], 6 if ipv6 else 4, directive)
    if address.is_multicast:
        raise MediaError(f"{words[1]} is a multicast group; use {directive.replace('u', 'm', 1)}")
    return Ucast(_device(words[0], interfaces), words[1], port)


def parse_ping(word: str, *, ipv6: bool) -> Ping:
    """A word of a `ping` or `ping6` line.  Raises MediaError."""
    _address(word, 6 if ipv6 else 4, "ping6" if ipv6 else "ping")
    return Ping(word.lower(), (word,))


def parse_ping_group(words: Sequence[str]) -> Ping:
    """The words after `ping_group`.  Raises MediaError."""
    if len(words) < 2:
        raise MediaError("ping_group takes a name and at least one address")
    for word in words[1:]:
        _address(word, 4, "ping_group")
    return Ping(words[0].lower(), tuple(words[1:]), is_group=True)


def parse_serial(tty: str, baud: int) -> Serial:
    """A word of a `serial` line.  Raises MediaError."""
    if not tty.startswith("/"):
        raise MediaError(f"serial {tty!r} is not an absolute path; write /dev/ttyS0 or the like")
    return Serial(tty, baud)
