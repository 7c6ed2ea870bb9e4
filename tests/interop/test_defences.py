"""The defences of two nodes against a split, rehearsed with real daemons of ours on both.

Heartbeats go over eth1, clients over eth0.  `lock` is a file that both nodes see.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.heartbeat.interop_rig import until
from tests.interop.pair import Pair

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
MakePair = Callable[..., Pair]
MEDIA = "mcast eth1 225.0.0.65 694 1 0"
BOTH = {"a": "real", "b": "ours"}
NAMES = ("real", "ours")


def formed(pair: Pair, *lines: str) -> Pair:
    """Two nodes of ours with more lines in ha.cf; each runs its own group."""
    for name in NAMES:
        with (pair.folder / name / "etc/ha.d/ha.cf").open("a") as ha_cf:
            ha_cf.write("".join(f"{line}\n" for line in lines))
        pair.start(name, "ours")
    pair.wait(25, **BOTH)
    pair.settled()
    return pair


def locked(make_pair: MakePair, tmp_path: Path, *lines: str) -> Pair:
    lock = tmp_path / "lock"
    lock.write_bytes(bytes(3 * 4096))
    return formed(make_pair(media=MEDIA), f"disklock {lock}", "disklock_release 2", *lines)


def all_on(pair: Pair) -> str:
    """The node that has both addresses while the other has none; empty: not so."""
    holders = list(pair.placement().values())
    return holders[0][0] if holders[0] == holders[1] and len(holders[0]) == 1 else ""


def test_of_two_nodes_that_lose_each_other_the_one_with_the_disk_lock_goes_on(
    make_pair: MakePair, tmp_path: Path
) -> None:
    pair = locked(make_pair, tmp_path)
    pair.cut("ours", 1)
    end = time.monotonic() + 12
    while not all_on(pair):
        assert all(len(names) < 2 for names in pair.placement().values()), "on both nodes"
        assert time.monotonic() < end, pair.placement()
    winner = all_on(pair)
    (loser,) = set(NAMES) - {winner}
    assert pair.ask(winner, {"op": "status"})["disklock"] == "owner"
    until(lambda: pair.ask(loser, {"op": "status"})["disklock"] == "released", 5, "released")
    assert "disk lock taken: this node goes on" in pair.real_log(winner)
    assert "Giving up all resources" in pair.real_log(loser)
    pair.cut("ours", 1, heal=True)
    pair.wait(25, **BOTH)
    pair.settled()
    assert pair.ask(winner, {"op": "status"})["disklock"] == "idle"
    pair.kill_node(loser)
    until(lambda: all_on(pair) == winner, 12, "the take-over after the lease")
    assert "its lease is over" in pair.real_log(winner)
