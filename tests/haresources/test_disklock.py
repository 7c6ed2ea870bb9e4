"""What the take-over machine makes of the disk lock's words."""

from __future__ import annotations

import pytest

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim, groups_of
from crmd.haresources.parse import parse
from crmd.haresources.takeover import TakeOverMachine
from crmd.haresources.takeover_state import Phase
from crmd.heartbeat.config import parse_ha_cf
from tests.haresources.test_policies import FILE, of, said, settled

TAKE_B = (ev.Step(True, "Flag::b"),)


def lost_and_released(machine: TakeOverMachine) -> None:
    machine.step(ev.PeerGone("b"), 1.0)
    effects = machine.step(ev.LockSays("b", "lost", "b holds the disk lock"), 1.5)
    (run,) = of(ev.Run, effects)
    assert run.steps == (ev.Step(False, "Flag::a"),)
    machine.step(ev.Done(run.job), 2.0)
    assert machine.state.i_hold is Claim.NONE and machine.state.work.active == set()


def test_nothing_is_taken_before_the_lock_says_that_the_peer_holds_nothing():
    machine = settled(has_disklock=True)
    effects = machine.step(ev.PeerGone("b"), 1.0)
    assert of(ev.TakeLock, effects) == [ev.TakeLock("b")] and of(ev.Run, effects) == []
    assert of(ev.Run, machine.step(ev.LockSays("b", "won"), 1.5)) == []
    (run,) = of(ev.Run, machine.step(ev.LockSays("b", "free"), 6.0))
    assert run.steps == TAKE_B


def test_with_a_fence_device_the_winner_fences_and_the_lease_alone_is_not_enough():
    machine = settled(has_disklock=True, has_stonith=True)
    effects = machine.step(ev.PeerGone("b"), 1.0)
    assert of(ev.Fence, effects) == [] and of(ev.TakeLock, effects) == [ev.TakeLock("b")]
    assert of(ev.Fence, machine.step(ev.LockSays("b", "won"), 1.5)) == [ev.Fence("b")]
    assert of(ev.Run, machine.step(ev.LockSays("b", "free"), 6.0)) == []
    (run,) = of(ev.Run, machine.step(ev.Fenced("b", is_down=True), 7.0))
    assert run.steps == TAKE_B


def test_the_waiting_time_comes_before_the_lock_and_a_person_instead_of_it():
    machine = settled(has_disklock=True, takeover_delay_s=30.0)
    assert of(ev.TakeLock, machine.step(ev.PeerGone("b"), 1.0)) == []
    effects = machine.step(ev.Tick(), 31.0)
    assert of(ev.TakeLock, effects) == [ev.TakeLock("b")] and of(ev.Run, effects) == []
    (run,) = of(ev.Run, machine.step(ev.Fenced("b", is_down=True, by_person=True), 32.0))
    assert run.steps == TAKE_B


def test_a_silent_node_without_resources_is_asked_about_a_clean_departure_is_not():
    machine = settled(has_disklock=True)
    machine.step(said("resource", rsc_hold="none", rtype="full", isstable="0"), 1.0)
    effects = machine.step(ev.PeerGone("b"), 2.0)
    assert of(ev.TakeLock, effects) == [ev.TakeLock("b")] and of(ev.Run, effects) == []
    machine = settled(has_disklock=True)
    effects = machine.step(said("shutdone", st="dead"), 1.0)
    assert of(ev.TakeLock, effects) == [] and len(of(ev.Run, effects)) == 1


def test_the_loser_takes_nothing_until_the_winner_is_heard_and_begins_anew_then():
    machine = settled(has_disklock=True)
    lost_and_released(machine)
    assert of(ev.Run, machine.step(ev.Tick(), 500.0)) == []
    effects = machine.step(ev.PeerHeard("b", 7), 501.0)
    assert of(ev.Send, effects) == [ev.Send((("t", "starting"),))]
    assert machine.state.phase is Phase.STARTING and of(ev.Run, effects) == []
    machine.step(said("resource", rsc_hold="all", rtype="full", isstable="1"), 501.2)
    assert machine.state.i_hold is Claim.NONE and machine.state.phase is Phase.STABLE


def test_the_loser_takes_everything_when_the_lock_says_that_the_winner_is_gone():
    machine = settled(has_disklock=True)
    lost_and_released(machine)
    effects = machine.step(ev.LockSays("b", "free"), 60.0)
    effects += machine.step(ev.Done(of(ev.Run, effects)[0].job), 60.5)
    steps = [step for run in of(ev.Run, effects) for step in run.steps]
    assert sorted(step.key for step in steps if step.take) == ["Flag::a", "Flag::b"]


def test_the_winner_keeps_what_it_took_until_the_loser_asks_for_it():
    machine = settled(has_disklock=True)
    machine.step(ev.PeerGone("b"), 1.0)
    machine.step(ev.LockSays("b", "won"), 1.5)
    (run,) = of(ev.Run, machine.step(ev.LockSays("b", "free"), 6.0))
    machine.step(ev.Done(run.job), 6.5)
    effects = machine.step(ev.PeerHeard("b", 7), 20.0)
    assert of(ev.Run, effects) == [] and machine.state.i_hold is Claim.ALL


def test_a_word_of_the_lock_about_a_peer_that_is_back_changes_nothing():
    machine = settled(has_disklock=True)
    machine.step(ev.PeerGone("b"), 1.0)
    machine.step(ev.PeerHeard("b", 7), 1.2)
    for word in ("won", "free"):
        assert of(ev.Run, machine.step(ev.LockSays("b", word), 1.5)) == []


def test_what_a_former_run_held_is_released_if_the_lock_was_lost_meanwhile():
    made = ev.Policy(nodes=("a", "b"), has_disklock=True)
    machine = TakeOverMachine("a", groups_of(parse(FILE)), made)
    assert of(ev.Run, machine.step(ev.LockSays("b", "lost", "b holds the disk lock"), 0.0)) == []
    effects = machine.step(ev.Begin((("b", False, 7),), Claim.LOCAL, ("Flag::a",)), 0.5)
    assert [run.steps for run in of(ev.Run, effects)] == [(ev.Step(False, "Flag::a"),)]
    effects = machine.step(ev.Done(of(ev.Run, effects)[0].job), 1.0)
    assert of(ev.Run, effects) == []


HEAD = "keepalive 200ms\ndeadtime 1\ninitdead 3\nbcast eth0\n"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("node a b c\nauto_failback on\ndisklock /dev/vg/lock\n", "two nodes"),
        ("node a b\nauto_failback legacy\ndisklock /dev/vg/lock\n", "auto_failback on or off"),
        ("node a b\nauto_failback on\ndisklock lock\n", "absolute path"),
        ("node a b\nauto_failback on\ndisklock /dev/a /dev/b\n", "one shared block device"),
    ],
)
def test_ha_cf_refuses_a_lock_that_could_not_work(lines, text):
    config, problems = parse_ha_cf(HEAD + lines)
    assert config is None and any(text in p.text for p in problems if p.is_error)


def test_ha_cf_takes_the_lock_and_its_time():
    lines = "node a b\nauto_failback on\ndisklock /dev/vg/lock\ndisklock_release 5\n"
    config, _ = parse_ha_cf(HEAD + lines)
    assert config is not None
    assert (config.disklock, config.disklock_release_s) == ("/dev/vg/lock", 5.0)
