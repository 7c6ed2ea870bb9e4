"""ocf:heartbeat:IPaddr2: a service address, IPv4 or IPv6, through netlink.

Source: ocf.md 12.1 and annex A.  Not supported, and refused by name: load sharing with one
address on all nodes (the kernel dropped CLUSTERIP) and lvs_ipv6_addrlabel.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time

from ocf import announce, findif, netlink
from ocf.agent import Action, Agent, AgentError, Param, Rc, is_true, main
from ocf.background import in_background, stop_background
from ocf.findif import Where, find_interface
from ocf.netlink import Address, NetlinkError, RtNetlink

TASK = "send_arp"
DAD_S = 10.0
_SENDERS = ("", "send_arp", "ipoibarping", "iputils_arping", "libnet_arping")
LABEL_CHARS = 15

PARAMS = (
    Param("ip", "The service address, IPv4 or IPv6.", "", required=True, unique=True),
    Param("nic", "Interface that carries it; found from the routes if not given.", ""),
    Param("cidr_netmask", "Prefix length, or dotted netmask; found from the routes.", ""),
    Param("broadcast", "Broadcast address, or + to compute it, or - for none.", ""),
    Param("iflabel", "Label added to the interface name, as in eth0:label.", ""),
    Param("lvs_support", "Take the address off lo while it is served here.", "false", "boolean"),
    Param("lvs_ipv6_addrlabel", "Not supported.", "false", "boolean"),
    Param("lvs_ipv6_addrlabel_value", "Not supported.", "99", "integer"),
    Param("mac", "Cluster IP MAC address; not supported.", ""),
    Param("clusterip_hash", "Cluster IP hash mode; not supported.", "sourceip-sourceport"),
    Param(
        "unique_clone_address",
        "Add the clone's number to the last octet, so that each instance has its own address.",
        "false",
        "boolean",
    ),
    Param("arp_interval", "Milliseconds between announcement pairs.", "200", "integer"),
    Param("arp_count", "Number of announcement pairs (adverts for IPv6).", "5", "integer"),
    Param("arp_count_refresh", "Announcements repeated at each monitor.", "0", "integer"),
    Param("arp_bg", "Announce in the background (the default is yes).", ""),
    Param("arp_sender", "Accepted for compatibility: announcements are always our own.", ""),
    Param("send_arp_opts", "Accepted for compatibility, without effect.", ""),
    Param("flush_routes", "Flush the route cache after stop.", "false", "boolean"),
    Param("run_arping", "Refuse to start if another host answers for the address.", "false"),
    Param("nodad", "No duplicate address detection (IPv6).", "false"),
    Param("noprefixroute", "Do not create a route for the prefix.", "false"),
    Param("preferred_lft", "Preferred life time in seconds, or forever.", "forever"),
    Param("network_namespace", "Do all of it in this network namespace.", ""),
)


class IPaddr2(Agent):
    """Runs while the address, with its prefix, is on its interface."""

    name = "IPaddr2"
    short = "Manages virtual IPv4 and IPv6 addresses (Linux)"
    long = "Adds a service address to an interface, announces it, and removes it on stop."
    no_action = Rc.GENERIC
    params = PARAMS
    actions = (
        Action("start"),
        Action("stop"),
        Action("status", "20s", "10s", "0"),
        Action("monitor", "20s", "10s", "0"),
        Action("meta-data", "5s"),
        Action("validate-all"),
    )
    _net: RtNetlink | None = None
    _where: Where | None = None

    def run(self) -> Rc:
        if self.p["network_namespace"] and self.action in (
            "start", "stop", "monitor", "status", "validate-all",
        ):  # fmt: skip
            try:
                _enter_namespace(self.p["network_namespace"])
            except AgentError as e:
                return self._answer(e.rc, str(e))
        return super().run()

    # -- parameters

    @property
    def net(self) -> RtNetlink:
        if self._net is None:
            self._net = RtNetlink()
        return self._net

    @property
    def ip(self) -> str:
        """The address in its canonical form, with the clone's number added if asked."""
        if not self.p["ip"]:
            raise AgentError(Rc.CONFIGURED, "ip: missing; give the service address")
        ip = findif.parse_ip(self.p["ip"])
        if is_true(self.p["unique_clone_address"]) and self.meta("clone").isdigit():
            if ip.version == 4:
                ip = findif.parse_ip(str(ip + int(self.meta("clone"))))
        return str(ip)

    @property
    def is_v6(self) -> bool:
        return ":" in self.ip

    @property
    def nic_and_label(self) -> tuple[str, str]:
        nic, _, label = self.p["nic"].partition(":")
        return nic, label or self.p["iflabel"]

    def _number(self, name: str, least: int) -> int:
        text = self.p[name]
        if not text.isdigit() or int(text) < least:
            raise AgentError(Rc.CONFIGURED, f"{name}={text!r}: want a number of at least {least}")
        return int(text)

    def where(self) -> Where:
        """Interface, prefix and broadcast, looked up once per action.  Raises AgentError."""
        if self._where is None:
            self._where = self._look_up()
        return self._where

    def _look_up(self) -> Where:
        ip = findif.parse_ip(self.ip)
        family = netlink.family_of(self.ip)
        nic, _ = self.nic_and_label
        prefix = findif.parse_prefix(self.p["cidr_netmask"], ip.version)

        def routes() -> list[netlink.Route]:
            found = self.net.routes(family)
            if ip.is_loopback:
                found += self.net.routes(family, netlink.RT_TABLE_LOCAL)
            return found

        found_nic, found_prefix, source = find_interface(
            ip, nic, prefix, routes, socket.if_indextoname, index_of
        )
        addresses = self.net.addresses(family, index_of(found_nic)) if ip.version == 4 else []
        broadcast = findif.broadcast_of(self.p["broadcast"], ip, found_prefix, source, addresses)
        return Where(found_nic, found_prefix, broadcast)

    def validate(self) -> None:
        ip = findif.parse_ip(self.ip)
        nic, label = self.nic_and_label
        if os.geteuid() != 0 and self.action != "validate-all":
            raise AgentError(Rc.PERM, "only root can add addresses")
        if nic and not index_of(nic):
            raise AgentError(Rc.CONFIGURED, f"nic={nic!r}: no such interface here")
        if ip.is_link_local and ip.version == 6 and not nic:
            raise AgentError(Rc.CONFIGURED, f"ip={ip}: a link-local address needs nic")
        if self.p["broadcast"] not in ("", "+", "-"):
            try:
                socket.inet_aton(self.p["broadcast"])
            except OSError:
                raise AgentError(
                    Rc.CONFIGURED, f"broadcast={self.p['broadcast']!r}: want an address, + or -"
                ) from None
        for name in ("arp_interval", "arp_count"):
            self._number(name, 1)
        self._number("arp_count_refresh", 0)
        if self.p["arp_sender"] not in _SENDERS:
            raise AgentError(Rc.CONFIGURED, f"arp_sender={self.p['arp_sender']!r}: unknown")
        lifetime = self.p["preferred_lft"]
        if lifetime != "forever" and not lifetime.isdigit():
            raise AgentError(Rc.CONFIGURED, f"preferred_lft={lifetime!r}: want seconds or forever")
        self._validate_lvs_and_clone(ip.version)
        where = self.where()
        if label and len(f"{where.nic}:{label}") > LABEL_CHARS:
            raise AgentError(
                Rc.CONFIGURED,
                f"iflabel={label!r}: '{where.nic}:{label}' is above {LABEL_CHARS} characters",
            )

    def _validate_lvs_and_clone(self, version: int) -> None:
        if is_true(self.p["lvs_support"]):
            if version == 6 or self.is_clone:
                raise AgentError(
                    Rc.CONFIGURED, "lvs_support=true: not possible with IPv6 or in a clone"
                )
        if is_true(self.p["lvs_ipv6_addrlabel"]):
            if version == 4:
                raise AgentError(Rc.CONFIGURED, "lvs_ipv6_addrlabel=true: not with IPv4")
            raise AgentError(Rc.INSTALLED, "lvs_ipv6_addrlabel=true: not supported")
        if is_true(self.p["unique_clone_address"]):
            if not is_true(self.meta("globally_unique")):
                raise AgentError(
                    Rc.CONFIGURED, "unique_clone_address=true: needs a globally-unique clone"
                )
        elif self.meta("clone_max").isdigit() and int(self.meta("clone_max")) > 1:
            raise AgentError(
                Rc.INSTALLED,
                "one address on several nodes needs CLUSTERIP, which the kernel has dropped; "
                "use unique_clone_address=true or no clone",
            )

    # -- actions

    def monitor(self) -> Rc:
        try:
            where = self.where()
        except AgentError as e:
            if self.is_probe and e.rc is Rc.GENERIC:
                return Rc.NOT_RUNNING
            raise
        if self.find(where) is None:
            return Rc.NOT_RUNNING
        if self.action == "monitor" and not self.is_probe:
            if refresh := self._number("arp_count_refresh", 0):
                self.announce(where.nic, refresh)
        return Rc.SUCCESS

    def find(self, where: Where) -> Address | None:
        """Our address with this prefix on this interface, or None."""
        index = index_of(where.nic)
        if not index:
            return None
        for address in self.net.addresses(netlink.family_of(self.ip), index):
            if address.ip == self.ip and address.prefix == where.prefix:
                return address
        return None

    def start_once(self) -> Rc:
        self.validate()
        where = self.where()
        if self.find(where) is None:
            self.add(where)
        return Rc.SUCCESS

    def add(self, where: Where) -> None:
        """Put the address on its interface and announce it.  Raises AgentError."""
        if not self.is_v6 and is_true(self.p["run_arping"]) and not where.nic.startswith("lo"):
            if announce.is_taken(self.ip, where.nic):
                raise AgentError(
                    Rc.GENERIC, f"{self.ip}: another host on {where.nic} answers for it"
                )
        if is_true(self.p["lvs_support"]):
            self._take_from_loopback()
        flags = netlink.IFA_F_NODAD if self.is_v6 and is_true(self.p["nodad"]) else 0
        if is_true(self.p["noprefixroute"]):
            flags |= netlink.IFA_F_NOPREFIXROUTE
        _, label = self.nic_and_label
        lifetime = self.p["preferred_lft"]
        index = index_of(where.nic)
        is_checked = self.is_v6 and not flags & netlink.IFA_F_NODAD
        events = RtNetlink(netlink.RTMGRP_IPV6_IFADDR) if is_checked else None
        try:
            self.net.add_address(
                self.ip,
                where.prefix,
                index,
                where.broadcast,
                f"{where.nic}:{label}" if label and not self.is_v6 else "",
                flags,
                int(lifetime) if lifetime.isdigit() else netlink.FOREVER,
            )
            if not netlink.is_link_up(where.nic):
                self.net.set_link_up(index)
        except OSError as e:
            raise AgentError(
                Rc.GENERIC, f"{self.ip}/{where.prefix} on {where.nic}: {e.strerror}"
            ) from e
        if events is not None:
            with events:
                self._wait_for_dad(where, events)
        self.announce(where.nic, self._number("arp_count", 1))

    def _wait_for_dad(self, where: Where, events: RtNetlink) -> None:
        end = time.monotonic() + DAD_S
        while (found := self.find(where)) is not None:
            if found.flags & netlink.IFA_F_DADFAILED:
                self.net.delete_address(self.ip, where.prefix, found.link)
                raise AgentError(Rc.GENERIC, f"{self.ip}: another host has it (DAD failed)")
            if not found.flags & netlink.IFA_F_TENTATIVE:
                return
            if time.monotonic() >= end:
                raise AgentError(Rc.GENERIC, f"{self.ip}: still tentative after {DAD_S:.0f} s")
            events.wait_for_event(end - time.monotonic())
        raise AgentError(Rc.GENERIC, f"{self.ip}: vanished from {where.nic} during start")

    @property
    def pid_file(self) -> str:
        return f"{self.state_dir}/send_arp-{self.ip}"

    def announce(self, nic: str, count: int) -> None:
        """Tell the neighbours; the first frames now, the others in the background."""
        if nic.startswith("lo"):
            return
        try:
            announcer = announce.Announcer(self.ip, nic, count, self._number("arp_interval", 1))
        except OSError as e:
            self.log("WARN", f"{self.ip} is not announced on {nic}: {e}")
            return
        try:
            announcer.first()
            stop_background(self.pid_file, TASK)
            if self.p["arp_bg"] and not is_true(self.p["arp_bg"]):
                announcer.rest()
            else:
                in_background(announcer.rest, self.pid_file, TASK, keep=(announcer.fd,))
        except OSError as e:
            self.log("WARN", f"{self.ip} is not announced on {nic}: {e.strerror}")
        finally:
            announcer.close()

    def stop_once(self) -> Rc:
        if os.geteuid() != 0:
            raise AgentError(Rc.PERM, "only root can remove addresses")
        ip = self.ip
        stop_background(self.pid_file, TASK)
        for address in self._to_remove():
            try:
                self.net.delete_address(ip, address.prefix, address.link)
            except NetlinkError as e:
                if e.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                    raise AgentError(
                        Rc.GENERIC, f"{ip}/{address.prefix}: not removed ({e.strerror})"
                    ) from e
            if is_true(self.p["flush_routes"]):
                self._flush_routes()
        if is_true(self.p["lvs_support"]):
            self._give_to_loopback()
        return Rc.SUCCESS

    def _to_remove(self) -> list[Address]:
        """Our address; if routes no longer tell its place, the same address wherever it is."""
        try:
            found = self.find(self.where())
            return [found] if found else []
        except AgentError as e:
            if e.rc is not Rc.GENERIC:
                raise
        nic, _ = self.nic_and_label
        if nic and not index_of(nic):
            return []
        everywhere = self.net.addresses(netlink.family_of(self.ip), index_of(nic) if nic else 0)
        return [a for a in everywhere if a.ip == self.ip]

    # -- real server on the same node: the address moves between lo and the interface

    @property
    def _loopback_note(self) -> str:
        return f"{self.state_dir}/{self.ip}"

    def _take_from_loopback(self) -> None:
        lo = index_of("lo")
        if Address(self.ip, 32, lo, "lo", "", 0)[:3] not in [
            a[:3] for a in self.net.addresses(socket.AF_INET, lo)
        ]:
            return
        self.net.delete_address(self.ip, 32, lo)
        with open(self._loopback_note, "w", encoding="ascii") as f:
            f.write("lo\n")

    def _give_to_loopback(self) -> None:
        if not os.path.exists(self._loopback_note):
            return
        try:
            self.net.add_address(self.ip, 32, index_of("lo"))
        except NetlinkError as e:
            if e.errno != errno.EEXIST:
                raise
        os.unlink(self._loopback_note)

    def _flush_routes(self) -> None:
        family = "ipv6" if self.is_v6 else "ipv4"
        with open(f"/proc/sys/net/{family}/route/flush", "w", encoding="ascii") as f:
            f.write("1\n")


def index_of(nic: str) -> int:
    """Interface index, 0 if there is no such interface."""
    try:
        return socket.if_nametoindex(nic)
    except OSError:
        return 0


def _enter_namespace(name: str) -> None:
    import ctypes

    path = f"/run/netns/{name}"
    if "/" in name:
        raise AgentError(Rc.CONFIGURED, f"network_namespace={name!r}: want a name")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise AgentError(
            Rc.INSTALLED, f"network_namespace={name!r}: no such namespace here"
        ) from None
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.setns(fd, clone_newnet) != 0:
            code = ctypes.get_errno()
            raise AgentError(Rc.PERM, f"network_namespace={name!r}: {os.strerror(code)}")
    finally:
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main(IPaddr2))
