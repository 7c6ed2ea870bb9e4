"""haresourcesd: runs a haresources file beside peers of Heartbeat's kind, real ones or ours.

It takes crmd's place where ha.cf says `crm off` (or nothing) and haresources has groups.  Every
decision is the take-over machine's (crmd/haresources); this is the shell: heartbeat.sock, execd,
the tools' socket, the timer, and the log.  SIGTERM: release everything, then end.  SIGUSR1: end and
release nothing, crmd adopts what runs.  SIGHUP: read haresources again.  SIGKILL stops nothing: the
next haresourcesd goes on from what is kept in the run directory.
Facts: heartbeat-v1.md sections 8 to 11 and 16, docs/migration.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_never

from crmd.daemon import haresourcesd_files as files
from crmd.daemon import ipc, log
from crmd.daemon.haresourcesd_desk import Desk
from crmd.daemon.haresourcesd_groups import GroupRunner, fence_call
from crmd.daemon.haresourcesd_heartbeat import HeartbeatLink
from crmd.daemon.haresourcesd_lock import Lock
from crmd.daemon.heartbeatd_files import StartRefused
from crmd.daemon.paths import PathError, Paths
from crmd.haresources import takeover_events as ev
from crmd.haresources.ipfail import TYPES as IPFAIL_TYPES
from crmd.haresources.ipfail import Ipfail
from crmd.haresources.legacy import LegacyMachine
from crmd.haresources.takeover import TakeOverMachine
from crmd.haresources.takeover_state import Phase, State
from ocf.calls import ExecStatus

EX_CONFIG = 6
"""Heartbeat's own status for a configuration it refuses."""
AFTER_SHUTDONE_S = 1.0
"""Heartbeats, and retransmissions if need be, go on so long after `shutdone` (10.1)."""
PROBE_S = 30.0
LEVELS = {"info": "info", "WARN": "warning", "debug": "debug"}


class Haresourcesd:
    """One machine and everything it talks to."""

    def __init__(self, paths: Paths, setup: files.Setup, logger: log.PlainLog) -> None:
        self.paths, self.setup, self._log = paths, setup, logger
        self._loop = asyncio.get_running_loop()
        self._ha_log = files.HaLog(setup.config, setup.node, paths.root)
        make = LegacyMachine if setup.policy.auto_failback == "legacy" else TakeOverMachine
        self._machine: LegacyMachine | TakeOverMachine = make(
            setup.node, setup.groups, setup.policy
        )
        self._memory = files.Memory(paths)
        self._inbox: deque[ev.Event] = deque()
        self._is_draining = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._must_begin = False
        self._probed: asyncio.Future[tuple[ev.Keep, bool]] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.link = HeartbeatLink(
            paths.heartbeat_socket, self._heard, self._active, self.say, self._ping_changed
        )
        self._runner = GroupRunner(paths, self.say, self._groups)
        self._desk = Desk(paths, self)
        self._ipfail = self._make_ipfail()
        self._lock = Lock.of(self)

    def _make_ipfail(self) -> Ipfail | None:
        config = self.setup.config
        asked = any(Path(child.argv[0]).name == "ipfail" for child in config.children)
        if not asked or config.auto_failback == "legacy":
            return None
        made = Ipfail(
            2 * config.keepalive_s, config.auto_failback == "on", reboots=config.ipfail_reboot
        )
        made.peers = {name for name in config.nodes if name != self.setup.node}
        return made

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def is_settled(self) -> bool:
        """Nothing moves, and the peers have heard what we hold since heartbeatd began."""
        has_begun = self.state.phase is not Phase.INIT and not self._must_begin
        return self.state.is_settled and self.link.status == "active" and has_begun

    def _groups(self) -> dict[str, Any]:
        return {group.key: group for group in self.state.groups}

    @property
    def disklock(self) -> str | None:
        """How the disk lock stands; None without one."""
        return self._lock.stance if self._lock is not None else None

    @property
    def holds_nothing(self) -> bool:
        """We have not begun, and no former run left anything."""
        return self.state.phase is Phase.INIT and self._memory.read() is None

    # --- start and end --------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, look what runs, open the tools' socket."""
        self.keep(self._runner.execd.keep_connected())
        self.keep(self._probe())
        self.keep(self.link.run())
        await self._desk.start()
        if self._lock is not None:
            self._lock.start()
        self._log.info("haresourcesd.started", node=self.setup.node, groups=len(self.setup.groups))

    async def _probe(self) -> None:
        """What the former run held; without one, what runs though it should not yet."""
        kept = self._memory.read()
        if kept is not None:
            self._probed.set_result((kept, True))
            return
        try:
            async with asyncio.timeout(PROBE_S):
                running = await self._runner.running()
        except TimeoutError:
            self.say("ERROR", f"Status of the resources is not known after {PROBE_S:g} s")
            running = []
        self._probed.set_result((ev.Keep(self.state.i_hold, tuple(running)), False))

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; a failure ends the process."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self.ended.done():
            self.ended.set_exception(error)

    async def stop(self) -> None:
        """Close everything; what runs goes on running."""
        if self._lock is not None:
            self._lock.stop()
        await self._desk.close()
        self.link.close()
        for task in list(self._tasks):
            task.cancel()

    # --- the circle -----------------------------------------------------------------------------

    def feed(self, event: ev.Event) -> None:
        """One event to the machine, after those that wait."""
        self._inbox.append(event)
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while self._inbox:
                self._one(self._inbox.popleft())
        except Exception as error:  # noqa: BLE001 - the one place: say it, let us be restarted
            self._log.error("haresourcesd.failed", error=f"{type(error).__name__}: {error}")
            if not self.ended.done():
                self.ended.set_exception(error)
        finally:
            self._is_draining = False
        self._set_timer()

    def _one(self, event: ev.Event) -> None:
        now = self._loop.time()
        for effect in self._machine.step(event, now):
            self._perform(effect)
        if self._ipfail is not None:
            for wanted in self._ipfail.tick(now, self.state.i_hold, self.state.is_settled):
                if isinstance(wanted, ev.GoStandby):
                    self._inbox.append(wanted)
                else:
                    self._perform(wanted)
        self._begin_again()
        if self._lock is not None:
            self._lock.look()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = [self._machine.deadline(), self._ipfail.at if self._ipfail else None]
        known = [at for at in times if at is not None]
        if known and self.state.phase is not Phase.ENDED:
            at = max(min(known), self._loop.time() + 0.01)
            self._timer = self._loop.call_at(at, self.feed, ev.Tick())

    def _perform(self, effect: ev.Effect) -> None:
        match effect:
            case ev.Send(fields):
                if not self.link.send(fields):
                    self._log.warning("message.not_sent", type=fields[0][1])
                self._log.info("message.sent", **dict(fields))
            case ev.Run():
                self.keep(self._run(effect))
            case ev.Fence(node):
                self.keep(self._fence(node))
            case ev.TakeLock(node):
                if self._lock is not None:
                    self._lock.ask(node)
            case ev.Say(level, text, tag):
                self.say(level, text, tag)
            case ev.Keep():
                self._memory.keep(effect)
            case ev.SelfFence(reason):
                self.panic(reason)
            case ev.Ended(released):
                self.keep(self._end(released))
            case _:
                assert_never(effect)

    async def _run(self, run: ev.Run) -> None:
        began = self._loop.time()
        done = await self._runner.run(run)
        self._log.info(
            "groups.done",
            steps=[f"{'take' if s.take else 'give'} {s.key}" for s in run.steps],
            not_started=done.not_started,
            not_stopped=done.not_stopped,
            took_s=round(self._loop.time() - began, 3),
        )
        self.feed(done)

    async def _fence(self, node: str) -> None:
        line = self.setup.stonith
        if line is None or line.type == files.MANUAL_STONITH:
            text = f"Reset {node} by hand, then say: pacekeeper-heartbeat confirm {node}"
            self.say("ALERT", text)
            return
        result = await self._runner.call(fence_call(line, node))
        is_down = result.status is ExecStatus.DONE and result.rc == 0
        if not is_down:
            self.say("ERROR", f"{line.type} of {node}: {result.exit_reason or result.rc}")
        self.feed(ev.Fenced(node, is_down))

    def panic(self, reason: str) -> None:
        """This node must go down now."""
        self._log.error("node.panic", reason=reason)
        self.keep(self._panic(reason))

    async def _panic(self, reason: str) -> None:
        def tell() -> None:
            with ipc.Client(self.paths.supervisor_socket, 5.0) as client:
                client.call({"op": "panic", "reason": reason})

        try:
            await asyncio.to_thread(tell)
        except ipc.IpcError as error:
            self._log.error("supervisor.missing", error=str(error))
            if self.paths.root.as_posix() == "/":
                os.execv("/sbin/reboot", ["reboot", "-nf"])

    async def _end(self, released: bool) -> None:
        if released:
            if self._lock is not None:
                await self._lock.leave()
            await asyncio.sleep(AFTER_SHUTDONE_S)
        else:
            self._runner.forget()
            self.say("info", "Handed over: resources stay as they are, another manager goes on.")
            await asyncio.sleep(0.05)
        self._memory.forget()
        if not self.ended.done():
            self.ended.set_result(None)

    def say(self, level: str, text: str, tag: str = "") -> None:
        """One line of the log people read, and the same in ours."""
        self._ha_log.line(level, text, tag)
        facts = {"text": text, "tag": tag} if tag else {"text": text}
        self._log.line(LEVELS.get(level, "error"), "ha", **facts)

    # --- what the others tell -------------------------------------------------------------------

    def _heard(self, event: ev.Event) -> None:
        if isinstance(event, ev.Said) and event.type in IPFAIL_TYPES:
            if self._ipfail is not None:
                for effect in self._ipfail.hear(event, self._loop.time()):
                    self._perform(effect)
                self._set_timer()
            return
        if isinstance(event, ev.Said):
            self._log.info("message.heard", **{"from": event.origin, **dict(event.fields[:6])})
        if self._lock is not None:
            self._lock.links(event)
        self.feed(event)

    def _ping_changed(self, pings: dict[str, bool]) -> None:
        if self._ipfail is not None:
            for effect in self._ipfail.reference(sum(pings.values())):
                self._perform(effect)

    def _active(self) -> None:
        if self._lock is not None:
            self._lock.links(self.link.begin())
        if self.state.phase is Phase.INIT:
            self.keep(self._first_begin())
        else:
            self._must_begin = True
            self._begin_again()
            self._set_timer()

    async def _first_begin(self) -> None:
        kept, is_ours = await asyncio.shield(self._probed)
        if self.state.phase is not Phase.INIT:
            return
        if is_ours:
            self.say("info", f"Going on with {kept.claim.word} resources of the former run")
        self.feed(
            replace(
                self.link.begin(),
                kept=kept.claim,
                running=kept.running,
                needs_failback=kept.needs_failback,
            )
        )

    def _begin_again(self) -> None:
        """heartbeatd was restarted: to the peers we began anew, and say what we hold."""
        state = self.state
        if not self._must_begin or not state.work.is_idle or not state.standby.is_idle:
            return
        self._must_begin = False
        if state.phase in (Phase.STARTING, Phase.RECEIVED, Phase.STABLE):
            running = tuple(sorted(state.work.active))
            self._inbox.append(
                replace(
                    self.link.begin(),
                    kept=state.i_hold,
                    running=running,
                    needs_failback=state.needs_failback,
                )
            )
            if not self._is_draining:
                self._loop.call_soon(self.feed, ev.Tick())

    def read_groups(self) -> list[str]:
        """Read haresources again; the problems, if it is refused."""
        problems: list[str] = []
        groups = files.read_groups(self.paths, self.setup.config, problems)
        if problems:
            for text in problems:
                self.say("ERROR", text)
        elif groups != self.state.groups:
            self.feed(ev.NewGroups(groups))
        return problems


async def serve(paths: Paths, setup: files.Setup, logger: log.PlainLog) -> None:
    """Run until told to end."""
    loop = asyncio.get_running_loop()
    daemon = Haresourcesd(paths, setup, logger)
    terms = 0

    def term() -> None:
        nonlocal terms
        terms += 1
        daemon.feed(ev.Shutdown())
        if (terms > 2 or daemon.holds_nothing) and not daemon.ended.done():
            daemon.ended.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, term)
    loop.add_signal_handler(signal.SIGUSR1, daemon.feed, ev.HandOver())
    loop.add_signal_handler(signal.SIGHUP, daemon.read_groups)
    try:
        await daemon.start()
        await daemon.ended
    finally:
        await daemon.stop()


def run(argv: Sequence[str] | None = None) -> int:
    """Entry point; 0 after a clean end, 6 for a configuration that is refused."""
    parser = argparse.ArgumentParser(prog="haresourcesd", description="Runs haresources.")
    parser.add_argument("--root", help="directory that holds all of the node's places")
    parser.add_argument("--node", default=os.uname().nodename, help="name of this node")
    options = parser.parse_args(argv)
    paths = Paths.from_environment(options.root)
    try:
        paths.prepare()
        logger = log.PlainLog(log.FileSink(paths.log_file("haresourcesd")), daemon="haresourcesd")
        setup = files.read_setup(paths, options.node)
        asyncio.run(serve(paths, setup, logger))
    except (StartRefused, PathError, ipc.IpcError) as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"haresourcesd: {line}\n")
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(run())
