"""Who is a member: the ordered half of what peers say, and the events told upward.

The rules stand in peer.py.  Statuses act on liveness at once (node.py); here they arrive in the
sender's order, after everything the sender said before.  No I/O, no clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from crmd.heartbeat import events as ev
from crmd.heartbeat import stream
from crmd.heartbeat.delivery import Outbox
from crmd.heartbeat.events import Note, Output, Tell
from crmd.heartbeat.liveness import Liveness
from crmd.heartbeat.message import Message
from crmd.heartbeat.peer import Kind, Membership, Peer, read_membership
from crmd.heartbeat.sender import Identity
from crmd.messaging import Delivered, PeerDown, PeerUp

NOT_FOR_CLIENTS = frozenset({"status", "reqnodes", "repnodes", stream.TYPE, "hbapi-clstat", ""})


@dataclass(slots=True)
class Members:
    """The membership of a node."""

    me: Identity
    live: Liveness
    outbox: Outbox
    counters: Counter[str]

    def is_for_us(self, message: Message) -> bool:
        """Whether `message` is addressed to us or to everybody."""
        uuid = message.raw("destuuid")
        if uuid is not None and uuid.strip(b"\0"):
            return uuid == self.me.uuid
        dest = message.text("dest")
        return dest is None or dest.lower() == self.me.name

    def in_order(self, peer: Peer, message: Message, out: list[Output], now: float) -> bool:
        """One message of `peer`, after all before it.  True if it must be confirmed at once."""
        if message.type == "status":
            said = read_membership(message)
            if said is None:
                self._real_heartbeat(peer, out)
                return False
            return self._own_kind(peer, said, out)
        if message.type == stream.TYPE:
            self._application(peer, message, out)
        elif message.type == "hbapi-clstat":
            client, state = message.text("from_id") or "", message.text("st")
            if state in ("join", "leave") and client:
                change = {client} if state == "join" else set()
                self._set_clients(peer, frozenset((peer.clients - {client}) | change), out)
        return False

    def _real_heartbeat(self, peer: Peer, out: list[Output]) -> None:
        if not peer.is_member and self.live.is_alive(peer.name):
            self.up(peer, out)

    def _own_kind(self, peer: Peer, said: Membership, out: list[Output]) -> bool:
        if said.has_left:
            first = not peer.has_left
            peer.has_left = True
            self._set_clients(peer, frozenset(), out)
            if peer.is_member:
                self.down(peer, out, "left")
            return first
        peer.has_left = False
        echo = said.echoes.get(self.me.name)
        if echo is None or not echo.startswith(self.me.nonce + "."):
            if peer.is_member:
                self.down(peer, out, "deaf")
            return False
        if peer.is_member and echo != peer.echoed:
            self.down(peer, out, "broken")
        if not peer.is_member and self.live.is_alive(peer.name):
            peer.echoed = echo
            self.up(peer, out)
        if peer.is_member:
            self._set_clients(peer, said.clients, out)
        return False

    def _application(self, peer: Peer, message: Message, out: list[Output]) -> None:
        if not self.is_for_us(message):
            return
        payload = peer.assembly.add(message)
        if payload is None:
            return
        if peer.is_member:
            out.append(Tell(Delivered(peer.name, payload.topic, payload.data)))
        else:
            self.counters["from-no-member"] += 1

    def _set_clients(self, peer: Peer, clients: frozenset[str], out: list[Output]) -> None:
        for client in sorted(peer.clients ^ clients):
            out.append(Tell(ev.PeerClient(peer.name, client, client in clients)))
        peer.clients = clients

    def up(self, peer: Peer, out: list[Output]) -> None:
        """`peer` becomes a member."""
        peer.is_member = peer.was_told = True
        if peer.acknowledges:
            self.outbox.add_receiver(peer.name)
        facts: dict[str, object] = {"node": peer.name, "generation": peer.generation}
        out.append(Note("notice", "peer.up", {**facts, "kind": peer.kind.value}))
        out.append(Tell(PeerUp(peer.name, peer.generation)))

    def down(self, peer: Peer, out: list[Output], why: str, silent_s: float = 0.0) -> None:
        """`peer` ceases to be a member, if it is one; `why` as in `PeerDown`."""
        if not peer.is_member:
            return
        peer.is_member, peer.echoed = False, None
        self.outbox.remove_receiver(peer.name)
        facts: dict[str, object] = {"node": peer.name, "why": why, "silent_s": round(silent_s, 3)}
        out.append(Note("warn", "peer.down", facts))
        out.append(Tell(PeerDown(peer.name, why == "left", silent_s, why)))

    def never_came(self, peer: Peer, out: list[Output], silent_s: float) -> None:
        """initdead is over and `peer` was never a member: those above need wait no longer."""
        if peer.was_told or peer.is_member:
            return
        peer.was_told = True
        facts: dict[str, object] = {"node": peer.name, "waited_s": round(silent_s, 3)}
        out.append(Note("warn", "peer.never-came", facts))
        out.append(Tell(PeerDown(peer.name, False, silent_s)))

    def restarted(self, peer: Peer, status: Message, out: list[Output], silent_s: float) -> None:
        """`peer` runs anew, as its `status` of a newer generation says.

        If it tells the same boot of its node as before, only its heartbeatd was restarted; a real
        Heartbeat tells none, and may have lost its resources.
        """
        boot = status.text("pkboot") or ""
        self.down(peer, out, "restarted" if boot and boot == peer.boot else "rebooted", silent_s)
        peer.nonce, peer.kind, peer.has_left = "", Kind.UNKNOWN, False
        self._set_clients(peer, frozenset(), out)
