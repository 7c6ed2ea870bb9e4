"""execd: the process that runs agents, whatever becomes of crmd.

Recurring monitors go on and results wait while no client is there.  Killed and started again by
the same supervisor, it resumes the recurring monitors and first ends what was under way, so that
no two actions of a resource overlap; services are not touched.  It decides nothing about the
cluster; when which action runs is `ocf.recurring`, how is `ocf.executor`.
Facts: architecture.md (Processes on a node), reliability.md I18, I19 and section 8.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from crmd.daemon import execd_arp, ipc, log
from crmd.daemon.execd_wire import (
    CallError,
    ResultLog,
    call_from_json,
    call_to_json,
    failed,
    result_to_json,
)
from crmd.daemon.ipc import Message
from crmd.daemon.ipc_async import Peer, Server
from crmd.daemon.paths import PathError, Paths
from ocf.arp_conflict import Alarm
from ocf.calls import AgentCall
from ocf.environment import (
    ENVIRONMENT_FILE,
    EnvironmentFileError,
    Places,
    read_environment_file,
)
from ocf.executor import Executor
from ocf.recurring import Agenda, Begin, Cancel, Event, Finished, Report, Submit, Tick, resumed
from ocf.runners import kill_group
from ocf.warm import WarmRunner

EX_CONFIG = 78
SEEN_CALLS = 4096
TERM_WAIT_S = 2.0
MIN_LIMIT = 4
SAID_CHARS = 2000
PID = re.compile(r"\[\d+\]")


def places_of(paths: Paths, environ: dict[str, str]) -> Places:
    """Where the agents of a node are and keep their state.  Raises EnvironmentFileError."""
    roots = dict.fromkeys((paths.ocf_root, Path("/usr/lib/ocf")))
    init_d = paths.init_d if paths.init_d.is_dir() else Path("/etc/init.d")
    return Places(
        ocf_roots=tuple(roots),
        resource_d=paths.resource_d,
        init_d=init_d,
        agent_state=paths.root / "run/resource-agents",
        agent_run=paths.root / "run",
        secrets=paths.secrets,
        use_system_agents=environ.get("PACEKEEPER_AGENTS") == "system",
        extra=ha_cf_environment(paths) | read_environment_file(paths.config / ENVIRONMENT_FILE),
    )


def ha_cf_environment(paths: Paths) -> dict[str, str]:
    """`env NAME=VALUE` of ha.cf, as HA_NAME; nothing where ha.cf is absent or refused."""
    from crmd.heartbeat.config import parse_ha_cf

    try:
        config, _ = parse_ha_cf(paths.ha_cf.read_text(errors="surrogateescape"))
    except OSError:
        return {}
    return {} if config is None else {f"HA_{name}": value for name, value in config.env}


def start_time(pid: int) -> str | None:
    """Kernel's start time of a process in clock ticks, which tells reused ids apart."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rsplit(")", 1)[1].split()[19]


def session_of_parent() -> str:
    """Names this life of our supervisor: recurring monitors are resumed only within it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.getppid()}/{start_time(os.getppid())}"


class Journal:
    """What must be known after a crash: recurring monitors, and processes under way.

    Recurring calls may hold secrets: the file is readable by its owner only.
    """

    def __init__(self, paths: Paths, session: str) -> None:
        self._directory = paths.state / "execd"
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._recurring = self._directory / "recurring.json"
        self._pids = paths.run / "execd-actions"
        self._pids.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._session = session
        self._written = ""

    def save(self, calls: list[AgentCall]) -> None:
        """Keep the recurring calls; they need only survive the process, so no sync."""
        data = {"session": self._session, "calls": [call_to_json(c) for c in calls]}
        text = json.dumps(data)
        if text == self._written:
            return
        fresh = self._directory / "recurring.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(fresh, self._recurring)
        self._written = text

    def load(self) -> list[AgentCall]:
        """Recurring calls of the same session; empty when there are none or none can be read."""
        try:
            data = json.loads(self._recurring.read_text(encoding="utf-8"))
            if data["session"] != self._session:
                return []
            return [call_from_json(c) for c in data["calls"]]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return []

    def began(self, pid: int) -> None:
        """Note a process under way."""
        (self._pids / str(pid)).write_text(start_time(pid) or "", encoding="ascii")

    def ended(self, pid: int) -> None:
        (self._pids / str(pid)).unlink(missing_ok=True)

    def end_leftovers(self) -> list[int]:
        """Kill the groups of actions that an earlier life left under way; their leaders' ids."""
        killed = []
        for note in sorted(self._pids.iterdir()):
            pid = int(note.name) if note.name.isdigit() else 0
            if pid > 1 and start_time(pid) == note.read_text(encoding="ascii"):
                kill_group(pid, signal.SIGKILL)
                killed.append(pid)
            note.unlink()
        return killed


@dataclass(slots=True)
class Subscriber:
    """A client that hears results: who it is, and the number of the last one sent to it."""

    token: str
    sent: int = 0


class Execd:
    """The agenda with its clocks, processes and clients around it."""

    def __init__(self, paths: Paths, executor: Executor, journal: Journal, logger: Any) -> None:
        self._executor = executor
        self._journal = journal
        self._log = logger
        self._agenda = Agenda(limit=max(MIN_LIMIT, 2 * (os.cpu_count() or 1)))
        self._results = ResultLog()
        self._instance = secrets.token_hex(8)
        self._subscribers: dict[Peer, Subscriber] = {}
        self._said: dict[tuple[str, str], str] = {}
        self._seen: deque[tuple[str, int]] = deque(maxlen=SEEN_CALLS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.server = Server(paths.execd_socket, self)
        self._addresses = execd_arp.AddressWatch(self._conflict, logger)
        self._watches_addresses = execd_arp.is_wanted(paths)

    async def start(self) -> None:
        """Resume what recurred, then serve."""
        killed = self._journal.end_leftovers()
        if killed:
            self._log.warning("execd.leftovers", killed=killed)
        calls = self._journal.load()
        for event in resumed(calls):
            self._feed(event)
        self._log.info("execd.started", instance=self._instance, resumed=len(calls))
        if self._watches_addresses:
            self._addresses.start()
        await self.server.start()

    async def stop(self) -> None:
        """Take no more work; wait a little for what is under way; touch no resource."""
        await self.server.close()
        self._addresses.stop()
        if self._timer:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TERM_WAIT_S)
        for task in sorted(self._tasks, key=id):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TERM_WAIT_S)
        self._log.info("execd.stopped")

    # -- the agenda

    def _feed(self, event: Event) -> None:
        for effect in self._agenda.step(event, self._loop.time()):
            match effect:
                case Begin(run, call, queue_ms):
                    task = self._loop.create_task(self._run(run, call, queue_ms))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case Report(result):
                    self._results.add(result)
        self._push()
        if not isinstance(event, Tick):
            self._note(lambda: self._journal.save(self._agenda.recurring()))
        self._set_timer()

    def _note(self, write: Callable[[], None]) -> None:
        """Write to the journal; a full disk must not stop an action or lose its result."""
        try:
            write()
        except OSError as e:
            self._log.error("journal.failed", file=e.filename, error=e.strerror)

    def _push(self) -> None:
        """Send results, as many as each client has room for."""
        for peer, subscriber in list(self._subscribers.items()):
            for seq, result in self._results.to_send(subscriber.sent):
                subscriber.sent = seq
                peer.send({"op": "result", "seq": seq, "result": result_to_json(result)})

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self._agenda.deadline()
        if due is not None:
            self._timer = self._loop.call_at(due, self._feed, Tick())

    async def _run(self, run: int, call: AgentCall, queue_ms: int) -> None:
        pids: list[int] = []

        def started(pid: int) -> None:
            pids.append(pid)
            self._note(lambda: self._journal.began(pid))

        if call.interval_ms == 0:
            self._log.info("agent.begin", rsc=call.rsc, action=call.operation, call_id=call.call_id)
        try:
            result = await self._executor.run(call, started)
        except Exception as e:  # noqa: BLE001 - the process's edge: a fault of ours is a result
            self._log.exception("agent.fault", rsc=call.rsc, action=call.operation)
            result = failed(call, f"execd could not run it: {type(e).__name__}: {e}")
        finally:
            for pid in pids:
                self._note(partial(self._journal.ended, pid))
        if call.interval_ms == 0 or result.rc not in (0, 8):
            self._log.info(
                "agent.end",
                rsc=call.rsc,
                action=call.operation,
                interval_ms=call.interval_ms,
                rc=result.rc,
                status=result.status.name.lower(),
                exec_ms=result.exec_ms,
                reason=result.exit_reason,
            )
        self._feed(Finished(run, replace(result, queue_ms=queue_ms)))

    def heard(self, call: AgentCall, stderr: str) -> None:
        """Log what an agent said, once as long as it says the same."""
        key = (call.rsc, call.operation)
        text = PID.sub("[]", stderr)[-SAID_CHARS:]
        if text and self._said.get(key) != text:
            self._log.info("agent.said", rsc=call.rsc, action=call.operation, text=text)
        if call.interval_ms > 0:
            self._said[key] = text

    # -- clients

    def _conflict(self, alarm: Alarm) -> None:
        for peer in list(self._subscribers):
            peer.send(execd_arp.frame_of(alarm))

    def connected(self, peer: Peer) -> None:
        if peer.credentials.uid not in (0, os.geteuid()):
            peer.evict("only root may run agents")

    def disconnected(self, peer: Peer, reason: str) -> None:
        if self._subscribers.pop(peer, None) is not None:
            self._log.info("client.gone", pid=peer.credentials.pid, reason=reason)

    def received(self, peer: Peer, message: Message) -> None:
        try:
            answer = self._answer(peer, message)
        except CallError as e:
            answer = {"op": "error", "error": str(e)}
            self._log.warning("request.refused", error=str(e))
        if answer is not None:
            if "id" in message:
                answer["id"] = message["id"]
            peer.send(answer)
        if message.get("op") in ("hello", "ack"):
            self._push()

    def _answer(self, peer: Peer, message: Message) -> Message | None:
        match message.get("op"):
            case "hello":
                self._subscribers[peer] = Subscriber(str(message.get("client", "")))
                return {
                    "op": "hello",
                    "instance": self._instance,
                    "next_seq": self._results.next_seq,
                    "results_dropped": self._results.dropped,
                }
            case "run":
                return self._accept(peer, call_from_json(message.get("call")))
            case "cancel":
                rsc, operation = str(message.get("rsc")), str(message.get("operation"))
                interval_ms = message.get("interval_ms", 0)
                if not isinstance(interval_ms, int):
                    raise CallError(f"interval_ms={interval_ms!r}: want a whole number")
                found = self._agenda.knows(rsc, operation, interval_ms)
                self._feed(Cancel(rsc, operation, interval_ms))
                return {"op": "cancelled", "found": found}
            case "ack":
                seq = message.get("result_seq")
                if not isinstance(seq, int):
                    raise CallError(f"result_seq={seq!r}: want a whole number")
                self._results.acknowledge(seq)
                return None
            case "forget":
                rsc, failures_only = str(message.get("rsc")), bool(message.get("failures_only"))
                self._results.forget(rsc, failures_only)
                return {"op": "forgotten", "rsc": rsc}
            case "list":
                return self._listing()
            case "conflicts":
                heard = [execd_arp.frame_of(a) for a in self._addresses.watch.going_on()]
                return {"ok": True, "op": "conflicts", "conflicts": heard}
            case other:
                known = "hello, run, cancel, forget, list, ack or conflicts"
                raise CallError(f"op={other!r}: want {known}")

    def _accept(self, peer: Peer, call: AgentCall) -> Message:
        subscriber = self._subscribers.get(peer)
        token = subscriber.token if subscriber else ""
        if not token or (token, call.call_id) not in self._seen:
            self._seen.append((token, call.call_id))
            self._feed(Submit(call))
        return {"op": "accepted", "call_id": call.call_id}

    def _listing(self) -> Message:
        last = sorted(self._results.last.items())
        return {
            "op": "list",
            "instance": self._instance,
            "recurring": [call_to_json(c) for c in self._agenda.recurring()],
            "running": [call_to_json(c) for c in self._agenda.running()],
            "waiting": [call_to_json(c) for c in self._agenda.waiting()],
            "last": [result_to_json(result) for _, result in last],
            "history": [result_to_json(result) for result in self._results.history()],
            "unacknowledged": len(self._results.unacknowledged()),
            "forkserver_pid": self._executor.warm.pid if self._executor.warm else None,
        }


async def serve(paths: Paths, session: str, logger: Any) -> None:
    """Run until SIGTERM or SIGINT.  Raises IpcError, PathError or EnvironmentFileError."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    places = places_of(paths, dict(os.environ))
    warm = WarmRunner(lambda event, fields: logger.info(event, **fields))
    executor = Executor(places, warm)
    execd = Execd(paths, executor, Journal(paths, session), logger)
    executor.heard = execd.heard
    await execd.start()
    await warm.start()
    try:
        await over.wait()
    finally:
        await execd.stop()
        await warm.close()


def run(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit code 0, or 78 when the node's places are not usable."""
    parser = argparse.ArgumentParser(prog="execd", description="Runs resource agents.")
    parser.add_argument("--root", help="directory that holds all of the node's places")
    parser.add_argument("--session", help="name of the supervisor's life (default: our parent)")
    options = parser.parse_args(argv)
    paths = Paths.from_environment(options.root)
    try:
        paths.prepare()
        logger = log.setup(log.FileSink(paths.log_file("execd")), daemon="execd")
        watcher = asyncio.PidfdChildWatcher()
        asyncio.set_child_watcher(watcher)
        asyncio.run(serve(paths, options.session or session_of_parent(), logger))
    except (PathError, ipc.IpcError, EnvironmentFileError, OSError) as e:
        sys.stderr.write(f"execd: {e}\n")
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(run())
