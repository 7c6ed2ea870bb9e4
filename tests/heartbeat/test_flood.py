"""A flood of packets that are not believed: taken together, and still each one looked at."""

from __future__ import annotations

from crmd.daemon.heartbeatd_flood import Flood
from crmd.heartbeat import events as ev
from crmd.heartbeat.authkeys import Key, Keyring, Method
from crmd.heartbeat.events import Note
from crmd.heartbeat.message import encode, message
from tests.heartbeat.test_fuzz import settled_node


def gathers(flood: Flood, rate: float, seconds: float, start: float = 100.0) -> list[float]:
    """What the loop would wait in each turn, at `rate` packets a second, 100 turns a second."""
    return [
        flood.gather_s(int(rate * turn / 100), start + turn / 100)
        for turn in range(int(seconds * 100))
    ]


def test_a_few_bad_packets_change_nothing() -> None:
    assert set(gathers(Flood(0.2), 300, 2)) == {0.0}


def test_a_flood_makes_the_loop_gather_and_its_end_ends_it() -> None:
    flood = Flood(0.2)
    waits = gathers(flood, 10_000, 1)
    assert waits[0] == 0.0 and waits[-1] == 0.002
    assert flood.gather_s(10_000, 101.06) in (0.0, 0.002)
    assert flood.gather_s(10_000, 101.12) == 0.0


def test_a_short_keepalive_is_never_held_up_by_more_than_its_twentieth() -> None:
    assert gathers(Flood(0.01), 10_000, 1)[-1] == 0.01 / 20


def test_an_idle_time_is_no_window() -> None:
    flood = Flood(1.0)
    flood.gather_s(0, 100.0)
    assert flood.gather_s(5_000, 160.0) == 0.0


def test_a_digest_of_the_wrong_length_is_refused_like_any_other() -> None:
    secret = b"0123456789abcdef"
    key = Key(1, Method.SHA1, secret)
    ring = Keyring(key, {1: key, 2: Key(2, Method.SHA256, secret)})
    digest = key.digest(b"data")
    assert ring.refusal(1, digest, b"data", 0.0) is None
    for wrong in (digest[:-1], digest + b"0", digest[:32], b"", digest[::-1]):
        assert ring.refusal(1, wrong, b"data", 0.0) == "bad-digest"
    assert ring.refusal(2, digest, b"data", 0.0) == "bad-digest"
    crc = Key(3, Method.CRC)
    assert Keyring(crc, {3: crc}).refusal(3, crc.digest(b"x"), b"x", 0.0) is None


def test_a_real_beat_amid_forged_ones_counts_at_once() -> None:
    node, now = settled_node()
    wrong = Keyring(Key(1, Method.SHA1, b"not the key"), {})
    peer = node.peers["b"]
    fields = {"src": "b", "srcuuid": b"b" * 16, "seq": f"{peer.inbox.newest + 1:x}", "hg": "1"}
    beat = message("status", st="active", dt="3e8", protocol="1", **fields)  # type: ignore[arg-type]
    before = node.dropped
    for _ in range(500):
        out = node.step(ev.Received("eth0", encode(beat, wrong, inner=True)), now + 0.2)
        assert all(isinstance(o, Note) for o in out)
    assert node.dropped == before + 500
    node.step(ev.Received("eth0", encode(beat, node.ring, inner=True)), now + 0.2)
    assert node.live.silent_s("b", now + 0.2) == 0.0
