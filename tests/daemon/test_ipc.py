import asyncio
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.daemon import ipc, ipc_async

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
messages = st.lists(st.dictionaries(st.text(), json_values, max_size=4), max_size=5)


@given(messages, st.integers(1, 9))
def test_frames_survive_any_cutting(sent, portion):
    stream = b"".join(ipc.encode(m) for m in sent)
    decoder, got = ipc.Decoder(), []
    for at in range(0, len(stream), portion):
        got += decoder.feed(stream[at : at + portion])
    assert got == sent
    assert decoder.is_between_frames


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_one_error_class(data):
    decoder = ipc.Decoder(limit=100)
    try:
        assert all(isinstance(m, dict) for m in decoder.feed(data))
    except ipc.FrameError:
        pass


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (struct.pack(">I", ipc.FRAME_LIMIT + 1), "16777217 bytes announced"),
        (b"\0\0\0\2[]", "a list, not an object"),
        (b"\0\0\0\2\xff\xff", "not JSON in UTF-8"),
        (struct.pack(">I", 200_000) + b"[" * 200_000, "not JSON"),
    ],
)
def test_a_bad_frame_says_what_is_wrong(data, text):
    with pytest.raises(ipc.FrameError, match=text):
        ipc.Decoder().feed(data)


def test_nobody_listening_is_its_own_error(tmp_path):
    with pytest.raises(ipc.NotRunning, match=r"crmd\.sock: nobody listens"):
        ipc.Client(tmp_path / "crmd.sock")
    socket.socket(socket.AF_UNIX).bind(str(tmp_path / "dead.sock"))
    with pytest.raises(ipc.NotRunning):
        ipc.Client(tmp_path / "dead.sock")


def test_a_dead_servers_socket_is_replaced_but_a_live_one_and_a_file_are_not(tmp_path):
    place = tmp_path / "x.sock"
    socket.socket(socket.AF_UNIX).bind(str(place))
    live = ipc.listen(place)
    assert place.stat().st_mode & 0o777 == 0o660
    with pytest.raises(ipc.IpcError, match="another server is running"):
        ipc.listen(place)
    live.close()
    place.unlink()
    place.write_text("precious")
    with pytest.raises(ipc.IpcError, match="not a socket"):
        ipc.listen(place)
    assert place.read_text() == "precious"


def test_a_path_too_long_for_the_kernel_still_works(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 60)
    deep.mkdir(parents=True)
    server = ipc.listen(deep / "crmd.sock")
    with ipc.Client(deep / "crmd.sock"):
        connection, _ = server.accept()
        assert ipc.peer_credentials(connection).pid > 0
        connection.close()
    server.close()


class Echo:
    def __init__(self):
        self.gone = []

    def connected(self, peer):
        pass

    def received(self, peer, message):
        if "flood" in message:
            while peer.send({"x": "y" * 100_000}):
                pass
        else:
            peer.send({"echo": message, "uid": peer.credentials.uid})

    def disconnected(self, peer, reason):
        self.gone.append(reason)


def serve(place, handler, talk, **options):
    """Run a server in this thread's loop while `talk` runs in another."""

    async def main():
        server = ipc_async.Server(place, handler, **options)
        await server.start()
        try:
            return await asyncio.wait_for(asyncio.to_thread(talk), 20)
        finally:
            await server.close()

    return asyncio.run(main())


def test_a_blocking_client_is_answered_and_known_by_the_kernel(tmp_path):
    def talk():
        with ipc.Client(tmp_path / "s", timeout_s=5) as client:
            return client.call({"op": "status"})

    answer = serve(tmp_path / "s", Echo(), talk)
    assert answer == {"echo": {"op": "status"}, "uid": __import__("os").geteuid()}
    assert not (tmp_path / "s").exists()


def test_a_client_that_does_not_read_is_evicted_with_a_reason(tmp_path):
    handler = Echo()

    def talk():
        greedy = ipc.Client(tmp_path / "s", timeout_s=5)
        greedy.send({"flood": 1})
        with ipc.Client(tmp_path / "s", timeout_s=5) as other:
            assert other.call({"n": 1})["echo"] == {"n": 1}
        greedy.close()

    serve(tmp_path / "s", handler, talk)
    assert any("unread" in reason for reason in handler.gone)


def test_clients_over_the_limit_are_refused_and_the_others_go_on(tmp_path):
    def talk():
        first = [ipc.Client(tmp_path / "s", timeout_s=5) for _ in range(4)]
        with pytest.raises(ipc.IpcError), ipc.Client(tmp_path / "s", timeout_s=5) as fifth:
            fifth.call({"n": 5})
        assert first[0].call({"n": 1})["echo"] == {"n": 1}
        for client in first:
            client.close()

    serve(tmp_path / "s", Echo(), talk, client_limit=4)


def test_a_peer_that_sends_rubbish_is_cut(tmp_path):
    handler = Echo()

    def talk():
        with ipc.Client(tmp_path / "s", timeout_s=5) as client:
            client._socket.sendall(b"\xff\xff\xff\xff")
            with pytest.raises(ipc.IpcError, match=r"closed|went away"):
                client.receive()

    serve(tmp_path / "s", handler, talk)
    assert any("announced" in reason for reason in handler.gone)


def test_the_asyncio_client_talks_to_the_server(tmp_path):
    class Collect:
        def __init__(self):
            self.got = asyncio.Queue()

        def connected(self, peer):
            pass

        def received(self, peer, message):
            self.got.put_nowait(message)

        def disconnected(self, peer, reason):
            self.got.put_nowait(reason)

    async def main():
        server = ipc_async.Server(tmp_path / "s", Echo())
        await server.start()
        collect = Collect()
        peer = await ipc_async.connect(tmp_path / "s", collect)
        peer.send({"n": 1})
        first = await asyncio.wait_for(collect.got.get(), 5)
        await server.close()
        return first["echo"], await asyncio.wait_for(collect.got.get(), 5)

    assert asyncio.run(main()) == ({"n": 1}, "closed by peer")


def test_the_blocking_side_imports_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, crmd.daemon.ipc; print(sorted(set(sys.modules) & {'asyncio','lxml'}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
