"""The socket of the tools: what haresourcesd holds, and what people ask of it.

Facts: docs/interfaces.md, heartbeat-v1.md section 15.  Anybody who may open the socket may look;
root and the cluster user may move resources.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from crmd.daemon.heartbeatd_clients import cluster_uid
from crmd.daemon.ipc import Message
from crmd.daemon.ipc_async import Peer, Server
from crmd.daemon.paths import Paths
from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import standby_set
from crmd.haresources.takeover_state import Phase

if TYPE_CHECKING:
    from crmd.daemon.haresourcesd import Haresourcesd

USAGE, NOT_ALLOWED, NO_SUCH, TRY_AGAIN = 64, 4, 105, 75


class Desk:
    """One answer to each request."""

    def __init__(self, paths: Paths, daemon: Haresourcesd) -> None:
        self._server = Server(paths.haresources_socket, self)
        self._daemon = daemon
        trusted = {0, os.geteuid()}
        if (uid := cluster_uid()) is not None:
            trusted.add(uid)
        self._trusted = frozenset(trusted)

    async def start(self) -> None:
        await self._server.start()

    async def close(self) -> None:
        await self._server.close()

    def connected(self, peer: Peer) -> None:
        return

    def disconnected(self, peer: Peer, reason: str) -> None:
        return

    def received(self, peer: Peer, message: Message) -> None:
        if message.get("op") == "status":
            peer.send({"ok": True, **self._status()})
        elif peer.credentials.uid not in self._trusted:
            text = f"{message.get('op')}: only root and the cluster user may ask this"
            peer.send({"ok": False, "code": NOT_ALLOWED, "error": text})
        else:
            peer.send(self._change(message))

    def _change(self, message: Message) -> dict[str, Any]:
        daemon, word = self._daemon, str(message.get("which", "all"))
        op = message.get("op")
        if op in ("standby", "takeover") and daemon.link.status != "active":
            status = daemon.link.status or "away"
            return _refused(TRY_AGAIN, f"heartbeatd is {status}: nobody would hear it; try again")
        if op in ("standby", "takeover") and daemon.state.phase is Phase.INIT:
            return _refused(TRY_AGAIN, "this node looks what runs here, and begins; try again")
        match op:
            case "standby" if (which := standby_set(word)) is not None:
                daemon.say("info", f"Going standby [{which.word}].", "hb_standby")
                daemon.feed(ev.GoStandby(which))
            case "takeover" if standby_set(word) is not None:
                daemon.feed(ev.TakeOver(word))
            case "confirm":
                node = str(message.get("node", "")).lower()
                if node not in daemon.state.peers:
                    return _refused(NO_SUCH, f"node {node!r} is not in ha.cf")
                daemon.feed(ev.Fenced(node, is_down=True, by_person=True))
            case "reload":
                problems = daemon.read_groups()
                if problems:
                    return _refused(USAGE, "; ".join(problems))
            case other:
                return _refused(USAGE, f"op {other!r} {word!r}: status, standby, takeover, confirm")
        return {"ok": True}

    def _status(self) -> dict[str, Any]:
        state = self._daemon.state
        return {
            "node": state.me,
            "phase": state.phase.value,
            "claim": state.i_hold.word,
            "settled": self._daemon.is_settled,
            "auto_failback": state.policy.auto_failback,
            "disklock": self._daemon.disklock,
            "groups": [
                {
                    "key": group.key,
                    "home": group.home,
                    "line": group.line,
                    "active": group.key in state.work.active,
                }
                for group in state.groups
            ],
            "peers": [
                {
                    "name": name,
                    "alive": peer.alive,
                    "claim": peer.claim.word if peer.claim is not None else None,
                    "stable": peer.is_stable,
                    "awaits_person": state.deaths.delayed.get(name) is not None
                    or name in state.deaths.fencing,
                }
                for name, peer in sorted(state.peers.items())
            ],
        }


def _refused(code: int, error: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "error": error}
