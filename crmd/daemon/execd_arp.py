"""execd's ear on the wire: an alarm when another machine claims an IPv4 address of this node.

It lives in execd because that is the process with raw sockets that both managers have; heartbeatd
must not be late for it.  One packet socket hears the ARP of all interfaces, netlink tells when our
addresses change, and every 10 s each of them is probed.  What is a conflict is decided in
`ocf/arp_conflict.py`.  `arp_watch off` in ha.cf ends all this.  Facts: docs/split-brain.md.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crmd.daemon.paths import Paths
from crmd.heartbeat.config import parse_ha_cf
from ocf.announce import ARPHRD_ETHER, ETH_P_ARP
from ocf.arp_conflict import Alarm, ConflictWatch, claim_of, probe, words
from ocf.netlink import NetlinkError, RtNetlink

PROBE_S = 10.0
MOST_PER_TURN = 64
MOST_ADDRESSES = 256
RTMGRP_LINK, RTMGRP_IPV4_IFADDR = 0x1, 0x10
_RAW = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


class AddressWatch:
    """Hears, probes, and tells."""

    def __init__(self, on_alarm: Callable[[Alarm], None], logger: Any) -> None:
        self.watch = ConflictWatch()
        self._on_alarm = on_alarm
        self._log = logger
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._wire: socket.socket | None = None
        self._changes: socket.socket | None = None
        self._macs: dict[str, bytes] = {}

    def start(self) -> None:
        """Begin; where raw sockets are not allowed that is logged and nothing is watched."""
        try:
            self._wire = socket.socket(socket.AF_PACKET, _RAW, socket.htons(ETH_P_ARP))
            self._changes = socket.socket(socket.AF_NETLINK, _RAW, socket.NETLINK_ROUTE)
            self._changes.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR))
        except OSError as error:
            self._log.warning("address.not_watched", reason=error.strerror)
            self.stop()
            return
        self._loop.add_reader(self._wire, self._hear)
        self._loop.add_reader(self._changes, self._changed)
        self._look()
        self._tick()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for each in (self._wire, self._changes):
            if each is not None:
                self._loop.remove_reader(each)
                each.close()
        self._wire = self._changes = None

    # --- what is ours -----------------------------------------------------------------------------

    def _changed(self) -> None:
        assert self._changes is not None
        try:
            for _ in range(MOST_PER_TURN):
                self._changes.recv(65536)
        except BlockingIOError:
            pass
        except OSError as error:  # so much has changed that some of it was lost: look anew
            self._log.info("address.changes_lost", reason=error.strerror)
        self._look()

    def _look(self) -> None:
        names = dict(socket.if_nameindex())
        macs = {name: _mac_of(name) for name in names.values()}
        self._macs = {name: mac for name, mac in macs.items() if mac is not None}
        try:
            with RtNetlink() as kernel:
                found = kernel.addresses(socket.AF_INET)
        except NetlinkError as error:
            self._log.warning("address.not_listed", reason=error.strerror)
            return
        held = {(a.ip, names.get(a.link, "")) for a in found[:MOST_ADDRESSES]}
        self.watch.held = frozenset(pair for pair in held if pair[1] in self._macs)
        self.watch.macs = frozenset(mac.hex(":") for mac in self._macs.values())

    # --- the wire ---------------------------------------------------------------------------------

    def _hear(self) -> None:
        assert self._wire is not None
        for _ in range(MOST_PER_TURN):
            try:
                frame, source = self._wire.recvfrom(2048)
            except OSError:
                return  # nothing waits, or an interface went down
            claim = claim_of(frame, str(source[0]))
            if claim is not None:
                self._tell(self.watch.claimed(claim, self._loop.time()))

    def _tick(self) -> None:
        self._tell(self.watch.tick(self._loop.time()))
        for ip, nic in sorted(self.watch.held):
            try:
                if self._wire is not None:
                    self._wire.sendto(probe(self._macs[nic], ip), (nic, ETH_P_ARP))
            except OSError:
                continue  # that interface is down
        self._timer = self._loop.call_later(PROBE_S, self._tick)

    def _tell(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            level = self._log.info if alarm.is_over else self._log.error
            event = "address.conflict_over" if alarm.is_over else "address.conflict"
            level(event, ip=alarm.ip, nic=alarm.nic, mac=alarm.mac)
            self._on_alarm(alarm)


def _mac_of(nic: str) -> bytes | None:
    """The hardware address of an Ethernet interface; None for another kind, or none."""
    base = Path("/sys/class/net") / nic
    try:
        if int((base / "type").read_text()) != ARPHRD_ETHER:
            return None
        return bytes.fromhex((base / "address").read_text().strip().replace(":", ""))
    except (OSError, ValueError):
        return None


def is_wanted(paths: Paths) -> bool:
    """Whether ha.cf leaves the watch on; without a readable ha.cf it is."""
    try:
        config, _ = parse_ha_cf(paths.ha_cf.read_text(errors="surrogateescape"))
    except OSError:
        return True
    return config is None or config.arp_watch


def frame_of(alarm: Alarm) -> dict[str, Any]:
    """What execd's clients are told."""
    return {
        "op": "conflict",
        "ip": alarm.ip,
        "mac": alarm.mac,
        "nic": alarm.nic,
        "over": alarm.is_over,
        "text": words(alarm),
    }
