"""A small synchronous rtnetlink client: addresses, routes, links.

Messages are encoded and decoded by pyroute2's message classes; the socket is plain.  Importing
all of pyroute2 takes 120 ms, the three message modules 25 ms, so only those are loaded: an
address agent's start latency is failover time.  The `ip` command is never used.
Facts: ocf.md 12.1 and 6.1; rtnetlink(7).
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import importlib.machinery
import os
import select
import socket
import struct
import sys
import time
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

RTM_NEWLINK, RTM_SETLINK = 16, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_CREATE, NLM_F_EXCL = 0x400, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTMGRP_IPV6_IFADDR = 0x100
SOL_NETLINK, NETLINK_GET_STRICT_CHK = 270, 12

IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE = 0x02, 0x08, 0x40, 0x200
IFF_UP = 0x1
SIOCGIFFLAGS = 0x8913
RT_TABLE_MAIN, RT_TABLE_LOCAL = 254, 255
RT_SCOPE_LINK, RT_SCOPE_HOST = 253, 254
RTN_UNICAST, RTN_LOCAL = 1, 2
FOREVER = 0xFFFFFFFF
_ANSWER_S = 5.0


class NetlinkError(OSError):
    """The kernel refused a request; errno says why."""


class Address(NamedTuple):
    """One address of the interface with index `link`; `label`, `broadcast` may be empty."""

    ip: str
    prefix: int
    link: int
    label: str
    broadcast: str
    flags: int


class Route(NamedTuple):
    """One route over the interface with index `link`; default routes have an empty `dst`."""

    dst: str
    prefix: int
    link: int
    source: str
    scope: int
    table: int
    kind: int


def message_class(module: str, name: str) -> Any:
    """A message class of pyroute2, without running the package's own imports."""
    found = sys.modules.get(f"pyroute2.netlink.rtnl.{module}")
    if found is None:
        is_bare = "pyroute2" not in sys.modules
        if is_bare:
            spec = importlib.machinery.PathFinder.find_spec("pyroute2")
            if spec is None or spec.submodule_search_locations is None:
                raise ModuleNotFoundError("pyroute2 is not installed", name="pyroute2")
            bare = types.ModuleType("pyroute2")
            bare.__path__ = list(spec.submodule_search_locations)
            sys.modules["pyroute2"] = bare
        try:
            found = importlib.import_module(f"pyroute2.netlink.rtnl.{module}")
        finally:
            if is_bare:
                del sys.modules["pyroute2"]  # a later full import finds its parts loaded
    return getattr(found, name)


def preload() -> None:
    """Load all message classes (the warm process does)."""
    for module in ("ifaddrmsg", "rtmsg", "ifinfmsg"):
        message_class(module, module)


def family_of(ip: str) -> int:
    """AF_INET6 if there is a colon in it, else AF_INET."""
    return int(socket.AF_INET6 if ":" in ip else socket.AF_INET)


def is_link_up(nic: str) -> bool:
    """Whether the interface is administratively up (asked by ioctl: no message class needed)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        answer = fcntl.ioctl(probe, SIOCGIFFLAGS, struct.pack("16sH22x", nic.encode(), 0))
    flags: int = struct.unpack_from("H", answer, 16)[0]
    return bool(flags & IFF_UP)


class RtNetlink:
    """One rtnetlink socket.  Its methods raise NetlinkError."""

    def __init__(self, groups: int = 0) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, groups))
        self._socket.settimeout(_ANSWER_S)
        self._seq = 0
        try:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        except OSError:
            self._strict = False  # a kernel before 4.20: it sends more, we filter
        else:
            self._strict = True

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> RtNetlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- questions

    def addresses(self, family: int, index: int = 0) -> list[Address]:
        """Addresses of one family, on one interface if `index` is given, in the kernel's order."""
        message = message_class("ifaddrmsg", "ifaddrmsg")()
        message["family"] = family
        message["index"] = index if self._strict else 0
        out = []
        for m in self._dump(message, RTM_GETADDR, RTM_NEWADDR):
            if m["family"] != family or (index and m["index"] != index):
                continue
            flags = m.get_attr("IFA_FLAGS")
            out.append(
                Address(
                    m.get_attr("IFA_LOCAL") or m.get_attr("IFA_ADDRESS"),
                    m["prefixlen"],
                    m["index"],
                    m.get_attr("IFA_LABEL") or "",
                    m.get_attr("IFA_BROADCAST") or "",
                    m["flags"] if flags is None else flags,
                )
            )
        return out

    def routes(self, family: int, table: int = RT_TABLE_MAIN) -> list[Route]:
        """Routes of one table, in the kernel's order."""
        message = message_class("rtmsg", "rtmsg")()
        message["family"] = family
        out = []
        for m in self._dump(message, RTM_GETROUTE, RTM_NEWROUTE):
            its_table = m.get_attr("RTA_TABLE") or m["table"]
            if m["family"] != family or its_table != table:
                continue
            out.append(
                Route(
                    m.get_attr("RTA_DST") or "",
                    m["dst_len"],
                    m.get_attr("RTA_OIF") or 0,
                    m.get_attr("RTA_PREFSRC") or "",
                    m["scope"],
                    its_table,
                    m["type"],
                )
            )
        return out

    # -- orders

    def add_address(
        self,
        ip: str,
        prefix: int,
        index: int,
        broadcast: str = "",
        label: str = "",
        flags: int = 0,
        preferred_s: int = FOREVER,
    ) -> None:
        """Put an address on an interface."""
        message = self._address_message(ip, prefix, index)
        if ip.startswith("127."):
            message["scope"] = RT_SCOPE_HOST  # as the kernel's own; another scope is refused
        if broadcast:
            message["attrs"].append(("IFA_BROADCAST", broadcast))
        if label:
            message["attrs"].append(("IFA_LABEL", label))
        if flags:
            message["attrs"].append(("IFA_FLAGS", flags))
        if preferred_s != FOREVER:
            times = {"ifa_preferred": preferred_s, "ifa_valid": FOREVER, "cstamp": 0, "tstamp": 0}
            message["attrs"].append(("IFA_CACHEINFO", times))
        self._order(message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)

    def delete_address(self, ip: str, prefix: int, index: int) -> None:
        """Take an address off an interface; one that is not there raises."""
        self._order(self._address_message(ip, prefix, index), RTM_DELADDR)

    def delete_host_route(self, ip: str) -> bool:
        """Remove a host route to `ip` from the main table; False when there is none."""
        message = message_class("rtmsg", "rtmsg")()
        message["family"] = family_of(ip)
        message["dst_len"] = 128 if ":" in ip else 32
        message["table"] = RT_TABLE_MAIN
        message["scope"] = 255  # any scope
        message["attrs"] = [("RTA_DST", ip)]
        try:
            self._order(message, RTM_DELROUTE)
        except NetlinkError as e:
            if e.errno in (errno.ESRCH, errno.ENOENT):
                return False
            raise
        return True

    def set_link_up(self, index: int) -> None:
        """`ip link set NIC up`."""
        message = message_class("ifinfmsg", "ifinfmsg")()
        message["index"] = index
        message["flags"] = IFF_UP
        message["change"] = IFF_UP
        self._order(message, RTM_NEWLINK)

    def wait_for_event(self, seconds: float) -> bool:
        """Whether something of the subscribed groups happened within `seconds`."""
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        if not poller.poll(max(0, int(seconds * 1000))):
            return False
        self._socket.recv(65536)
        return True

    # -- the wire

    @staticmethod
    def _address_message(ip: str, prefix: int, index: int) -> Any:
        message = message_class("ifaddrmsg", "ifaddrmsg")()
        message["family"] = family_of(ip)
        message["prefixlen"] = prefix
        message["index"] = index
        message["attrs"] = [("IFA_LOCAL", ip), ("IFA_ADDRESS", ip)]
        return message

    def _send(self, message: Any, kind: int, flags: int) -> int:
        self._seq += 1
        message["header"]["type"] = kind
        message["header"]["flags"] = flags
        message["header"]["sequence_number"] = self._seq
        message.encode()
        self._socket.send(message.data)
        return self._seq

    def _dump(self, message: Any, kind: int, answer_kind: int) -> Iterator[Any]:
        seq = self._send(message, kind, NLM_F_REQUEST | NLM_F_DUMP)
        cls = type(message)
        while True:
            data = self._socket.recv(262144)
            for at, its_kind, its_seq in _headers(data):
                if its_seq != seq:
                    continue
                if its_kind == NLMSG_DONE:
                    return
                if its_kind == NLMSG_ERROR:
                    _raise_error(data, at)
                if its_kind == answer_kind:
                    answer = cls(data, offset=at)
                    answer.decode()
                    yield answer

    def _order(self, message: Any, kind: int, flags: int = 0) -> None:
        seq = self._send(message, kind, NLM_F_REQUEST | NLM_F_ACK | flags)
        end = time.monotonic() + _ANSWER_S
        while time.monotonic() < end:
            data = self._socket.recv(65536)
            for at, its_kind, its_seq in _headers(data):
                if its_seq == seq and its_kind == NLMSG_ERROR:
                    _raise_error(data, at)
                    return
        raise NetlinkError(errno.ETIMEDOUT, "the kernel did not answer on netlink")


def _headers(data: bytes) -> Iterator[tuple[int, int, int]]:
    at = 0
    while at + 16 <= len(data):
        length, kind, _, seq = struct.unpack_from("=IHHI", data, at)
        if length < 16:
            return
        yield at, kind, seq
        at += (length + 3) & ~3


def _raise_error(data: bytes, at: int) -> None:
    (code,) = struct.unpack_from("=i", data, at + 16)
    if code:
        raise NetlinkError(-code, os.strerror(-code))
