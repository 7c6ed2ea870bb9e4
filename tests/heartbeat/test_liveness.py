"""Who is alive and over which links: absolute deadlines, announced dead times, our own stalls."""

from __future__ import annotations

import pytest

from crmd.heartbeat.liveness import LateBeat, Liveness, PeerAlive, PeerDead
from crmd.messaging import LinkChanged


def machine(*peers: str) -> Liveness:
    live = Liveness(started=0.0, dead_after_s=3.0, init_dead_s=6.0, warn_after_s=1.5)
    for peer in peers or ("b",):
        live.add(peer)
    return live


def test_silence_kills_a_peer_once_at_the_deadline_and_not_before() -> None:
    live = machine()
    assert live.beat("b", None, 0.5) == [PeerAlive("b")]
    assert live.deadline() == 3.5
    assert live.tick(3.499) == []
    assert live.tick(3.5) == [PeerDead("b", 3.0, True)]
    assert live.tick(9.0) == [] and live.deadline() is None
    assert live.beat("b", None, 9.5) == [PeerAlive("b")]


def test_a_peer_never_heard_is_given_up_after_initdead() -> None:
    live = machine()
    assert live.deadline() == 6.0 and live.tick(5.9) == []
    assert live.tick(6.0) == [PeerDead("b", 6.0, False)]
    assert live.has_begun


def test_while_others_are_awaited_a_silent_peer_has_until_initdead() -> None:
    live = machine("b", "c")
    live.beat("b", None, 0.5)
    assert live.tick(4.0) == []
    assert live.tick(6.0) == [PeerDead("b", 5.5, True), PeerDead("c", 6.0, False)]


def test_the_dead_time_is_the_one_the_peer_announces() -> None:
    live = machine()
    live.beat("b", 1.0, 0.0)
    assert live.deadline() == 1.0
    live.beat("b", 30.0, 0.5)
    assert live.deadline() == 30.5
    live.beat("b", 1e9, 1.0)
    assert live.deadline() == 3601.0


def test_a_late_beat_warns_and_a_very_late_one_is_death_and_return() -> None:
    live = machine()
    live.beat("b", None, 0.0)
    assert live.beat("b", None, 1.6) == [LateBeat("b", 1.6, False)]
    assert live.beat("b", None, 5.0) == [
        LateBeat("b", pytest.approx(3.4), True),  # type: ignore[arg-type]
        PeerDead("b", pytest.approx(3.4), True),  # type: ignore[arg-type]
        PeerAlive("b"),
    ]


def test_links_live_and_die_on_their_own() -> None:
    live = machine()
    live.beat("b", None, 0.0)
    assert live.heard_on("b", "eth0", (1, 1), 0.0) == [LinkChanged("b", "eth0", True)]
    assert live.heard_on("b", "eth1", (1, 1), 0.0) == [LinkChanged("b", "eth1", True)]
    live.beat("b", None, 2.0)
    live.heard_on("b", "eth0", (1, 2), 2.0)
    assert live.tick(3.0) == [LinkChanged("b", "eth1", False)]
    assert live.links("b") == [("eth0", True), ("eth1", False)]
    assert live.heard_on("b", "eth1", (1, 3), 3.5) == [LinkChanged("b", "eth1", True)]


def test_a_copy_played_back_on_the_same_link_keeps_nothing_up() -> None:
    live = machine()
    live.beat("b", None, 0.0)
    live.heard_on("b", "eth0", (1, 5), 0.0)
    for at in (1.0, 2.0, 2.9):
        assert live.heard_on("b", "eth0", (1, 5), at) == []
    assert LinkChanged("b", "eth0", False) in live.tick(3.0)


def test_death_takes_the_links_along() -> None:
    live = machine()
    live.beat("b", 2.0, 0.0)
    live.heard_on("b", "eth0", (1, 1), 0.5)
    assert live.tick(2.0) == [PeerDead("b", 2.0, True), LinkChanged("b", "eth0", False)]


def test_time_we_did_not_run_is_no_silence_of_others() -> None:
    live = machine()
    live.beat("b", None, 0.0)
    live.heard_on("b", "eth0", (1, 1), 0.0)
    live.forgive(10.0, now=10.5)
    assert live.tick(10.5) == []
    assert live.deadline() == 13.0
    assert live.tick(13.0)[0] == PeerDead("b", 3.0, True)
