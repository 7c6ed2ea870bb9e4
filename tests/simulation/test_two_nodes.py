"""Two nodes in virtual time, without chance: what the survivor of a power cut may do."""

import pytest

from tests.simulation import plain_scheduler
from tests.simulation.storm import Knobs, Run, initial_cib

pytestmark = pytest.mark.simulation


def formed(wait_for=("n1", "n2")):
    run = Run(1, plain_scheduler.schedule, knobs=Knobs(nodes=2, fencing=False))
    world = run.world
    for name in world.names:
        world.nodes[name].disk.cib = initial_cib(run.knobs)
    for name in wait_for:
        world.after(0.1, world.nodes[name].boot)
    world.run_until(30.0)
    return world


@pytest.mark.parametrize("leads", [True, False])
def test_the_survivor_goes_on_alone_whether_it_led_or_followed(leads):
    world = formed()
    dc = world.nodes["n1"].controller.core.dc
    other = next(n for n in world.names if n != dc)
    victim = other if leads else dc
    survivor = dc if leads else other
    assert world.truth.where("web")
    world.nodes[victim].off("power cut")
    world.run_until(world.now + 10.0)
    assert world.nodes[survivor].controller.core.has_quorum
    assert world.truth.where("web") == [survivor]


def test_a_node_that_never_saw_the_other_starts_nothing():
    world = formed(wait_for=("n2",))
    assert not world.nodes["n2"].controller.core.has_quorum
    assert world.truth.where("web") == []
