"""crmd: the shell around one node's `Controller`: events in, effects out.

It owns the sockets to heartbeatd, execd, schedulerd and the API socket, the commit thread and the
timer.  Every decision is the controller's; what this module adds is the order: events are handled
one by one, the effects of one before the next event.  Nothing blocks in the loop.
Facts: architecture.md ("event in, effects out", processes), docs/interfaces.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pwd
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, assert_never

from cib import xpath_guard
from crmd.controller import events as ev
from crmd.controller.controller import Controller
from crmd.daemon import disk, ipc, log, processes
from crmd.daemon.crmd_lock import NodeLock
from crmd.daemon.execd_client import ExecdClient
from crmd.daemon.execd_wire import call_from_json, result_from_json
from crmd.daemon.heartbeat_client import HeartbeatClient, HeartbeatState, PeerClient
from crmd.daemon.ipc import Message
from crmd.daemon.ipc_async import Peer, Server
from crmd.daemon.paths import PathError, Paths
from crmd.daemon.schedulerd_client import Question, SchedulerClient
from crmd.messaging import MessagingEvent, Transmit
from crmd.scheduler.transition import Decision
from ocf.calls import AgentResult

EX_CONFIG, EX_SOFTWARE = 78, 70
ELECTION_TIMEOUT_S = 5.0
"""A peer whose heartbeat lives answers at once, or its crmd is being restarted: under load the
start of an interpreter takes a second or two."""
CONFLICT_ATTRIBUTE = "address-conflict"
EXECUTOR_WAIT_S = 3.0
"""How long the start waits for execd before the controller begins without it."""


class Crmd:
    """One controller and everything it talks to."""

    def __init__(self, paths: Paths, logger: Any) -> None:
        self._paths = paths
        self._log = logger
        self._loop = asyncio.get_running_loop()
        self._controller = Controller(evaluate=xpath_guard.evaluate)
        self._inbox: deque[ev.Event] = deque()
        self._is_draining = False
        self.is_started = False
        self._timer: asyncio.TimerHandle | None = None
        self._executor_up = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._memory = disk.Memory(paths, processes.life_of_node())
        self._heartbeat = HeartbeatClient(
            paths.heartbeat_socket,
            self._heartbeat_state,
            self._heartbeat_event,
            on_note=self._trouble,
        )
        self._execd = ExecdClient(
            paths.execd_socket,
            self._agent_done,
            self._executor_changed,
            resubmit=True,
            on_conflict=self._conflict,
        )
        self._scheduler = SchedulerClient(paths.schedulerd_socket, self._scheduled)
        self._store = disk.CibStore(paths)
        self._committer = disk.Committer(paths, self._store, self._committed, self._disk_note)
        self._desk = Desk(paths, self.feed, logger)
        self._lock = NodeLock(self._controller, self.feed, self._panic, logger)

    # --- start and end ----------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, load, start the controller, open the API socket."""
        self.keep(self._heartbeat.run())
        self.keep(self._execd.keep_connected())
        self.keep(self._scheduler.work())
        self.keep(self._committer.work())
        loaded = await asyncio.to_thread(self._store.load)
        membership = await self._heartbeat.wait_ready()
        executor = await self._first_executor_state()
        rank, pledge = disk.read_rank(self._paths)
        settings = ev.Settings(
            form_after_s=membership.initdead_s,
            election_timeout_s=max(ELECTION_TIMEOUT_S, 2 * membership.deadtime_s),
        )
        self._log.info("crmd.started", node=membership.node, nodes=membership.nodes)
        self.is_started = True
        self._inbox.appendleft(
            ev.Start(
                node=membership.node,
                nodes=membership.nodes,
                incarnation=secrets.token_hex(8),
                cib=loaded.cib,
                cib_rank=rank,
                pledge=pledge,
                cib_notes=loaded.notes,
                executor=executor,
                memory=self._memory.values,
                settings=settings,
            )
        )
        self._drain()
        self._lock.begin(membership.deadtime_s)
        await self._desk.start()

    async def _first_executor_state(self) -> ev.ExecutorState | None:
        try:
            async with asyncio.timeout(EXECUTOR_WAIT_S):
                await self._executor_up.wait()
            return await self._executor_state()
        except (TimeoutError, ipc.IpcError):
            self._log.warning("execd.missing", waited_s=EXECUTOR_WAIT_S)
            return None

    def keep(self, work: Any) -> None:
        """Run a coroutine in the background; its failure ends the process."""
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background_ended)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self.ended.done():
            self.ended.set_exception(error)

    async def stop(self) -> None:
        """Close the sockets; nothing is stopped that runs."""
        self._lock.stop()
        await self._desk.close()
        for task in list(self._background):
            task.cancel()

    # --- the circle: event, step, effects ---------------------------------------------------

    def feed(self, event: ev.Event) -> None:
        """Hand one event to the controller, after those that wait."""
        self._inbox.append(event)
        if self.is_started and not self._is_draining:
            self._drain()

    def _drain(self) -> None:
        self._is_draining = True
        try:
            while self._inbox:
                event = self._inbox.popleft()
                for effect in self._controller.step(event, self._loop.time(), time.time()):
                    self._perform(effect)
                self._lock.look()
        except Exception as e:  # noqa: BLE001 - the one place: say what happened, let us be restarted
            self._log.critical("crmd.failed", error=f"{type(e).__name__}: {e}")
            if not self.ended.done():
                self.ended.set_exception(e)
        finally:
            self._is_draining = False
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._controller.deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self.feed, ev.Tick())

    def _perform(self, effect: ev.Effect) -> None:
        match effect:
            case Transmit():
                self._heartbeat.transmit(effect)
            case ev.RunAgent(call):
                self._execd.run(call)
            case ev.CancelRecurring(rsc, operation, interval_ms):
                self._execd.cancel(rsc, operation, interval_ms)
            case ev.ForgetResource(rsc, failures_only):
                self._execd.forget(rsc, failures_only)
            case ev.Schedule(request_id, cib, now_epoch):
                self._scheduler.ask(Question(request_id, cib, now_epoch))
            case ev.Commit(token, cib, rank, pledge):
                self._committer.commit(token, cib, rank, pledge)
                self._loop.call_soon(self._lock.configure)
            case ev.KeepLosing(cib, reason):
                self.keep(self._keep_losing(cib, reason))
            case ev.Reply(client_id, tag, payload):
                self._desk.reply(client_id, tag, payload)
            case ev.Notify(client_id, payload):
                self._desk.notify(client_id, payload)
            case ev.Remember(name, value):
                self._memory.remember(name, value)
            case ev.Leave(reason):
                self.keep(self._tell_supervisor("leave", reason))
            case ev.Panic(reason):
                self._panic(reason)
            case ev.Log(event, fields, level):
                getattr(self._log, level)(event, **fields)
            case _:
                assert_never(effect)

    def _panic(self, reason: str) -> None:
        self._log.critical("node.panic", reason=reason)
        self.keep(self._tell_supervisor("panic", reason))

    # --- what the others tell ---------------------------------------------------------------

    def _heartbeat_state(self, state: HeartbeatState) -> None:
        self._log.info("heartbeat.connected", node=state.node, generation=state.generation)

    def _heartbeat_event(self, event: MessagingEvent | PeerClient) -> None:
        if isinstance(event, PeerClient):  # the peer's crmd tells us itself what became of it
            self._log.info("peer.client", peer=event.node, client=event.client, is_on=event.online)
        else:
            self._lock.heartbeat(event)

    def _trouble(self, text: str) -> None:
        self._log.warning("heartbeat.trouble", reason=text)

    def _agent_done(self, result: AgentResult) -> None:
        self.feed(ev.AgentDone(result))

    def _conflict(self, told: Message) -> None:
        """Another machine claims an address of this node: the status shows it as an attribute."""
        (self._log.info if told["over"] else self._log.error)("address.conflict", text=told["text"])
        value = None if told["over"] else f"{told['ip']} {told['mac']}"
        node = self._controller.core.node if self.is_started else ""
        request = {"op": "attribute", "node": node, "name": CONFLICT_ATTRIBUTE, "value": value}
        if self.is_started:
            self.feed(ev.ClientRequest(0, 0, request))

    def _scheduled(self, request_id: int, decision: Decision | None, error: str) -> None:
        self.feed(ev.ScheduleDone(request_id, decision, error))

    def _committed(self, token: int, ok: bool, error: str) -> None:
        self.feed(ev.CommitDone(token, ok, error))

    def _disk_note(self, text: str) -> None:
        self._log.warning("cib.note", text=text)

    def _executor_changed(self, is_up: bool) -> None:
        if not is_up:
            self._executor_up.clear()
            self.feed(ev.ExecutorLost())
            return
        self._executor_up.set()
        if self.is_started:
            self.keep(self._tell_executor_state())

    async def _tell_executor_state(self) -> None:
        try:
            self.feed(ev.ExecutorUp(await self._executor_state()))
        except ipc.IpcError as e:
            self._log.warning("execd.trouble", reason=str(e))  # it is lost again: asked again then

    async def _executor_state(self) -> ev.ExecutorState:
        return executor_state(await self._execd.list())

    async def _keep_losing(self, cib: bytes, reason: str) -> None:
        try:
            path = await asyncio.to_thread(disk.keep_losing, self._paths, cib)
            self._log.warning("cib.losing_kept", path=str(path), reason=reason)
        except OSError as e:
            self._log.error("cib.losing_not_kept", reason=reason, error=str(e))

    async def _tell_supervisor(self, op: str, reason: str) -> None:
        if op == "leave":
            await self._lock.leave()

        def tell() -> None:
            with ipc.Client(self._paths.supervisor_socket, 5.0) as client:
                client.call({"op": op, "reason": reason})

        try:
            await asyncio.to_thread(tell)
        except ipc.IpcError as e:
            self._log.error("supervisor.missing", op=op, error=str(e))
            if op == "panic" and self._paths.root.as_posix() == "/":
                os.execv("/sbin/reboot", ["reboot", "-nf"])
        if op == "leave" and not self.ended.done():
            self.ended.set_result(None)


def executor_state(listing: Message) -> ev.ExecutorState:
    """What execd's answer to `list` means.  Raises CallError or KeyError for nonsense.

    A recurring call that was reported once is no longer one "whose result will still come":
    execd speaks of it again only when its result changes.
    """
    results = tuple(result_from_json(r) for r in listing["history"])
    reported = {r.call_id for r in results}
    going_on = [call_from_json(c) for c in [*listing["running"], *listing["waiting"]]]
    return ev.ExecutorState(
        incarnation=str(listing["instance"]),
        results=results,
        running=tuple(c for c in going_on if not (c.interval_ms and c.call_id in reported)),
        recurring=tuple(call_from_json(c) for c in listing["recurring"]),
    )


class Desk:
    """The API socket: who asks what; each request gets its reply on its own connection.

    A request may carry `tag` (a number), which its reply repeats.
    """

    def __init__(self, paths: Paths, feed: Callable[[ev.Event], None], logger: Any) -> None:
        self._feed = feed
        self._log = logger
        self._server = Server(paths.crmd_socket, self)
        self._ids: dict[Peer, int] = {}
        self._peers: dict[int, Peer] = {}
        self._next_id = 1
        self._users: dict[int, str] = {0: "root"}
        self._unnamed: dict[Peer, list[Message]] = {}
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.close()

    def connected(self, peer: Peer) -> None:
        number = self._ids[peer] = self._next_id
        self._next_id += 1
        self._peers[number] = peer
        if peer.credentials.uid not in self._users:
            self._unnamed[peer] = []
            self._loop.run_in_executor(None, self._name, peer)

    def _name(self, peer: Peer) -> None:
        """In a thread: a directory service may be slow."""
        uid = peer.credentials.uid
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = f"#{uid}"
        self._loop.call_soon_threadsafe(self._named, peer, name)

    def _named(self, peer: Peer, name: str) -> None:
        self._users[peer.credentials.uid] = name
        for message in self._unnamed.pop(peer, []):
            self.received(peer, message)

    def disconnected(self, peer: Peer, reason: str) -> None:
        self._unnamed.pop(peer, None)
        number = self._ids.pop(peer)
        del self._peers[number]
        self._feed(ev.ClientGone(number))
        if reason != "closed by peer":
            self._log.info("client.cut", pid=peer.credentials.pid, reason=reason)

    def received(self, peer: Peer, message: Message) -> None:
        if peer in self._unnamed:
            self._unnamed[peer].append(message)
            if len(self._unnamed[peer]) > ipc.QUEUE_MESSAGES:
                peer.evict("too many requests at once")
            return
        tag = message.pop("tag", 0)
        if not isinstance(tag, int):
            peer.send({"ok": False, "code": 64, "error": f"tag {tag!r}: want a whole number"})
            return
        user = self._users[peer.credentials.uid]
        self._feed(ev.ClientRequest(self._ids[peer], tag, message, user))

    def reply(self, client_id: int, tag: int, payload: Any) -> None:
        """Answer; a client that went away gets nothing."""
        peer = self._peers.get(client_id)
        if peer is not None:
            try:
                peer.send({**payload, "tag": tag})
            except ipc.FrameError as e:
                peer.send({"ok": False, "code": 74, "error": f"answer: {e}", "tag": tag})

    def notify(self, client_id: int, payload: Any) -> None:
        """Tell a subscriber; one that does not read is cut by its queue's limit."""
        peer = self._peers.get(client_id)
        if peer is not None:
            peer.send(payload)


async def serve(paths: Paths, logger: Any) -> None:
    """Run until told to leave.  Raises IpcError; an error of the controller comes up as it is."""
    loop = asyncio.get_running_loop()
    crmd = Crmd(paths, logger)
    terms = 0

    def term() -> None:
        nonlocal terms
        terms += 1
        logger.info("crmd.term", times=terms)
        if terms == 1 and crmd.is_started:
            crmd.feed(ev.Shutdown())
        elif not crmd.ended.done():
            crmd.ended.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, term)
    starting = loop.create_task(crmd.start())
    try:
        await asyncio.wait({starting, crmd.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not crmd.ended.done():
            await starting
        await crmd.ended
    finally:
        starting.cancel()
        await crmd.stop()


def run(argv: Sequence[str] | None = None) -> int:
    """Entry point; 0 after a clean end, 78 when the node's places are not usable."""
    parser = argparse.ArgumentParser(prog="crmd", description="Cluster resource manager.")
    parser.add_argument("--root", help="directory that holds all of the node's places")
    options = parser.parse_args(argv)
    paths = Paths.from_environment(options.root)
    try:
        paths.prepare()
        logger = log.setup(log.FileSink(paths.log_file("crmd")), daemon="crmd")
        asyncio.run(serve(paths, logger))
    except (PathError, ipc.IpcError) as e:
        sys.stderr.write(f"crmd: {e}\n")
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(run())
