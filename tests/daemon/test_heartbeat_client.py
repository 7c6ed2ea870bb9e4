import asyncio
import base64

from crmd.daemon import ipc_async
from crmd.daemon.heartbeat_client import HeartbeatClient, PeerClient, Peers, parse_snapshot
from crmd.messaging import Delivered, PeerDown, PeerUp, Transmit


def snapshot(**alive):
    nodes = [
        {"name": name, "kind": "normal", "member": g is not None, "generation": g or 0,
         "state": "alive" if g else "unknown", "told": bool(g),
         "clients": ["crmd"] if g else []}
        for name, g in alive.items()
    ]  # fmt: skip
    return {
        "event": "snapshot", "node": "a", "generation": 1,
        "deadtime_s": 1.0, "initdead_s": 5.0, "keepalive_s": 0.1,
        "nodes": nodes,
    }  # fmt: skip


def state(**alive):
    return parse_snapshot(snapshot(**alive))


def test_peers_of_each_snapshot_are_told_so_that_conversations_begin_afresh():
    p = Peers()
    assert p.snapshot(state(b=3, c=None), now=0.0) == [PeerUp("b", 3)]
    assert p.peer_up(PeerUp("c", 9)) == []
    assert p.client(PeerClient("c", "crmd", True)) == [PeerUp("c", 9)]
    assert p.snapshot(state(b=3, c=9), now=5.0) == [PeerUp("b", 3), PeerUp("c", 9)]
    assert p.deadline() is None


def test_a_restart_of_our_heartbeatd_is_not_the_death_of_a_peer_that_is_heard_again():
    p = Peers()
    p.snapshot(state(b=3), now=0.0)
    assert p.snapshot(state(b=None), now=10.0) == []
    assert p.deadline() == 11.0
    assert p.tick(10.9) == []
    assert p.peer_up(PeerUp("b", 3)) == [], "its crmd is not known to be there yet"
    assert p.client(PeerClient("b", "crmd", True)) == [PeerUp("b", 3)]
    assert p.tick(11.0) == [] and p.deadline() is None


def test_a_restart_of_a_peers_heartbeatd_is_not_its_death_either():
    p = Peers()
    p.snapshot(state(b=3), now=0.0)
    assert p.peer_down(PeerDown("b", False, 0.2, "restarted"), now=10.0) == []
    assert p.client(PeerClient("b", "crmd", False)) == []
    assert p.peer_up(PeerUp("b", 4)) == []
    assert p.client(PeerClient("b", "crmd", True)) == [PeerUp("b", 4)]
    assert p.deadline() is None


def test_a_restarted_crmd_of_a_peer_is_told_as_up_again_and_other_clients_are_not():
    p = Peers()
    p.snapshot(state(b=3), now=0.0)
    assert p.client(PeerClient("b", "crmd", True)) == []
    assert p.client(PeerClient("b", "crmd", False)) == []
    assert p.client(PeerClient("b", "other", True)) == []
    assert p.client(PeerClient("b", "crmd", True)) == [PeerUp("b", 3)]


def test_a_peer_that_is_not_heard_again_within_deadtime_is_dead():
    p = Peers()
    p.snapshot(state(b=3, c=4), now=0.0)
    p.snapshot(state(b=None, c=4), now=10.0)
    p.peer_down(PeerDown("c", False, 0.25, "broken"), now=9.75)
    assert p.tick(10.75) == [PeerDown("c", False, 1.0)]
    assert p.tick(11.0) == [PeerDown("b", False, 1.0)]
    assert p.tick(12.0) == []


def test_silence_reboot_and_departure_are_told_at_once():
    p = Peers()
    p.snapshot(state(b=3, c=4, e=5), now=0.0)
    assert p.peer_down(PeerDown("b", False, 1.0), now=9.0) == [PeerDown("b", False, 1.0)]
    rebooted = PeerDown("e", False, 0.1, "rebooted")
    assert p.peer_down(rebooted, now=9.0) == [rebooted]
    assert p.peer_down(PeerDown("c", True), now=9.0) == [PeerDown("c", True)]
    assert p.peer_down(PeerDown("d", False, 0.0), now=9.0) == [PeerDown("d", False, 0.0)]


def test_a_peer_that_was_cut_off_comes_back_with_the_crmd_it_had():
    p = Peers()
    p.snapshot(state(b=3), now=0.0)
    assert p.peer_down(PeerDown("b", False, 1.0), now=9.0) == [PeerDown("b", False, 1.0)]
    assert p.peer_up(PeerUp("b", 3)) == [PeerUp("b", 3)]


class FakeHeartbeatd:
    """Greets with a snapshot, remembers what it is sent, and sends what it is told."""

    def __init__(self):
        self.got = asyncio.Queue()
        self.peer = None

    def connected(self, peer):
        self.peer = peer
        peer.send(snapshot(b=3))

    def received(self, peer, message):
        if message["op"] == "register":
            peer.send({"event": "registered", "client": message["client"]})
        self.got.put_nowait(message)

    def disconnected(self, peer, reason):
        pass


def test_messages_given_while_heartbeatd_is_away_are_sent_when_it_is_back(tmp_path):
    async def main():
        seen, events, troubles = [], asyncio.Queue(), []
        client = HeartbeatClient(
            tmp_path / "s", seen.append, events.put_nowait, on_note=troubles.append
        )
        client.transmit(Transmit("crm", b"early"))
        task = asyncio.get_running_loop().create_task(client.run())
        out = []
        for word in (b"first", b"second"):
            fake = FakeHeartbeatd()
            server = ipc_async.Server(tmp_path / "s", fake)
            await server.start()
            assert (await asyncio.wait_for(fake.got.get(), 5))["op"] == "register"
            out.append(await asyncio.wait_for(fake.got.get(), 5))
            payload = base64.b64encode(word).decode()
            fake.peer.send(
                {"event": "delivered", "origin": "b", "topic": "crm", "payload": payload}
            )
            event = await asyncio.wait_for(events.get(), 5)
            assert event == PeerUp("b", 3)
            event = await asyncio.wait_for(events.get(), 5)
            assert event == PeerClient("b", "crmd", True)
            event = await asyncio.wait_for(events.get(), 5)
            assert event == Delivered("b", "crm", word)
            await server.close()
            await asyncio.sleep(0.1)
            client.transmit(Transmit("crm", b"late", "b"))
        task.cancel()
        return seen, out, troubles

    seen, out, troubles = asyncio.run(main())
    assert [(s.node, s.nodes, s.initdead_s) for s in seen] == [("a", ("a", "b"), 5.0)] * 2
    assert [base64.b64decode(m["payload"]) for m in out] == [b"early", b"late"]
    assert [m["to"] for m in out] == [None, "b"]
    assert any("connection lost" in text for text in troubles)
