"""The dialogue by which a starting node asks a living one for the list of nodes.

Facts: heartbeat-v1.md section 7.1, step 4, and 18.10.  A node whose configuration is fixed (no
autojoin) keeps its own list and only says that the lists differ.  Nobody answers for ever: after
five tries the node goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crmd.heartbeat.events import Note, Output
from crmd.heartbeat.liveness import Liveness
from crmd.heartbeat.message import Message, make_field, message
from crmd.heartbeat.peer import Peer
from crmd.heartbeat.sender import Sender

TRIES = 5
ASK_EVERY_S = 1.0


@dataclass(slots=True)
class NodeList:
    """Our side of the dialogue, asking and answering."""

    sender: Sender
    live: Liveness
    peers: Mapping[str, Peer]
    deleted: set[str]
    """Shared with the roster."""
    ask_at: float | None = None
    """When to ask next; None: not asking."""
    tries: int = 0

    def ask(self, out: list[Output], now: float) -> bool:
        """Ask the next living node.  False: nobody is left to ask, go on without an answer."""
        alive = [name for name in sorted(self.peers) if self.live.is_alive(name)]
        if not alive or self.tries >= TRIES:
            self.ask_at = None
            return False
        whom = alive[self.tries % len(alive)]
        self.tries += 1
        self.ask_at = now + ASK_EVERY_S
        self.sender.number([make_field("t", "reqnodes"), make_field("dest", whom)], out, now)
        return True

    def answer(self, peer: Peer, out: list[Output], now: float) -> None:
        """Tell `peer`, who asks, all nodes we know."""
        names, gone = " ".join(self._known()), " ".join(sorted(self.deleted))
        reply = message("repnodes", dest=peer.name, nodelist=f"{names} ", delnodelist=f"{gone} ")
        self.sender.number(reply.fields, out, now)

    def learn(self, peer: Peer, reply: Message, out: list[Output]) -> list[str]:
        """Take an answer; returns the nodes that are new to us and may join."""
        self.ask_at = None
        theirs = sorted(set((reply.text("nodelist") or "").lower().split()))
        ours = self._known()
        if self.sender.config.autojoin != "none":
            return [name for name in theirs if name not in ours]
        if theirs != ours:
            facts: dict[str, object] = {"node": peer.name, "theirs": theirs, "ours": ours}
            out.append(Note("error", "node-lists.differ", facts))
        return []

    def _known(self) -> list[str]:
        return sorted({self.sender.me.name, *self.peers})
