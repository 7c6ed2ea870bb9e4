"""crmd's side of heartbeat.sock: values of crmd/messaging.py in and out, over asyncio.

Facts: docs/interfaces.md.  The client connects again by itself when heartbeatd was restarted.
That, or the restart of a peer's heartbeatd, must not look like the death of a node: whoever was
alive stays so for deadtime and is then heard again, or dead (`Peers`, without I/O).  Since messages
may have been missed meanwhile, every peer that is heard again is told as `PeerUp` once more:
conversations begin afresh.  What is handed over while heartbeatd is away waits in a bounded queue.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmd.daemon import ipc, ipc_async
from crmd.messaging import (
    Delivered,
    LinkChanged,
    MessagingEvent,
    PeerDown,
    PeerUp,
    Stalled,
    Transmit,
)

RECONNECT_S = 0.05
MAY_RETURN = frozenset({"restarted", "deaf", "broken"})
"""Reasons of PeerDown that are no death of the node."""
QUEUED_MESSAGES = 500
"""Messages kept while heartbeatd is away; beyond, the oldest go (the layers above ask again)."""


@dataclass(frozen=True, slots=True)
class PeerClient:
    """The named client of another node (its crmd, say) came or went; the node itself lives."""

    node: str
    client: str
    online: bool


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """What heartbeatd said when we connected."""

    node: str
    generation: int
    nodes: tuple[str, ...]
    """All configured nodes, ourselves included, sorted."""
    members: dict[str, int]
    """Live nodes, ourselves not included, and their generations."""
    deadtime_s: float
    keepalive_s: float
    initdead_s: float
    raw: dict[str, Any] = field(repr=False, default_factory=dict)
    """The whole snapshot, for status displays."""


def parse_snapshot(frame: dict[str, Any]) -> HeartbeatState:
    """The state in a snapshot frame."""
    others = {entry["name"]: entry for entry in frame["nodes"]}
    return HeartbeatState(
        node=frame["node"],
        generation=frame["generation"],
        nodes=tuple(sorted({frame["node"], *others})),
        members={name: e["generation"] for name, e in sorted(others.items()) if e["member"]},
        deadtime_s=frame["deadtime_s"],
        keepalive_s=frame["keepalive_s"],
        initdead_s=frame["initdead_s"],
        raw=frame,
    )


def parse_event(frame: dict[str, Any]) -> MessagingEvent | PeerClient | None:
    """The value of an event frame; None for frames that mean nothing to crmd."""
    match frame:
        case {"event": "peer_up", "node": str(node), "generation": int(generation)}:
            return PeerUp(node, generation)
        case {"event": "peer_down", "node": str(node), "clean": bool(clean), "silent_s": silent}:
            return PeerDown(node, clean, float(silent), str(frame.get("why", "silent")))
        case {"event": "link", "node": str(node), "link": str(link), "up": bool(up)}:
            return LinkChanged(node, link, up)
        case {"event": "stalled", "gap_s": gap}:
            return Stalled(float(gap))
        case {"event": "client", "node": str(node), "client": str(client), "online": bool(online)}:
            return PeerClient(node, client, online)
        case {"event": "delivered", "origin": str(origin), "topic": str(topic), "payload": str(p)}:
            try:
                return Delivered(origin, topic, base64.b64decode(p, validate=True))
            except binascii.Error:
                return None
    return None


def transmit_frame(transmit: Transmit) -> dict[str, Any]:
    """The request that carries out `transmit`."""
    return {
        "op": "send",
        "topic": transmit.topic,
        "to": transmit.to,
        "payload": base64.b64encode(transmit.payload).decode("ascii"),
    }


@dataclass(slots=True)
class Peers:
    """Which peers crmd can talk to; no I/O, the time is an argument (monotonic seconds).

    A peer is told as up when its heartbeatd is heard *and* its crmd is connected to that: what is
    sent earlier would reach nobody.  A crmd that was restarted is told as up once more.
    """

    name: str = "crmd"
    up: dict[str, int] = field(default_factory=dict)
    """Living peers and the generation of their heartbeatd."""
    online: set[str] = field(default_factory=set)
    """Peers whose crmd is there, as heartbeatd tells; it says only what changes, so a death does
    not empty it: the peer may come back with the crmd it had."""
    doubtful: dict[str, float] = field(default_factory=dict)
    """Peers whose conversation broke though their node may live: until when they may return."""
    deadtime_s: float = 1.0

    def snapshot(self, state: HeartbeatState, now: float) -> list[MessagingEvent]:
        """heartbeatd answers (again)."""
        self.deadtime_s = state.deadtime_s
        self.online = {e["name"] for e in state.raw["nodes"] if self.name in e["clients"]}
        events: list[MessagingEvent] = []
        for name, generation in sorted(state.members.items()):
            events += self.peer_up(PeerUp(name, generation))
        for name in sorted(set(self.up) - set(state.members)):
            self.doubtful.setdefault(name, now + self.deadtime_s)
        return events

    def peer_up(self, event: PeerUp) -> list[MessagingEvent]:
        """A peer is heard, or its heartbeatd began anew."""
        self.doubtful.pop(event.node, None)
        self.up[event.node] = event.generation
        return [event] if event.node in self.online else []

    def client(self, event: PeerClient) -> list[MessagingEvent]:
        """A named client of a peer came or went."""
        if event.client != self.name:
            return []
        if not event.online:
            self.online.discard(event.node)
            return []
        is_new = event.node not in self.online
        self.online.add(event.node)
        if is_new and event.node in self.up:
            return [PeerUp(event.node, self.up[event.node])]
        return []

    def peer_down(self, event: PeerDown, now: float) -> list[MessagingEvent]:
        """A peer left, is silent, or rebooted; or only its heartbeatd began anew."""
        if event.why in MAY_RETURN and event.node in self.up:
            self.doubtful.setdefault(event.node, now + self.deadtime_s)
            return []
        self.doubtful.pop(event.node, None)
        self.up.pop(event.node, None)
        return [event]

    def tick(self, now: float) -> list[MessagingEvent]:
        """Peers that were not heard again in time are dead."""
        late = sorted(name for name, until in self.doubtful.items() if now >= until)
        return [e for n in late for e in self.peer_down(PeerDown(n, False, self.deadtime_s), now)]

    def deadline(self) -> float | None:
        """Time of the next useful `tick`."""
        return min(self.doubtful.values(), default=None)


@dataclass(slots=True, eq=False)
class HeartbeatClient:
    """Keeps a connection to heartbeatd.

    `on_state` is called with the snapshot of every (re)connection before any event;
    `on_event` with each event, in order.  On a reconnection all members are told through
    `on_event` as PeerUp, those not heard again within deadtime as PeerDown.  Both are plain
    functions called in the loop.
    """

    path: Path
    on_state: Callable[[HeartbeatState], None]
    on_event: Callable[[MessagingEvent | PeerClient], None]
    name: str = "crmd"
    on_note: Callable[[str], None] = lambda text: None
    """Refusals of heartbeatd and losses of the connection, in words."""
    state: HeartbeatState | None = None
    peers: Peers = field(default_factory=Peers)
    _peer: ipc_async.Peer | None = None
    _queue: deque[Transmit] = field(default_factory=lambda: deque(maxlen=QUEUED_MESSAGES))
    _timer: asyncio.TimerHandle | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _lost: asyncio.Event = field(default_factory=asyncio.Event)
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Connect, and connect again whenever the connection ends; returns only by cancellation."""
        while True:
            self._lost.clear()
            try:
                self._peer = await ipc_async.connect(self.path, self)
            except ipc.IpcError:
                await asyncio.sleep(RECONNECT_S)
                continue
            await self._lost.wait()
            await asyncio.sleep(RECONNECT_S)

    async def wait_ready(self) -> HeartbeatState:
        """The state of the present connection, once there is one."""
        await self._ready.wait()
        assert self.state is not None
        return self.state

    @property
    def is_connected(self) -> bool:
        """Whether heartbeatd answers now."""
        return self._peer is not None and self._ready.is_set()

    def transmit(self, transmit: Transmit) -> bool:
        """Hand a message over; False: it waits until heartbeatd is back and hears the peers."""
        if self._peer is None or not self.is_connected or self._queue:
            self._queue.append(transmit)
            return False
        return self._peer.send(transmit_frame(transmit))

    async def leave(self, timeout_s: float = 5.0) -> bool:
        """Announce a clean departure; True once all peers know (or had a dead time to learn it)."""
        self._left.clear()
        if self._peer is None or not self._peer.send({"op": "leave"}):
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await self._left.wait()
        except TimeoutError:
            return False
        return True

    def rejoin(self) -> bool:
        """Take a departure back."""
        return self._peer is not None and self._peer.send({"op": "rejoin"})

    # --- what the connection tells us -----------------------------------------------------------

    def connected(self, peer: ipc_async.Peer) -> None:
        self._peer = peer
        peer.send({"op": "register", "client": self.name})

    def received(self, peer: ipc_async.Peer, message: dict[str, Any]) -> None:
        match message.get("event"):
            case "snapshot":
                self._new_state(parse_snapshot(message))
            case "refused":
                self.on_note(f"heartbeatd refused {message.get('op')}: {message.get('reason')}")
            case "left":
                self._left.set()
            case _:
                self._take(parse_event(message))

    def disconnected(self, peer: ipc_async.Peer, reason: str) -> None:
        self._peer = None
        self._ready.clear()
        self._lost.set()
        self.on_note(f"heartbeatd: connection lost ({reason})")

    def _new_state(self, state: HeartbeatState) -> None:
        is_first = self.state is None
        self.state = state
        self.on_state(state)
        self._ready.set()
        self._tell(self.peers.snapshot(state, asyncio.get_running_loop().time()))
        for entry in state.raw["nodes"]:
            if is_first and entry["told"] and not entry["member"]:
                self.on_event(PeerDown(entry["name"], entry["left"], entry["silent_s"]))
            for client in entry["clients"]:
                self.on_event(PeerClient(entry["name"], client, True))
        self._send_queued()

    def _send_queued(self) -> None:
        """A new heartbeatd has no hearers before it hears them: what waits, waits for that."""
        while self._queue and not self.peers.doubtful and self._peer is not None:
            if not self.is_connected or not self._peer.send(transmit_frame(self._queue[0])):
                return
            self._queue.popleft()

    def _take(self, event: MessagingEvent | PeerClient | None) -> None:
        match event:
            case None:
                return
            case PeerClient():
                self.on_event(event)
                self._tell(self.peers.client(event))
            case PeerUp():
                self._tell(self.peers.peer_up(event))
            case PeerDown():
                self._tell(self.peers.peer_down(event, asyncio.get_running_loop().time()))
            case _:
                self.on_event(event)

    def _tell(self, events: list[MessagingEvent]) -> None:
        for event in events:
            self.on_event(event)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.peers.deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(
                deadline, lambda: self._tell(self.peers.tick(max(deadline, loop.time())))
            )
        self._send_queued()
