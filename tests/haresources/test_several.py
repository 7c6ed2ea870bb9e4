"""Three nodes with haresources: one survivor takes, groups come home, nothing runs twice."""

from __future__ import annotations

import random

import pytest

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim
from tests.haresources.test_pair import pair
from tests.haresources.world import World

NAMES = ("a", "b", "c")


def three(mode: str = "on", **options: object) -> World:
    return pair(mode, names=NAMES, **options)


def owners(world: World) -> str:
    """The node of each group, a star for none, in the order of the homes."""
    return "".join("".join(world.owners()[home]) or "*" for home in NAMES)


@pytest.mark.parametrize(("mode", "after"), [("on", "abc"), ("off", "aba"), ("legacy", "abc")])
def test_one_survivor_takes_and_a_returned_node_gets_its_own_back_if_ha_cf_says_so(mode, after):
    world = three(mode)
    assert owners(world) == "abc"
    world.kill("c")
    world.run(5.0)
    assert owners(world) == "aba"
    world.boot("c")
    world.run(20.0)
    assert owners(world) == after


@pytest.mark.parametrize("mode", ["on", "off", "legacy"])
@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_the_last_survivor_has_everything_whoever_died_in_which_order(mode, first, second):
    if first == second:
        return
    world = three(mode)
    world.kill(first)
    world.run(5.0)
    world.kill(second)
    world.run(16.0)
    (last,) = set(NAMES) - {first, second}
    assert owners(world) == 3 * last
    for name in sorted({first, second}):
        world.boot(name)
        world.run(3.0)
    world.run(60.0)
    assert owners(world) == (3 * last if mode == "off" else "abc")


@pytest.mark.parametrize("mode", ["on", "off", "legacy"])
def test_two_that_die_at_once_leave_everything_to_the_third(mode):
    world = three(mode)
    world.kill("a")
    world.kill("b")
    world.run(16.0)
    assert owners(world) == "ccc"


def test_a_node_that_was_back_before_its_death_was_noticed_starts_its_own_again():
    world = three()
    world.kill("c")
    world.run(0.3)
    world.boot("c")
    world.run(20.0)
    assert owners(world) == "abc"


def test_a_clean_end_hands_over_to_the_first_that_stays():
    world = three()
    world.feed("a", ev.Shutdown())
    world.run(3.0)
    assert world.hosts["a"].ended and owners(world) == "bbc"


def test_a_restarted_manager_starts_nothing_of_other_nodes():
    world = three()
    world.kill("c")
    world.run(5.0)
    world.restart_manager("a")
    world.run(15.0)
    assert owners(world) == "aba"


def test_a_healed_split_leaves_one_of_each():
    world = three()
    world.cut()
    world.run(4.0)
    world.heal()
    world.run(20.0)
    assert owners(world) == "abc"


def test_an_added_node_takes_part_and_a_deleted_one_is_forgotten():
    world = World(names=("a", "b"))
    for name in world.names:
        world.boot(name)
    world.run(3.0)
    machine = world.hosts["a"].machine
    assert machine is not None
    world.feed("a", ev.NewNodes(("a", "b", "c")))
    assert sorted(machine.state.peers) == ["b", "c"] and not machine.state.is_pair
    world.feed("a", ev.NewNodes(("a", "b")))
    assert machine.state.is_pair and machine.state.policy.nodes == ("a", "b")


def storm(mode: str, seed: int) -> World:
    rng = random.Random(f"three{mode}{seed}")
    world = World(names=NAMES, mode=mode, seed=seed, loss=rng.choice((0.0, 0.0, 0.2)))
    for name in world.names:
        world.boot(name)
    for _ in range(rng.randrange(3, 12)):
        world.run(rng.uniform(0.1, 8.0))
        name = rng.choice(world.names)
        match rng.randrange(5):
            case 0 | 1 if len(world.living()) > 1 and name in world.living():
                world.kill(name)
            case 2:
                for absent in world.names:
                    if absent not in world.living():
                        world.boot(absent)
            case 3:
                world.restart_manager(name)
            case 4 if name in world.living():
                world.feed(name, ev.GoStandby(Claim.LOCAL))
    for absent in world.names:
        if absent not in world.living():
            world.boot(absent)
    world.run(90.0)
    return world


@pytest.mark.simulation
@pytest.mark.parametrize("mode", ["on", "off", "legacy"])
def test_whatever_happens_to_three_each_group_ends_on_one_node_and_never_runs_twice(mode):
    for seed in range(40):
        world = storm(mode, seed)
        counts = {home: len(nodes) for home, nodes in world.owners().items()}
        assert set(counts.values()) == {1}, (seed, world.owners(), world.story())
