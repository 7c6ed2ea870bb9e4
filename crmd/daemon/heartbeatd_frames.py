"""Events of the heartbeat node as JSON frames, and the snapshot.  The words: docs/interfaces.md."""

from __future__ import annotations

import base64
from typing import Any, assert_never

from crmd.heartbeat import events as ev
from crmd.heartbeat.media import Ping
from crmd.heartbeat.node import Node
from crmd.messaging import Delivered, LinkChanged, PeerDown, PeerUp, Stalled

Frame = dict[str, Any]


def event_frame(event: ev.Upward) -> Frame:
    """The frame that tells `event`."""
    match event:
        case PeerUp(node, generation):
            return {"event": "peer_up", "node": node, "generation": generation}
        case PeerDown(node, clean, silent_s, why):
            told = {"node": node, "clean": clean, "silent_s": silent_s, "why": why}
            return {"event": "peer_down", **told}
        case LinkChanged(node, link, up):
            return {"event": "link", "node": node, "link": link, "up": up}
        case Delivered(origin, topic, payload):
            text = base64.b64encode(payload).decode("ascii")
            return {"event": "delivered", "origin": origin, "topic": topic, "payload": text}
        case Stalled(gap_s):
            return {"event": "stalled", "gap_s": gap_s}
        case ev.PeerClient(node, client, online):
            return {"event": "client", "node": node, "client": client, "online": online}
        case ev.StatusChanged(node, status):
            return {"event": "status", "node": node, "status": status}
        case ev.PingChanged(node, alive):
            return {"event": "ping", "node": node, "alive": alive}
        case ev.RawMessage(origin, fields):
            return {"event": "raw", "origin": origin, "fields": [list(pair) for pair in fields]}
        case ev.NodesChanged(nodes, deleted):
            return {"event": "nodes", "nodes": list(nodes), "deleted": list(deleted)}
        case ev.Left():
            return {"event": "left"}
        case _:
            assert_never(event)


def snapshot(node: Node, now: float) -> Frame:
    """All that a new client must know: ourselves, the configured nodes, who is a member."""
    config = node.config
    states = {True: "alive", False: "dead", None: "unknown"}
    nodes = [
        {
            "name": peer.name,
            "state": states[node.live.state(peer.name)],
            "member": peer.is_member,
            "left": peer.has_left,
            "told": peer.was_told,
            "generation": peer.generation,
            "kind": peer.kind.value,
            "status": peer.status or "unknown",
            "silent_s": round(node.live.silent_s(peer.name, now), 3),
            "links": [{"name": n, "up": up} for n, up in node.live.links(peer.name)],
            "clients": sorted(peer.clients),
            "differs": None if peer.differs is None else list(peer.differs),
        }
        for _, peer in sorted(node.peers.items())
    ]
    return {
        "event": "snapshot",
        "node": node.me.name,
        "generation": node.me.generation,
        "status": node.status,
        "leaving": node.is_leaving,
        "clients": sorted(node.clients),
        "nodes": nodes,
        "pings": [
            {"name": name, "state": states[node.live.state(name)]} for name in config.ping_nodes
        ],
        "links": sorted({m.name for m in config.media if not isinstance(m, Ping)}),
        "keepalive_s": config.keepalive_s,
        "deadtime_s": config.deadtime_s,
        "warntime_s": config.warntime_s,
        "initdead_s": config.initdead_s,
        "auto_failback": config.auto_failback,
    }
