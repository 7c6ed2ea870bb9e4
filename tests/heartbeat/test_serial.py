"""Serial lines: packets out of a byte stream, and two daemons that have nothing but ttys."""

from __future__ import annotations

import os
import pty
import selectors
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.daemon.heartbeatd_serial import SerialError, SerialLink
from crmd.heartbeat import events as ev
from crmd.heartbeat.media import Serial
from crmd.heartbeat.message import decode, encode, message
from crmd.heartbeat.serial_frames import LONGEST_FRAME, FrameSplitter
from tests.heartbeat.daemons import Cluster, wait_for
from tests.heartbeat.net import configuration, make_node
from tests.heartbeat.test_message import RING

PACKETS = [
    encode(
        message("status", st="up", src="a", seq=f"{n:x}", uuid=b"%%%\n###\n,1:"), RING, inner=True
    )
    for n in range(3)
]


@given(st.lists(st.integers(1, 40), max_size=60), st.binary(max_size=30))
def test_packets_are_found_however_the_bytes_are_cut(cuts: list[int], noise: bytes) -> None:
    noise = noise.replace(b"#", b"")
    stream = noise + PACKETS[0] + PACKETS[1] + b"garbage" + PACKETS[2]
    splitter, found, at = FrameSplitter(), [], 0
    for cut in [*cuts, len(stream)]:
        found += splitter.feed(stream[at : at + cut])
        at += cut
    assert found == PACKETS
    assert splitter.dropped == len(noise) + len(b"garbage")


def test_packets_are_found_byte_by_byte() -> None:
    splitter = FrameSplitter()
    stream = b"\0\xff" + b"".join(PACKETS)
    assert [p for byte in stream for p in splitter.feed(bytes([byte]))] == PACKETS


@given(st.binary(max_size=400))
def test_noise_that_begins_like_a_frame_does_not_swallow_the_next_packet(noise: bytes) -> None:
    splitter = FrameSplitter()
    splitter.feed(b"###\n" + noise)
    found = splitter.feed(b"\n" * 70_000 + PACKETS[0] + PACKETS[1])
    assert PACKETS[1] in found
    assert len(splitter._buffer) <= LONGEST_FRAME + 1


def test_a_ring_passes_packets_on_once_with_one_hop_less() -> None:
    config = configuration("a b c", "serial /dev/ttyS0 /dev/ttyS1")
    node = make_node("a", config, 1, 0.0)
    packet = encode(
        message("status", st="up", src="b", srcuuid=b"b" * 16, seq="1", hg="1", ttl="4"),
        node.ring,
        inner=True,
    )
    first = [
        o for o in node.step(ev.Received("/dev/ttyS0", packet), 0.1) if isinstance(o, ev.Forward)
    ]
    again = [
        o for o in node.step(ev.Received("/dev/ttyS1", packet), 0.2) if isinstance(o, ev.Forward)
    ]
    assert len(first) == 1 and again == []
    assert first[0].came_from == "/dev/ttyS0"
    assert decode(first[0].data, node.ring, 0.0).text("ttl") == "3"
    over_udp = [o for o in node.step(ev.Received("eth0", packet), 0.3) if isinstance(o, ev.Forward)]
    assert over_udp == []


def test_a_line_that_is_no_terminal_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "absent"):
        with pytest.raises(SerialError, match=f"serial {path}: "):
            SerialLink(Serial(str(path), 9600)).open()


@contextmanager
def null_modem() -> Iterator[tuple[str, str]]:
    """Two tty names joined by a cable."""
    masters, names, slaves = [], [], []
    for _ in range(2):
        master, slave = pty.openpty()
        tty.setraw(slave)
        masters.append(master)
        slaves.append(slave)
        names.append(os.ttyname(slave))
    stop_read, stop_write = os.pipe()

    def carry() -> None:
        selector = selectors.DefaultSelector()
        for fd, other in ((masters[0], masters[1]), (masters[1], masters[0])):
            selector.register(fd, selectors.EVENT_READ, other)
        selector.register(stop_read, selectors.EVENT_READ, None)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    return
                os.write(key.data, os.read(key.fd, 4096))

    cable = threading.Thread(target=carry)
    cable.start()
    try:
        yield names[0], names[1]
    finally:
        os.write(stop_write, b"x")
        cable.join(5)
        for fd in (*masters, *slaves, stop_read, stop_write):
            os.close(fd)


def test_two_daemons_joined_by_a_serial_cable_only_are_members(tmp_path: Path) -> None:
    with null_modem() as ttys:
        cluster = Cluster(tmp_path, ("a", "b"))
        for node, name in zip(("a", "b"), ttys, strict=True):
            path = tmp_path / node / "etc/ha.d/ha.cf"
            lines = [x for x in path.read_text().splitlines() if not x.startswith("mcast")]
            path.write_text("\n".join([*lines, "baud 115200", f"serial {name}", ""]))
        try:
            for node in ("a", "b"):
                cluster.start(node)
            with cluster.client("a") as a:
                snapshot = a.receive()
                assert snapshot["links"] == [ttys[0]]
                if not snapshot["nodes"][0]["member"]:
                    wait_for(a, event="peer_up", node="b")
                cluster.kill("b")
                assert wait_for(a, event="peer_down", node="b")["clean"] is False
        finally:
            cluster.close()
