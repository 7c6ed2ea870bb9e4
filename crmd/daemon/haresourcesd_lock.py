"""haresourcesd's disk lock: links and releases in, the lock's words to the take-over machine out.

Switched on by `disklock DEVICE` in ha.cf.  The decision is `crmd/fencing/disk_lock.py`, the reading
and writing `lock_keeper.py`.  Facts: docs/split-brain.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crmd.daemon import processes
from crmd.daemon.lock_keeper import LockKeeper, keeper_for
from crmd.fencing import disk_lock as dl
from crmd.haresources import takeover_events as ev
from crmd.haresources.takeover_state import Phase

if TYPE_CHECKING:
    from crmd.daemon.haresourcesd import Haresourcesd


class Lock:
    """The lock of a pair."""

    def __init__(self, daemon: Haresourcesd, path: Path, times: dl.Times) -> None:
        self._daemon = daemon
        self._peer = ""
        self._must_release = False
        setup = daemon.setup
        life = processes.life_of_node()
        self._keeper: LockKeeper = keeper_for(
            path, setup.config.nodes, setup.node, life, times, self._output
        )
        self._peer = self._keeper.machine.peer
        self.times = times

    @classmethod
    def of(cls, daemon: Haresourcesd) -> Lock | None:
        """The lock that ha.cf asks for; None if it does not."""
        config = daemon.setup.config
        if config.disklock is None:
            return None
        times = dl.times_for(config.deadtime_s, config.disklock_release_s)
        return cls(daemon, Path(config.disklock), times)

    def start(self) -> None:
        self._daemon.say(
            "info",
            f"Disk lock: after a death without a word, {self.times.lease_s:g} s pass before "
            f"resources of {self._peer} are taken",
        )
        self._keeper.start()

    def stop(self) -> None:
        self._keeper.stop()

    async def leave(self) -> None:
        await self._keeper.leave()

    @property
    def stance(self) -> str:
        """For `status`: a word."""
        machine = self._keeper.machine
        return "blind" if machine.is_blind or machine.error else machine.stance.value

    def links(self, event: ev.Event) -> None:
        """What heartbeatd told: whether the peer is heard."""
        match event:
            case ev.PeerHeard(node) if node == self._peer:
                self._keeper.feed(dl.Heard())
            case ev.PeerGone(node) if node == self._peer:
                self._keeper.feed(dl.Silent())
            case ev.Begin(peers):
                alive = any(name == self._peer and heard for name, heard, _ in peers)
                self._keeper.feed(dl.Heard() if alive else dl.Silent())
            case _:
                pass

    def ask(self, node: str) -> None:
        """We want to go on without `node`; the one that runs more, and sees more, comes first."""
        times, handicap_s = self.times, 0.0
        pings = self._daemon.link.pings
        if not self._daemon.state.work.active:
            handicap_s += times.poll_s
        if pings and not any(pings.values()):
            handicap_s += 2 * times.poll_s
        self._keeper.feed(dl.Ask(min(handicap_s, times.notice_s / 2)))

    def look(self) -> None:
        """Say so if everything is released that had to be, or something was taken again."""
        state = self._daemon.state
        if not self._must_release:
            if state.work.active and self._keeper.machine.is_empty:
                self._keeper.feed(dl.Taken())
            return
        begun = state.phase is not Phase.INIT or self._daemon.holds_nothing
        if begun and state.work.is_idle and not state.work.active:
            self._must_release = False
            self._daemon.say("info", "Disk lock: everything is released here.")
            self._keeper.feed(dl.Released())

    def _output(self, output: dl.Output) -> None:
        daemon = self._daemon
        match output:
            case dl.Won():
                daemon.feed(ev.LockSays(self._peer, "won"))
            case dl.Free(proof):
                why = "it said so on the disk" if proof else "its lease is over"
                daemon.say("info", f"Disk lock: {self._peer} holds nothing any more: {why}.")
                daemon.feed(ev.LockSays(self._peer, "free"))
            case dl.Lost(reason):
                self._must_release = True
                daemon.feed(ev.LockSays(self._peer, "lost", reason))
            case dl.Over():
                daemon.feed(ev.LockSays(self._peer, "over"))
            case dl.SelfFence(reason):
                daemon.say("EMERG", f"Rebooting: {reason}")
                daemon.panic(reason)
            case dl.Note(level, text):
                daemon.say(level, text)
