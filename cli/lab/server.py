"""The lab's server: holds the namespaces, obeys `crm lab`, and takes everything along at its end.

It is process 1 of the lab's own process namespace: when it ends, however it ends, the kernel ends
every process of the lab; with them go namespaces, cables, mounts and the loop device.  Nothing is
ever registered with the host by name.
Requests come as JSON frames over `shared/control.sock` (seen in the nodes as /lab/control.sock).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.lab import furnish, network, node, rootfs
from cli.lab.network import Cables
from cli.lab.plain import PlainServer
from cli.lab.plan import CLIENT, NETWORKS, REPOSITORY, SERVICE, LabError, LabPlan
from crmd.daemon import ipc
from crmd.daemon.log import FileSink, PlainLog

PATH = "/sbin:/usr/local/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/bin"
DAEMON = ("/sbin/pacekeeperd", "--foreground", "--manager", "crm")


@dataclass(slots=True)
class Living:
    """A node that runs: its process 1 and what was done to it."""

    pid: int
    is_paused: bool = False


class Server:
    """State of a running lab. `daemon` is what each node's process 1 keeps running."""

    def __init__(self, plan: LabPlan, config: Path | None, daemon: tuple[str, ...]) -> None:
        self.plan = plan
        self._config = config
        self._daemon = daemon
        self._disk: tuple[str, int] | None = None
        self._log = PlainLog(FileSink(plan.log), daemon="lab")
        self._cables = Cables()
        self._living: dict[str, Living] = {}
        self._client = 0
        self._pulled: set[tuple[str, str]] = set()
        self._waiting: dict[int, Callable[[int], None]] = {}
        self._ends = False

    # --- building -------------------------------------------------------------------------

    def build(self, is_root: bool) -> None:
        """Everything up to running nodes.  Raises LabError or OSError."""
        if is_root:
            self._disk = furnish.make_disk(self.plan)
        furnish.furnish(self.plan, self._config, self._disk is not None)
        self.set_watched(list(self.plan.watched))
        self._cables.build()
        self._start_client()
        for each in self.plan.nodes:
            self.start(each.name)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "PYTHONPATH": str(REPOSITORY),
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PACEKEEPER_LAB": self.plan.name,
        }

    def _start_client(self) -> None:
        def set_up() -> None:
            socket.sethostname(CLIENT)
            network.configure(network.client_addresses())

        command = [sys.executable, "-m", "cli.lab.client"]
        arguments = [str(self.plan.client_log), str(self.plan.state / "watch")]
        born = node.bear(set_up, command + arguments, self._environment())
        self._cables.plug(CLIENT, 0, born.pid, [SERVICE])
        born.go()
        self._client = born.pid

    def start(self, name: str) -> None:
        """Power on.  Raises LabError."""
        planned = self.plan.node(name)
        if name in self._living:
            raise LabError(f"{name} is running; 'crm lab kill {name}' first")

        def set_up() -> None:
            socket.sethostname(name)
            network.configure({n: planned.address(n) for n in NETWORKS})
            launchers = self.plan.state / "launchers"
            rootfs.build(self.plan, planned, self._disk[0] if self._disk else None, launchers)

        init = str(Path(__file__).with_name("init.py"))
        files = ["/run/init-child.pid", f"/lab/alive/{name}", "/var/log/pacekeeperd.out"]
        command = [os.path.realpath(sys.executable), "-I", "-S", init, *files, *self._daemon]
        born = node.bear(set_up, command, self._environment())
        self._cables.plug(name, planned.index, born.pid, NETWORKS)
        for label, net in sorted(self._pulled):
            if label == name:
                self._cables.set_cable(name, [net], False)
        self._cables.apply_cuts()
        born.go()
        self._living[name] = Living(born.pid)
        self._log.info("lab.start", node=name, pid=born.pid)

    # --- faults ---------------------------------------------------------------------------

    def kill(self, name: str) -> dict[str, Any]:
        """Power cut: cables out, SIGKILL to process 1, wait until all of it is gone."""
        self.plan.node(name)
        living = self._living.pop(name, None)
        at = time.monotonic()
        if living is None:
            return {"node": name, "state": "off", "was": "off"}
        self._cables.set_cable(name, NETWORKS, False)
        os.kill(living.pid, signal.SIGKILL)
        self._await_end(living.pid)
        gone = time.monotonic()
        self._log.info("lab.kill", node=name, at=round(at, 6), gone_ms=round((gone - at) * 1e3, 1))
        return {"node": name, "state": "off", "was": "on", "at": at}

    def fence(self, name: str, action: str) -> dict[str, Any]:
        """What a power switch does; the answer comes when it is done.

        `rc` is what a fence agent exits with: 0 done or on, 2 the node is off (`status` only).
        """
        if action in {"monitor", "list"}:
            return {"rc": 0, "nodes": [n.name for n in self.plan.nodes]}
        if action not in {"on", "off", "reboot", "status"}:
            raise LabError(f"fence action {action!r}; known: on off reboot status monitor list")
        self.plan.node(name)
        if action != "status":
            self._log.info("lab.fence", node=name, action=action)
        if action in {"off", "reboot"}:
            self.kill(name)
        if action in {"on", "reboot"} and name not in self._living:
            self.start(name)
        state = "on" if name in self._living else "off"
        return {
            "node": name,
            "state": state,
            "rc": 2 if (action, state) == ("status", "off") else 0,
        }

    def pause(self, name: str, stop: bool) -> dict[str, Any]:
        """SIGSTOP or SIGCONT to every process of the node."""
        living = self._alive(name)
        count = node.signal_all(living.pid, signal.SIGSTOP if stop else signal.SIGCONT)
        living.is_paused = stop
        self._log.info("lab.pause" if stop else "lab.resume", node=name, processes=count)
        return {"node": name, "processes": count}

    def cut(self, first: str, second: str | None, nets: list[str], one_way: bool) -> dict[str, Any]:
        """Pull the cables of one node, or drop the traffic between two."""
        for net in nets:
            if net not in NETWORKS:
                raise LabError(f"{net!r}: no such network; networks are {', '.join(NETWORKS)}")
        self.plan.node(first)
        at = time.monotonic()
        if second is None:
            self._pulled.update((first, net) for net in nets)
            self._cables.set_cable(first, nets, False)
        else:
            self.plan.node(second)
            self._cables.cut(first, second, nets)
            if not one_way:
                self._cables.cut(second, first, nets)
        self._log.info("lab.cut", node=first, peer=second, networks=nets, at=round(at, 6))
        return {"at": at}

    def heal(self) -> dict[str, Any]:
        """All cables in, all cuts off."""
        for label, net in sorted(self._pulled):
            self._cables.set_cable(label, [net], True)
        self._pulled.clear()
        self._cables.heal()
        self._log.info("lab.heal")
        return {"at": time.monotonic()}

    def set_watched(self, addresses: list[str]) -> dict[str, Any]:
        """Addresses the client asks."""
        for address in addresses:
            try:
                socket.inet_aton(address)
            except OSError as e:
                raise LabError(f"{address!r}: not an IPv4 address") from e
        place = self.plan.state / "watch"
        fresh = place.with_suffix(".new")
        fresh.write_text("".join(f"{a}\n" for a in addresses))
        fresh.replace(place)
        return {"watched": addresses}

    def status(self) -> dict[str, Any]:
        """Everything a person wants to know about the lab itself."""
        nodes = []
        for each in self.plan.nodes:
            living = self._living.get(each.name)
            state = "off" if living is None else "paused" if living.is_paused else "on"
            nodes.append(
                {
                    "name": each.name,
                    "index": each.index,
                    "state": state,
                    "pid": living.pid if living else None,
                    "service": each.service_address,
                    "heartbeat": each.heartbeat_address,
                    "pulled": sorted(net for label, net in self._pulled if label == each.name),
                }
            )
        return {
            "name": self.plan.name,
            "state_directory": str(self.plan.state),
            "nodes": nodes,
            "cuts": [list(c) for c in self._cables.cuts()],
            "disk": "ext3 image on a loop device" if self._disk else "shared directory (stand-in)",
            "watched": (self.plan.state / "watch").read_text().split(),
        }

    def _alive(self, name: str) -> Living:
        self.plan.node(name)
        if name not in self._living:
            raise LabError(f"{name} is off; 'crm lab start {name}' first")
        return self._living[name]

    def run(self, name: str, argv: list[str], fds: list[int], done: Callable[[int], None]) -> None:
        """Start a command in a node; `done` gets its exit status."""
        pid = self._client if name == CLIENT else self._alive(name).pid
        child = node.run_inside(pid, argv, self._environment() | {"TERM": "xterm"}, fds)
        self._waiting[child] = done

    # --- the loop's duties ------------------------------------------------------------------

    def reap(self) -> None:
        """Collect children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended(*ended)

    def _await_end(self, wanted: int) -> None:
        """Collect children until `wanted` is among them: the kernel reports a node's process 1
        only after every process of the node, and some of those are children of ours."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, 0))[0] != wanted:
                self._ended(*ended)

    def _ended(self, pid: int, status: int) -> None:
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if pid in self._waiting:
            self._waiting.pop(pid)(code)
        for name, living in list(self._living.items()):
            if living.pid == pid:  # by itself: a reboot from inside
                del self._living[name]
                self._cables.set_cable(name, NETWORKS, False)
                self._log.warning("lab.node_ended", node=name, status=code)

    def end(self) -> None:
        """Power off everything."""
        self._ends = True
        for name in list(self._living):
            self.kill(name)
        if self._client:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._client, signal.SIGKILL)
        if self._disk is not None:
            os.close(self._disk[1])
            self._disk = None
        self._cables.close()

    @property
    def has_ended(self) -> bool:
        return self._ends


class Desk:
    """The control socket: who asks what, and the answers."""

    def __init__(self, server: Server | PlainServer, leash: int) -> None:
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._listening = ipc.listen(server.plan.control, mode=0o600, group=None)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(leash, selectors.EVENT_READ, lambda: self._leash(leash))
        wake, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._selector.register(wake, selectors.EVENT_READ, lambda: self._signals(wake))

    def serve(self) -> None:
        """Until the lab ends."""
        while not self._server.has_ended:
            for key, _ in self._selector.select():
                key.data()

    def _signals(self, wake: int) -> None:
        numbers = os.read(wake, 512)
        if signal.SIGCHLD in numbers:
            self._server.reap()
        if {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} & set(numbers):
            self._server.end()

    def _leash(self, leash: int) -> None:
        """The one who brought the lab up holds the other end: `r` lets it live on."""
        word = os.read(leash, 16)
        self._selector.unregister(leash)
        os.close(leash)
        if not word:
            self._server.end()

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        who = ipc.peer_credentials(connection)
        if who.uid not in {0, os.geteuid()} or len(self._selector.get_map()) > ipc.CLIENT_LIMIT:
            connection.close()
            return
        connection.settimeout(5.0)
        decoder = ipc.Decoder(limit=1 << 20)
        self._selector.register(
            connection, selectors.EVENT_READ, lambda: self._read(connection, decoder)
        )

    def _read(self, connection: socket.socket, decoder: ipc.Decoder) -> None:
        fds: list[int] = []
        try:
            data, fds, _, _ = socket.recv_fds(connection, 65536, 3)
            messages = decoder.feed(data) if data else []
        except (OSError, ipc.FrameError):
            data, messages = b"", []
        if not data:
            self._selector.unregister(connection)
            connection.close()
        for message in messages:
            self._answer(connection, message, fds)
        for fd in fds:
            os.close(fd)

    def _answer(self, connection: socket.socket, message: ipc.Message, fds: list[int]) -> None:
        def reply(answer: dict[str, Any]) -> None:
            with contextlib.suppress(OSError):  # the asker went away; what was asked is done
                connection.sendall(ipc.encode(answer))

        try:
            answer = self._perform(message, fds, reply)
        except (LabError, KeyError, TypeError, ValueError, OSError) as e:
            text = f"missing or wrong field {e}" if isinstance(e, KeyError) else str(e)
            answer = {"ok": False, "rc": 1, "error": text}
        if answer is not None:
            reply(answer)

    def _perform(
        self, message: ipc.Message, fds: list[int], reply: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any] | None:
        server, op = self._server, message["op"]
        result: dict[str, Any] = {}
        match op:
            case "status":
                result = server.status()
            case "kill":
                result = server.kill(message["node"])
            case "start":
                server.start(message["node"])
            case "fence":
                result = server.fence(message.get("node", ""), message.get("action", "reboot"))
            case "pause" | "resume":
                result = server.pause(message["node"], op == "pause")
            case "cut":
                nets = message.get("networks") or list(NETWORKS)
                one_way = bool(message.get("one_way"))
                result = server.cut(message["node"], message.get("peer"), nets, one_way)
            case "heal":
                result = server.heal()
            case "watch":
                result = server.set_watched(message["addresses"])
            case "exec":
                argv = [str(word) for word in message["argv"]]
                streams = fds if len(fds) == 3 else [0, 1, 2]
                server.run(
                    message["node"], argv, streams, lambda rc: reply({"ok": True, "status": rc})
                )
                return None
            case "down":
                server.end()
            case _:
                raise LabError(f"{op!r}: unknown request")
        return {"ok": True, **result}


__all__ = ["DAEMON", "Desk", "Server"]
