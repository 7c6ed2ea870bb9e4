"""Who belongs to the cluster: the nodes of ha.cf, those that joined, and what people changed.

hb_addnode and hb_delnode change the list while all nodes run, with the messages `addnode` and
`delnode` that Heartbeat has for it; each node decides by the same rules (heartbeat-v1.md
sections 5 and 15, and the program itself): a node is added unless it is there; nodes are deleted
only while they are dead and all others are alive.  Who is alive is liveness.py, who is a member
members.py.  No I/O, no clock.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crmd.heartbeat import events as ev
from crmd.heartbeat.delivery import Inbox
from crmd.heartbeat.events import Note, Output, Tell
from crmd.heartbeat.liveness import Liveness
from crmd.heartbeat.members import Members
from crmd.heartbeat.message import Message, message
from crmd.heartbeat.peer import Peer
from crmd.heartbeat.sender import Sender
from crmd.heartbeat.settings import Config

MAX_NODES = 100
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,98}")


@dataclass(slots=True)
class Roster:
    """The nodes that are expected, beside ourselves."""

    sender: Sender
    live: Liveness
    members: Members
    peers: dict[str, Peer]
    rng: random.Random
    floors: Mapping[str, tuple[int, int]]
    """Replay memory of former runs: node -> newest (generation, seq)."""
    deleted: set[str] = field(default_factory=set)
    """Nodes that somebody deleted; they may not join by themselves."""

    def expect(self, name: str) -> Peer:
        """`name` is a peer from now on."""
        most = self.sender.config.max_rexmit_delay_s
        low = 0.05 if most >= 0.1 else 0.0
        wait: Callable[[], float] = lambda: self.rng.uniform(low, most)  # noqa: E731
        inbox = Inbox(self.rng.randrange(10), wait, most, self.floors.get(name, (0, 0)))
        peer = self.peers[name] = Peer(name, inbox)
        self.live.add(name)
        return peer

    def join(self, name: str, out: list[Output]) -> Peer | None:
        """`name`, which nobody configured, says that it is there; None: it may not be."""
        if name in self.deleted or not self._is_room_for(name):
            return None
        out.append(Note("notice", "node.joined", {"node": name}))
        peer = self.expect(name)
        self.tell(out)
        return peer

    def _is_room_for(self, name: str) -> bool:
        fits = len(self.peers) < MAX_NODES and _NAME.fullmatch(name) is not None
        return fits and name not in self.sender.config.ping_nodes

    def memory(self) -> dict[str, tuple[int, int]]:
        """Newest (generation, seq) of every peer, to be saved; never rounded up."""
        known = dict(self.floors)
        for peer in self.peers.values():
            if peer.inbox.generation is not None:
                heard = (peer.inbox.generation, peer.inbox.newest)
                known[peer.name] = max(known.get(peer.name, (0, 0)), heard)
        return known

    def follow(self, config: Config, now: float, out: list[Output]) -> None:
        """Expect the nodes and ping nodes of `config` only; new ones for initdead from now."""
        wanted = {*config.nodes} - {self.sender.me.name}
        leave = set(self.peers) - wanted if config.autojoin == "none" else self.deleted
        for name in sorted(leave & set(self.peers)):
            self.members.down(self.peers.pop(name), out, "left")
            self.live.remove(name)
        for name in sorted(wanted - set(self.peers)):
            self.expect(name)
            self.live.expect_from(name, now)
        pings = set(config.ping_nodes)
        for name in sorted(set(self.live.peers) - set(self.peers) - pings):
            self.live.remove(name)
        for name in config.ping_nodes:
            self.live.add(name, config.deadping_s)

    # --- what people change ---------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """All nodes: those of the configuration in its order, then those that joined."""
        config = self.sender.config
        return (*config.nodes, *sorted(set(self.peers) - {*config.nodes}))

    def refusal_to_add(self, names: Sequence[str]) -> str | None:
        """Why not all of `names` can be added; None if they can."""
        for name in names:
            if name in self.names():
                return f"node({name}) already exists"
            if not self._is_room_for(name):
                return f"{name[:99]!r} cannot be a node name; use what `uname -n` prints there"
        return None

    def refusal_to_delete(self, names: Sequence[str]) -> str | None:
        """Why `names` cannot be deleted; None if they can."""
        for name in names:
            if name not in self.names():
                return f"node {name[:99]} is not in the cluster"
            if name == self.sender.me.name or self.live.is_alive(name):
                return f"node {name} is not dead"
        for name in sorted(set(self.peers) - set(names)):
            if not self.live.is_alive(name):
                return f"We don't have all required nodes alive ({name} is dead)"
        return None

    def request(self, change: ev.ChangeNodes) -> Message:
        """What tells the other nodes of a change that somebody asked for here."""
        return message("addnode" if change.add else "delnode", nodelist=" ".join(change.names))

    def changed(self, change: ev.ChangeNodes, out: list[Output]) -> Config | None:
        """The configuration after a change; None if nothing of it can be done."""
        config = self.sender.config
        if change.add:
            fresh = self._added(change.names, out)
            if not fresh:
                return None
            self.deleted -= set(fresh)
            return replace(config, nodes=(*config.nodes, *fresh))
        why = self.refusal_to_delete(change.names)
        if why is not None:
            out.append(Note("error", "node.delete-refused", {"why": why}))
            return None
        for name in change.names:
            out.append(Note("notice", "node.deleted", {"node": name}))
        self.deleted |= set(change.names)
        return replace(config, nodes=tuple(n for n in config.nodes if n not in change.names))

    def _added(self, names: Sequence[str], out: list[Output]) -> list[str]:
        fresh: list[str] = []
        for name in dict.fromkeys(names):
            why = self.refusal_to_add([name])
            if why is not None:
                out.append(Note("error", "node.add-refused", {"node": name[:99], "why": why}))
            else:
                out.append(Note("notice", "node.added", {"node": name}))
                fresh.append(name)
        return fresh[: MAX_NODES - len(self.peers)]

    def tell(self, out: list[Output]) -> None:
        """Tell those above, and the keeper of the files, who belongs to the cluster now."""
        out.append(Tell(ev.NodesChanged(self.names(), tuple(sorted(self.deleted)))))
