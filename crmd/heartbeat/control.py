"""Unnumbered packets between two nodes: acknowledgements, requests to send again, refusals.

Facts: heartbeat-v1.md section 6, reliability.md section 6.6.  They carry no number, so replaying
them must be worthless: they count only for the sender's present generation, from a node of our
own kind only with our present nonce, are idempotent, and are rate-limited.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from crmd.heartbeat.events import Output
from crmd.heartbeat.members import Members
from crmd.heartbeat.message import Message, PacketError
from crmd.heartbeat.peer import Kind, Peer
from crmd.heartbeat.sender import Sender


@dataclass(slots=True)
class Control:
    """The control packets of a node."""

    sender: Sender
    members: Members
    counters: Counter[str]

    def receive(
        self, peer: Peer, msg: Message, generation: int, now: float, out: list[Output]
    ) -> int | None:
        """Take one packet of type `NS_...`.

        Returns the number that the owner can no longer send and that we were waiting for.
        """
        if not self.members.is_for_us(msg):
            return None
        if generation != peer.inbox.generation:
            self.counters["control-of-other-run"] += 1
            return None
        is_own_kind = peer.kind is Kind.PACEKEEPER
        if is_own_kind and msg.text("pkto") != self.sender.me.nonce:
            self.counters["control-for-other-run"] += 1
            return None
        if msg.type == "NS_ackmsg":
            if not self.sender.outbox.acknowledge(peer.name, msg.hexadecimal("ackseq") or 0):
                self.counters["ack-of-unsent"] += 1
        elif msg.type == "NS_rexmit":
            first, last = msg.decimal("firstseq"), msg.decimal("lastseq")
            if first is None or last is None:
                raise PacketError("bad-number")
            bucket = peer.fast_resends if is_own_kind else peer.resends
            if bucket.take(now):
                self._resend(peer, first, last, now, out)
            else:
                self.counters["resend-refused"] += 1
        elif msg.type == "NS_nak_rexmit":
            refused = msg.hexadecimal("firstseq") or 0
            return refused if peer.inbox.give_up(refused) else None
        return None

    def _resend(self, peer: Peer, first: int, last: int, now: float, out: list[Output]) -> None:
        answer = self.sender.outbox.resend(peer.name, first, last, now)
        self.sender.resend(answer.messages, out)
        self.counters["resent"] += len(answer.messages)
        if answer.gone is not None:
            self.counters["resend-gone"] += 1
            extra = [("firstseq", f"{answer.gone:x}"), ("info", "too old")]
            self.sender.control("NS_nak_rexmit", peer, extra, out, now)

    def ask_for_missing(self, peer: Peer, now: float, out: list[Output]) -> None:
        """Ask `peer` for what is due to be asked for."""
        for seq in peer.inbox.due_requests(now):
            self.counters["asked"] += 1
            extra = [("firstseq", str(seq)), ("lastseq", str(seq))]
            self.sender.control("NS_rexmit", peer, extra, out, now)

    def acknowledge(self, peer: Peer, seq: int, out: list[Output], now: float) -> None:
        """Tell `peer` that we have everything up to `seq`."""
        self.sender.control("NS_ackmsg", peer, [("ackseq", f"{seq:x}")], out, now)
