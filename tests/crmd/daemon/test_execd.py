"""The real execd process: results across deaths of its client, its helper and itself."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crmd.daemon import ipc
from crmd.daemon.execd_client import LOST, ExecdClient
from crmd.daemon.execd_wire import (
    CallError,
    ResultLog,
    call_from_json,
    call_to_json,
    result_from_json,
    result_to_json,
)
from crmd.daemon.paths import Paths
from ocf.calls import AgentCall, AgentRef, AgentResult, ExecStatus

REPO = Path(__file__).resolve().parents[3]
DUMMY = AgentRef("ocf", "Dummy", "heartbeat")
DELAY = AgentRef("ocf", "Delay", "heartbeat")


class Node:
    """One execd below its own root."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.state = root / "run/resource-agents"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, session: str = "s1") -> None:
        words = ["--root", str(self.paths.root), "--session", session]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crmd.daemon.execd", *words], cwd=REPO
        )

    def end(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def node(tmp_path):
    (tmp_path / "etc/ha.d/resource.d").mkdir(parents=True)
    node = Node(tmp_path)
    node.start()
    yield node
    if node.process is not None and node.process.poll() is None:
        node.end()


class Crmd:
    """A client that remembers what it heard."""

    def __init__(self, node: Node) -> None:
        self.heard: list[AgentResult] = []
        self.client = ExecdClient(node.paths.execd_socket, self.heard.append)

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.client.keep_connected())
        await self.until(lambda: self.client.is_connected)
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self.client.close()
        await asyncio.sleep(0.05)

    async def until(self, condition, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s; heard {self.heard}"
            await asyncio.sleep(0.01)

    async def result(self, call: AgentCall) -> AgentResult:
        self.client.run(call)
        await self.until(lambda: any(r.call_id == call.call_id for r in self.heard))
        return next(r for r in self.heard if r.call_id == call.call_id)


def test_actions_run_and_a_monitor_reports_what_changes(node):
    async def scenario():
        async with Crmd(node) as crmd:
            assert (await crmd.result(AgentCall(1, "d", DUMMY, "monitor"))).rc == 7
            assert (await crmd.result(AgentCall(2, "d", DUMMY, "start"))).rc == 0
            recurring = AgentCall(3, "d", DUMMY, "monitor", interval_ms=100, user_data="key")
            first = await crmd.result(recurring)
            assert (first.rc, first.user_data, first.interval_ms) == (0, "key", 100)
            await asyncio.sleep(0.35)
            assert len(crmd.heard) == 3
            (node.state / "Dummy-d.state").unlink()
            await crmd.until(lambda: len(crmd.heard) == 4)
            assert (crmd.heard[-1].rc, crmd.heard[-1].call_id) == (7, 3)
            assert "No process state file" in crmd.heard[-1].exit_reason
            await asyncio.sleep(0.35)
            lines = node.paths.log_file("execd").read_text().splitlines()
            assert len([line for line in lines if "agent.said" in line]) == 1
            crmd.client.cancel("d", "monitor", 100)
            await crmd.until(lambda: crmd.heard[-1].status is ExecStatus.CANCELLED)
            listing = await crmd.client.list()
            assert listing["recurring"] == [] and listing["forkserver_pid"] > 1

    asyncio.run(scenario())


def test_results_wait_for_a_crmd_that_is_away_and_monitors_go_on(node):
    async def scenario():
        async with Crmd(node) as crmd:
            await crmd.result(AgentCall(1, "d", DUMMY, "start"))
            await crmd.result(AgentCall(2, "d", DUMMY, "monitor", interval_ms=100))
        (node.state / "Dummy-d.state").unlink()
        await asyncio.sleep(0.4)
        async with Crmd(node) as fresh:
            await fresh.until(lambda: fresh.heard)
            assert [(r.call_id, r.rc) for r in fresh.heard] == [(2, 7)]
            await asyncio.sleep(0.1)
            assert (await fresh.client.list())["unacknowledged"] == 0

    asyncio.run(scenario())


def test_a_killed_execd_leaves_services_alone_and_resumes_its_monitors(node, tmp_path):
    service = tmp_path / "etc/ha.d/resource.d/svc"
    service.write_text(
        "#!/bin/sh\ncase $1 in\n"
        f"start) setsid sleep 300 >/dev/null 2>&1 & echo $! > {tmp_path}/pid;;\n"
        f"status) kill -0 $(cat {tmp_path}/pid) && echo running;;\nesac\n"
    )
    service.chmod(0o755)
    svc = AgentRef("heartbeat", "svc")

    async def scenario():
        async with Crmd(node) as crmd:
            assert (await crmd.result(AgentCall(1, "s", svc, "start"))).rc == 0
            await crmd.result(AgentCall(2, "s", svc, "monitor", interval_ms=200))
            crmd.client.run(AgentCall(3, "x", DELAY, "start", {"startdelay": "30"}))
            pid = 0
            while not pid:
                await asyncio.sleep(0.02)
                if [c["rsc"] for c in (await crmd.client.list())["running"]] == ["x"]:
                    notes = list((node.paths.run / "execd-actions").iterdir())
                    pid = int(notes[0].name) if notes else 0
            crmd.heard.clear()
            node.end()
            node.start()
            await crmd.until(lambda: any(r.call_id == 3 for r in crmd.heard))
            lost = next(r for r in crmd.heard if r.call_id == 3)
            assert (lost.status, lost.exit_reason) == (ExecStatus.ERROR, LOST)
            assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
            listing = await crmd.client.list()
            assert [c["rsc"] for c in listing["recurring"]] == ["s"]
        service_pid = int((tmp_path / "pid").read_text())
        os.kill(service_pid, 0)
        async with Crmd(node) as crmd:
            os.kill(service_pid, signal.SIGKILL)
            await crmd.until(lambda: any((r.call_id, r.rc) == (2, 7) for r in crmd.heard))

    asyncio.run(scenario())


def test_a_call_that_was_under_way_is_run_again_by_the_next_execd_where_that_is_wanted(node):
    async def scenario():
        heard = []
        client = ExecdClient(node.paths.execd_socket, heard.append, resubmit=True)
        task = asyncio.ensure_future(client.keep_connected())
        crmd = Crmd(node)
        await crmd.until(lambda: client.is_connected)
        client.run(AgentCall(1, "x", DELAY, "start", {"startdelay": "1"}))
        while not (await client.list())["running"]:
            await asyncio.sleep(0.02)
        node.end()
        node.start()
        await crmd.until(lambda: heard)
        assert [(r.call_id, r.rc, r.status) for r in heard] == [(1, 0, ExecStatus.DONE)]
        task.cancel()
        client.close()
        await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_another_life_of_the_supervisor_resumes_nothing(node):
    async def scenario():
        async with Crmd(node) as crmd:
            await crmd.result(AgentCall(2, "d", DUMMY, "monitor", interval_ms=200))
        node.end()
        node.start(session="s2")
        async with Crmd(node) as crmd:
            assert (await crmd.client.list())["recurring"] == []

    asyncio.run(scenario())


def test_sigterm_ends_execd_and_no_resource(node):
    async def scenario():
        async with Crmd(node) as crmd:
            await crmd.result(AgentCall(1, "d", DUMMY, "start"))

    asyncio.run(scenario())
    assert node.end(signal.SIGTERM) == 0
    assert (node.state / "Dummy-d.state").exists()
    assert not node.paths.execd_socket.exists()


def test_the_death_of_the_warm_process_is_repaired(node):
    async def scenario():
        async with Crmd(node) as crmd:
            await crmd.result(AgentCall(1, "d", DUMMY, "start"))
            os.kill((await crmd.client.list())["forkserver_pid"], signal.SIGKILL)
            assert (await crmd.result(AgentCall(2, "d", DUMMY, "monitor"))).rc == 0

    asyncio.run(scenario())


def test_a_senseless_request_is_answered_with_the_field_and_the_server_goes_on(node):
    for _ in range(200):
        if node.paths.execd_socket.exists():
            break
        time.sleep(0.05)
    with ipc.Client(node.paths.execd_socket, 5) as client:
        answer = client.call({"op": "run", "id": 4, "call": {"agent": {}, "rsc": 3}})
        assert answer == {"op": "error", "error": "rsc=3: want text", "id": 4}
        assert "op='dance'" in client.call({"op": "dance"})["error"]
        assert client.call({"op": "list"})["running"] == []


def test_calls_and_results_survive_the_wire():
    call = AgentCall(5, "r", DUMMY, "start", {"b": "2", "a": "1"}, {"x": "y"}, 100, 0, 3, "u")
    assert call_from_json(call_to_json(call)) == call
    result = AgentResult(5, "r", "start", 0, 1, ExecStatus.TIMEOUT, "slow", user_data="u")
    assert result_from_json(result_to_json(result)) == result
    with pytest.raises(CallError, match=r"params\.a=1"):
        call_from_json({**call_to_json(call), "params": {"a": 1}})


def test_no_client_is_sent_more_than_it_can_acknowledge():
    log = ResultLog()
    for n in range(500):
        log.add(AgentResult(n, "r", "monitor", 0, 0, ExecStatus.DONE))
    first = log.to_send(sent=0)
    assert [seq for seq, _ in first] == list(range(1, 201))
    assert log.to_send(sent=200) == []
    log.acknowledge(150)
    assert [seq for seq, _ in log.to_send(sent=200)] == list(range(201, 351))


def test_a_client_that_was_long_away_hears_a_thousand_results(node):
    async def scenario():
        async with Crmd(node) as crmd:
            await crmd.result(AgentCall(1, "d", DUMMY, "start"))
        with ipc.Client(node.paths.execd_socket, 5) as absent:
            for n in range(2, 1002):
                call = AgentCall(n, f"r{n}", AgentRef("lsb", "none"), "monitor")
                absent.send({"op": "run", "call": call_to_json(call)})
                absent.receive()
        async with Crmd(node) as crmd:
            await crmd.until(lambda: len(crmd.heard) >= 1000, 20)
            assert {r.call_id for r in crmd.heard} >= set(range(2, 1002))

    asyncio.run(scenario())


def test_the_result_log_is_bounded_and_forgets_what_is_acknowledged():
    log = ResultLog(kept=2)
    for n in range(3):
        log.add(AgentResult(n, "r", "monitor", 0, n, ExecStatus.DONE))
    assert [seq for seq, _ in log.unacknowledged()] == [2, 3] and log.dropped == 1
    log.acknowledge(2)
    assert [seq for seq, _ in log.unacknowledged()] == [3]
    assert log.last[("r", "monitor", 0)].rc == 2


def test_the_history_holds_the_newest_result_and_the_newest_failure_until_forgotten():
    log = ResultLog()
    ok = AgentResult(1, "a", "monitor", 1000, 0, ExecStatus.DONE)
    bad = AgentResult(2, "a", "monitor", 1000, 7, ExecStatus.DONE)
    again = AgentResult(3, "a", "monitor", 1000, 0, ExecStatus.DONE)
    other = AgentResult(4, "b", "start", 0, 0, ExecStatus.DONE)
    for each in (ok, bad, again, other):
        log.add(each)
    assert log.history() == [bad, again, other]
    log.forget("a", failures_only=True)
    assert log.history() == [again, other]
    log.forget("a")
    assert log.history() == [other]
    assert len(log.unacknowledged()) == 4, "what is on its way still arrives"
