"""crmd's disk lock: a silent peer is told to the controller only when the lock has decided.

Switched on by the cluster property `disk-lock` (a shared block device or file) in a cluster of two
nodes; `disk-lock-release` (default 20s) is the time in which the loser has released everything or
reboots.  While the contest goes on the controller believes the peer alive, so that neither node
stops or starts anything.  Then:

- granted: with a fence device, the controller hears of the death at once and fences; without one,
  when the peer has released everything, as if it had left in good order;
- denied: everything is stopped here, and nothing is started, whatever `no-quorum-policy` says.

The decision is `crmd/fencing/disk_lock.py`.  Facts: docs/split-brain.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from crmd.controller import events as ev
from crmd.controller.controller import Controller
from crmd.controller.release import cluster_option, fencing_enabled
from crmd.daemon import processes
from crmd.daemon.lock_area import AreaError
from crmd.daemon.lock_keeper import LockKeeper, keeper_for
from crmd.fencing import disk_lock as dl
from crmd.fencing.devices import devices, seconds
from crmd.messaging import MessagingEvent, PeerDown, PeerUp

RELEASE_S = 20.0
STARTS = frozenset({"start", "promote", "migrate_from"})
LEVELS = {"info": "info", "WARN": "warning"}


class NodeLock:
    """The lock of this node, if the CIB asks for one."""

    def __init__(
        self,
        controller: Controller,
        feed: Callable[[ev.Event], None],
        panic: Callable[[str], None],
        logger: Any,
    ) -> None:
        self._controller = controller
        self._feed = feed
        self._panic = panic
        self._log = logger
        self._keeper: LockKeeper | None = None
        self._configured = ("", RELEASE_S)
        self._deadtime_s = 30.0
        self._held_back: PeerDown | None = None
        self._must_release = False
        self._is_heard = False

    # --- what the CIB says ------------------------------------------------------------------------

    def begin(self, deadtime_s: float) -> None:
        """The controller has begun; `deadtime_s` is ha.cf's."""
        self._deadtime_s = deadtime_s
        self.configure()
        if self._keeper is not None and not self._is_heard and not self._holds:
            self._feed(ev.LockSays("denied", "the disk lock is not taken yet"))

    def configure(self) -> None:
        """Take up what the CIB says now."""
        core = self._controller.core
        root = core.replica.root
        text = cluster_option(root, "disk-lock-release", "")
        wanted = (cluster_option(root, "disk-lock", ""), seconds(text, RELEASE_S))
        if wanted == self._configured:
            return
        self._configured = wanted
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None
            self._let_pass()
            self._feed(ev.LockSays("", "the cluster property disk-lock was removed or changed"))
        if not wanted[0]:
            return
        times = dl.times_for(self._deadtime_s, wanted[1])
        life = processes.life_of_node()
        try:
            path = Path(wanted[0])
            self._keeper = keeper_for(path, core.nodes, core.node, life, times, self._output)
        except AreaError as error:
            self._log.error("disklock.refused", reason=str(error))
            return
        self._log.info("disklock.watched", path=wanted[0], lease_s=times.lease_s)
        self._keeper.feed(dl.Heard() if self._is_heard else dl.Silent())
        self._keeper.start()

    # --- what heartbeat says ----------------------------------------------------------------------

    def heartbeat(self, event: MessagingEvent) -> None:
        """Pass an event on; the death of the peer waits for the lock's word."""
        match event:
            case PeerUp():
                self._is_heard = True
                if self._keeper is not None:
                    self._let_pass()
                    self._must_release = False
                    self._keeper.feed(dl.Heard())
                    self._feed(ev.LockSays("", "the peer is heard"))
            case PeerDown(clean=clean):
                self._is_heard = False
                if self._keeper is not None:
                    self._keeper.feed(dl.Silent())
                    if not clean:
                        self._held_back = event
                        self._ask(self._keeper)
                        return
                    self._feed(ev.LockSays("granted", "the peer left in good order"))
            case _:
                pass
        self._feed(event)

    @property
    def _holds(self) -> bool:
        lrm = self._controller.lrm
        starting = any(call.operation in STARTS for call in lrm.running.values())
        return starting or bool(lrm.releasable())

    @property
    def _has_device(self) -> bool:
        root = self._controller.core.replica.root
        return fencing_enabled(root) and bool(devices(root))

    def _ask(self, keeper: LockKeeper) -> None:
        times = keeper.machine.times
        keeper.feed(dl.Ask(0.0 if self._holds else times.poll_s))

    def _let_pass(self) -> None:
        if self._held_back is not None:
            event, self._held_back = self._held_back, None
            self._feed(event)

    # --- what the lock says -----------------------------------------------------------------------

    def _output(self, output: dl.Output) -> None:
        match output:
            case dl.Won():
                if self._has_device:
                    self._feed(ev.LockSays("granted", "disk lock taken; the peer is fenced"))
                    self._let_pass()
            case dl.Free(proof):
                why = "it said so on the disk" if proof else "its lease is over"
                self._feed(ev.LockSays("granted", f"the peer holds nothing any more: {why}"))
                if self._keeper is not None and not self._has_device:
                    self._held_back = None
                    self._feed(PeerDown(self._keeper.machine.peer, clean=True))
            case dl.Lost(reason):
                self._must_release = True
                self._feed(ev.LockSays("denied", reason, must_release=True))
                self._let_pass()
            case dl.Over():
                self._feed(ev.LockSays("", "the contest is over"))
            case dl.SelfFence(reason):
                self._panic(reason)
            case dl.Note(level, text):
                getattr(self._log, LEVELS.get(level, "error"))("disklock.note", text=text)

    def look(self) -> None:
        """After each step: say so if everything is released that had to be."""
        if self._keeper is None:
            return
        if not self._must_release and self._keeper.machine.is_empty and self._holds:
            self._keeper.feed(dl.Taken())
        if self._must_release and not self._holds:
            self._must_release = False
            self._log.info("disklock.released")
            self._keeper.feed(dl.Released())

    async def leave(self) -> None:
        """The node leaves in good order."""
        if self._keeper is not None:
            await self._keeper.leave()

    def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.stop()
