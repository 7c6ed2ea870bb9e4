"""ocf:heartbeat:IPaddr: an IPv4 service address as an alias (`eth0:0`), Heartbeat's way.

Source: ocf.md 12.2 and annex A.  Only addresses with an alias label are its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from ocf import announce, findif, netlink
from ocf.agent import Action, Agent, AgentError, Param, Rc, is_true, main
from ocf.agents.ipaddr2 import TASK, index_of
from ocf.background import in_background, stop_background
from ocf.findif import Where, find_interface
from ocf.netlink import Address, NetlinkError, RtNetlink

ALIASES = 512
SELF_PINGS = 10


class IPaddr(Agent):
    """Runs while the address is there under an alias label."""

    name = "IPaddr"
    short = "Manages virtual IPv4 addresses (portable version)"
    long = "Adds an IPv4 address as an interface alias, announces it, and removes it on stop."
    params = (
        Param("ip", "The service address.", "", required=True, unique=True),
        Param("nic", "Interface that carries it; found from the routes if not given.", "eth0"),
        Param("cidr_netmask", "Prefix length or netmask; found from the routes.", ""),
        Param("broadcast", "Broadcast address; found from the routes.", ""),
        Param("iflabel", "Alias to use instead of the first free number.", ""),
        Param("lvs_support", "Do not count an address on lo as ours.", "false", "boolean"),
        Param("local_stop_script", "Executable called before the address is removed.", ""),
        Param("local_start_script", "Executable called after the address was added.", ""),
        Param("ARP_INTERVAL_MS", "Milliseconds between announcement pairs.", "500", "integer"),
        Param("ARP_REPEAT", "Number of announcement pairs.", "10", "integer"),
        Param("ARP_BACKGROUND", "Announce in the background.", "yes", "boolean"),
        Param("ARP_NETMASK", "Accepted for compatibility.", "ffffffffffff"),
    )
    actions = (
        Action("start"),
        Action("stop"),
        Action("monitor", "20s", "5s", "0"),
        Action("validate-all"),
        Action("meta-data", "5s"),
    )
    _net: RtNetlink | None = None
    _where: Where | None = None

    @property
    def net(self) -> RtNetlink:
        if self._net is None:
            self._net = RtNetlink()
        return self._net

    @property
    def ip(self) -> str:
        """The address as written.  Raises AgentError: 6 if it is none, 1 if an octet is too big."""
        text = self.p["ip"]
        octets = text.split(".")
        if len(octets) != 4 or not all(o.isdigit() for o in octets):
            raise AgentError(Rc.CONFIGURED, f"ip={text!r}: not an IPv4 address")
        if any(int(o) > 255 for o in octets):
            raise AgentError(Rc.GENERIC, f"ip={text!r}: an octet is above 255")
        return ".".join(str(int(o)) for o in octets)

    @property
    def nic(self) -> str:
        return self.p["nic"].partition(":")[0] if self.given("nic") else ""

    def _number(self, name: str) -> int:
        text = self.p[name]
        if not text.isdigit() or int(text) < 1:
            raise AgentError(Rc.ARGS, f"{name}={text!r}: want a number of at least 1")
        return int(text)

    def where(self) -> Where:
        """Interface, prefix and broadcast, looked up once.  Raises AgentError (GENERIC)."""
        if self._where is None:
            self._where = self._look_up()
        return self._where

    def _look_up(self) -> Where:
        ip = findif.parse_ip(self.ip)
        if self.nic and not index_of(self.nic):
            raise AgentError(Rc.GENERIC, f"nic={self.nic!r}: no such interface here")
        prefix = findif.parse_prefix(self.p["cidr_netmask"], 4)

        def routes() -> list[netlink.Route]:
            found = self.net.routes(socket.AF_INET)
            if ip.is_loopback:
                found += self.net.routes(socket.AF_INET, netlink.RT_TABLE_LOCAL)
            return found

        nic, length, source = find_interface(
            ip, self.nic, prefix, routes, socket.if_indextoname, index_of
        )
        addresses = self.net.addresses(socket.AF_INET, index_of(nic))
        asked = self.p["broadcast"]
        return Where(nic, length, findif.broadcast_of(asked, ip, length, source, addresses))

    def validate(self) -> None:
        findif.parse_ip(self.ip)
        self._number("ARP_REPEAT")
        self._number("ARP_INTERVAL_MS")
        self.where()

    def find(self) -> Address | None:
        """Our address under an alias label, or None."""
        for address in self.net.addresses(socket.AF_INET):
            if address.ip == self.ip and ":" in address.label:
                return address
        return None

    def monitor(self) -> Rc:
        try:
            found = self.find()
        except AgentError:
            if self.is_probe:
                return Rc.NOT_RUNNING
            raise
        if found is None:
            return Rc.NOT_RUNNING
        nic = found.label.partition(":")[0]
        if is_true(self.p["lvs_support"]) and nic == "lo":
            return Rc.NOT_RUNNING
        if self.nic and nic != self.nic:
            raise AgentError(Rc.GENERIC, f"{self.ip} is on {nic}, want it on {self.nic}")
        if self.action == "monitor" and self.check_level >= 1:
            self._ping_self()
        return Rc.SUCCESS

    def _ping_self(self) -> None:
        for _ in range(SELF_PINGS):
            done = subprocess.run(
                ["ping", "-n", "-q", "-c", "1", "-W", "1", self.ip],
                capture_output=True,
                check=False,
            )
            if done.returncode == 0:
                return
        raise AgentError(Rc.GENERIC, f"{self.ip} does not answer to ping from here")

    def start_once(self) -> Rc:
        self.validate()
        if self.monitor() is Rc.SUCCESS:
            return Rc.SUCCESS
        where = self.where()
        self.add(where)
        self._run_script("local_start_script")
        self.announce(where.nic)
        return self.monitor()

    def add(self, where: Where) -> None:
        """Add the alias.  Raises AgentError (GENERIC)."""
        index = index_of(where.nic)
        label = f"{where.nic}:{self.p['iflabel'] or self._free_alias(where.nic)}"
        try:
            self.net.add_address(self.ip, where.prefix, index, where.broadcast, label)
            if not netlink.is_link_up(where.nic):
                self.net.set_link_up(index)
        except OSError as e:
            raise AgentError(
                Rc.GENERIC, f"{self.ip}/{where.prefix} as {label}: {e.strerror}"
            ) from e

    def _free_alias(self, nic: str) -> int:
        used = {a.label for a in self.net.addresses(socket.AF_INET)}
        for number in range(ALIASES):
            if f"{nic}:{number}" not in used:
                return number
        raise AgentError(Rc.GENERIC, f"{nic}: all {ALIASES} aliases are in use")

    def _run_script(self, name: str) -> None:
        path = self.p[name]
        if path and os.access(path, os.X_OK):
            subprocess.run([path], check=False)

    @property
    def pid_file(self) -> str:
        return f"{self.state_dir}/send_arp-{self.ip}"

    def announce(self, nic: str) -> None:
        """Tell the neighbours; the first pair now."""
        if nic.startswith("lo"):
            return
        count, interval = self._number("ARP_REPEAT"), self._number("ARP_INTERVAL_MS")
        try:
            announcer = announce.Announcer(self.ip, nic, count, interval)
            announcer.first()
            if is_true(self.p["ARP_BACKGROUND"]):
                in_background(announcer.rest, self.pid_file, TASK, keep=(announcer.fd,))
            else:
                announcer.rest()
            announcer.close()
        except OSError as e:
            self.log("WARN", f"{self.ip} is not announced on {nic}: {e}")

    def stop_once(self) -> Rc:
        if not self.p["ip"]:
            return Rc.SUCCESS
        try:
            ip = self.ip
        except AgentError as e:
            self.log("WARN", f"{e}; nothing to stop")
            return Rc.SUCCESS
        stop_background(self.pid_file, TASK)
        found = self.find()
        if found is None:
            return Rc.SUCCESS
        self._run_script("local_stop_script")
        try:
            self.net.delete_host_route(ip)
            self.net.delete_address(ip, found.prefix, found.link)
        except NetlinkError as e:
            raise AgentError(Rc.GENERIC, f"{ip} ({found.label}): {e.strerror}") from e
        return Rc.SUCCESS


if __name__ == "__main__":
    sys.exit(main(IPaddr))
