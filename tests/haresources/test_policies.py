"""Defences before a take-over, ipfail, and what the machine refuses; one step at a time."""

from __future__ import annotations

import pytest

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim, groups_of, repeated_keys
from crmd.haresources.ipfail import Ipfail
from crmd.haresources.parse import parse
from crmd.haresources.takeover import TakeOverMachine
from tests.haresources.replay import recording
from tests.haresources.world import World
from tests.heartbeat.vectors import needs_vectors

FILE = "a Flag::a\nb Flag::b\n"


def settled(**policy):
    """Node a, each node holding its own."""
    made = ev.Policy(nodes=("a", "b"), **policy)
    machine = TakeOverMachine("a", groups_of(parse(FILE)), made)
    machine.step(ev.Begin((("b", True, 7),)), -10.0)
    machine.step(said("resource", rsc_hold="local", rtype="full", isstable="1"), -9.9)
    machine.step(ev.Done(1), -9.8)
    machine.step(ev.Tick(), -5.0)
    assert machine.state.is_settled and machine.state.i_hold is Claim.LOCAL
    return machine


def said(kind, **fields):
    return ev.Said("b", (("t", kind), *fields.items()))


def of(kind, effects):
    return [effect for effect in effects if isinstance(effect, kind)]


def test_fencing_comes_before_the_take_over_and_is_repeated_until_it_works():
    machine = settled(has_stonith=True)
    effects = machine.step(ev.PeerGone("b"), 1.0)
    assert of(ev.Fence, effects) == [ev.Fence("b")] and of(ev.Run, effects) == []
    effects = machine.step(ev.Fenced("b", is_down=False), 2.0)
    assert of(ev.Run, effects) == [] and machine.deadline() == 7.0
    assert of(ev.Fence, machine.step(ev.Tick(), 7.0)) == [ev.Fence("b")]
    effects = machine.step(ev.Fenced("b", is_down=True), 8.0)
    assert of(ev.Run, effects) == [ev.Run(2, (ev.Step(True, "Flag::b"),))]
    assert ev.Send((("t", "stonith"), ("node", "b"), ("result", "OK"))) in effects


def test_a_node_that_held_nothing_is_not_fenced():
    machine = settled(has_stonith=True)
    machine.step(said("resource", rsc_hold="none", rtype="full", isstable="0"), 1.0)
    effects = machine.step(ev.PeerGone("b"), 2.0)
    assert of(ev.Fence, effects) == [] and len(of(ev.Run, effects)) == 1


def test_takeover_delay_gives_the_alarm_first_and_a_return_ends_it():
    machine = settled(takeover_delay_s=30.0)
    effects = machine.step(ev.PeerGone("b"), 1.0)
    assert [e.level for e in of(ev.Say, effects)][-1] == "ALERT" and of(ev.Run, effects) == []
    assert machine.deadline() == 31.0
    machine.step(ev.PeerHeard("b", 8), 20.0)
    assert of(ev.Run, machine.step(ev.Tick(), 31.0)) == []
    machine.step(ev.PeerGone("b"), 40.0)
    assert len(of(ev.Run, machine.step(ev.Tick(), 70.0))) == 1


def test_takeover_manual_waits_for_a_person():
    machine = settled(takeover_manual=True)
    machine.step(ev.PeerGone("b"), 1.0)
    assert of(ev.Run, machine.step(ev.Tick(), 9999.0)) == []
    effects = machine.step(ev.Fenced("b", is_down=True, by_person=True), 10000.0)
    assert of(ev.Run, effects) == [ev.Run(2, (ev.Step(True, "Flag::b"),))]


@pytest.mark.parametrize("policy", [{"takeover_manual": True}, {"has_stonith": True}])
def test_a_clean_departure_needs_no_defence(policy):
    machine = settled(**policy)
    effects = machine.step(said("shutdone", st="dead"), 1.0)
    assert of(ev.Run, effects) == [ev.Run(2, (ev.Step(True, "Flag::b"),))]
    assert of(ev.Fence, machine.step(ev.PeerGone("b"), 2.0)) == []


def test_alone_with_a_silent_peer_that_may_hold_everything_nothing_starts_without_fencing():
    made = ev.Policy(nodes=("a", "b"), has_stonith=True)
    machine = TakeOverMachine("a", groups_of(parse(FILE)), made)
    effects = machine.step(ev.Begin((("b", False, 0),)), 0.0)
    assert of(ev.Fence, effects) == [ev.Fence("b")] and of(ev.Run, effects) == []
    effects = machine.step(ev.Fenced("b", is_down=True), 3.0)
    assert of(ev.Run, effects) == [ev.Run(1, (ev.Step(True, "Flag::a"),))]


def test_a_failed_stop_reboots_and_never_says_done():
    machine = settled()
    machine.step(ev.GoStandby(Claim.LOCAL), 1.0)
    effects = machine.step(said("ask_resources", rsc_hold="local", info="other"), 1.1)
    job = of(ev.Run, effects)[0].job
    effects = machine.step(ev.Done(job, not_stopped=("Flag::a",)), 15.0)
    assert of(ev.SelfFence, effects) == [ev.SelfFence("Flag::a cannot be stopped")]
    assert of(ev.Send, effects) == []
    assert machine.step(ev.Tick(), 16.0) == []


def test_what_is_held_is_kept_before_anything_is_run():
    machine = settled()
    effects = machine.step(ev.PeerGone("b"), 1.0)
    kinds = [type(e) for e in effects]
    assert kinds.index(ev.Keep) < kinds.index(ev.Run)
    assert of(ev.Keep, effects) == [ev.Keep(Claim.ALL, ("Flag::a", "Flag::b"), True)]


def test_nonsense_from_a_peer_changes_nothing():
    machine = settled()
    held = machine.state.i_hold
    for message in (
        said("resource", rsc_hold="everything", rtype="full", isstable="1"),
        said("ask_resources", rsc_hold="none", info="me"),
        said("ask_resources", rsc_hold="local", info="perhaps"),
        said("ask_resources", rsc_hold="local", info="done"),
        said("hb_takeover", rsc_hold="yes"),
        said("unheard-of"),
        ev.Said("b", ()),
    ):
        effects = machine.step(message, 1.0)
        assert of(ev.Run, effects) == of(ev.Send, effects) == []
    assert machine.state.i_hold is held and machine.state.is_settled


def test_a_file_whose_keys_repeat_is_found():
    groups = groups_of(parse("a web IPaddr::10.0.0.1\nb web\nc 10.0.0.2\n"))
    assert [group.key for group in groups] == ["web", "web", "IPaddr::10.0.0.2"]
    assert repeated_keys(groups) == ["web"]


# --- ipfail ---------------------------------------------------------------------------------------


@needs_vectors
def test_ipfail_says_what_the_real_one_said():
    """Master loses its ping node and gets it back; each side is replayed."""
    lines = [x for x in recording("ipfail") if dict(x.fields).get("from_id") == "ipfail"]
    master, backup = (Ipfail(0.4, gives_back=True) for _ in range(2))
    master.peers, backup.peers = {"mysql-backup"}, {"mysql-master"}
    master.count = backup.count = 1
    sent, now = [], 0.0
    for line in lines:
        heard = ev.Said(line.origin, line.fields)
        if line.origin == "mysql-master":
            if line.type == "num_ping_nodes":
                count = int(dict(line.fields)["num_ping"])
                sent += of(ev.Send, master.reference(count))
            if line.type != "ask_resources":
                sent += of(ev.Send, backup.hear(heard, now))
        elif line.type != "ask_resources":
            sent += of(ev.Send, master.hear(heard, now))
    names = ("t", "num_ping", "dest", "from_id", "to_id", "client_gen")
    real = [
        tuple((n, v) for n in names for k, v in line.fields if k == n)
        for line in lines
        if line.type != "ask_resources"
    ]
    assert [effect.fields for effect in sent] == real
    assert master.giving is Claim.NONE and backup.giving is Claim.FOREIGN


def test_ipfail_gives_up_only_when_nothing_moves_and_until_it_worked():
    ipfail = Ipfail(0.4, gives_back=False)
    ipfail.hear(said("you_are_dead"), 10.0)
    assert ipfail.tick(10.3, Claim.LOCAL, is_settled=True) == []
    assert ipfail.tick(10.4, Claim.LOCAL, is_settled=False) == []
    assert ipfail.tick(11.4, Claim.LOCAL, is_settled=True) == [ev.GoStandby(Claim.ALL)]
    assert ipfail.tick(12.4, Claim.NONE, is_settled=True) == [] and ipfail.at is None


def given_away(ipfail, at):
    """Ticks of a node that gives all away because the other one sees more."""
    ipfail.hear(said("you_are_dead"), at)
    ipfail.tick(at + 0.4, Claim.LOCAL, is_settled=True)
    return ipfail.tick(at + 1.4, Claim.NONE, is_settled=True)


def test_with_ipfail_reboot_who_gave_all_away_reboots_once_and_not_soon_after_a_boot():
    ipfail = Ipfail(0.4, gives_back=False, reboots=True)
    assert [type(each) for each in given_away(ipfail, 20.0)] == [ev.Say]
    assert [type(each) for each in given_away(ipfail, 700.0)] == [ev.SelfFence]
    assert given_away(ipfail, 800.0) == []
    assert given_away(Ipfail(0.4, gives_back=False), 700.0) == []


def test_with_ipfail_reboot_who_had_nothing_to_give_stays_up():
    ipfail = Ipfail(0.4, gives_back=False, reboots=True)
    ipfail.hear(said("you_are_dead"), 700.0)
    assert ipfail.tick(700.4, Claim.NONE, is_settled=True) == [] and ipfail.at is None


def test_three_nodes_refuse_what_needs_a_pair():
    world = World(names=("a", "b", "c"))
    for name in world.names:
        world.boot(name)
    world.run(3.0)
    world.feed("a", ev.GoStandby(Claim.ALL))
    world.run(2.0)
    assert world.owners() == {"a": ["a"], "b": ["b"], "c": ["c"]}
    assert "a CIB can do more" in world.story()
    world.feed("a", ev.GoStandby(Claim.LOCAL))
    world.run(3.0)
    assert world.owners() == {"a": ["b"], "b": ["b"], "c": ["c"]}


# --- messages that overtake each other ------------------------------------------------------------


def numbered(seq, kind, **fields):
    return ev.Said("b", (("t", kind), *fields.items(), ("hg", "7"), ("seq", f"{seq:x}")))


def report(seq, stable, hold="local", **more):
    return numbered(seq, "resource", rsc_hold=hold, rtype="full", isstable=stable, **more)


def test_an_older_report_that_comes_late_changes_nothing():
    machine = settled()
    machine.step(report(21, "1"), 1.0)
    machine.step(report(20, "0", hold="none", info="standby"), 1.1)
    peer = machine.state.peer("b")
    assert peer.is_stable and peer.claim is Claim.LOCAL
    machine.step(report(22, "0"), 1.2)
    assert not peer.is_stable


def test_a_report_is_repeated_once_when_all_is_quiet():
    machine = settled()
    machine.step(report(20, "0"), 1.0)
    assert of(ev.Send, machine.step(report(21, "1"), 1.1)) != []
    assert machine.deadline() == 3.1
    again = of(ev.Send, machine.step(ev.Tick(), 3.1))
    assert [dict(e.fields)["isstable"] for e in again] == ["1"]
    assert machine.deadline() is None


def test_who_asked_for_a_standby_and_does_not_begin_it_is_not_waited_for():
    machine = settled()
    machine.step(numbered(20, "ask_resources", rsc_hold="local", info="me"), 1.0)
    assert not machine.state.is_settled and machine.deadline() == 16.0
    machine.step(ev.Tick(), 16.0)
    assert machine.state.is_settled
    machine.step(numbered(21, "ask_resources", rsc_hold="local", info="me"), 20.0)
    machine.step(report(22, "0", hold="none", info="standby"), 20.1)
    assert machine.deadline() == 3620.1, "it has begun: its scripts may take long"
