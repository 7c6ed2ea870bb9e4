"""The pair of world.py with a disk lock between: no group may be on two nodes, not in a split."""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.fencing import disk_lock as dl
from crmd.fencing.lock_slot import BLOCK, Slot, decode, encode
from crmd.haresources import takeover_events as ev
from crmd.haresources.takeover_state import Phase
from tests.haresources.world import DEADTIME, Host, World

TIMES = dl.Times(DEADTIME, poll_s=0.25, io_s=1.0, release_s=3.0)


@dataclass
class LockWorld(World):
    """Adds the disk, its outages, and one lock per node."""

    disk: dict[str, bytes] = field(default_factory=dict)
    outages: dict[str, float] = field(default_factory=dict)
    locks: dict[str, dl.DiskLock] = field(default_factory=dict)
    must_release: dict[str, bool] = field(default_factory=dict)
    rebooted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        World.__post_init__(self)
        self.disk = {name: bytes(BLOCK) for name in self.names}

    # --- nodes ----------------------------------------------------------------------------------

    def boot(self, name: str) -> None:
        self._new_lock(name, self.hosts[name].generation + 1)
        World.boot(self, name)
        self._later(0.01, name, _Turn(lock=self.locks[name]))

    def policy(self) -> ev.Policy:
        return ev.Policy(auto_failback=self.mode, nodes=self.names, has_disklock=True)

    def restart_manager(self, name: str) -> None:
        host = self.hosts[name]
        if host.machine is not None and not host.ended:
            World.restart_manager(self, name)
            self._new_lock(name, host.generation)
            self._later(0.01, name, _Turn(lock=self.locks[name]))

    def _new_lock(self, name: str, life: int) -> None:
        (peer,) = set(self.names) - {name}
        self.locks[name] = dl.DiskLock(name, peer, f"{name}{life}", TIMES)
        self.must_release[name] = False

    def cut(self) -> None:
        before = self.split_until
        World.cut(self)
        self.split_until = before

    def heal(self) -> None:
        before = self.split_until
        World.heal(self)
        self.split_until = before

    # --- the circle -----------------------------------------------------------------------------

    def feed(self, name: str, event: ev.Event) -> None:
        host = self.hosts[name]
        if host.machine is None:
            return
        if isinstance(event, _Turn):
            self._turn(host, event)
            return
        match event:
            case ev.PeerHeard():
                self._lock(name, dl.Heard())
            case ev.PeerGone(node) if not host.told.get(node):
                self._lock(name, dl.Silent())
            case ev.Begin():
                lives = any(host.told.values())
                self._lock(name, dl.Heard() if lives else dl.Silent())
        World.feed(self, name, event)
        self._look(host)

    def _perform(self, host: Host, effect: ev.Effect) -> None:
        if isinstance(effect, ev.TakeLock):
            assert host.machine is not None
            busy = bool(host.machine.state.work.active)
            self._later(0.0, host.name, _Ask(handicap_s=0.0 if busy else TIMES.poll_s))
        World._perform(self, host, effect)

    def _lock(self, name: str, event: dl.Event) -> None:
        host = self.hosts[name]
        (peer,) = set(self.names) - {name}
        for output in self.locks[name].step(event, self.now):
            self.log.append(f"{self.now:.2f} {name} lock: {output}")
            match output:
                case dl.Won():
                    self.feed(name, ev.LockSays(peer, "won"))
                case dl.Free():
                    self.feed(name, ev.LockSays(peer, "free"))
                case dl.Lost(reason):
                    self.must_release[name] = True
                    self.feed(name, ev.LockSays(peer, "lost", reason))
                case dl.Over():
                    self.feed(name, ev.LockSays(peer, "over"))
                case dl.SelfFence():
                    self.rebooted.append(name)
                    self.kill(name)
        if host.machine is not None:
            self._look(host)

    def _look(self, host: Host) -> None:
        if host.machine is None:
            return
        state = host.machine.state
        if not self.must_release.get(host.name):
            if state.work.active and self.locks[host.name].is_empty:
                self._lock(host.name, dl.Taken())
            return
        begun = state.phase is not Phase.INIT or host.kept is None
        if begun and state.work.is_idle and not state.work.active:
            self.must_release[host.name] = False
            self._lock(host.name, dl.Released())

    # --- the disk -------------------------------------------------------------------------------

    def _turn(self, host: Host, turn: _Turn) -> None:
        name = host.name
        lock = self.locks[name]
        if isinstance(turn, _Ask):
            self._lock(name, dl.Ask(turn.handicap_s))
            return
        if turn.lock is not lock:
            return  # of a former run
        if turn.began is None:
            wrote = lock.to_write(self.now)
            if self.outages.get(name, 0.0) > self.now:
                self._lock(name, dl.Broken("input/output error"))
                self._later(0.4, name, _Turn(lock=lock))
                return
            if wrote is not None:
                self.disk[name] = encode(wrote)
            delay = self.rng.uniform(0.001, 0.05)
            self._later(delay, name, _Turn(lock=lock, began=self.now, wrote=wrote))
            return
        (peer,) = set(self.names) - {name}
        own, other = decode(self.disk[name]), decode(self.disk[peer])
        self._lock(name, dl.Cycle(turn.began, turn.wrote, own, other))
        pause = 0.005 if lock.is_hurried else TIMES.poll_s
        self._later(pause, name, _Turn(lock=lock))


@dataclass(frozen=True, slots=True)
class _Turn(ev.Tick):
    """Begin a cycle, or (with `began`) end it."""

    lock: dl.DiskLock | None = None
    began: float | None = None
    wrote: Slot | None = None


@dataclass(frozen=True, slots=True)
class _Ask(_Turn):
    handicap_s: float = 0.0
