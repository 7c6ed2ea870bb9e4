"""haresourcesd's end of heartbeat.sock: events of the v1 machines in, its messages out.

Facts: docs/interfaces.md.  heartbeatd tells when a peer's conversation broke without saying that
the peer is dead; whoever is not heard again within the dead time is dead (as in heartbeat_client).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmd.daemon import ipc, ipc_async
from crmd.haresources import takeover_events as ev

NAME = "haresources"
RECONNECT_S = 0.05
NO_DEATH = frozenset({"restarted", "deaf", "broken", "rebooted"})


@dataclass(slots=True, eq=False)
class HeartbeatLink:
    """Keeps the connection.  All callbacks are plain functions called in the loop."""

    path: Path
    on_event: Callable[[ev.Event], None]
    on_active: Callable[[], None]
    """Our status became active, or heartbeatd began anew and is active again."""
    on_note: Callable[[str, str], None]
    """A line for the log: level and text."""
    on_ping: Callable[[dict[str, bool]], None] = lambda _: None
    """The ping nodes and whether they answer, when that changed."""
    node: str = ""
    status: str = ""
    deadtime_s: float = 1.0
    generation: int = 0
    snapshot: dict[str, Any] = field(default_factory=dict)
    pings: dict[str, bool] = field(default_factory=dict)
    _peer: ipc_async.Peer | None = None
    _lost: asyncio.Event = field(default_factory=asyncio.Event)
    _doubtful: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _alive: dict[str, tuple[bool | None, int]] = field(default_factory=dict)
    _is_begun: bool = False

    async def run(self) -> None:
        """Connect, and connect again; returns only by cancellation."""
        while True:
            self._lost.clear()
            try:
                self._peer = await ipc_async.connect(self.path, self)
            except ipc.IpcError:
                await asyncio.sleep(RECONNECT_S)
                continue
            await self._lost.wait()
            await asyncio.sleep(RECONNECT_S)

    def send(self, fields: tuple[tuple[str, str], ...]) -> bool:
        """A message of Heartbeat's protocol to all nodes; False: heartbeatd is away."""
        request = {"op": "raw", "fields": [list(pair) for pair in fields]}
        return self._peer is not None and self._peer.send(request)

    def begin(self) -> ev.Begin:
        """The peers of now."""
        return ev.Begin(tuple((n, alive, g) for n, (alive, g) in sorted(self._alive.items())))

    def close(self) -> None:
        """Cut the connection and forget the timers."""
        for timer in self._doubtful.values():
            timer.cancel()
        if self._peer is not None:
            self._peer.close()

    # --- what the connection tells --------------------------------------------------------------

    def connected(self, peer: ipc_async.Peer) -> None:
        peer.send({"op": "register", "client": NAME, "raw": True})

    def disconnected(self, peer: ipc_async.Peer, reason: str) -> None:
        self._peer = None
        self._is_begun, self.status = False, ""
        self._lost.set()
        self.on_note("WARN", f"Connection to heartbeatd lost ({reason}); connecting again")

    def received(self, peer: ipc_async.Peer, message: dict[str, Any]) -> None:
        self._peer = peer
        match message:
            case {"event": "snapshot"}:
                self._greeted(message)
            case {"event": "status", "node": str(node), "status": str(status)}:
                self._status(node, status)
            case {"event": "peer_up", "node": str(node), "generation": int(generation)}:
                self._up(node, generation, str(message.get("kind", "")))
            case {"event": "peer_down", "node": str(node), "clean": clean}:
                why = str(message.get("why", "silent"))
                self._down(node, "left" if clean else why)
            case {"event": "raw", "origin": str(origin), "fields": list(fields)}:
                if origin != self.node:
                    pairs = tuple((str(name), str(value)) for name, value in fields)
                    self.on_event(ev.Said(origin, pairs))
            case {"event": "ping", "node": str(node), "alive": alive}:
                self.pings[node] = bool(alive)
                self.on_note("info", f"Ping node {node} {'answers' if alive else 'is silent'}.")
                self.on_ping(dict(self.pings))
            case {"event": "nodes", "nodes": list(names)}:
                self.on_event(ev.NewNodes(tuple(str(name) for name in names)))
            case {"event": "stalled", "gap_s": gap}:
                self.on_event(ev.Stalled(float(gap)))
            case {"event": "refused"}:
                self.on_note("ERROR", f"heartbeatd refused {message['op']}: {message['reason']}")

    def _greeted(self, frame: dict[str, Any]) -> None:
        self.snapshot, self.node = frame, str(frame["node"])
        self.deadtime_s = float(frame["deadtime_s"])
        self.generation = int(frame["generation"])
        self.pings = {str(p["name"]): p["state"] == "alive" for p in frame["pings"]}
        if self.pings:  # those that answered before we came are not told again
            self.on_ping(dict(self.pings))
        for entry in frame["nodes"]:
            name, generation = str(entry["name"]), int(entry["generation"])
            alive = True if entry["member"] else (False if entry["told"] else None)
            self._alive[name] = (alive, generation)
            if entry["member"]:
                self.on_event(ev.PeerKind(name, entry["kind"] == "pacekeeper"))
                if self._doubtful.pop(name, None) is None and self.status:
                    self.on_event(ev.PeerHeard(name, generation))
        self._own_status(str(frame["status"]))

    def _status(self, node: str, status: str) -> None:
        if node == self.node:
            self._own_status(status)

    def _own_status(self, status: str) -> None:
        self.status = status
        if status == "active" and not self._is_begun:
            self._is_begun = True
            self.on_active()

    def _up(self, node: str, generation: int, kind: str) -> None:
        timer = self._doubtful.pop(node, None)
        if timer is not None:
            timer.cancel()
        self._alive[node] = (True, generation)
        if kind:
            self.on_event(ev.PeerKind(node, kind == "pacekeeper"))
        self.on_event(ev.PeerHeard(node, generation))

    def _down(self, node: str, why: str) -> None:
        if why in NO_DEATH:
            if node not in self._doubtful:
                loop = asyncio.get_running_loop()
                self._doubtful[node] = loop.call_later(self.deadtime_s, self._not_heard, node)
            self.on_event(ev.PeerGone(node, "rebooted" if why == "rebooted" else "restarted"))
            return
        timer = self._doubtful.pop(node, None)
        if timer is not None:
            timer.cancel()
        self._alive[node] = (False, self._alive.get(node, (None, 0))[1])
        self.on_event(ev.PeerGone(node, why))

    def _not_heard(self, node: str) -> None:
        self._doubtful.pop(node, None)
        self._alive[node] = (False, self._alive.get(node, (None, 0))[1])
        self.on_event(ev.PeerGone(node, "silent"))
