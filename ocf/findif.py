"""Which interface, prefix and broadcast an address belongs to, from routes and addresses.

Pure: routes and addresses come in as values of `ocf.netlink`.  Facts: ocf.md 12.1 (findif).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ocf.codes import AgentError, Rc
from ocf.netlink import RT_SCOPE_LINK, Address, Route


class Where(NamedTuple):
    """An address's place; `broadcast` is empty for none."""

    nic: str
    prefix: int
    broadcast: str


def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address.  Raises AgentError (CONFIGURED)."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        raise AgentError(Rc.CONFIGURED, f"ip={text!r}: not an IPv4 or IPv6 address") from None
    if ip.version == 4 and not int(ip) >> 24:
        raise AgentError(Rc.CONFIGURED, f"ip={text!r}: the first octet must be 1 to 255")
    if "%" in text:
        raise AgentError(Rc.CONFIGURED, f"ip={text!r}: give the interface as nic, not with %")
    return ip


def parse_prefix(text: str, version: int) -> int | None:
    """Prefix length of `24` or `255.255.255.0`; None for an empty text.

    Raises AgentError (CONFIGURED) for a mask with holes or a length that cannot be.
    """
    if not text:
        return None
    longest = 32 if version == 4 else 128
    if text.isdigit():
        length = int(text)
    elif version == 4:
        try:
            length = ipaddress.IPv4Network(f"0.0.0.0/{text}").prefixlen
        except ValueError:
            raise AgentError(Rc.CONFIGURED, f"cidr_netmask={text!r}: not a netmask") from None
        if int(ipaddress.IPv4Address(text)) != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
            raise AgentError(Rc.CONFIGURED, f"cidr_netmask={text!r}: a netmask, not a wildcard")
    else:
        length = 0
    if not 1 <= length <= longest:
        raise AgentError(Rc.CONFIGURED, f"cidr_netmask={text!r}: want 1 to {longest}")
    return length


def best_route(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
    prefix: int | None,
    link: int,
    routes: Iterable[Route],
) -> Route | None:
    """The most specific network route that contains the address (on `link` unless that is 0).

    IPv4 considers routes of scope link only; the last one wins a tie.
    """
    longest = ip.max_prefixlen
    best: Route | None = None
    for route in routes:
        if not route.dst or route.prefix in (0, longest) or (link and route.link != link):
            continue
        if ip.version == 4 and route.scope != RT_SCOPE_LINK and route.kind != 2:
            continue
        if prefix is not None and route.prefix > prefix:
            continue
        shift = longest - route.prefix
        if int(ip) >> shift != int(ipaddress.ip_address(route.dst)) >> shift:
            continue
        if best is None or route.prefix >= best.prefix:
            best = route
    return best


def broadcast_of(
    asked: str,
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
    prefix: int,
    source: str,
    addresses: Sequence[Address],
) -> str:
    """Broadcast address: as asked (`+` computed, `-` none), else that of the route's source."""
    if ip.version == 6 or asked == "-":
        return ""
    if asked == "+":
        return str(ipaddress.ip_network(f"{ip}/{prefix}", strict=False).broadcast_address)
    if asked:
        return asked
    return next((a.broadcast for a in addresses if source and a.ip == source), "")


def find_interface(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
    nic: str,
    prefix: int | None,
    routes: Callable[[], Iterable[Route]],
    name_of: Callable[[int], str],
    index_of: Callable[[str], int],
) -> tuple[str, int, str]:
    """Interface name, prefix, and the route's preferred source (or an empty text).

    With `nic` and `prefix` given no route is needed.  Raises AgentError (GENERIC) when the routes
    do not tell.
    """
    link = index_of(nic) if nic else 0
    route = best_route(ip, prefix, link, routes()) if link or not nic else None
    if nic and prefix is not None:
        return nic, prefix, route.source if route else ""
    if route is None:
        on = f" on {nic}" if nic else ""
        raise AgentError(
            Rc.GENERIC,
            f"ip={ip}: no route{on} tells its network; give nic and cidr_netmask",
        )
    return nic or name_of(route.link), prefix or route.prefix, route.source
