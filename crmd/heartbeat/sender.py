"""What a node sends: the common fields, the numbers, the beat, and the queue of the application.

Facts: heartbeat-v1.md sections 4 and 6.2.  Appends `Send` outputs to the list it is handed; no
I/O, no clock.  Heartbeats are never held back; application messages wait while more than a
window of messages is unacknowledged by the slowest receiver.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crmd.heartbeat import compare, stream
from crmd.heartbeat.authkeys import Keyring
from crmd.heartbeat.delivery import WINDOW, Outbox
from crmd.heartbeat.events import Output, Send
from crmd.heartbeat.message import Field, Message, deflated, encode, make_field
from crmd.heartbeat.peer import OWN_KIND_FIELD, OWN_VERSION, Kind, Peer
from crmd.heartbeat.settings import Config

MAX_QUEUED_BYTES = 64 * 1024 * 1024
READ_ON_BELOW = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is in this run."""

    name: str
    uuid: bytes
    generation: int
    nonce: str
    """Random, new in each run; peers of our own kind echo it."""
    boot: str = ""
    """A word that is new with each boot of the node."""


class QueueFull(Exception):
    """More application bytes wait for acknowledgement than may be held; try again later."""


@dataclass(slots=True)
class Sender:
    """The sending half of a node."""

    me: Identity
    config: Config
    ring: Keyring
    peers: Mapping[str, Peer]
    outbox: Outbox
    counters: Counter[str]
    wall: tuple[float, float] = (0.0, 0.0)
    """(second since the epoch, monotonic second) of the same moment."""
    load: str = "0.00 0.00 0.00 1/1 1"
    prints: dict[str, str] = field(default_factory=dict)
    """Digests of our configuration, for the peers to compare (compare.py)."""
    queued_bytes: int = 0
    _queue: deque[tuple[Message, int]] = field(default_factory=deque)
    _payloads: int = 0

    def wall_at(self, now: float) -> float:
        """Seconds since the epoch at the monotonic second `now`."""
        return self.wall[0] + now - self.wall[1]

    @property
    def may_submit(self) -> bool:
        """False: the application should be read no further until acknowledgements come in."""
        return self.queued_bytes < READ_ON_BELOW

    @property
    def is_idle(self) -> bool:
        """Nothing of the application waits."""
        return not self._queue

    def encode(self, message: Message) -> bytes:
        """The signed datagram of a message, compressed if ha.cf says so and it is long."""
        if self.config.traditional_compression:
            limit = self.config.compression_threshold_kb * 1024
            if sum(len(f.name) + len(f.value) for f in message.fields) > limit:
                message = deflated(message, self.config.compression)
                return encode(message, self.ring, inner=False)
        return encode(message, self.ring, inner=self.config.msgfmt == "classic")

    def _common(self, fields: Iterable[Field], seq: int | None, now: float) -> Message:
        made = list(fields)
        dest = next((f.value.decode("utf-8", "replace") for f in made if f.name == "dest"), "")
        addressee = self.peers.get(dest)
        if addressee is not None and addressee.uuid is not None:
            made.append(make_field("destuuid", addressee.uuid))
        made += [make_field("src", self.me.name), make_field("srcuuid", self.me.uuid)]
        if seq is not None:
            made.append(make_field("seq", f"{seq:x}"))
        made.append(make_field("hg", f"{self.me.generation:x}"))
        made.append(make_field("ts", f"{max(0, int(self.wall_at(now))):x}"))
        if seq is not None:
            made.append(make_field("ld", self.load))
        made.append(make_field("ttl", str(self.config.ttl)))
        return Message(tuple(made))

    def number(self, fields: Iterable[Field], out: list[Output], now: float) -> int:
        """Send a numbered message to everybody; returns its number."""
        seq = self.outbox.next_seq()
        message = self._common(fields, seq, now)
        self.outbox.keep(seq, message)
        out.append(Send(self.encode(message)))
        return seq

    def control(
        self,
        type_: str,
        peer: Peer,
        extra: Iterable[tuple[str, str]],
        out: list[Output],
        now: float,
    ) -> None:
        """Send an unnumbered message (`NS_...`) to one peer.

        For a peer of our own kind it carries that peer's nonce, so that it is worth nothing in
        another run.
        """
        fields = [make_field("t", type_), make_field("dest", peer.name)]
        fields += [make_field(name, value) for name, value in extra]
        if peer.kind is Kind.PACEKEEPER:
            fields.append(make_field("pkto", peer.nonce))
        out.append(Send(self.encode(self._common(fields, None, now))))

    def resend(self, messages: Iterable[Message], out: list[Output]) -> None:
        """Put kept messages on the wire again: same number, same time, present key."""
        out.extend(Send(self.encode(message)) for message in messages)

    def with_one_hop_less(self, message: Message) -> bytes | None:
        """The datagram that passes `message` of another node on; None if its hops are used up."""
        hops = message.decimal("ttl") or 0
        if hops <= 1:
            return None
        fields = (f for f in message.fields if f.name != "auth")
        less = make_field("ttl", str(hops - 1))
        return self.encode(Message(tuple(less if f.name == "ttl" else f for f in fields)))

    def beat(
        self,
        status: str,
        echoes: Iterable[str],
        clients: Iterable[str],
        is_leaving: bool,
        out: list[Output],
        now: float,
    ) -> int:
        """Send our status; returns its number."""
        fields = [
            make_field("t", "status"),
            make_field("st", status),
            make_field("dt", f"{round(self.config.deadtime_s * 1000):x}"),
            make_field("protocol", "1"),
            make_field(OWN_KIND_FIELD, OWN_VERSION),
            make_field("pknonce", self.me.nonce),
        ]
        if self.me.boot:
            fields.append(make_field("pkboot", self.me.boot))
        for name, words in (("pkecho", echoes), ("pkclients", clients)):
            text = " ".join(words)
            if text:
                fields.append(make_field(name, text))
        if self.prints:
            fields.append(make_field(compare.FIELD, compare.as_text(self.prints)))
        if is_leaving:
            fields.append(make_field("pkleft", "1"))
        return self.number(fields, out, now)

    def submit(self, topic: str, payload: bytes, to: str | None) -> None:
        """Queue an application message.  Raises QueueFull and stream.PayloadTooLong."""
        if self.queued_bytes + len(payload) > MAX_QUEUED_BYTES:
            raise QueueFull(f"{self.queued_bytes} bytes wait for acknowledgement; try again later")
        self._payloads += 1
        for fragment in stream.fragments(topic, payload, self._payloads, to):
            size = sum(len(f.value) for f in fragment.fields)
            self._queue.append((fragment, size))
            self.queued_bytes += size

    def flush(self, out: list[Output], now: float) -> None:
        """Send of the queue what the window allows."""
        while self._queue and self.outbox.unconfirmed() < WINDOW:
            fragment, size = self._queue.popleft()
            self.queued_bytes -= size
            self.number(fragment.fields, out, now)
