"""Whole pairs with a disk lock in virtual time: in no split is a group on both nodes."""

from __future__ import annotations

import pytest

from tests.haresources.lock_world import TIMES, LockWorld

AT_HOME = {"a": ["a"], "b": ["b"]}


def running(seed: int, mode: str = "on") -> LockWorld:
    world = LockWorld(seed=seed, mode=mode)
    for name in world.names:
        world.boot(name)
    world.run(8.0)
    assert world.owners() == AT_HOME, world.story()
    return world


def lone_owner(world: LockWorld) -> str:
    """The node that runs everything; empty: there is none."""
    owners = list(world.owners().values())
    return owners[0][0] if owners[0] == owners[1] and len(owners[0]) == 1 else ""


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mode", ["on", "off"])
def test_a_split_leaves_everything_on_one_node_and_its_end_leaves_nothing_double(
    seed: int, mode: str
) -> None:
    world = running(seed, mode)
    for _ in range(3):
        world.cut()
        world.run(12.0)
        assert lone_owner(world), world.story()
        world.heal()
        world.run(20.0)
        assert all(len(names) == 1 for names in world.owners().values()), world.story()
    if mode == "on":
        assert world.owners() == AT_HOME, world.story()
    assert world.rebooted == []


@pytest.mark.parametrize("seed", range(6))
def test_restarts_of_the_managers_change_nothing_in_a_split(seed: int) -> None:
    world = running(seed)
    world.cut()
    world.run(12.0)
    owner = lone_owner(world)
    for name in world.names:
        world.restart_manager(name)
        world.run(4.0)
        assert lone_owner(world) == owner, world.story()
    world.run(10.0)
    assert lone_owner(world) == owner, world.story()


def test_the_dead_are_replaced_and_come_home() -> None:
    world = running(1)
    world.kill("b")
    world.run(1.0 + TIMES.lease_s + 2.0)
    assert lone_owner(world) == "a", world.story()
    world.boot("b")
    world.run(15.0)
    assert world.owners() == AT_HOME, world.story()


@pytest.mark.parametrize("seed", range(40))
def test_after_a_storm_each_group_has_one_owner_and_none_was_ever_double(seed: int) -> None:
    world = running(seed, "on" if seed % 2 else "off")
    rng = world.rng
    for _ in range(14):
        name = rng.choice(world.names)
        match rng.choice(("cut", "cut", "heal", "kill", "boot", "restart", "disk")):
            case "cut":
                world.cut()
            case "heal":
                world.heal()
            case "kill":
                world.kill(name)
            case "boot":
                if world.hosts[name].machine is None:
                    world.boot(name)
            case "restart":
                world.restart_manager(name)
            case "disk":
                world.outages[name] = world.now + rng.uniform(0.2, 9.0)
        world.run(rng.uniform(0.1, 8.0))
    world.outages.clear()
    world.heal()
    for name in world.names:
        if world.hosts[name].machine is None:
            world.boot(name)
    world.run(60.0)
    assert all(len(names) == 1 for names in world.owners().values()), world.story()
