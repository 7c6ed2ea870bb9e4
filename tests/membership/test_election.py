"""Elections between a few machines, message by message."""

from crmd.membership.election import Election, Follow, Lead, Phase, Seek, SendPoll, Standing
from crmd.membership.pledge import Pledge


class Room:
    """Machines that hear each other as `links` says; polls and offers arrive at once."""

    def __init__(self, names, lineages=None, form_after_s=20.0):
        self.now = 0.0
        self.nodes = {}
        self.cut = set()
        for name in names:
            lineage = (lineages or {}).get(name, (1, 0, 5, 0))
            standing = Standing(name, lineage)
            self.nodes[name] = Election(name, tuple(names), f"{name}.1", standing)
            self.nodes[name].form_after_s = form_after_s
        self.log = []

    def hears(self, a, b):
        return b in self.nodes[a].live

    def do(self, name, outputs):
        node = self.nodes[name]
        for output in outputs:
            match output:
                case SendPoll(to):
                    for peer in [to] if to else sorted(self.nodes):
                        if peer != name and (name, peer) not in self.cut:
                            answer = self.nodes[peer].poll(name, node.my_poll(), self.now)
                            self.do(peer, answer)
                case Lead(round_, to):
                    self.log.append(f"{name} leads {round_}")
                    for peer in [to] if to else sorted(node.live):
                        if (name, peer) not in self.cut:
                            self.do(peer, self.nodes[peer].offer(name, round_, self.now))
                case Follow(dc, round_):
                    self.log.append(f"{name} follows {dc} {round_}")
                case Seek(reason):
                    self.log.append(f"{name} seeks: {reason}")

    def start(self, *names):
        for name in names:
            self.do(name, self.nodes[name].start(self.now))

    def meet(self, *names):
        for a in names:
            for b in names:
                if a != b and (b, a) not in self.cut:
                    self.do(a, self.nodes[a].peer_up(b, self.now))

    def lose(self, name, *by):
        for peer in by:
            self.do(peer, self.nodes[peer].peer_down(name, self.now))

    def wait(self, seconds):
        end = self.now + seconds
        while True:
            due = min((n.deadline() for n in self.nodes.values() if n.deadline()), default=end + 1)
            if due > end:
                break
            self.now = max(self.now, due)
            for name in sorted(self.nodes):
                self.do(name, self.nodes[name].tick(self.now))
        self.now = end

    def leaders(self):
        return [n for n, e in self.nodes.items() if e.phase is Phase.LEADING]

    def dcs(self):
        return {n: e.dc for n, e in self.nodes.items()}


def formed():
    room = Room(["a", "b", "c"])
    room.start("a", "b", "c")
    room.meet("a", "b", "c")
    return room


def test_three_nodes_that_hear_each_other_elect_one_at_once():
    room = formed()
    assert room.now == 0.0
    assert room.leaders() == ["a"]
    assert room.dcs() == {"a": "a", "b": "a", "c": "a"}


def test_the_node_with_the_best_cib_leads_whatever_its_name():
    room = Room(["a", "b", "c"], {"c": (2, 0, 3, 0)})
    room.start("a", "b", "c")
    room.meet("a", "b", "c")
    assert room.leaders() == ["c"]


def test_a_node_alone_waits_for_the_others_before_it_leads():
    room = Room(["a", "b"], form_after_s=20.0)
    room.start("a")
    room.wait(19.0)
    assert room.leaders() == []
    room.wait(2.0)
    assert room.leaders() == ["a"]


def test_a_node_whose_peers_are_known_to_be_down_does_not_wait():
    room = Room(["a", "b"])
    room.start("a")
    room.lose("b", "a")
    assert room.leaders() == ["a"] and room.now == 0.0


def test_the_death_of_the_dc_gives_another_in_a_later_round_at_once():
    room = formed()
    before = room.nodes["c"].round
    del room.nodes["a"]
    room.lose("a", "b", "c")
    assert room.leaders() == ["b"]
    assert room.dcs() == {"b": "b", "c": "b"}
    assert room.nodes["c"].round > before
    assert room.now == 0.0


def test_an_offer_of_an_older_round_is_refused():
    room = formed()
    b = room.nodes["b"]
    room.lose("a", "b", "c")
    assert b.offer("c", 1, 0.0) == [SendPoll("c")]


def test_a_follower_of_a_live_dc_refuses_the_offer_of_another():
    room = formed()
    b = room.nodes["b"]
    assert b.offer("c", 99, 0.0) == [SendPoll("c")]
    assert b.dc == "a"


def test_of_two_leaders_the_one_with_quorum_absorbs_the_other():
    room = formed()
    room.cut = {("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")}
    room.lose("b", "a")
    room.lose("c", "a")
    room.lose("a", "b", "c")
    assert sorted(room.leaders()) == ["a", "b"]
    room.nodes["b"].update(has_quorum=True, members=2)
    room.cut = set()
    room.meet("a", "b")
    room.meet("a", "c")
    assert room.leaders() == ["b"]
    assert room.dcs() == {"a": "b", "b": "b", "c": "b"}


def test_a_partial_mesh_ends_without_oscillation():
    room = formed()
    room.cut = {("a", "c"), ("c", "a")}
    room.lose("c", "a")
    room.lose("a", "c")
    room.wait(30.0)
    assert sorted(room.leaders()) == ["a", "c"]
    assert room.dcs() == {"a": "a", "b": "a", "c": "c"}
    before = list(room.log)
    room.wait(60.0)
    assert room.log == before


def test_a_winner_that_never_claims_is_passed_over():
    room = Room(["a", "b"])
    room.start("a", "b")
    b = room.nodes["b"]
    poll = room.nodes["a"].my_poll()
    b.peer_up("a", 0.0)
    out = b.poll("a", type(poll)(poll.standing, 1, Phase.VOTING, "", "a.1", ("b",)), 0.0)
    assert Lead(1) not in out and b.phase is Phase.VOTING
    assert b.deadline() == 2.0
    out = b.tick(2.0)
    assert b.phase is Phase.LEADING and any(isinstance(o, Lead) for o in out)


def test_a_dc_whose_controller_restarts_is_left_at_once():
    room = formed()
    poll = room.nodes["a"].my_poll()
    restarted = type(poll)(poll.standing, 0, Phase.WAITING, "", "a.2", ())
    out = room.nodes["b"].poll("a", restarted, 1.0)
    assert isinstance(out[0], Seek)


def test_a_silent_dc_is_left_after_fifteen_seconds():
    room = formed()
    b = room.nodes["b"]
    assert not any(isinstance(o, Seek) for o in b.tick(14.9))
    assert any(isinstance(o, Seek) for o in b.tick(15.0))


def restarted(pledge):
    """n1 after a restart, with what its disk says that it promised; it hears n2 and n3."""
    node = Election("n1", ("n1", "n2", "n3"), "n1.2", Standing("n1", (1, 0, 5, 0), pledge=pledge))
    node.start(0.0)
    for peer in ("n2", "n3"):
        node.peer_up(peer, 0.0)
    return node


def test_a_pledge_outlives_a_restart_and_binds_to_one_node():
    node = restarted(Pledge(7, "n2"))
    for round_ in (6, 7):
        assert node.offer("n3", round_, 1.0) == [SendPoll("n3")]
    assert node.offer("n2", 7, 1.0) == [Follow("n2", 7)]


def test_a_later_round_takes_the_place_of_a_pledge():
    node = restarted(Pledge(7, "n2"))
    assert node.offer("n3", 8, 1.0) == [Follow("n3", 8)]
    assert node.pledge == Pledge(8, "n3")


def test_without_a_pledge_any_first_offer_is_taken():
    assert restarted(Pledge()).offer("n3", 7, 1.0) == [Follow("n3", 7)]
