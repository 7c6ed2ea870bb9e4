"""Three nodes in virtual time, without chance: what an acknowledged change must outlive."""

import pytest

from crmd.membership.pledge import Pledge
from tests.simulation import plain_scheduler
from tests.simulation.mutations import sabotaged
from tests.simulation.storm import Knobs, Run, initial_cib

pytestmark = pytest.mark.simulation


def formed():
    run = Run(1, plain_scheduler.schedule, knobs=Knobs(nodes=3, fencing=False))
    world = run.world
    for name in world.names:
        world.nodes[name].disk.cib = initial_cib(run.knobs)
        world.after(0.1, world.nodes[name].boot)
    world.run_until(30.0)
    return run


def cut_off(world, name):
    others = [n for n in world.names if n != name]
    world.net.cut([(name, o) for o in others] + [(o, name) for o in others], 10_000.0)


def has_mark(world, name):
    root = world.nodes[name].controller.core.replica.root
    return root.find("configuration/rsc_defaults//nvpair[@id='mark-1']") is not None


def acknowledged_by_two_then_left_to_the_third():
    """n1 and n2 make a change while n3 is away; n1's disk fails, n2 dies, n3 returns."""
    run = formed()
    world, people = run.world, run.people
    cut_off(world, "n3")
    world.run_until(world.now + 30.0)
    people.mark("n1")
    world.run_until(world.now + 5.0)
    assert people.answers["mark-1"]["durable"] and people.answers["mark-1"]["quorum"]
    world.nodes["n1"].disk.fails_until = world.now + 10_000.0
    people.mark("n1")  # the first write that fails tells it that its disk does
    world.run_until(world.now + 5.0)
    world.nodes["n2"].off("power cut")
    world.run_until(world.now + 5.0)
    world.net.heal_all()
    world.run_until(world.now + 60.0)
    return world


def test_a_change_outlives_when_only_a_node_with_a_failing_disk_holds_it():
    world = acknowledged_by_two_then_left_to_the_third()
    assert world.nodes["n3"].controller.core.has_quorum
    assert has_mark(world, "n1") and has_mark(world, "n3")


def test_it_is_the_fetched_cib_that_saves_it():
    with sabotaged("keeps_a_better_cib_for_itself"):
        world = acknowledged_by_two_then_left_to_the_third()
    third = world.nodes["n3"].controller.core
    assert not has_mark(world, "n3")
    assert not third.leads or not third.has_quorum or not has_mark(world, "n1")


def test_a_rank_that_was_lost_on_its_way_comes_with_the_next_poll():
    world = formed().world
    dc = world.nodes["n1"].controller.core.dc
    member = next(world.nodes[n].controller.core for n in world.names if n != dc)
    rank = member.replica.rank
    member.replica.rank -= 1
    world.run_until(world.now + 12.0)
    assert member.replica.rank == rank


def test_a_pledge_is_on_disk_and_outlives_a_power_cut_of_all():
    world = formed().world
    core = world.nodes["n1"].controller.core
    pledge = Pledge(core.round, core.dc)
    for node in world.nodes.values():
        assert node.disk.read()[2] == pledge
        node.off("power cut of all")
    world.nodes["n3"].boot()
    world.run_until(world.now + 3.0)
    assert world.nodes["n3"].controller.core.election.pledge == pledge
    world.nodes["n1"].boot()
    world.run_until(world.now + 30.0)
    assert world.nodes["n3"].controller.core.has_quorum
    assert world.nodes["n3"].controller.core.election.pledge.round > pledge.round
