"""Two and three nodes with haresources under faults, in virtual time: one owner per group."""

from __future__ import annotations

import os
import random

import pytest

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim
from tests.haresources.world import World

SEEDS = range(int(os.environ.get("PACEKEEPER_STORMS", "120")))


def pair(mode: str = "on", **options: object) -> World:
    world = World(mode=mode, **options)  # type: ignore[arg-type]
    for name in world.names:
        world.boot(name)
    world.run(3.0)
    return world


@pytest.mark.parametrize("mode", ["on", "off", "legacy"])
def test_two_that_start_together_run_their_own_groups_within_seconds(mode):
    assert pair(mode).owners() == {"a": ["a"], "b": ["b"]}


@pytest.mark.parametrize("word", ["local", "foreign", "all"])
def test_a_standby_moves_exactly_the_named_set(word):
    which = {"local": Claim.LOCAL, "foreign": Claim.FOREIGN, "all": Claim.ALL}[word]
    world = pair("off")
    world.kill("b")
    world.run(4.0)
    world.boot("b")
    world.run(4.0)
    assert world.owners() == {"a": ["a"], "b": ["a"]}
    world.feed("a", ev.GoStandby(which))
    world.run(4.0)
    moved = {"local": {"a"}, "foreign": {"b"}, "all": {"a", "b"}}[word]
    assert world.owners() == {home: ["b"] if home in moved else ["a"] for home in "ab"}


@pytest.mark.parametrize(("mode", "home"), [("on", "a"), ("off", "b"), ("legacy", "a")])
def test_a_returned_node_gets_its_group_back_if_ha_cf_says_so(mode, home):
    world = pair(mode)
    world.kill("a")
    world.run(4.0)
    assert world.owners() == {"a": ["b"], "b": ["b"]}
    world.boot("a")
    world.run(15.0)
    assert world.owners() == {"a": [home], "b": ["b"]}


def test_a_clean_end_moves_all_before_the_peer_is_dead():
    world = pair()
    world.feed("a", ev.Shutdown())
    world.run(2.0)
    assert world.hosts["a"].ended and world.owners() == {"a": ["b"], "b": ["b"]}


def test_a_hand_over_stops_nothing():
    world = pair()
    for name in world.names:
        world.feed(name, ev.HandOver())
    world.run(2.0)
    assert all(host.ended for host in world.hosts.values())
    assert world.owners() == {"a": ["a"], "b": ["b"]}


def test_a_group_that_does_not_start_moves_after_30_seconds():
    world = World(broken={("a", "Flag::a")})
    for name in world.names:
        world.boot(name)
    world.run(25.0)
    assert world.owners() == {"a": [], "b": ["b"]}
    world.run(15.0)
    assert world.owners() == {"a": ["b"], "b": ["b"]}


def test_a_group_that_does_not_start_and_finds_no_taker_is_tried_again():
    world = World(broken={("a", "Flag::a")})
    world.boot("a")
    world.run(10.0)
    assert world.owners() == {"a": [], "b": ["a"]}
    world.broken.clear()
    world.run(30.0)
    assert world.owners() == {"a": ["a"], "b": ["a"]}


@pytest.mark.parametrize("mode", ["on", "off", "legacy"])
def test_after_a_split_everything_is_where_it_was(mode):
    world = pair(mode)
    world.cut()
    world.run(5.0)
    assert world.owners() == {"a": ["a", "b"], "b": ["a", "b"]}
    world.heal()
    world.run(8.0)
    assert world.owners() == {"a": ["a"], "b": ["b"]}


def test_of_three_nodes_one_takes_over():
    world = pair(names=("a", "b", "c"))
    assert world.owners() == {"a": ["a"], "b": ["b"], "c": ["c"]}
    world.kill("c")
    world.run(5.0)
    assert world.owners() == {"a": ["a"], "b": ["b"], "c": ["a"]}
    world.kill("a")
    world.run(5.0)
    assert world.owners()["a"] == ["b"]


def storm(mode: str, seed: int) -> World:
    rng = random.Random(f"{mode}{seed}")
    world = World(mode=mode, seed=seed, loss=rng.choice((0.0, 0.0, 0.2)))
    for name in world.names:
        world.boot(name)
    for _ in range(rng.randrange(3, 12)):
        world.run(rng.uniform(0.1, 6.0))
        name = rng.choice(world.names)
        match rng.randrange(7):
            case 0 if len(world.living()) == 2:
                world.kill(name)
            case 1:
                for absent in world.names:
                    if absent not in world.living():
                        world.boot(absent)
            case 2 if not world.is_cut:
                world.cut()
                world.run(rng.uniform(0.2, 5.0))
                world.heal()
            case 3:
                which = rng.choice([Claim.LOCAL, Claim.FOREIGN, Claim.ALL])
                world.feed(name, ev.GoStandby(which))
            case 4:
                world.feed(name, ev.TakeOver(rng.choice(["all", "local", "foreign"])))
            case 5:
                world.restart_manager(name)
            case 6 if len(world.living()) == 2 and mode != "legacy":
                world.freeze(name, rng.uniform(1.2, 4.0))
    for absent in world.names:
        if absent not in world.living():
            world.boot(absent)
    world.run(90.0)
    return world


@pytest.mark.simulation
@pytest.mark.parametrize("mode", ["on", "off", "legacy"])
def test_whatever_happens_each_group_ends_on_one_node_and_never_runs_twice(mode):
    for seed in SEEDS:
        world = storm(mode, seed)
        for home, nodes in world.owners().items():
            assert len(nodes) == 1, f"{home} on {nodes}\n{world.story()}"
