"""crmd's side of heartbeat.sock: values of crmd/messaging.py in and out, over asyncio.

Facts: docs/interfaces.md.  The client connects again by itself when heartbeatd was restarted or
ended the connection.  Messages may have been missed meanwhile, so every peer is then told as
PeerDown and, if it lives, PeerUp: conversations begin afresh.  While it is not connected nothing
is sent; `Transmit` is dropped then, since no peer could hear it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
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

RECONNECT_S = 0.1


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
            return PeerDown(node, clean, float(silent))
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


@dataclass(slots=True, eq=False)
class HeartbeatClient:
    """Keeps a connection to heartbeatd.

    `on_state` is called with the snapshot of every (re)connection before any event;
    `on_event` with each event, in order.  The members of a snapshot are told through `on_event`
    as PeerUp, after a PeerDown of all former ones.  Both are plain functions called in the loop.
    """

    path: Path
    on_state: Callable[[HeartbeatState], None]
    on_event: Callable[[MessagingEvent | PeerClient], None]
    name: str = "crmd"
    on_note: Callable[[str], None] = lambda text: None
    """Refusals of heartbeatd and losses of the connection, in words."""
    state: HeartbeatState | None = None
    dropped: int = 0
    """Transmits that found no connection."""
    _peer: ipc_async.Peer | None = None
    _members: dict[str, int] = field(default_factory=dict)
    _told_clients: set[tuple[str, str]] = field(default_factory=set)
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

    def transmit(self, transmit: Transmit) -> bool:
        """Hand a message over.  False: not connected, it is lost."""
        if self._peer is None or not self._ready.is_set():
            self.dropped += 1
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
                event = parse_event(message)
                if event is not None:
                    self._note_member(event)
                    self.on_event(event)

    def disconnected(self, peer: ipc_async.Peer, reason: str) -> None:
        self._peer = None
        self._ready.clear()
        self._lost.set()
        self.on_note(f"heartbeatd: connection lost ({reason})")

    def _new_state(self, state: HeartbeatState) -> None:
        before, is_first = self._members, self.state is None
        self.state = state
        self._members = dict(state.members)
        self.on_state(state)
        self._ready.set()
        for node in sorted(before):
            self.on_event(PeerDown(node, clean=False))
        for node, generation in sorted(state.members.items()):
            self.on_event(PeerUp(node, generation))
        for entry in state.raw["nodes"]:
            if is_first and entry["told"] and not entry["member"]:
                self.on_event(PeerDown(entry["name"], entry["left"], entry["silent_s"]))
            for client in entry["clients"]:
                self.on_event(PeerClient(entry["name"], client, True))

    def _note_member(self, event: MessagingEvent | PeerClient) -> None:
        if isinstance(event, PeerUp):
            self._members[event.node] = event.generation
        elif isinstance(event, PeerDown):
            self._members.pop(event.node, None)
