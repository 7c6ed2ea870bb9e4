"""Our haresourcesd and a real Heartbeat 3.0.6 as one pair: one owner per address, always."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.pair import Pair

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
MakePair = Callable[..., Pair]


def formed(pair: Pair) -> Pair:
    pair.start("real", "real")
    pair.start("ours", "ours")
    pair.wait(25, a="real", b="ours")
    pair.settled()
    return pair


def test_both_start_together_and_move_their_groups_at_a_persons_word(make_pair: MakePair) -> None:
    pair = formed(make_pair())
    assert pair.claim("real") == pair.claim("ours") == "local"
    pair.tool("ours", "hb_standby", "local")
    pair.wait(a="real", b="real")
    pair.settled()
    pair.tool("ours", "hb_takeover", "local")
    pair.wait(a="real", b="ours")
    pair.settled()
    pair.tool("real", "hb_standby", "all")
    pair.wait(a="ours", b="ours")
    pair.settled()
    pair.tool("ours", "hb_standby", "foreign")
    pair.wait(a="real", b="ours")
    pair.settled()
    pair.tool("real", "hb_takeover", "all")
    pair.wait(a="real", b="real")
    pair.settled()
    assert (pair.claim("real"), pair.claim("ours")) == ("all", "none")
    pair.tool("real", "hb_standby", "failback")
    pair.wait(a="real", b="ours")
    pair.settled()
    assert pair.actions("ours") == [
        *("start b", "stop b", "start b"),
        *("start a", "stop a"),
        *("stop b", "start b"),
    ]
    assert pair.complaints("real") == []


def test_each_takes_over_when_the_other_is_killed_and_gives_back(make_pair: MakePair) -> None:
    pair = formed(make_pair())
    pair.power_cycle("real")
    assert pair.wait(a="ours", b="ours") < 8.0
    pair.start("real", "real")
    pair.wait(25, a="real", b="ours")
    pair.settled()
    pair.power_cycle("ours")
    pair.wait(a="real", b="real")
    pair.start("ours", "ours")
    pair.wait(25, a="real", b="ours")
    pair.settled()
    assert pair.complaints("real") == []


def test_a_clean_stop_of_each_moves_everything_at_once(make_pair: MakePair) -> None:
    pair = formed(make_pair())
    pair.stop("ours")
    pair.wait(5, a="real", b="real")
    assert "Received shutdown notice from 'ours'." in pair.real_log("real")
    pair.start("ours", "ours")
    pair.wait(25, a="real", b="ours")
    pair.settled()
    pair.stop("real")
    pair.wait(5, a="ours", b="ours")
    assert pair.complaints("real") == []


def test_without_auto_failback_nothing_moves_on_a_return(make_pair: MakePair) -> None:
    pair = formed(make_pair(mode="off"))
    pair.power_cycle("ours")
    pair.wait(a="real", b="real")
    pair.start("ours", "ours")
    pair.settled()
    pair.wait(a="real", b="real")
    assert pair.claim("ours") == "none"
    pair.tool("ours", "hb_takeover", "local")
    pair.wait(a="real", b="ours")
    assert pair.complaints("real") == []
