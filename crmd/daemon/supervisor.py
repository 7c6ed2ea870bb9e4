"""pacekeeperd: starts the daemons of a node, watches them, starts them again, ends them in order.

SIGTERM means "leave cleanly": crmd moves the resources away and says `leave`; then schedulerd,
execd and heartbeatd end, the last one after announcing the departure.  SIGKILL of any daemon, or
of this process, stops no resource: daemons are restarted at once, and a new pacekeeperd adopts
those that run.  It decides nothing about the cluster and talks to no other node.
Facts: architecture.md "Processes on a node", cluster-behaviour.md section 6.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmd.daemon import ipc, processes, respawn
from crmd.daemon.log import FileSink, PlainLog
from crmd.daemon.paths import PathError, Paths
from crmd.daemon.processes import Process
from crmd.daemon.restarts import Restarts
from crmd.heartbeat.settings import Child, Config

DAEMONS: tuple[tuple[str, str], ...] = (
    ("heartbeatd", "crmd.daemon.heartbeatd"),
    ("execd", "crmd.daemon.execd"),
    ("schedulerd", "crmd.daemon.schedulerd"),
    ("crmd", "crmd.daemon.crmd"),
)
"""In starting order; they end in the reverse order."""
HARESOURCES_DAEMONS: tuple[tuple[str, str], ...] = (
    ("heartbeatd", "crmd.daemon.heartbeatd"),
    ("execd", "crmd.daemon.execd"),
    ("haresourcesd", "crmd.daemon.haresourcesd"),
)
"""The same where haresources is run and no CIB."""
MANAGERS = ("crmd", "haresourcesd")
"""They move the resources away before they end, which may take long."""
EX_OK, EX_CONFIG, EX_FATAL, EX_PANIC = 0, 78, 100, 101
EX_HEARTBEAT_CONFIG = 6
"""heartbeatd ends with Heartbeat's own status when ha.cf or authkeys are refused."""
NO_RESPAWN = frozenset({EX_CONFIG, EX_FATAL, EX_HEARTBEAT_CONFIG})
LEAVE_LIMIT_S = 1200.0
"""How long crmd may take to move the resources away (Pacemaker's shutdown-escalation)."""
TERM_LIMIT_S = 10.0


@dataclass(slots=True)
class Daemon:
    """One daemon: its process, if any, and what is due."""

    name: str
    module: str
    process: Process | None = None
    restarts: Restarts = field(default_factory=Restarts)
    start_at: float | None = 0.0
    kill_at: float | None = None
    is_ending: bool = False
    child: Child | None = None
    """A program of a respawn or failfast line, no daemon of ours."""
    lives: respawn.Lives = field(default_factory=respawn.Lives)


def wants_haresources(paths: Paths, choice: str) -> bool:
    """Whether haresourcesd manages the resources: `choice` is auto, crm or haresources.

    auto: ha.cf says `crm off` or nothing, and haresources has a group, as with Heartbeat.
    """
    if choice != "auto":
        return choice == "haresources"
    from crmd.haresources.claims import groups_of
    from crmd.haresources.parse import parse

    config = read_config(paths)
    try:
        text = paths.haresources.read_text(errors="surrogateescape")
    except OSError:
        return False
    return config is not None and config.crm == "off" and bool(groups_of(parse(text)))


def read_config(paths: Paths) -> Config | None:
    """ha.cf; None if it is absent or refused, which heartbeatd will say."""
    from crmd.heartbeat.config import parse_ha_cf

    try:
        return parse_ha_cf(paths.ha_cf.read_text(errors="surrogateescape"))[0]
    except OSError:
        return None


class Supervisor:
    """Call `turn` until `is_done`; then `exit_status` says how it went."""

    def __init__(
        self,
        paths: Paths,
        log: PlainLog,
        daemons: Sequence[tuple[str, str]] = DAEMONS,
        node: str = "",
        children: Sequence[Child] = (),
    ) -> None:
        self._paths = paths
        self._log = log
        self._register = processes.Register(paths)
        self._session = processes.life_of_node()
        self._node = node
        self._daemons = [Daemon(name, module) for name, module in daemons]
        self._add_children(children)
        self._selector = selectors.DefaultSelector()
        self._is_leaving = False
        self._is_ready = False
        self._is_handing_over = False
        self._failure = ""
        self.is_done = False
        self.exit_status = EX_OK

    def _add_children(self, children: Sequence[Child]) -> None:
        """They start when the node is up, and end after the manager has released everything."""
        made = [
            Daemon(f"respawn{number}-{Path(child.argv[0]).name}", "", start_at=None, child=child)
            for number, child in enumerate(children, start=1)
        ]
        for daemon, child in zip(made, children, strict=True):
            daemon.lives.failfast = child.failfast
        self._daemons[-1:-1] = made

    # --- daemons --------------------------------------------------------------------------

    def begin(self) -> None:
        """Adopt what runs, listen, and have the rest started.  Raises IpcError."""
        listening = ipc.listen(self._paths.supervisor_socket)
        self._selector.register(listening, selectors.EVENT_READ, lambda: self._accept(listening))
        adopted = [(d, self._register.adopt(d.name)) for d in self._daemons]
        for daemon, found in adopted:
            if found is not None:
                self._log.info("daemon.adopted", name=daemon.name, pid=found.pid)
                self._watch(daemon, found)

    def _watch(self, daemon: Daemon, process: Process) -> None:
        daemon.process, daemon.start_at = process, None
        daemon.restarts.started(time.monotonic())
        daemon.lives.started(time.monotonic())
        self._selector.register(
            process.pidfd, selectors.EVENT_READ, lambda: self._ended(daemon, process)
        )
        self._register.write([d.process for d in self._daemons if d.process])

    def _start(self, daemon: Daemon) -> None:
        arguments = ["--session", self._session] if daemon.name == "execd" else []
        if daemon.name in ("heartbeatd", "haresourcesd") and self._node:
            arguments += ["--node", self._node]
        if daemon.name == "heartbeatd":
            arguments += ["--resumed"] if daemon.name in self._register.ran() else []
        try:
            if daemon.child is not None:
                process = respawn.start(daemon.name, daemon.child, self._paths)
            else:
                process = processes.spawn(daemon.name, daemon.module, arguments, self._paths)
        except OSError as e:
            daemon.start_at = daemon.restarts.ended(time.monotonic())
            self._log.error("daemon.not_started", name=daemon.name, reason=str(e))
            return
        self._log.info("daemon.started", name=daemon.name, pid=process.pid)
        self._watch(daemon, process)

    def _ended(self, daemon: Daemon, process: Process) -> None:
        self._selector.unregister(process.pidfd)
        status = process.collect()
        daemon.process, daemon.kill_at = None, None
        if daemon.is_ending or self._is_leaving:
            self._log.info("daemon.ended", name=daemon.name, status=status)
            daemon.start_at = None
            self._continue_leaving()
        elif daemon.child is not None:
            self._child_ended(daemon, daemon.child, status)
        elif status in NO_RESPAWN:
            self._failure = self._last_words(daemon.name)
            self._log.error("daemon.gave_up", name=daemon.name, status=status, reason=self._failure)
            self.exit_status = status or EX_FATAL
            self.leave(f"{daemon.name} gave up")
        elif self._is_handing_over and daemon.name == "haresourcesd":
            self._handed_over(daemon, status)
        else:
            now = time.monotonic()
            daemon.start_at = daemon.restarts.ended(now)
            self._log.warning(
                "daemon.died",
                name=daemon.name,
                pid=process.pid,
                status=status,
                restart_in_s=round(daemon.start_at - now, 3),
            )

    def _child_ended(self, daemon: Daemon, child: Child, status: int | None) -> None:
        now = time.monotonic()
        after = daemon.lives.ended(status, now)
        facts = {"program": child.argv[0], "status": status, "after": after.value}
        self._log.warning("respawn.ended", name=daemon.name, **facts)
        if after is respawn.After.AGAIN:
            daemon.start_at = daemon.restarts.ended(now)
        elif after is respawn.After.REBOOT:
            self._panic(f"failfast program {child.argv[0]} ended with status {status}")

    def _last_words(self, name: str) -> str:
        with contextlib.suppress(OSError):
            place = processes.output_file(self._paths, name)
            lines = place.read_text(errors="replace").splitlines()
            return lines[-1][:500] if lines else ""
        return ""

    # --- from haresources to a CIB --------------------------------------------------------

    def hand_over(self) -> str:
        """Replace haresourcesd by crmd without stopping a resource; why not, or nothing."""
        found = next((d for d in self._daemons if d.name == "haresourcesd"), None)
        if self._is_leaving or found is None or found.process is None:
            return "haresourcesd does not run here"
        self._is_handing_over = True
        found.process.signal(signal.SIGUSR1)
        return ""

    def _handed_over(self, daemon: Daemon, status: int | None) -> None:
        self._is_handing_over = False
        self._is_ready = False
        self._log.info("manager.handed_over", status=status)
        self._daemons.remove(daemon)
        known = {d.name for d in self._daemons}
        self._daemons += [Daemon(n, module) for n, module in DAEMONS if n not in known]

    # --- leaving --------------------------------------------------------------------------

    def leave(self, reason: str) -> None:
        """Begin to end everything, crmd first, who moves the resources away."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self._log.info("node.leaving", reason=reason)
        self._notify("STOPPING=1")
        for daemon in self._daemons:
            daemon.start_at = None
        self._continue_leaving()

    def _continue_leaving(self) -> None:
        for daemon in reversed(self._daemons):
            if daemon.process is None:
                continue
            if not daemon.is_ending:
                self._end(daemon, LEAVE_LIMIT_S if daemon.name in MANAGERS else TERM_LIMIT_S)
            return
        self.is_done = True
        self._log.info("node.left")

    def _end(self, daemon: Daemon, limit_s: float) -> None:
        daemon.is_ending = True
        daemon.kill_at = time.monotonic() + limit_s
        if daemon.process is not None:
            daemon.process.signal(signal.SIGTERM)

    def _panic(self, reason: str) -> None:
        """Stop this node at once: its resources may be started elsewhere."""
        self._log.error("node.panic", reason=reason)
        if self._paths.root.as_posix() != "/":  # not the machine's own cluster: never reboot it
            for daemon in self._daemons:
                if daemon.process is not None:
                    daemon.process.signal(signal.SIGKILL)
            os._exit(EX_PANIC)
        os.sync()
        if "PACEKEEPER_LAB" not in os.environ:
            for place, word in (("/proc/sys/kernel/sysrq", "1"), ("/proc/sysrq-trigger", "b")):
                with contextlib.suppress(OSError), open(place, "w") as f:
                    f.write(word)
        with contextlib.suppress(OSError):
            os.execv("/sbin/reboot", ["reboot", "-nf"])

    # --- the loop -------------------------------------------------------------------------

    def turn(self) -> None:
        """Start what is due, kill what is late, then wait for the next thing to happen."""
        now = time.monotonic()
        dues = []
        for daemon in self._daemons:
            if daemon.start_at is not None and not self._is_leaving:
                if daemon.start_at <= now:
                    self._start(daemon)
                if daemon.start_at is not None:
                    dues.append(daemon.start_at)
            if daemon.kill_at is not None:
                if daemon.kill_at <= now and daemon.process is not None:
                    self._log.error("daemon.killed", name=daemon.name, reason="did not end in time")
                    daemon.process.signal(signal.SIGKILL)
                    daemon.kill_at = None
                else:
                    dues.append(daemon.kill_at)
        if not self._is_ready:
            self._look_ready()
            dues.append(now + 0.1)
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        for key, _ in self._selector.select(timeout):
            key.data()

    def _look_ready(self) -> None:
        has_v1 = any(d.name == "haresourcesd" for d in self._daemons)
        socket_ = self._paths.haresources_socket if has_v1 else self._paths.crmd_socket
        if socket_.exists() and all(d.process for d in self._daemons if d.child is None):
            self._is_ready = True
            for daemon in self._daemons:
                if daemon.child is not None and daemon.process is None:
                    daemon.start_at = time.monotonic()
            self._log.info("node.ready")
            self._notify("READY=1")

    def _notify(self, text: str) -> None:
        """systemd's sd_notify, where there is someone to tell."""
        place = os.environ.get("NOTIFY_SOCKET", "")
        if not place:
            return
        address = "\0" + place[1:] if place.startswith("@") else place
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(text.encode(), address)

    def watch_signals(self) -> None:
        """SIGTERM and SIGINT: leave.  SIGHUP: the files are read again."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

        def caught() -> None:
            numbers = set(os.read(wake_read, 512))
            if numbers & {signal.SIGTERM, signal.SIGINT}:
                self.leave("signal")
            if signal.SIGHUP in numbers:
                for daemon in self._daemons:
                    reads = daemon.name in ("heartbeatd", "haresourcesd")
                    if reads and daemon.process is not None:
                        daemon.process.signal(signal.SIGHUP)

        self._selector.register(wake_read, selectors.EVENT_READ, caught)

    # --- being asked ----------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        if len(self._selector.get_map()) > ipc.CLIENT_LIMIT:
            connection.close()
            return
        connection.settimeout(1.0)
        decoder = ipc.Decoder(limit=65536)
        self._selector.register(
            connection, selectors.EVENT_READ, lambda: self._read(connection, decoder)
        )

    def _read(self, connection: socket.socket, decoder: ipc.Decoder) -> None:
        try:
            data = connection.recv(65536)
            for message in decoder.feed(data):
                connection.sendall(ipc.encode(self._answer(connection, message)))
        except (OSError, ipc.FrameError):
            data = b""
        if not data:
            self._selector.unregister(connection)
            connection.close()

    def _answer(self, connection: socket.socket, message: ipc.Message) -> dict[str, Any]:
        op = message.get("op")
        if op == "status":
            return {"ok": True, **self.status()}
        if ipc.peer_credentials(connection).uid not in {0, os.geteuid()}:
            return {"ok": False, "code": 4, "error": f"{op}: only root may ask this"}
        reason = str(message.get("reason", ""))
        match op:
            case "leave":
                self.leave(reason or "asked")
            case "panic":
                self._panic(reason)
            case "hand_over":
                why_not = self.hand_over()
                if why_not:
                    return {"ok": False, "code": 69, "error": why_not}
            case _:
                text = f"op {op!r}: status, leave, panic or hand_over"
                return {"ok": False, "code": 64, "error": text}
        return {"ok": True}

    def status(self) -> dict[str, Any]:
        """What runs, for people and tests."""
        return {
            "is_ready": self._is_ready,
            "is_leaving": self._is_leaving,
            "pid": os.getpid(),
            "daemons": {
                d.name: {
                    "pid": d.process.pid if d.process else None,
                    "restarts": d.restarts.total,
                }
                for d in self._daemons
            },
        }

    @property
    def failure(self) -> str:
        """Last line a daemon left when it gave up."""
        return self._failure


def take_pid_file(paths: Paths) -> int:
    """Lock and write the pid file; keep the descriptor.  Raises PathError if one runs already."""
    fd = os.open(paths.pid_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        pid = os.read(fd, 32).decode(errors="replace").strip()
        os.close(fd)
        raise PathError(f"{paths.pid_file}: pacekeeperd {pid} is running; stop it first") from e
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def go_background() -> None:
    """Leave the caller's session; it may go on."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def command_line() -> argparse.ArgumentParser:
    """The options of `pacekeeperd`, also the source of its manual page."""
    parser = argparse.ArgumentParser(
        prog="pacekeeperd",
        description="Runs this cluster node.",
        epilog="Examples:\n  pacekeeperd                what the service manager starts\n"
        "  pacekeeperd --foreground   stay in front, to watch it",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", help="directory that holds all of the node's places")
    parser.add_argument("--foreground", action="store_true", help="do not go into background")
    parser.add_argument(
        "--manager",
        choices=("auto", "crm", "haresources"),
        default=os.environ.get("PACEKEEPER_MANAGER", "auto"),
        help="who manages the resources; auto: haresources unless ha.cf says crm on",
    )
    parser.add_argument("--node", default="", help="name of this node (default: that of the host)")
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Entry point of `pacekeeperd`; exit 0 after a clean end, 78 for a configuration error."""
    options = command_line().parse_args(argv)
    paths = Paths.from_environment(options.root)
    os.umask(0o022)
    os.chdir("/")
    try:
        paths.prepare()
        if not options.foreground:
            go_background()
        held = take_pid_file(paths)
        log = PlainLog(FileSink(paths.log_file("pacekeeperd")), daemon="pacekeeperd")
        v1 = wants_haresources(paths, options.manager)
        daemons = HARESOURCES_DAEMONS if v1 else DAEMONS
        children = respawn.children_of(read_config(paths))
        supervisor = Supervisor(paths, log, daemons, options.node, children)
        supervisor.watch_signals()
        supervisor.begin()
    except (PathError, ipc.IpcError, OSError) as e:
        sys.stderr.write(f"pacekeeperd: {e}\n")
        return EX_CONFIG
    while not supervisor.is_done:
        supervisor.turn()
    paths.supervisor_socket.unlink(missing_ok=True)
    paths.pid_file.unlink(missing_ok=True)
    os.close(held)
    if supervisor.failure:
        sys.stderr.write(f"pacekeeperd: {supervisor.failure}\n")
    return supervisor.exit_status


if __name__ == "__main__":
    sys.exit(run())
