"""Feeds a disk lock: a thread does its reads and writes, a timer its deadlines.

A disk that hangs blocks only the thread: the machine's deadlines go on, and end in a release or a
reboot.  Used by haresourcesd and by crmd.  Facts: `crmd/fencing/disk_lock.py`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from crmd.daemon.lock_area import AreaError, LockArea
from crmd.fencing import disk_lock as dl
from crmd.fencing.lock_slot import Slot, Stance

OPEN_AGAIN_S = 1.0
END_S = 2.0


class LockKeeper:
    """One node's disk lock.  `on_output` is called in the loop for every output."""

    def __init__(
        self, area: LockArea, machine: dl.DiskLock, on_output: Callable[[dl.Output], None]
    ) -> None:
        self.machine = machine
        self._area = area
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._wake = threading.Event()
        self._has_ended = False
        self._left = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="disk-lock", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def feed(self, event: dl.Event) -> None:
        """One event; called in the loop."""
        if self._has_ended:
            return
        for output in self.machine.step(event, self._loop.time()):
            self._on_output(output)
        self._set_timer()
        if not isinstance(event, dl.Cycle | dl.Broken | dl.Tick):
            self._wake.set()  # what follows from it need not wait for the next poll

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.machine.deadline()
        if at is not None:
            self._timer = self._loop.call_at(max(at, self._loop.time() + 0.01), self._tick)

    def _tick(self) -> None:
        self.feed(dl.Tick())

    async def leave(self) -> None:
        """Everything was released, and this daemon ends: say so on the disk, if it answers."""
        if self.machine.is_ready:
            self.feed(dl.Leaving())
            try:
                async with asyncio.timeout(END_S):
                    await self._left.wait()
            except TimeoutError:
                self._on_output(dl.Note("WARN", "disk lock: our leaving could not be written"))
        self.stop()

    def stop(self) -> None:
        """End without a word: what the slot says stays true."""
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake.set()

    # --- in the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        is_open = False
        while not self._has_ended:
            began, wrote = time.monotonic(), None
            try:
                if not is_open:
                    self._area.open()
                    is_open = True
                wrote = self._next_slot()
                own, peer = self._area.cycle(wrote)
                self._post(dl.Cycle(began, wrote, own, peer))
            except AreaError as error:
                self._area.close()
                is_open = False
                self._post(dl.Broken(str(error)))
            self._wake.wait(self.machine.times.poll_s if is_open else OPEN_AGAIN_S)
            self._wake.clear()
        self._area.close()

    def _next_slot(self) -> Slot | None:
        """The machine belongs to the loop: ask it there."""
        answer: list[Slot | None] = []
        done = threading.Event()

        def ask() -> None:
            answer.append(self.machine.to_write(self._loop.time()))
            done.set()

        if not self._call(ask):
            return None
        while not done.wait(0.5):
            if self._has_ended:
                return None
        return answer[0]

    def _post(self, event: dl.Event) -> None:
        self._call(self._posted, event)

    def _posted(self, event: dl.Event) -> None:
        self.feed(event)
        if isinstance(event, dl.Cycle):
            if event.wrote is not None and event.wrote.stance is Stance.OFF:
                self._left.set()
            if self.machine.is_hurried:
                self._wake.set()

    def _call(self, what: Callable[..., None], *arguments: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:  # the loop was closed: the process ends
            self._has_ended = True
            return False
        return True


def keeper_for(
    path: Path,
    nodes: tuple[str, ...],
    me: str,
    life: str,
    times: dl.Times,
    on_output: Callable[[dl.Output], None],
) -> LockKeeper:
    """The keeper of a pair's lock.  Raises AreaError if it is no pair."""
    if len(set(nodes)) != 2 or me not in nodes:
        names = " ".join(nodes)
        raise AreaError(f"{path}: a disk lock is for two nodes, not for: {names}; use quorum")
    first, second = sorted(set(nodes))
    peer = second if me == first else first
    machine = dl.DiskLock(me, peer, life, times)
    return LockKeeper(LockArea(path, (first, second), me), machine, on_output)
