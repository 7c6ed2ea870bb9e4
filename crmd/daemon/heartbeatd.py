"""heartbeatd: the process that must never be late.

It drives one `crmd.heartbeat.node.Node` with packets and time, and serves crmd and the tools on
heartbeat.sock (docs/interfaces.md).  One thread with a selector decides and sends; a helper
thread does what a disk may delay.  Real-time class and locked memory where permitted; nothing
heavy is imported (checked by the import contract).  Facts: architecture.md, "Processes on a
node"; heartbeat-v1.md sections 1 and 7.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from crmd.daemon import heartbeatd_files as files
from crmd.daemon import heartbeatd_nodes as nodes
from crmd.daemon import ipc
from crmd.daemon.heartbeatd_apiauth import Permits
from crmd.daemon.heartbeatd_clients import Clients, cluster_uid
from crmd.daemon.heartbeatd_desk import Desk
from crmd.daemon.heartbeatd_flood import Flood
from crmd.daemon.heartbeatd_frames import event_frame, snapshot
from crmd.daemon.heartbeatd_halog import HaLog
from crmd.daemon.heartbeatd_links import Links
from crmd.daemon.heartbeatd_media import MediumError
from crmd.daemon.heartbeatd_realtime import (
    Reserve,
    be_punctual,
    core_files,
    quiet_collector,
)
from crmd.daemon.heartbeatd_watchdog import Watchdog
from crmd.daemon.heartbeatd_writer import Writer
from crmd.daemon.log import PlainLog, SafeSink
from crmd.daemon.paths import PathError, Paths
from crmd.heartbeat import events as ev
from crmd.heartbeat.node import Identity, Node
from crmd.heartbeat.settings import Config
from crmd.messaging import Delivered, PeerUp

REMEMBER_EVERY_S = 5.0
MAINTAIN_EVERY_S = 1.0
LEAVE_AT_MOST_S = 2.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
EXIT_CONFIG = 6
EXIT_RUNNING = 7


def clock() -> float:
    """Monotonic seconds that also count while the machine is suspended: that is a stall."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _load_average() -> str:
    try:
        with open("/proc/loadavg", encoding="ascii") as file:
            return file.read(100).strip()
    except OSError:
        return ""


class Daemon:
    """The shell around one node: selector, media, clients, log."""

    def __init__(
        self, paths: Paths, node: Node, log: PlainLog, configured: tuple[str, ...] = ()
    ) -> None:
        self.paths, self.node, self.log = paths, node, log
        self._configured = configured or node.config.nodes
        """The node lines of ha.cf."""
        self.selector = selectors.DefaultSelector()
        self.links = self._make_links(node.config)
        self.writer = Writer()
        self.ha_log = HaLog(node.config, node.me.name, paths.root)
        self.stop_at: float | None = None
        self.is_running = True
        self._remember_at = clock() + REMEMBER_EVERY_S
        self._maintain_at = clock() + MAINTAIN_EVERY_S
        self._load_at = 0.0
        self._due = 0.0
        """When the node needs its next Tick."""
        self._flood = Flood(node.config.keepalive_s)
        self._watchdog = Watchdog(_below(paths, node.config.watchdog), node.config.deadtime_s)
        self._reserve = Reserve(node.config.memreserve_kb)
        self._wake_read, self._wake_write = socket.socketpair()
        self._signals: set[int] = set()
        trusted = {0, os.geteuid()} | ({uid} if (uid := cluster_uid()) is not None else set())
        self.clients = Clients(
            self.selector,
            ipc.listen(paths.heartbeat_socket),
            paths.heartbeat_socket,
            greet=lambda: snapshot(self.node, clock()),
            handle=lambda connection, request: self.desk.request(connection, request),
            gone=lambda connection, reason: self.desk.gone(connection, reason),
            trusted_uids=frozenset(trusted),
        )
        self.desk = Desk(
            node,
            self._feed,
            self.clients.send,
            self.clients.names,
            clock,
            log,
            self.ha_log,
            Permits.of(node.config.apiauth),
        )

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until a signal ends it."""
        self._watch_signals()
        self.clients.start()
        self.links.watch()
        self._feed(ev.Tick(time.time(), _load_average()), clock())
        for text in [self._watchdog.problem, *self.desk.permits.unknown]:
            if text:
                self.log.error("config.problem", text=text)
        while self.is_running:
            try:
                self._turn()
            except MemoryError:
                if not self._reserve.release():
                    raise
                self.log.error("memory.short", text="memreserve is used up; the node is at risk")
        self._save_memory(wait=True)
        self._watchdog.close()
        self.clients.close()
        self.links.close()
        self.writer.close()
        self.ha_log.line("info", "heartbeatd.stopped", {"name": self.node.me.name})
        self.ha_log.close()

    def _turn(self) -> None:
        wake_at = min(self._due, self._remember_at, self._maintain_at)
        if self.stop_at is not None:
            wake_at = min(wake_at, self.stop_at)
        now = clock()
        if gather_s := self._flood.gather_s(self.node.dropped, now):
            time.sleep(max(0.0, min(gather_s, wake_at - now)))
            now = clock()
        ready = self.selector.select(max(0.0, wake_at - now))
        for key, mask in ready:
            reaction: Callable[[int], None] = key.data
            reaction(mask)
        now = clock()
        self._due = self.node.deadline()
        if now >= self._due:
            self._feed(ev.Tick(time.time(), self._load_if_due(now)), now)
            self._due = self.node.deadline()
            self._watchdog.kick()
        self.clients.set_reading(self.node.may_submit)
        if now >= self._remember_at:
            self._save_memory()
        if now >= self._maintain_at:
            self._maintain(now)
        if self._signals:
            self._obey_signals(now)
        if self.stop_at is not None and now >= self.stop_at:
            self.is_running = False

    def _make_links(self, config: Config) -> Links:
        return Links(
            config.media,
            self.selector,
            on_packet=self._packet,
            on_ping=lambda node, data: self._feed(ev.PingAnswered(node, data), clock()),
        )

    def _packet(self, link: str, data: bytes) -> None:
        if self.node.config.debug > 1:
            self.ha_log.line("debug", "packet", {"link": link, "bytes": len(data)})
        self._feed(ev.Received(link, data), clock())

    def _feed(self, event: ev.Input, now: float) -> None:
        for output in self.node.step(event, now):
            match output:
                case ev.Send(data):
                    self.links.send(data)
                case ev.Tell(told):
                    self._tell(told)
                case ev.Note(level, name, facts):
                    self._narrate(level, name, facts)
                case ev.Remember():
                    self._remember_at = min(self._remember_at, now)
                case ev.PingOut(name, data):
                    self.links.ping(name, data)
                case ev.Forward(came_from, data):
                    self.links.forward(came_from, data)
                case _:
                    assert_never(output)

    def _tell(self, event: ev.Upward) -> None:
        if isinstance(event, ev.Left) and self.stop_at is not None:
            self.is_running = False
        if isinstance(event, ev.StatusChanged):
            is_own = event.node == self.node.me.name
            facts = {"node": event.node, "status": event.status}
            self.ha_log.line("info", "status.own" if is_own else "status", facts)
        if isinstance(event, ev.NodesChanged):
            self._keep_nodes(event)
        raw = isinstance(event, ev.RawMessage)
        frame = event_frame(event)
        if isinstance(event, PeerUp):
            frame["kind"] = self.node.peers[event.node].kind.value
        self.clients.broadcast(frame, only_named=isinstance(event, Delivered), raw=raw)

    def _keep_nodes(self, event: ev.NodesChanged) -> None:
        """Remember who belongs to the cluster, over a restart."""
        uuids = {name: peer.uuid for name, peer in self.node.peers.items()}
        uuids[self.node.me.name] = self.node.me.uuid
        told = nodes.format_hostcache(self._configured, event.nodes, uuids)
        self.writer.replace(self.paths.hostcache, told)
        self.writer.replace(self.paths.delhostcache, nodes.format_delhostcache(event.deleted))

    def _narrate(self, level: str, name: str, facts: dict[str, object]) -> None:
        words = {"notice": "info", "warn": "warning"}
        renamed = {"peer" if key == "node" else key: value for key, value in facts.items()}
        self.log.line(words.get(level, level), name, **renamed)
        self.ha_log.line(words.get(level, level), name, facts)

    def _load_if_due(self, now: float) -> str:
        if now < self._load_at:
            return ""
        self._load_at = now + 1.0
        return _load_average()

    # --- signals, files, media ------------------------------------------------------------------

    def _watch_signals(self) -> None:
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda got, _frame: self._signals.add(got))
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.selector.register(self._wake_read, selectors.EVENT_READ, self._woken)

    def _woken(self, _: int) -> None:
        try:
            self._wake_read.recv(4096)
        except BlockingIOError:
            return

    def _obey_signals(self, now: float) -> None:
        signals, self._signals = self._signals, set()
        more = (signal.SIGUSR1 in signals) - (signal.SIGUSR2 in signals)
        if more:
            level = max(0, self.node.config.debug + more)
            self.node.config = replace(self.node.config, debug=level)
            self.log.info("debug.level", debug=level)
        if signal.SIGHUP in signals:
            self._reload(now)
        if signals & {signal.SIGTERM, signal.SIGINT}:
            if self.stop_at is not None:
                self.is_running = False  # asked twice: no more waiting
                return
            self.log.info("heartbeatd.stopping")
            self.stop_at = now + min(LEAVE_AT_MOST_S, self.node.config.deadtime_s)
            if self.node.is_leaving:
                self.is_running = False
            else:
                self._feed(ev.Leave(), now)
        self._due = self.node.deadline()

    def _reload(self, now: float) -> None:
        """Read ha.cf and authkeys again; a file with a mistake changes nothing."""
        try:
            setup = files.read_setup(self.paths, self.node.me.name, _interfaces(), now)
        except files.StartRefused as error:
            for line in error.lines:
                self.log.error("reload.refused", problem=line)
            return
        for text in setup.warnings:
            self.log.warning("config.warning", text=text)
        self._configured = setup.configured
        self.node.rekey(setup.ring)
        self.node.use_haresources(setup.haresources)
        if setup.config != self.node.config:
            self._reconfigure(setup.config, now)
        self.log.info("reload.done")

    def _reconfigure(self, config: Config, now: float) -> None:
        if config.media != self.node.config.media:
            self.links.close()
            self.links = self._make_links(config)
            try:
                self.links.open()
            except MediumError as error:
                for line in str(error).splitlines():
                    self.log.error("reload.medium", problem=line)
            self.links.watch()
        self._flood.keepalive_s = config.keepalive_s
        self.desk.permits = Permits.of(config.apiauth)
        for output in self.node.reconfigure(config, now):
            if isinstance(output, ev.Tell):
                self._tell(output.event)
        self._feed(ev.Tick(time.time()), now)
        self.clients.broadcast(snapshot(self.node, now))

    def _save_memory(self, *, wait: bool = False) -> None:
        self._remember_at = clock() + REMEMBER_EVERY_S
        text = files.format_seen(self.node.memory())
        self.writer.replace(self.paths.replay_memory, text, wait=wait)

    def _maintain(self, now: float) -> None:
        self._maintain_at = now + MAINTAIN_EVERY_S
        for link, problem in self.links.maintain(now):
            if problem:
                self.log.warning("medium.trouble", link=link, problem=problem)
            else:
                self.log.info("medium.works-again", link=link)
        if self.writer.lost:
            self.log.warning("writer.lost", count=self.writer.lost, problem=self.writer.problem)
            self.writer.lost = 0


def _below(paths: Paths, name: str | None) -> Path | None:
    """A path of ha.cf below the root of this node, so that a lab node never has the machine's."""
    return None if name is None else paths.root / name.lstrip("/")


def _interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="heartbeatd", description="Heartbeat layer of a node.")
    parser.add_argument("--root", help="directory that holds this node's etc, run and var")
    parser.add_argument("--node", default=os.uname().nodename, help="name of this node")
    parser.add_argument("--no-realtime", action="store_true", help="stay in the normal class")
    parser.add_argument(
        "--resumed",
        action="store_true",
        help="it ran before since the node booted: initdead is over",
    )
    return parser.parse_args(argv)


def start(paths: Paths, node_name: str, log: PlainLog, *, resumed: bool = False) -> Daemon:
    """Read the files, take a generation, open media and socket.

    initdead is for peers that boot slowly; a heartbeatd that was only restarted (`resumed`) gives
    them twice the dead time.

    Raises StartRefused, MediumError, PathError or ipc.IpcError, each worded for a person.
    """
    setup = files.read_setup(paths, node_name, _interfaces(), clock())
    paths.prepare()
    warnings = list(setup.warnings)
    floors = files.read_seen(paths, warnings)
    own = floors.pop(setup.node, (0, 0))[0]
    generation = files.next_generation(paths, setup.config.hbgenmethod, own, warnings)
    identity = Identity(
        setup.node,
        files.node_uuid(paths, setup.config.uuidfrom, setup.node),
        generation,
        base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("="),
        files.boot_word(),
    )
    for text in warnings:
        log.warning("config.warning", text=text)
    rng = random.Random(os.urandom(8))
    config = setup.config
    if resumed:
        config = replace(config, initdead_s=min(config.initdead_s, 2 * config.deadtime_s))
    node = Node(
        identity, config, setup.ring, rng, clock(), floors, {*setup.deleted}, setup.haresources
    )
    daemon = Daemon(paths, node, log, setup.configured)
    daemon.links.open()
    return daemon


def main(argv: Sequence[str] | None = None) -> int:
    """Run heartbeatd; returns the exit code (6: configuration, as Heartbeat)."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    paths = Paths.from_environment(arguments.root)
    log = PlainLog(SafeSink(2), daemon="heartbeatd", node=arguments.node)
    try:
        daemon = start(paths, arguments.node, log, resumed=arguments.resumed)
    except files.StartRefused as error:
        for line in error.lines:
            sys.stderr.write(f"heartbeatd: {line}\n")
        return EXIT_CONFIG
    except (MediumError, PathError) as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"heartbeatd: {line}\n")
        return EXIT_CONFIG
    except ipc.IpcError as error:
        sys.stderr.write(f"heartbeatd: {error}\n")
        return EXIT_RUNNING
    os.chdir(paths.run)
    config = daemon.node.config
    folder = _below(paths, config.coreroot)
    for text in core_files(config.coredumps, None if folder is None else str(folder)):
        log.warning("cores.missing", text=text)
    if daemon.node.config.realtime and not arguments.no_realtime:
        threads = (0, daemon.writer.native_id, daemon.ha_log.native_id)
        for text in be_punctual(daemon.node.config.rtprio, threads):
            log.warning("realtime.missing", text=text)
    quiet_collector()
    me = daemon.node.me
    log.info("heartbeatd.started", name=me.name, generation=me.generation)
    for text in daemon.ha_log.problems:
        log.warning("ha-log.problem", text=text)
    daemon.ha_log.line("info", "heartbeatd.started", {"generation": me.generation})
    daemon.run()
    log.info("heartbeatd.stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
