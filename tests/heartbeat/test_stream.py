"""Application messages: cut, ordered, put together; the rest is refused or dropped."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.heartbeat import events as ev
from crmd.heartbeat.message import Message, PacketError, make_field
from crmd.heartbeat.stream import (
    FRAGMENT,
    MAX_HELD,
    MAX_PAYLOAD,
    Assembly,
    Ordering,
    Payload,
    PayloadTooLong,
    fragments,
)
from tests.heartbeat.net import Net, configuration


def through(payload: bytes, topic: str = "t") -> tuple[int, list[Payload]]:
    assembly, count, out = Assembly(), 0, []
    for fragment in fragments(topic, payload, 1, None):
        count += 1
        if (whole := assembly.add(fragment)) is not None:
            out.append(whole)
    return count, out


@given(st.binary(max_size=5000), st.text(min_size=1, max_size=16))
def test_what_is_cut_is_put_together(payload: bytes, topic: str) -> None:
    topic = topic.encode("utf-8", "ignore").decode() or "t"
    assert through(payload, topic)[1] == [Payload(topic, payload)]


def test_the_largest_payload_passes_and_one_byte_more_is_refused() -> None:
    noise = random.Random(1).randbytes(MAX_PAYLOAD)
    count, out = through(noise)
    assert out == [Payload("t", noise)] and count == -(-MAX_PAYLOAD // FRAGMENT)
    with pytest.raises(PayloadTooLong, match=r"message 't' has 4194305 bytes; at most 4194304"):
        list(fragments("t", noise + b"x", 1, None))
    with pytest.raises(PayloadTooLong, match="topic"):
        list(fragments("", b"", 1, None))


def test_text_is_compressed_unless_it_would_look_like_a_bomb() -> None:
    text = b"".join(b"<nvpair id='%d' value='on'/>" % n for n in range(5000))
    assert through(text)[0] < len(text) / FRAGMENT / 4
    zeros = b"\0" * 100_000
    assert through(zeros) == (-(-len(zeros) // FRAGMENT), [Payload("t", zeros)])


def test_packets_of_a_large_payload_fit_an_ethernet_frame() -> None:
    a, b = "a" * 40, "b" * 40
    net = Net(configuration(f"{a} {b}"))
    net.boot(a)
    net.boot(b)
    net.run(2)
    net.do(b, ev.ClientChange("crmd", True))
    sizes = []
    noise = random.Random(3).randbytes(20 * FRAGMENT)
    for output in net.nodes[a].step(ev.Submit("topic" * 5, noise, b), net.now):
        if isinstance(output, ev.Send):
            sizes.append(len(output.data))
    assert len(sizes) == 20 and max(sizes) <= 1500 - 28


def test_a_payload_that_began_before_we_listened_is_dropped_whole() -> None:
    noise = random.Random(2).randbytes(3 * FRAGMENT)
    first, second, third = fragments("t", noise, 1, None)
    assembly = Assembly()
    assert assembly.add(second) is None and assembly.add(third) is None
    again = list(fragments("t", b"next", 2, None))
    assert assembly.add(again[0]) == Payload("t", b"next")
    assert assembly.add(first) is None
    assert assembly.add(third) is None, "one in the middle is missing"


@pytest.mark.parametrize(
    "change",
    [
        {"part": "5", "parts": "5"},
        {"part": "x"},
        {"n": ""},
        {"coding": "zlib", "data": b"no zlib"},
        {"coding": "zlib", "data": zlib.compress(b"\0" * 3_000_000)},
        {"coding": "zlib", "data": zlib.compress(b"abc")[:-2]},
    ],
)
def test_fragments_no_sender_of_ours_makes_are_refused(change: dict[str, str | bytes]) -> None:
    (fragment,) = fragments("t", b"small", 1, None)
    fields = [
        make_field(f.name, change[f.name]) if f.name in change else f for f in fragment.fields
    ]
    with pytest.raises(PacketError):
        Assembly().add(Message(tuple(fields)))


def numbered(seq: int) -> Message:
    return Message((make_field("seq", str(seq)),))


@given(st.permutations(list(range(5, 25))))
def test_whatever_the_arrival_the_release_is_in_order(order: list[int]) -> None:
    ordering, out = Ordering(5), []
    for seq in order:
        out += ordering.arrive(seq, numbered(seq))
    assert [m.text("seq") for m in out] == [str(n) for n in range(5, 25)]
    assert ordering.held == {}


def test_a_skipped_number_lets_the_others_through_and_old_ones_are_dropped() -> None:
    ordering = Ordering(5)
    assert ordering.arrive(4, numbered(4)) == []
    assert ordering.arrive(6, numbered(6)) == []
    assert [m.text("seq") for m in ordering.skip(5)] == [None, "6"]


def test_a_stream_that_waits_too_long_for_one_number_says_so() -> None:
    ordering = Ordering(1)
    for seq in range(2, MAX_HELD + 3):
        assert not ordering.overflows()
        ordering.arrive(seq, numbered(seq))
    assert ordering.overflows()
