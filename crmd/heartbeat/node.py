"""A whole heartbeat node as one machine: packets and time in, packets and events out.

`step(event, now) -> list[Output]`; `deadline()` names the time of the next Tick that is needed.
No sockets, no clock, no files: crmd/daemon/heartbeatd.py and the simulator drive the same object.
Facts: heartbeat-v1.md sections 4 to 7 and 18, reliability.md section 6.

The walk of a packet: decode (digest first), then number (delivery), then link and peer
(liveness), then what it says.  What depends on order (membership, application messages, clients)
waits in the peer's stream until the numbers before it have come; what must be fast does not.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import assert_never

from crmd.heartbeat import events as ev
from crmd.heartbeat.authkeys import Keyring
from crmd.heartbeat.compare import FIELD, differing, fingerprints, read_text
from crmd.heartbeat.control import Control
from crmd.heartbeat.delivery import Arrival, Outbox
from crmd.heartbeat.events import Note, Output, Remember, Tell
from crmd.heartbeat.liveness import Change, LateBeat, Liveness, PeerAlive, PeerDead
from crmd.heartbeat.media import Serial
from crmd.heartbeat.members import NOT_FOR_CLIENTS, Members
from crmd.heartbeat.message import STRING, Message, PacketError, decode, make_field
from crmd.heartbeat.node_list import NodeList
from crmd.heartbeat.peer import Kind, Peer, read_membership
from crmd.heartbeat.pings import PingNodes
from crmd.heartbeat.pulse import Pulse
from crmd.heartbeat.roster import MAX_NODES, Roster
from crmd.heartbeat.seldom import Seldom
from crmd.heartbeat.sender import Identity, QueueFull, Sender
from crmd.heartbeat.settings import Config
from crmd.messaging import Delivered, LinkChanged, Stalled

__all__ = ["Identity", "Node", "QueueFull"]

CLOCK_APART_S = 60.0


def _serial_links(config: Config) -> frozenset[str]:
    return frozenset(medium.name for medium in config.media if isinstance(medium, Serial))


@dataclass(slots=True)
class Node:
    """One node of the heartbeat layer."""

    me: Identity
    config: Config
    ring: Keyring
    rng: random.Random
    started: float
    floors: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Replay memory of former runs: node -> newest (generation, seq)."""
    deleted: set[str] = field(default_factory=set)
    """Nodes deleted in former runs."""
    haresources: bytes | None = None
    """Content of the file, to be compared with the peers; None where a CIB rules."""
    peers: dict[str, Peer] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    live: Liveness = field(init=False)
    sender: Sender = field(init=False)
    members: Members = field(init=False)
    control: Control = field(init=False)
    pings: PingNodes = field(init=False)
    pulse: Pulse = field(init=False)
    node_list: NodeList = field(init=False)
    roster: Roster = field(init=False)
    serial_links: frozenset[str] = field(init=False)
    seldom: Seldom = field(default_factory=Seldom)
    dropped: int = 0
    """Packets that were not believed, since the start."""
    _last_step: float = field(init=False)
    _init_over: bool = False

    def __post_init__(self) -> None:
        cfg = self.config
        outbox = Outbox(resend_pause_s=max(0.0, cfg.max_rexmit_delay_s - 0.01))
        self.live = Liveness(self.started, cfg.deadtime_s, cfg.initdead_s, cfg.warntime_s)
        self.sender = Sender(self.me, cfg, self.ring, self.peers, outbox, self.counters)
        self.members = Members(self.me, self.live, outbox, self.counters)
        self.control = Control(self.sender, self.members, self.counters)
        self.pings = PingNodes(self.sender, self.live, self.counters)
        self.node_list = NodeList(self.sender, self.live, self.peers, self.deleted)
        self.serial_links = _serial_links(cfg)
        self.pulse = Pulse(self.sender, self.live, self.peers, self.started)
        self._last_step = self.started
        self.roster = Roster(
            self.sender, self.live, self.members, self.peers, self.rng, self.floors, self.deleted
        )
        for name in cfg.nodes:
            if name != self.me.name:
                self.roster.expect(name)
        self._compare_all()
        for name in cfg.ping_nodes:
            self.live.add(name, cfg.deadping_s)

    # --- the face -------------------------------------------------------------------------------

    def step(self, event: ev.Input, now: float) -> list[Output]:
        """Take one event; `now` is monotonic seconds.

        Submit may raise QueueFull or stream.PayloadTooLong; nothing is sent then.
        """
        if isinstance(event, ev.Received):
            try:
                msg = decode(event.data, self.ring, now)
            except PacketError as error:
                # The whole price of a forged packet: nothing else is looked at for its sake.
                return self._dropped(event, error.reason, now)
            out = self._look_for_stall(now)
            self._believed(event, msg, now, out)
        else:
            out = self._look_for_stall(now)
            self._take(event, now, out)
        if self.status == "up":
            self._look_whether_begun(now, out)
        if self.pulse.soon:
            self.pulse.beat(out, now)
        self.sender.flush(out, now)
        self.pulse.look_whether_left(out, now)
        return out

    def _take(self, event: ev.Command, now: float, out: list[Output]) -> None:
        match event:
            case ev.Tick(wall, load):
                self.sender.wall = (wall, now)
                self.sender.load = load or self.sender.load
                self._tick(now, out)
            case ev.Submit(topic, payload, to):
                self._submit(topic, payload, to, out)
            case ev.SubmitRaw(fields):
                made = [make_field(name, value) for name, value in fields]
                self.sender.number(made, out, now)
            case ev.ClientChange(client, online):
                self.pulse.client(client, online, out, now)
            case ev.ChangeNodes():
                self.sender.number(self.roster.request(event).fields, out, now)
                self._change_nodes(event, now, out)
            case ev.Leave():
                self.pulse.leave(out, now)
            case ev.Rejoin():
                self.pulse.rejoin(out, now)
            case ev.PingAnswered(node, data):
                self._changes(self.pings.answer(node, data, now), now, out)
            case _:
                assert_never(event)

    def deadline(self) -> float:
        """Absolute time of the next Tick that is needed; there always is a next beat."""
        times = [self.pulse.deadline()]
        if (death := self.live.deadline()) is not None:
            times.append(death)
        for peer in self.peers.values():
            if (ask := peer.inbox.deadline()) is not None and self.live.is_alive(peer.name):
                times.append(ask)
        if self.status == "up" and self.node_list.ask_at is not None:
            times.append(self.node_list.ask_at)
        if not self._init_over:
            times.append(self.started + self.config.initdead_s)
        return min(times)

    @property
    def may_submit(self) -> bool:
        """False: the application should be read no further until acknowledgements come in."""
        return self.sender.may_submit

    @property
    def is_leaving(self) -> bool:
        return self.pulse.is_leaving

    @property
    def status(self) -> str:
        """Our status word: init, up, active."""
        return self.pulse.status

    @property
    def clients(self) -> set[str]:
        """Names of the clients of this node."""
        return self.pulse.clients

    def memory(self) -> dict[str, tuple[int, int]]:
        """Newest (generation, seq) of every peer, to be saved; never rounded up."""
        return self.roster.memory()

    def rekey(self, ring: Keyring) -> None:
        """Sign and verify with the keys of a re-read authkeys."""
        self.ring = self.sender.ring = ring
        self._compare_all()

    def reconfigure(self, config: Config, now: float) -> list[Output]:
        """Go on with a re-read ha.cf, in the same generation.

        New nodes are expected for initdead from now; removed ones are gone at once.
        """
        out: list[Output] = []
        self.config = self.sender.config = config
        self.serial_links = _serial_links(config)
        self.live.dead_after_s, self.live.warn_after_s = config.deadtime_s, config.warntime_s
        self.roster.follow(config, now, out)
        self._compare_all()
        self.pulse.next_at = now  # peers learn the new dead time at once
        return out

    def use_haresources(self, data: bytes | None) -> None:
        """Compare haresources of this content with the peers; None: a CIB rules here."""
        self.haresources = data
        self._compare_all()

    def _compare_all(self) -> None:
        self.sender.prints = fingerprints(self.config, self.ring, self.haresources)

    def _change_nodes(self, change: ev.ChangeNodes, now: float, out: list[Output]) -> None:
        config = self.roster.changed(change, out)
        if config is not None:
            out += self.reconfigure(config, now)
            self.roster.tell(out)

    # --- time -----------------------------------------------------------------------------------

    def _look_for_stall(self, now: float) -> list[Output]:
        gap, self._last_step = now - self._last_step, max(now, self._last_step)
        if gap <= self.config.deadtime_s / 2:
            return []
        self.live.forgive(gap, now)
        note = Note("warn", "heartbeat.stalled", {"gap_s": round(gap, 3)})
        return [note, Tell(Stalled(gap))] if gap > self.config.deadtime_s else [note]

    def _tick(self, now: float, out: list[Output]) -> None:
        if self.pulse.scheduled(out, now):
            self.pings.requests(out, now)
        self._changes(self.live.tick(now), now, out)
        if not self._init_over and now >= self.started + self.config.initdead_s:
            self._init_over = True
            for name in sorted(self.peers):
                if self.live.state(name) is not None:  # None: added lately, it has its own time
                    self.members.never_came(self.peers[name], out, now - self.started)
        for name in sorted(self.peers):
            if self.live.is_alive(name):
                self.control.ask_for_missing(self.peers[name], now, out)

    def _look_whether_begun(self, now: float, out: list[Output]) -> None:
        waits = self.config.autojoin != "none" and not self._init_over
        if not self.live.has_begun or waits:
            return
        ask_at = self.node_list.ask_at
        if (ask_at is None or now >= ask_at) and not self.node_list.ask(out, now):
            self.pulse.become("active", out, now)

    # --- the application ------------------------------------------------------------------------

    def _submit(self, topic: str, payload: bytes, to: str | None, out: list[Output]) -> None:
        if to == self.me.name:
            out.append(Tell(Delivered(self.me.name, topic, payload)))
            return
        hearers = [p.name for p in self.peers.values() if p.is_member and p.kind is Kind.PACEKEEPER]
        if not hearers or (to is not None and to not in hearers):
            self.counters["sent-to-nobody"] += 1
            return
        self.sender.submit(topic, payload, to)

    # --- packets --------------------------------------------------------------------------------

    def _believed(self, event: ev.Received, msg: Message, now: float, out: list[Output]) -> None:
        try:
            self._message(event.link, msg, now, out)
        except PacketError as error:
            out += self._dropped(event, error.reason, now)

    def _dropped(self, event: ev.Received, reason: str, now: float) -> list[Output]:
        self.dropped += 1
        self.counters["dropped-" + reason] += 1
        if self.config.log_badpack and self.seldom.may_say("bad " + reason, now):
            facts = {"link": event.link, "reason": reason, "bytes": len(event.data)}
            return [Note("warn", "packet.dropped", facts)]
        return []

    def _message(self, link: str, msg: Message, now: float, out: list[Output]) -> None:
        name = (msg.text("src") or "").lower()
        if name == self.me.name:
            self._own_packet(msg, now, out)
            return
        peer = self.peers.get(name) or self._stranger(name, msg, now, out)
        if peer is None:
            return
        generation = msg.hexadecimal("hg")
        if generation is None:
            raise PacketError("no-generation")
        if msg.type.startswith("NS_"):
            self._forward(link, msg, out)
            refused = self.control.receive(peer, msg, generation, now, out)
            if refused is not None:
                self._refused(peer, refused, now, out)
            return
        seq = msg.hexadecimal("seq")
        if not seq:
            raise PacketError("no-number")
        self._numbered(peer, link, msg, (generation, seq), now, out)

    def _forward(self, link: str, msg: Message, out: list[Output]) -> None:
        """Pass on what came over one line of a serial ring and has hops left."""
        if link not in self.serial_links or len(self.serial_links) < 2:
            return
        data = self.sender.with_one_hop_less(msg)
        if data is not None:
            out.append(ev.Forward(link, data))

    def _own_packet(self, msg: Message, now: float, out: list[Output]) -> None:
        self.counters["own-packet"] += 1
        theirs = msg.raw("srcuuid")
        if theirs is not None and theirs != self.me.uuid and self.seldom.may_say("twin", now):
            facts: dict[str, object] = {"node": self.me.name, "uuid": theirs.hex()}
            out.append(Note("error", "node.name-used-twice", facts))

    def _stranger(self, name: str, msg: Message, now: float, out: list[Output]) -> Peer | None:
        if self.config.autojoin != "none" and msg.type == "status":
            if (peer := self.roster.join(name, out)) is not None:
                return peer
        self.counters["stranger"] += 1
        if self.seldom.may_say(f"stranger {name[:99]}", now):
            out.append(Note("warn", "packet.from-stranger", {"node": name[:99]}))
        return None

    def _numbered(
        self,
        peer: Peer,
        link: str,
        msg: Message,
        number: tuple[int, int],
        now: float,
        out: list[Output],
    ) -> None:
        is_status = msg.type == "status"
        arrival = peer.inbox.receive(*number, is_status, now)
        if arrival in (Arrival.REPLAY, Arrival.EARLY):
            self.counters[arrival.value] += 1
            if arrival is Arrival.REPLAY and self.seldom.may_say(f"replay {peer.name}", now):
                facts: dict[str, object] = {"node": peer.name, "number": list(number)}
                out.append(Note("warn", "packet.replay", facts))
            return
        self._changes(self.live.heard_on(peer.name, link, number, now), now, out)
        if arrival is Arrival.DUPLICATE:
            self.counters["duplicate"] += 1
            return
        self._forward(link, msg, out)
        uuid = msg.raw("srcuuid")
        if uuid is not None and len(uuid) == 16:
            peer.uuid = uuid
        if arrival.begins_tracking:
            self._begin(peer, arrival, msg, number, now, out)
        if is_status and arrival is not Arrival.LATE:
            self._status(peer, msg, number[1], now, out)
        if (ack := peer.inbox.due_ack()) is not None:
            self.control.acknowledge(peer, ack, out, now)
        self._at_once(peer, msg, now, out)
        if peer.ordering is not None:
            self._in_order(peer, peer.ordering.arrive(number[1], msg), now, out)
            if peer.ordering.overflows():
                self._break(peer, "overflow", out)

    def _begin(
        self,
        peer: Peer,
        arrival: Arrival,
        msg: Message,
        number: tuple[int, int],
        now: float,
        out: list[Output],
    ) -> None:
        facts: dict[str, object] = {"node": peer.name, "number": list(number)}
        if arrival is Arrival.SKIPPED:
            out.append(Note("error", "packets.lost", facts))
        else:
            out.append(Remember())
        silent = self.live.silent_s(peer.name, now)
        if arrival is Arrival.RESTART:
            out.append(Note("notice", "peer.restarted", facts))
            self.members.restarted(peer, msg, out, silent)
        else:
            self.members.down(peer, out, "broken", silent)
        peer.begin_tracking(number[1])
        self.pulse.soon = True

    def _break(self, peer: Peer, why: str, out: list[Output]) -> None:
        """Something of `peer` is lost for good: what it sends from here on counts."""
        out.append(Note("error", "stream.broken", {"node": peer.name, "why": why}))
        self.members.down(peer, out, "broken")
        peer.inbox.missing.clear()
        peer.begin_tracking(peer.inbox.newest + 1)
        self.pulse.soon = True

    def _refused(self, peer: Peer, seq: int, now: float, out: list[Output]) -> None:
        """A number we waited for no longer exists."""
        if peer.kind is Kind.PACEKEEPER:
            self._break(peer, "refused", out)
        elif peer.ordering is not None:
            self._in_order(peer, peer.ordering.skip(seq), now, out)

    def _status(self, peer: Peer, msg: Message, seq: int, now: float, out: list[Output]) -> None:
        """What a fresh status says about life; membership waits for its turn in the stream."""
        announced = msg.hexadecimal("dt")
        peer.acknowledges = msg.text("protocol") is not None
        own_kind = read_membership(msg)
        peer.kind = Kind.HEARTBEAT if own_kind is None else Kind.PACEKEEPER
        was_dead = self.live.state(peer.name) is False
        seconds = None if announced is None else announced / 1000
        changes = self.live.beat(peer.name, seconds, now)
        if was_dead or any(isinstance(change, PeerDead) for change in changes):
            if peer.ordering is not None and peer.ordering.next < seq:
                peer.inbox.missing.clear()
                peer.begin_tracking(seq)
        self._changes(changes, now, out)
        if own_kind is not None and peer.nonce != own_kind.nonce:
            peer.nonce, self.pulse.soon = own_kind.nonce, True
        peer.boot = own_kind.boot if own_kind is not None else ""
        self._compare(peer, msg, out)
        word = msg.text("st") or ""
        if word != peer.status:
            peer.status = word
            out.append(Tell(ev.StatusChanged(peer.name, word)))
        sent, here = msg.hexadecimal("ts"), self.sender.wall_at(now)
        if sent is not None and abs(here - sent) > max(CLOCK_APART_S, 10 * self.config.deadtime_s):
            if self.seldom.may_say(f"clock {peer.name}", now):
                facts: dict[str, object] = {"node": peer.name, "apart_s": round(here - sent)}
                out.append(Note("warn", "clock.differs", facts))

    def _compare(self, peer: Peer, msg: Message, out: list[Output]) -> None:
        """Say when the files of `peer` begin or cease to differ from ours."""
        text = msg.text(FIELD)
        differ = None if text is None else differing(self.sender.prints, read_text(text))
        if differ is not None and differ != peer.differs and (differ or peer.differs):
            facts: dict[str, object] = {"node": peer.name, "parts": list(differ or ())}
            name = "config.differs" if differ else "config.agrees"
            out.append(Note("warn" if differ else "notice", name, facts))
        peer.differs = differ

    def _in_order(self, peer: Peer, messages: list[Message], now: float, out: list[Output]) -> None:
        for msg in messages:
            try:
                confirm = self.members.in_order(peer, msg, out, now)
            except PacketError as error:
                self.counters[f"dropped-{error.reason}"] += 1
                continue
            if confirm:
                self.control.acknowledge(peer, peer.inbox.contiguous, out, now)

    def _at_once(self, peer: Peer, msg: Message, now: float, out: list[Output]) -> None:
        """Messages of Heartbeat's own protocol are used as they come, in whatever order."""
        if not self.members.is_for_us(msg):
            return
        if msg.type == "reqnodes":
            self.node_list.answer(peer, out, now)
        elif msg.type == "repnodes":
            for name in self.node_list.learn(peer, msg, out):
                self.roster.join(name, out)
            if self.status == "up":
                self.pulse.become("active", out, now)
        elif msg.type in ("addnode", "delnode"):
            names = tuple((msg.text("nodelist") or "").lower().split()[:MAX_NODES])
            self._change_nodes(ev.ChangeNodes(names, msg.type == "addnode"), now, out)
        elif msg.type not in NOT_FOR_CLIENTS:
            texts = [(f.name, msg.text(f.name) or "") for f in msg.fields if f.kind == STRING]
            out.append(Tell(ev.RawMessage(peer.name, tuple(texts))))

    # --- what liveness found --------------------------------------------------------------------

    def _changes(self, changes: list[Change], now: float, out: list[Output]) -> None:
        for change in changes:
            match change:
                case LinkChanged():
                    out.append(Tell(change))
                    facts: dict[str, object] = {"node": change.node, "link": change.link}
                    out.append(Note("notice", "link.up" if change.up else "link.down", facts))
                case LateBeat(peer, interval_s, beyond):
                    facts = {"node": peer, "interval_s": round(interval_s, 3)}
                    facts["beyond_deadtime"] = beyond
                    out.append(Note("error" if beyond else "warn", "beat.late", facts))
                case PeerAlive(name) | PeerDead(name) if name not in self.peers:
                    out.append(Tell(ev.PingChanged(name, isinstance(change, PeerAlive))))
                case PeerAlive():
                    self.pulse.soon = True
                case PeerDead(name, silent_s, _):
                    self.peers[name].status = "dead"
                    self.members.down(self.peers[name], out, "silent", silent_s)
                    if self._init_over:
                        self.members.never_came(self.peers[name], out, silent_s)
                    self.pulse.soon = True
                case _:
                    assert_never(change)
