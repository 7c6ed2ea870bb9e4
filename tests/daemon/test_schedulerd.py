import asyncio
import bz2
import os
import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.daemon import ipc, schedulerd
from crmd.daemon.log import PlainLog, SafeSink
from crmd.daemon.schedulerd_client import Question, SchedulerClient
from crmd.daemon.schedulerd_wire import (
    DecisionError,
    decision_from_bytes,
    decision_to_bytes,
)
from crmd.scheduler.transition import (
    Action,
    ActionKind,
    Decision,
    ResourceRef,
    ScoreLine,
    Synapse,
    Transition,
)

words = st.text(max_size=6)
pairs = st.lists(st.tuples(words, words), max_size=3).map(tuple)
maybe = st.none() | words
actions = st.builds(
    Action,
    id=st.integers(0, 99),
    kind=st.sampled_from(ActionKind),
    operation=words,
    operation_key=words,
    internal_operation_key=maybe,
    on_node=maybe,
    router_node=maybe,
    mode=maybe,
    resource=st.none() | st.builds(ResourceRef, words, words, words, maybe, maybe),
    attributes=pairs,
    downed=st.lists(words, max_size=2).map(tuple),
    maintenance=pairs,
)
synapses = st.builds(
    Synapse, st.integers(0, 9), actions, st.lists(st.integers(0, 9)).map(tuple), st.integers(0, 5)
)
decisions = st.builds(
    Decision,
    st.builds(Transition, pairs, st.lists(synapses, max_size=3).map(tuple)),
    st.lists(st.builds(ScoreLine, words), max_size=2).map(tuple),
    st.lists(words, max_size=2).map(tuple),
    st.dictionaries(words, st.lists(words, max_size=2).map(tuple), max_size=2),
)


@given(decisions)
def test_a_decision_comes_back_as_it_went(decision):
    assert decision_from_bytes(decision_to_bytes(decision)) == decision


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(data):
    with pytest.raises(DecisionError):
        decision_from_bytes(data)


def one_action(cib, now):
    if cib == b"bad":
        raise ValueError("line 3: no such thing")
    if cib == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    action = Action(1, ActionKind.PSEUDO, "load", f"at {now} {len(cib)}")
    return Decision(Transition((("transition_id", "0"),), (Synapse(0, action),)))


class Quiet:
    def __enter__(self):
        self.fd = os.open(os.devnull, os.O_WRONLY)
        return PlainLog(SafeSink(self.fd))

    def __exit__(self, *_):
        os.close(self.fd)


def fork_server(place, inputs=None):
    """A schedulerd with `one_action` for a scheduler, in a process of its own."""
    listening = ipc.listen(place, mode=0o600, group=None)
    pid = os.fork()
    if pid == 0:
        with Quiet() as log:
            worker = schedulerd.Schedulerd(one_action, inputs, log)
            schedulerd.serve(listening, worker)
        os._exit(0)
    listening.close()
    return pid


def talk(place, *questions, between=None):
    """Answers to questions asked one after the other."""

    async def main():
        answers = asyncio.Queue()
        client = SchedulerClient(place, lambda *a: answers.put_nowait(a))
        task = asyncio.get_running_loop().create_task(client.work())
        out = []
        for number, cib in enumerate(questions):
            client.ask(Question(number, cib, 12.5))
            if between:
                between(number)
            out.append(await asyncio.wait_for(answers.get(), 10))
        task.cancel()
        return out

    return asyncio.run(main())


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_document_goes_out_and_a_decision_comes_back(tmp_path):
    pid = fork_server(tmp_path / "s")
    big = b"x" * (ipc.FRAME_LIMIT + 5)
    first, second = talk(tmp_path / "s", b"<cib/>", big)
    end(pid)
    assert first == (0, one_action(b"<cib/>", 12.5), "")
    assert second == (1, one_action(big, 12.5), ""), "larger than an IPC frame"


def test_a_document_the_scheduler_cannot_read_is_an_error_and_the_next_one_works(tmp_path):
    pid = fork_server(tmp_path / "s")
    first, second = talk(tmp_path / "s", b"bad", b"good")
    end(pid)
    assert first == (0, None, "ValueError: line 3: no such thing")
    assert second[2] == ""


def test_a_killed_schedulerd_is_asked_again_when_it_is_back(tmp_path):
    pids = [fork_server(tmp_path / "s")]

    def kill_and_restart(number):
        if number == 1:
            end(pids[-1])
            timer = threading.Timer(0.3, lambda: pids.append(fork_server(tmp_path / "s")))
            timer.start()

    first, second = talk(tmp_path / "s", b"a", b"b", between=kill_and_restart)
    end(pids[-1])
    assert (first[0], first[2], second[0], second[2]) == (0, "", 1, "")


def test_a_document_that_kills_schedulerd_again_and_again_is_given_up(tmp_path):
    def keep_running():
        for _ in range(3):
            os.waitpid(fork_server(tmp_path / "s"), 0)

    keeper = threading.Thread(target=keep_running)
    keeper.start()
    (answer,) = talk(tmp_path / "s", b"deadly")
    keeper.join(10)
    assert answer == (0, None, "schedulerd ended 3 times over this document")


def test_inputs_are_kept_and_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr(schedulerd, "INPUTS_KEPT", 3)
    inputs = schedulerd.Inputs(tmp_path)
    names = [inputs.store(f"<cib epoch='{n}'/>".encode()) for n in range(5)]
    assert names[-1] == "pe-input-4.bz2"
    assert sorted(p.name for p in tmp_path.iterdir()) == names[2:]
    assert bz2.decompress((tmp_path / names[-1]).read_bytes()) == b"<cib epoch='4'/>"
    assert schedulerd.Inputs(tmp_path).store(b"x") == "pe-input-5.bz2", "goes on after a restart"


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\x0d" + b'{"size": -1}x']
)
def test_rubbish_cuts_the_client_and_nothing_else(tmp_path, data):
    pid = fork_server(tmp_path / "s")
    with ipc.Client(tmp_path / "s", 5) as client:
        client._socket.sendall(data)
        assert client._socket.recv(10) == b""
    (answer,) = talk(tmp_path / "s", b"good")
    end(pid)
    assert answer[2] == ""
