"""Is a peer alive, and over which links?  No sockets, no clock, no logging.

Facts: heartbeat-v1.md sections 7.2 to 7.4.  Only a status (or the echo of a ping node) keeps a
node alive; any accepted packet keeps a link up.  A node is dead when its silence has lasted the
dead time it announced itself; before all nodes were heard or given up, `initdead` counts.
Deadlines are absolute: a check that comes late does not move the next one.

Time during which we were not running ourselves is no silence of others (`forgive`): a node that
stalled cannot judge its peers until it has listened for a full dead time again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.messaging import LinkChanged

LONGEST_DEAD_TIME_S = 3600.0


@dataclass(frozen=True, slots=True)
class PeerAlive:
    """First status, or the first one after the peer was dead."""

    peer: str


@dataclass(frozen=True, slots=True)
class PeerDead:
    """No status for the dead time, or never one within initdead."""

    peer: str
    silent_s: float
    was_heard: bool


@dataclass(frozen=True, slots=True)
class LateBeat:
    """A status came later than warntime after the one before."""

    peer: str
    interval_s: float
    beyond_deadtime: bool


Change = PeerAlive | PeerDead | LateBeat | LinkChanged


@dataclass(slots=True)
class _Link:
    heard: float
    up: bool = False
    newest: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class _Peer:
    dead_after_s: float
    heard: float
    alive: bool | None = None
    """None: not heard yet and not given up."""
    links: dict[str, _Link] = field(default_factory=dict)


@dataclass(slots=True)
class Liveness:
    """All peers of a node."""

    started: float
    dead_after_s: float
    init_dead_s: float
    warn_after_s: float
    peers: dict[str, _Peer] = field(default_factory=dict)
    has_begun: bool = False
    """All peers have been heard or given up once: initdead no longer counts."""

    def add(self, peer: str, dead_after_s: float | None = None) -> None:
        """Expect `peer` from now on."""
        after = self.dead_after_s if dead_after_s is None else dead_after_s
        self.peers.setdefault(peer, _Peer(after, self.started))

    def expect_from(self, peer: str, now: float) -> None:
        """Count the silence of a new peer from `now`."""
        self.peers[peer].heard = now

    def remove(self, peer: str) -> None:
        """Forget `peer`."""
        self.peers.pop(peer, None)

    def is_alive(self, peer: str) -> bool:
        track = self.peers.get(peer)
        return track is not None and track.alive is True

    def state(self, peer: str) -> bool | None:
        """True alive, False dead, None neither heard nor given up."""
        return self.peers[peer].alive

    def links(self, peer: str) -> list[tuple[str, bool]]:
        """(link, up) of a peer, sorted by name."""
        return [(name, link.up) for name, link in sorted(self.peers[peer].links.items())]

    def silent_s(self, peer: str, now: float) -> float:
        """Seconds since the last status of `peer`."""
        return now - self.peers[peer].heard

    def beat(self, peer: str, announced_s: float | None, now: float) -> list[Change]:
        """A fresh status of `peer`, which announces the dead time to grant it."""
        track = self.peers[peer]
        interval, was_alive = now - track.heard, track.alive
        changes: list[Change] = []
        if was_alive and now >= self._deadline(track):
            changes.append(LateBeat(peer, interval, beyond_deadtime=True))
            changes += self._die(peer, track, now)
        elif was_alive and interval > self.warn_after_s:
            changes.append(LateBeat(peer, interval, beyond_deadtime=False))
        track.heard = now
        if announced_s is not None and announced_s > 0:
            track.dead_after_s = min(announced_s, LONGEST_DEAD_TIME_S)
        if not track.alive:
            track.alive = True
            changes.append(PeerAlive(peer))
        self._look_whether_begun()
        return changes

    def heard_on(
        self, peer: str, link: str, number: tuple[int, int] | None, now: float
    ) -> list[Change]:
        """An accepted packet of `peer` on `link`.

        `number` is its (generation, seq): a packet counts only if it is newer than all that
        came over this link, so a copy played back on the same link keeps nothing up.
        """
        track = self.peers[peer]
        found = track.links.get(link)
        if found is None:
            found = track.links[link] = _Link(now)
        if number is not None:
            if number <= found.newest:
                return []
            found.newest = number
        found.heard = now
        if found.up:
            return []
        found.up = True
        return [LinkChanged(peer, link, up=True)]

    def tick(self, now: float) -> list[Change]:
        """Whoever has been silent for too long by `now`."""
        changes: list[Change] = []
        for name, track in sorted(self.peers.items()):
            if track.alive is not False and now >= self._deadline(track):
                changes += self._die(name, track, now)
            for link_name, link in sorted(track.links.items()):
                if link.up and now - link.heard >= track.dead_after_s:
                    link.up = False
                    changes.append(LinkChanged(name, link_name, up=False))
        self._look_whether_begun()
        return changes

    def depart(self, peer: str, now: float) -> list[Change]:
        """`peer` is known to be gone: do not wait for its silence."""
        track = self.peers[peer]
        return self._die(peer, track, now) if track.alive is not False else []

    def forgive(self, gap_s: float, now: float) -> None:
        """We were not running for `gap_s`: that was not the peers' silence."""
        for track in self.peers.values():
            track.heard = min(now, track.heard + gap_s)
            for link in track.links.values():
                link.heard = min(now, link.heard + gap_s)

    def deadline(self) -> float | None:
        """Absolute time of the next tick that can change anything; None: no timer needed."""
        times = [self._deadline(t) for t in self.peers.values() if t.alive is not False]
        times += [
            link.heard + track.dead_after_s
            for track in self.peers.values()
            for link in track.links.values()
            if link.up
        ]
        return min(times, default=None)

    def _deadline(self, track: _Peer) -> float:
        if track.alive is None:
            return track.heard + self.init_dead_s
        usual = track.heard + track.dead_after_s
        return usual if self.has_begun else max(usual, self.started + self.init_dead_s)

    def _die(self, name: str, track: _Peer, now: float) -> list[Change]:
        was_heard, track.alive = track.alive is not None, False
        changes: list[Change] = [PeerDead(name, now - track.heard, was_heard)]
        for link_name, link in sorted(track.links.items()):
            if link.up:
                link.up = False
                changes.append(LinkChanged(name, link_name, up=False))
        return changes

    def _look_whether_begun(self) -> None:
        if not self.has_begun:
            self.has_begun = all(track.alive is not None for track in self.peers.values())
