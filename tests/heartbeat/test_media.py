"""Ping nodes, several media at once, media that go away: on loopback and as values."""

from __future__ import annotations

import os
import selectors
import socket
import time
from pathlib import Path

import pytest

from crmd.daemon.heartbeatd_clients import Clients
from crmd.daemon.heartbeatd_media import MediumError, UdpMedia
from crmd.daemon.heartbeatd_ping import PingMedia, internet_checksum
from crmd.daemon.ipc import IpcError
from crmd.heartbeat import events as ev
from crmd.heartbeat.media import Bcast, Mcast, Ping, Ucast
from crmd.heartbeat.message import decode, encode
from tests.heartbeat.daemons import Cluster, free_port, wait_for
from tests.heartbeat.net import configuration, make_node

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")


def received(media: UdpMedia, wait_s: float = 1.0) -> list[tuple[str, bytes]]:
    end = time.monotonic() + wait_s
    found: list[tuple[str, bytes]] = []
    while not found and time.monotonic() < end:
        for sock, name in media.receivers.items():
            found += [(name, data) for data in media.receive(sock)]
        time.sleep(0.01)
    return found


@pytest.mark.parametrize(
    "medium",
    [
        Mcast("lo", "239.255.7.2", 0, 0, True),
        Ucast("lo", "127.0.0.1", 0),
        Ucast("lo", "::1", 0),
    ],
)
def test_a_datagram_comes_back_over_loopback_under_the_name_of_its_link(
    medium: Mcast | Ucast,
) -> None:
    port = free_port()
    if isinstance(medium, Mcast):
        media = UdpMedia([Mcast(medium.device, medium.group, port, 0, True)])
    else:
        media = UdpMedia([Ucast(medium.device, medium.peer, port)])
    try:
        media.open()
    except MediumError as error:
        if ":" in str(medium):
            pytest.skip(f"no IPv6 here: {error}")
        raise
    try:
        media.send(b"hello")
        assert received(media) == [("lo", b"hello")]
        assert media.problems() == []
    finally:
        media.close()


def test_media_on_one_interface_and_port_share_a_receiver() -> None:
    port = free_port()
    media = UdpMedia([Ucast("lo", "127.0.0.1", port), Ucast("lo", "127.0.0.2", port)])
    media.open()
    try:
        assert len(media.receivers) == 1 and len(media.links) == 2
    finally:
        media.close()


def test_every_medium_that_cannot_be_opened_is_named() -> None:
    media = UdpMedia([Bcast("nosuch0", 694), Mcast("nosuch1", "239.1.1.1", 694, 0, False)])
    with pytest.raises(MediumError) as caught:
        media.open()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("bcast nosuch0 port 694: cannot be opened (")
    assert lines[1].startswith("mcast nosuch1 239.1.1.1 694: cannot be opened (")
    media.send(b"x")
    assert [link.lost for link in media.links] == [1, 1]
    assert media.reopen(time.monotonic()) == []
    media.close()


def test_a_ping_node_lives_while_its_own_packet_comes_back() -> None:
    config = configuration("a b", "ping 10.0.0.254\nping_group out 10.0.0.1 10.0.0.2\n")
    node = make_node("a", config, 1, 0.0)
    out = node.step(ev.Tick(1.7e9), 0.0)
    requests = {o.node: o.data for o in out if isinstance(o, ev.PingOut)}
    assert sorted(requests) == ["10.0.0.254", "out"]
    packet = decode(requests["out"], node.ring, 0.0)
    assert (packet.type, packet.text("st"), packet.text("info")) == ("NS_st", "ping", "ping_group")
    told = [
        o.event
        for o in node.step(ev.PingAnswered("out", requests["out"]), 0.01)
        if isinstance(o, ev.Tell)
    ]
    assert ev.PingChanged("out", True) in told
    assert node.step(ev.PingAnswered("10.0.0.254", requests["out"]), 0.02) == []
    assert node.counters["ping-other"] == 1
    other = make_node("a", config, 2, 0.0)
    forged = encode(packet, other.ring, inner=False)
    assert other.step(ev.PingAnswered("out", forged), 0.02) == []
    told = []
    for at in (tenth / 10 for tenth in range(1, 40)):
        told += [
            (at, o.event)
            for o in node.step(ev.Tick(1.7e9 + at), at)
            if isinstance(o, ev.Tell) and isinstance(o.event, ev.PingChanged)
        ]
    # Before all nodes were heard or given up, initdead counts for all of them.
    assert told == [
        (3.0, ev.PingChanged("10.0.0.254", False)),
        (3.0, ev.PingChanged("out", False)),
    ]


def test_an_old_answer_of_a_ping_node_is_worth_nothing() -> None:
    node = make_node("a", configuration("a b", "ping 10.0.0.254\n"), 1, 0.0)
    out = node.step(ev.Tick(1.7e9), 0.0)
    (request,) = [o.data for o in out if isinstance(o, ev.PingOut)]
    node.step(ev.Tick(1.7e9 + 10), 10.0)
    assert not any(
        isinstance(o, ev.Tell) for o in node.step(ev.PingAnswered("10.0.0.254", request), 10.0)
    )
    assert node.counters["ping-stale"] == 1


def test_the_internet_checksum_of_a_checked_packet_is_zero() -> None:
    data = b"\x08\x00\x00\x00\x12\x34\x00\x01payload"
    total = internet_checksum(data)
    whole = data[:2] + total.to_bytes(2, "big") + data[4:]
    assert internet_checksum(whole) == 0


@needs_root
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_real_echo_brings_the_payload_back(address: str) -> None:
    media = PingMedia([Ping("here", (address,))])
    media.open()
    try:
        media.send("here", b"payload" * 40)
        if media.lost:
            pytest.skip(f"no route to {address}")
        end, found = time.monotonic() + 2, []
        while not found and time.monotonic() < end:
            for sock in media.sockets:
                found += list(media.receive(sock))
            time.sleep(0.01)
        assert found == [("here", b"payload" * 40)]
    finally:
        media.close()


@needs_root
def test_a_daemon_reports_its_ping_nodes(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, ("a", "b"), extra="ping 127.0.0.1\nping 240.0.0.1\n")
    try:
        cluster.start("a")
        with cluster.client("a") as client:
            states = {p["name"]: p["state"] for p in client.receive()["pings"]}
            if states["127.0.0.1"] != "alive":
                wait_for(client, event="ping", node="127.0.0.1", alive=True)
            wait_for(client, event="ping", node="240.0.0.1", alive=False)
    finally:
        cluster.close()


def test_a_second_daemon_on_the_same_root_is_refused(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, ("a", "b"))
    try:
        cluster.start("a")
        with cluster.client("a") as client:
            generation = client.receive()["generation"]
            first = cluster.processes.pop("a")
            cluster.start("a")
            assert cluster.processes["a"].wait(10) == 7
            cluster.processes["a"] = first
            client.send({"op": "snapshot"})
            assert wait_for(client, event="snapshot")["generation"] == generation
    finally:
        cluster.close()


def test_a_client_that_never_reads_is_cut_off_and_the_others_live_on(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, ("a", "b"))
    try:
        cluster.start("a")
        with cluster.client("a") as lazy, cluster.client("a") as busy:
            busy.receive()
            lazy._socket.settimeout(2.0)
            cut_off = False
            for _ in range(20_000):
                try:
                    lazy.send({"op": "snapshot"})
                except IpcError:
                    cut_off = True
                    break
            assert cut_off
            busy.send({"op": "snapshot"})
            assert wait_for(busy, event="snapshot")["node"] == "a"
    finally:
        cluster.close()


def test_idle_strangers_cannot_take_the_places_of_crmd(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        path = tmp_path / "sock"
        listener.bind(str(path))
        listener.listen(300)
        listener.setblocking(False)
        clients = Clients(
            selectors.DefaultSelector(),
            listener,
            path,
            greet=lambda: {"event": "snapshot"},
            handle=lambda connection, request: None,
            gone=lambda connection, reason: None,
            trusted_uids=frozenset(),
        )
        clients.start()
        guests = []
        for _ in range(240):
            guest = socket.socket(socket.AF_UNIX)
            guest.connect(str(path))
            guests.append(guest)
            clients.accept()
        assert len(clients.connections) == 256 - 32 and clients.refused == 16
        clients.trusted_uids = frozenset({os.geteuid()})
        with socket.socket(socket.AF_UNIX) as crmd:
            crmd.connect(str(path))
            clients.accept()
            assert clients.connections[-1].may_change
        for guest in guests:
            guest.close()
        clients.close()
