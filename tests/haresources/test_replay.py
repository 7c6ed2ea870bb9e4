"""Our machine in the place of a real node, in recorded conversations of two real nodes."""

from __future__ import annotations

import pytest

from crmd.haresources import takeover_events as ev
from crmd.haresources.claims import Claim
from tests.haresources.replay import Played, recording, sent_by, without_repetitions
from tests.heartbeat.vectors import needs_vectors

pytestmark = [needs_vectors, pytest.mark.reference]

MASTER, BACKUP = "mysql-master", "mysql-backup"
NONE, LOCAL, FOREIGN, ALL = Claim.NONE, Claim.LOCAL, Claim.FOREIGN, Claim.ALL


def first(lines, node, kind, **fields):
    """Moment of a message that a person or the machine's surroundings caused."""
    for line in lines:
        if line.origin == node and line.type == kind:
            if all(dict(line.fields).get(k) == v for k, v in fields.items()):
                return line.at
    raise AssertionError(f"{node} sent no {kind} {fields}")


def play(name, node, mine, theirs, own=None, mode="on"):
    peer = BACKUP if node == MASTER else MASTER
    lines = recording(name)
    played = Played(node, peer, mode)
    generations = [line.generation for line in lines if line.origin == peer]
    if mine is not None:
        played.settled(mine, theirs, generations[0])
    played.hear(lines, own(lines) if own else {})
    return without_repetitions(played.sent), sent_by(lines, node), played


# name, node, what it and its peer held
STANDBYS = [
    ("standby-local", MASTER, LOCAL, LOCAL),
    ("standby-local", BACKUP, LOCAL, LOCAL),
    ("standby-failback", MASTER, NONE, ALL),
    ("standby-failback", BACKUP, ALL, NONE),
    ("standby-all", MASTER, NONE, ALL),
    ("standby-all", BACKUP, ALL, NONE),
]


@pytest.mark.parametrize(("name", "node", "mine", "theirs"), STANDBYS)
def test_a_standby_is_the_same_conversation(name, node, mine, theirs):
    def own(lines):
        if node == BACKUP:
            return {}
        which = {"standby-local": LOCAL, "standby-failback": FOREIGN, "standby-all": ALL}[name]
        return {first(lines, MASTER, "ask_resources", info="me"): ev.GoStandby(which)}

    ours, theirs_, _ = play(name, node, mine, theirs, own)
    assert ours == theirs_


def at_start(node, alive=True, kept=NONE):
    peer = BACKUP if node == MASTER else MASTER

    def own(lines):
        generation = next(line.generation for line in lines if line.origin == peer)
        begin = ev.Begin(((peer, alive, generation),), kept, ())
        return {first(lines, node, "starting"): begin}

    return own


def dies(node):
    """The heartbeat layer of `node` declares its peer dead just before it says `stonith`."""
    peer = BACKUP if node == MASTER else MASTER
    return lambda lines: {first(lines, node, "stonith"): ev.PeerGone(peer)}


def types(which):
    return lambda lines: {first(lines, MASTER, "hb_takeover"): ev.TakeOver(which)}


def stops(lines):
    return {first(lines, MASTER, "resource", info="shutdown"): ev.Shutdown()}


SAME = {
    "hb_takeover local, who takes": ("takeover-local", MASTER, NONE, ALL, types("local")),
    "hb_takeover local, who gives": ("takeover-local", BACKUP, ALL, NONE, None),
    "hb_takeover all, who takes": ("takeover-all", MASTER, LOCAL, LOCAL, types("all")),
    "hb_takeover all, who gives": ("takeover-all", BACKUP, LOCAL, LOCAL, None),
    "clean stop, who leaves": ("stop-primary", MASTER, NONE, ALL, stops),
    "clean stop, who stays": ("stop-primary", BACKUP, ALL, NONE, dies(BACKUP)),
    "return, who returns": ("start-rejoin-failback", MASTER, None, None, at_start(MASTER)),
    "kill": ("kill-primary", BACKUP, LOCAL, LOCAL, dies(BACKUP)),
    "kill at the times of the handbook": ("handbook-times", BACKUP, LOCAL, LOCAL, dies(BACKUP)),
    "reload, who stays": ("reload", BACKUP, LOCAL, LOCAL, None),
}


@pytest.mark.parametrize("case", sorted(SAME))
def test_it_says_what_the_real_node_said(case):
    name, node, mine, theirs, own = SAME[case]
    ours, real, _ = play(name, node, mine, theirs, own)
    assert ours == real


def test_auto_failback_off_leaves_everything_where_it_is():
    ours, real, played = play("off-return", MASTER, None, None, at_start(MASTER), "off")
    assert ours == real and played.runs == []
    lines = recording("off-return")
    played = Played(BACKUP, MASTER, "off")
    played.settled(ALL, NONE, 1)
    played.machine.state.peer(MASTER).alive = False
    played.hear(lines, {})
    assert without_repetitions(played.sent) == sent_by(lines, BACKUP) and played.runs == []


def test_the_holder_gives_back_to_a_node_that_returned():
    lines = recording("start-rejoin-failback")
    played = Played(BACKUP, MASTER)
    played.settled(ALL, NONE, 1)
    state = played.machine.state
    state.peer(MASTER).alive, state.peer(MASTER).gave_up = False, True
    state.needs_failback = True
    played.hear(lines, {})
    assert without_repetitions(played.sent) == sent_by(lines, BACKUP)
    assert played.runs == [("give IPaddr::172.16.1.164/24/eth1",)]


def test_a_whole_life_beside_a_simulated_peer():
    lines = recording("forged-peer")
    played = Played(BACKUP, MASTER)
    played.settled(ALL, NONE, 1)
    state = played.machine.state
    state.phase, state.needs_failback = state.phase.RECEIVED, True
    state.peer(MASTER).alive, state.peer(MASTER).generation = False, 1
    played.hear(lines, {})
    assert without_repetitions(played.sent) == sent_by(lines, BACKUP)


@pytest.mark.parametrize("name", ["start-both", "ucast-start"])
@pytest.mark.parametrize("node", [MASTER, BACKUP])
def test_two_nodes_that_start_together_need_no_ten_seconds(name, node):
    """Ours says earlier what the real one said after 10 s, and repeats it when the peer is done."""
    ours, real, played = play(name, node, None, None, at_start(node))
    stable = "resource rsc_hold=local rtype=full isstable=1"
    none_yet = "resource rsc_hold=none rtype=full isstable=0"
    assert real == ["starting", none_yet, stable, f"{stable} info=req_our_resources()"]
    assert [word for word in ours if word != none_yet] == [
        "starting",
        stable,
        f"{stable} info=req_our_resources()",
        stable,
    ]
    own = {MASTER: "take IPaddr::172.16.1.164/24/eth1", BACKUP: "take IPaddr::172.16.1.165/24/eth1"}
    assert played.runs == [(own[node],)]


def test_a_restart_that_keeps_its_resources_says_what_it_holds():
    ours, real, _ = play("reload", MASTER, None, None, at_start(MASTER, kept=LOCAL))
    assert real == ["starting", "resource rsc_hold=local rtype=full isstable=1"]
    assert ours == ["starting", "resource rsc_hold=local rtype=full isstable=0", real[1]]


def test_takeover_failback_moves_what_its_name_says():
    """The real node gives everything (18.24); ours gives what it holds of the other."""
    ours, real, played = play("takeover-failback", MASTER, ALL, NONE)
    assert real[0] == "ask_resources rsc_hold=all info=me"
    assert ours[0] == "ask_resources rsc_hold=local info=me"
    assert played.runs == [("give IPaddr::172.16.1.164/24/eth1",)]


def test_after_a_healed_split_it_goes_back_to_what_it_held():
    """The real node releases everything and is away for seconds; ours keeps its own group up."""
    lines = recording("partition")
    death = first(lines, BACKUP, "stonith")
    return_at = first(lines, MASTER, "stonith")
    generation = next(line.generation for line in lines if line.origin == MASTER)
    before = [line for line in lines if line.at < return_at + 3.0]
    played = Played(BACKUP, MASTER)
    played.settled(LOCAL, LOCAL, generation)
    played.hear(before, {death: ev.PeerGone(MASTER), return_at: ev.PeerHeard(MASTER, generation)})
    other, own = "IPaddr::172.16.1.164/24/eth1", "IPaddr::172.16.1.165/24/eth1"
    assert played.runs == [(f"take {other}",), (f"give {other}",), (f"take {other}",)]
    assert f"give {own}" not in str(played.runs)
    assert "Cluster node mysql-master returning after partition." in played.said
    assert "Received shutdown notice from 'mysql-master'." in played.said


def test_legacy_asks_for_its_own_and_takes_it_on_the_answer():
    def own(lines):
        generation = next(line.generation for line in lines if line.origin == BACKUP)
        at = first(lines, MASTER, "ip-request")
        return {at: ev.Begin(((BACKUP, True, generation),))}

    ours, real, played = play("legacy-return", MASTER, None, None, own, "legacy")
    assert ours == real == ["ip-request ipaddr=IPaddr::172.16.1.164/24/eth1"]
    assert played.runs == [("take IPaddr::172.16.1.164/24/eth1",)]


def test_legacy_releases_before_it_answers():
    lines = recording("legacy-return")
    played = Played(BACKUP, MASTER, "legacy")
    played.settled(ALL, NONE, 1)
    played.hear(lines, {})
    assert played.sent == sent_by(lines, BACKUP)
    assert played.order == ["give IPaddr::172.16.1.164/24/eth1", played.sent[0]]


def test_legacy_takes_all_of_a_dead_node():
    ours, real, played = play("legacy-kill", BACKUP, LOCAL, LOCAL, dies(BACKUP), "legacy")
    assert ours == real == ["stonith node=mysql-master result=n_stnth"]
    assert played.runs == [("take IPaddr::172.16.1.164/24/eth1",)]
