"""One side of a recorded conversation of two real nodes, with our machine in the other's place.

What the peer sent is fed to the machine at the recorded moments; activities of resources end at
once.  What the machine sends is compared with what the real node in its place sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim, groups_of
from crmd.haresources.legacy import LegacyMachine
from crmd.haresources.parse import parse
from crmd.haresources.takeover import TakeOverMachine
from crmd.haresources.takeover_state import Phase
from crmd.heartbeat.message import STRING, Message, decode
from tests.heartbeat import pcap, vectors

HARESOURCES = """mysql-master IPaddr::172.16.1.164/24/eth1
mysql-backup IPaddr::172.16.1.165/24/eth1
mysql-slave IPaddr::172.16.1.166/24/eth1
"""
NODES = ("mysql-master", "mysql-backup")
V1 = {
    "starting",
    "resource",
    "ask_resources",
    "hb_takeover",
    "shutdone",
    "stonith",
    "ip-request",
    "ip-request-resp",
}
MATTER = ("rsc_hold", "rtype", "isstable", "info", "node", "result", "ipaddr", "weown", "ok")


@dataclass(frozen=True)
class Line:
    """One message that matters, of one node."""

    at: float
    origin: str
    type: str
    fields: tuple[tuple[str, str], ...]
    seq: int
    generation: int

    @property
    def words(self) -> str:
        values = dict(self.fields)
        return " ".join([self.type, *(f"{n}={values[n]}" for n in MATTER if n in values)])


def recording(name: str) -> list[Line]:
    """All distinct numbered messages, in order of capture."""
    ring, seen, lines = vectors.ring_of(name), set(), []
    begin: float | None = None
    for datagram in pcap.datagrams(vectors.path(name)):
        begin = datagram.at if begin is None else begin
        message: Message = decode(datagram.payload, ring, 0.0)
        seq, generation = message.hexadecimal("seq"), message.hexadecimal("hg")
        origin = message.text("src")
        if seq is None or (origin, generation, seq) in seen:
            continue
        seen.add((origin, generation, seq))
        texts = (f.name for f in message.fields if f.kind == STRING)
        fields = tuple((name, message.text(name) or "") for name in texts)
        assert origin is not None and generation is not None
        lines.append(Line(datagram.at - begin, origin, message.type, fields, seq, generation))
    return lines


def sent_by(lines: list[Line], node: str) -> list[str]:
    """What a node sent of the v1 protocol, in its own order, repetitions once.

    A node's ip-request-resp to itself only starts its own script and is left out.
    """
    ours = sorted(
        (line for line in lines if line.origin == node and line.type in V1),
        key=lambda line: (line.generation, line.seq),
    )
    own = [x for x in ours if dict(x.fields).get("dest") != node]
    return without_repetitions([line.words for line in own])


def without_repetitions(words: list[str]) -> list[str]:
    return [w for i, w in enumerate(words) if i == 0 or words[i - 1] != w]


@dataclass
class Played:
    """The machine in the place of `node`."""

    node: str
    peer: str
    auto_failback: str = "on"
    machine: TakeOverMachine | LegacyMachine = field(init=False)
    sent: list[str] = field(default_factory=list)
    runs: list[tuple[str, ...]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    """Messages and steps as they came."""
    now: float = 1000.0

    def __post_init__(self) -> None:
        groups = tuple(g for g in groups_of(parse(HARESOURCES)) if g.home in NODES)
        policy = ev.Policy(auto_failback=self.auto_failback, nodes=NODES)
        make = LegacyMachine if self.auto_failback == "legacy" else TakeOverMachine
        self.machine = make(self.node, groups, policy)

    def settled(self, mine: Claim, theirs: Claim, generation: int) -> None:
        """As after a long quiet time."""
        state = self.machine.state
        state.phase, state.i_hold = Phase.STABLE, mine
        state.work.active = set(state.keys(mine))
        peer = state.peer(self.peer)
        peer.alive, peer.claim, peer.is_stable, peer.generation = True, theirs, True, generation

    def feed(self, event: ev.Event) -> None:
        waiting = [event]
        while waiting:
            for effect in self.machine.step(waiting.pop(0), self.now):
                match effect:
                    case ev.Send(fields):
                        line = Line(0, self.node, fields[0][1], fields, 0, 0)
                        self.sent.append(line.words)
                        self.order.append(line.words)
                    case ev.Run(job, steps):
                        words = ("take" if s.take else "give" for s in steps)
                        self.runs.append(
                            tuple(f"{w} {s.key}" for w, s in zip(words, steps, strict=True))
                        )
                        self.order += self.runs[-1]
                        waiting.append(ev.Done(job))
                    case ev.Say(_, text, _):
                        self.said.append(text)

    def wait(self, until: float) -> None:
        """Time passes; timers of the machine fire."""
        while (due := self.machine.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.feed(ev.Tick())
        self.now = max(self.now, until)

    def hear(self, lines: list[Line], own: dict[float, ev.Event]) -> None:
        """The peer's messages of a recording, and events of our own at their moments."""
        moments: list[tuple[float, int, ev.Event]] = [(at, 0, e) for at, e in own.items()]
        generation: int | None = self.machine.state.peer(self.peer).generation or None
        for line in lines:
            if line.origin != self.peer:
                continue
            if line.type == "status" and line.generation != generation:
                if generation is not None:
                    moments.append((line.at, 1, ev.PeerGone(self.peer, "rebooted")))
                generation = line.generation
                moments.append((line.at, 1, ev.PeerHeard(self.peer, generation)))
            elif line.type in V1:
                moments.append((line.at, 1, ev.Said(self.peer, line.fields)))
        base = self.now
        for at, _, event in sorted(moments, key=lambda m: m[:2]):
            self.wait(base + at)
            self.feed(event)
        self.wait(self.now + 0.5)
