"""Executor and both runners against real processes."""

import asyncio
import hashlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ocf.calls import AgentCall, AgentRef, ExecStatus
from ocf.environment import EnvironmentFileError, Places, ocf_environment, read_environment_file
from ocf.executor import Executor, fence_input
from ocf.output import Capture, exit_reason
from ocf.warm import WarmRunner

LSB = "lsb"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("init.d", "resource.d", "ocf/resource.d/test", "state"):
        (tmp_path / name).mkdir(parents=True)
    return Places(
        ocf_roots=(tmp_path / "ocf",),
        resource_d=tmp_path / "resource.d",
        init_d=tmp_path / "init.d",
        fence_dirs=(tmp_path,),
        agent_state=tmp_path / "state",
        agent_run=tmp_path / "state",
    )


def script(path: Path, body: str) -> Path:
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return path


def run(executor: Executor, call: AgentCall):
    return asyncio.run(executor.run(call))


def ocf_call(operation: str, timeout_ms: int = 5000, type_: str = "probe", **params: str):
    return AgentCall(
        1, "r1", AgentRef("ocf", type_, "test"), operation, params, timeout_ms=timeout_ms
    )


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_agent_gets_its_parameters_and_nothing_of_our_environment(places, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    agent = script(places.ocf_roots[0] / "resource.d/test/probe", "env; exit 0\n")
    answer = run(Executor(places), ocf_call("monitor", ip="192.0.2.1"))
    lines = answer.output.splitlines()
    assert answer.rc == 0 and answer.status is ExecStatus.DONE and agent.exists()
    assert "OCF_RESKEY_ip=192.0.2.1" in lines and "OCF_RESOURCE_INSTANCE=r1" in lines
    assert "LC_ALL=C" in lines and "OCF_RESKEY_CRM_meta_interval=0" in lines
    assert not [line for line in lines if line.startswith("SECRET")]


def test_the_last_exit_reason_wins_and_unknown_codes_become_generic(places):
    script(
        places.ocf_roots[0] / "resource.d/test/probe",
        "echo ocf-exit-reason:first >&2\necho ocf-exit-reason:disk is gone >&2\nexit 42\n",
    )
    answer = run(Executor(places), ocf_call("start"))
    assert (answer.rc, answer.exit_reason) == (1, "disk is gone")


def test_a_missing_agent_is_not_installed_and_a_file_without_x_is_a_permission(places):
    missing = run(Executor(places), ocf_call("monitor"))
    assert (missing.rc, missing.status) == (5, ExecStatus.NOT_INSTALLED)
    script(places.ocf_roots[0] / "resource.d/test/probe", "").chmod(0o644)
    plain = run(Executor(places), ocf_call("monitor"))
    assert (plain.rc, plain.status) == (4, ExecStatus.ERROR)
    assert "chmod 755" in plain.exit_reason


def test_an_agent_killed_by_a_signal_is_an_error_that_names_it(places):
    script(places.ocf_roots[0] / "resource.d/test/probe", "kill -9 $$\n")
    answer = run(Executor(places), ocf_call("start"))
    assert (answer.rc, answer.status) == (1, ExecStatus.ERROR)
    assert "signal 9" in answer.exit_reason


def test_a_timeout_ends_the_whole_group_even_if_it_ignores_sigterm(places, tmp_path):
    script(
        places.ocf_roots[0] / "resource.d/test/probe",
        f"trap '' TERM\nsleep 60 &\necho $! > {tmp_path}/child\nwait\nsleep 60\n",
    )
    begin = time.monotonic()
    answer = run(Executor(places), ocf_call("start", timeout_ms=300))
    assert (answer.rc, answer.status) == (1, ExecStatus.TIMEOUT)
    assert "300 ms" in answer.exit_reason
    assert time.monotonic() - begin < 1.3
    assert not is_alive(int((tmp_path / "child").read_text()))


def test_a_member_of_the_group_that_outlives_a_killed_leader_is_killed_too(places, tmp_path):
    script(
        places.ocf_roots[0] / "resource.d/test/probe",
        f"(trap '' TERM; sleep 60; sleep 60) &\necho $! > {tmp_path}/child\nwait\n",
    )
    assert run(Executor(places), ocf_call("start", timeout_ms=300)).status is ExecStatus.TIMEOUT
    assert not is_alive(int((tmp_path / "child").read_text()))


def test_a_service_that_keeps_stdout_open_does_not_delay_the_result_and_lives_on(places, tmp_path):
    script(
        places.ocf_roots[0] / "resource.d/test/probe",
        f"sleep 30 &\necho $! > {tmp_path}/service\necho started\nexit 0\n",
    )
    begin = time.monotonic()
    answer = run(Executor(places), ocf_call("start"))
    assert time.monotonic() - begin < 1.0
    assert (answer.rc, answer.output) == (0, "started\n")
    service = int((tmp_path / "service").read_text())
    assert is_alive(service)
    os.kill(service, signal.SIGKILL)


def test_a_flood_of_output_is_cut_in_the_middle_with_a_mark(places):
    script(
        places.ocf_roots[0] / "resource.d/test/probe",
        "echo begin\nhead -c 3000000 /dev/zero | tr '\\0' x\necho end\n",
    )
    answer = run(Executor(places), ocf_call("monitor", timeout_ms=20000))
    assert answer.rc == 0 and len(answer.output) < 140_000
    assert answer.output.startswith("begin\n") and answer.output.endswith("end\n")
    assert "bytes left out" in answer.output


def test_capture_keeps_short_output_whole():
    capture = Capture(head=4, tail=4)
    for piece in (b"ab", b"cdef", b"gh"):
        capture.feed(piece)
    assert capture.text() == "abcdefgh"
    capture.feed(b"ij")
    assert capture.text() == "abcd\n[... 2 bytes left out ...]\nghij"


def test_an_empty_exit_reason_is_none():
    assert exit_reason("noise\nocf-exit-reason:\n") == ""
    assert exit_reason("noise ocf-exit-reason: a b \nmore") == "a b"


def test_lsb_status_codes_are_translated(places):
    body = 'case "$1" in status) exit 3;; start) exit 0;; stop) exit 9;; esac\n'
    script(places.init_d / "svc", body)
    ref = AgentRef(LSB, "svc")
    codes = [
        run(Executor(places), AgentCall(1, "s", ref, op)).rc for op in ("monitor", "start", "stop")
    ]
    assert codes == [7, 0, 1]


def test_a_heartbeat_script_is_judged_by_its_text_and_gets_numbered_arguments(places, tmp_path):
    body = (
        f'echo "$@" >> {tmp_path}/calls\n'
        'case "$3" in\n'
        f"status) if [ -e {tmp_path}/on ]; then echo running; else echo not running; fi; exit 9;;\n"
        f"start) touch {tmp_path}/on;;\nstop) rm -f {tmp_path}/on;;\nesac\n"
    )
    script(places.resource_d / "rsdata", body)
    ref = AgentRef("heartbeat", "rsdata")
    executor = Executor(places)

    def do(op):
        return run(executor, AgentCall(1, "r", ref, op, {"2": "b", "1": "a"})).rc

    assert [do(op) for op in ("monitor", "start", "start", "monitor", "stop", "monitor")] == [
        7,
        0,
        0,
        0,
        0,
        7,
    ]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.count("a b start") == 1


def test_a_heartbeat_stop_that_fails_but_leaves_nothing_running_is_a_stop(places, monkeypatch):
    monkeypatch.setattr("ocf.executor.HEARTBEAT_RETRY_S", 0.01)
    script(places.resource_d / "x", 'case "$1" in status) echo stopped;; *) exit 1;; esac\n')
    ref = AgentRef("heartbeat", "x")
    assert run(Executor(places), AgentCall(1, "r", ref, "stop")).rc == 0
    script(places.resource_d / "x", 'case "$1" in status) echo OK;; *) exit 1;; esac\n')
    assert run(Executor(places), AgentCall(1, "r", ref, "stop")).rc == 1


def test_a_fence_agent_gets_its_own_parameters_on_stdin(places, tmp_path):
    script(tmp_path / "fence_test", f"cat > {tmp_path}/seen\nexit 0\n")
    params = {"plug": "n2", "pcmk_host_list": "n2", "nodename": "n2", "action": "on"}
    ref = AgentRef("stonith", "fence_test")
    assert run(Executor(places), AgentCall(1, "f", ref, "reboot", params)).rc == 0
    assert (tmp_path / "seen").read_text() == "action=reboot\nnodename=n2\nplug=n2\n"


def test_a_line_break_in_a_fence_parameter_cannot_add_a_parameter():
    assert fence_input("off", {"plug": "n1\naction=on"}) == "action=off\nplug=n1 action=on\n"


def test_an_unknown_class_is_refused_by_name(places):
    answer = run(Executor(places), AgentCall(1, "r", AgentRef("upstart", "x"), "start"))
    assert answer.status is ExecStatus.NOT_INSTALLED and "upstart" in answer.exit_reason


def test_a_name_with_a_path_in_it_is_refused(places):
    answer = run(Executor(places), AgentCall(1, "r", AgentRef("ocf", "../x", "test"), "start"))
    assert answer.rc == 6


def test_the_environment_file_adds_to_and_overrides_variables(tmp_path):
    file = tmp_path / "agent-environment"
    file.write_text("# lab\nPATH=/lab/bin:/usr/bin\n\nHA_RSCTMP=/x\n")
    extra = read_environment_file(file)
    env = ocf_environment(ocf_call("start"), Places(extra=extra))
    assert env["PATH"] == "/lab/bin:/usr/bin" and env["HA_RSCTMP"] == "/x"
    file.write_text("nonsense\n")
    with pytest.raises(EnvironmentFileError, match="line 1: 'nonsense': want NAME=VALUE"):
        read_environment_file(file)


def test_a_secret_is_put_in_its_parameter_only_if_its_signature_fits(places, tmp_path):
    script(places.ocf_roots[0] / "resource.d/test/probe", "echo $OCF_RESKEY_passwd\n")
    executor = Executor(replace(places, secrets=tmp_path / "secrets"))
    hidden = ocf_call("start", passwd="lrm://")
    missing = run(executor, hidden)
    assert missing.rc == 2 and "no such secret on this node" in missing.exit_reason
    (tmp_path / "secrets/r1").mkdir(parents=True)
    (tmp_path / "secrets/r1/passwd").write_text("hush\n")
    (tmp_path / "secrets/r1/passwd.sign").write_text("5c6c2cd7d0ba8e0e1d5b8e5b1a6c8b4b\n")
    assert "does not match" in run(executor, hidden).exit_reason
    assert run(executor, ocf_call("stop", passwd="lrm://")).output == "lrm://\n"
    digest = hashlib.md5(b"hush").hexdigest().upper()
    (tmp_path / "secrets/r1/passwd.sign").write_text(digest)
    assert run(executor, hidden).output == "hush\n"


# -- the warm process


async def warm_codes(places: Places, operations: list[str], type_: str = "Dummy") -> list[int]:
    warm = WarmRunner()
    executor = Executor(places, warm)
    try:
        ref = AgentRef("ocf", type_, "heartbeat")
        return [(await executor.run(AgentCall(1, "d", ref, op))).rc for op in operations]
    finally:
        await warm.close()


def test_python_agents_answer_the_same_warm_and_cold(places):
    operations = ["monitor", "start", "start", "monitor", "stop", "stop", "monitor", "bogus"]
    cold = Executor(places)
    ref = AgentRef("ocf", "Dummy", "heartbeat")
    expected = [7, 0, 0, 0, 0, 0, 7, 3]
    assert [run(cold, AgentCall(1, "d", ref, op)).rc for op in operations] == expected
    assert asyncio.run(warm_codes(places, operations)) == expected


def test_a_forked_agent_that_hangs_is_killed_with_its_group(places):
    async def scenario():
        warm = WarmRunner()
        pids: list[int] = []
        ref = AgentRef("ocf", "Delay", "heartbeat")
        call = AgentCall(1, "d", ref, "start", {"startdelay": "60"}, timeout_ms=300)
        try:
            answer = await Executor(places, warm).run(call, pids.append)
        finally:
            await warm.close()
        return answer, pids

    begin = time.monotonic()
    answer, pids = asyncio.run(scenario())
    assert answer.status is ExecStatus.TIMEOUT and time.monotonic() - begin < 5
    assert [is_alive(p) for p in pids] == [False]


def test_an_action_survives_the_death_of_the_warm_process_and_the_next_gets_a_new_one(places):
    async def scenario():
        warm = WarmRunner()
        executor = Executor(places, warm)
        ref = AgentRef("ocf", "Delay", "heartbeat")
        begun = asyncio.Event()
        call = AgentCall(1, "d", ref, "start", {"startdelay": "0.6"})
        try:
            task = asyncio.ensure_future(executor.run(call, lambda pid: begun.set()))
            await begun.wait()
            first = warm.pid
            os.kill(first, signal.SIGKILL)
            answer = await task
            again = await executor.run(AgentCall(2, "d", ref, "monitor", {"mondelay": "0"}))
            return answer.rc, again.rc, first != warm.pid, warm.starts
        finally:
            await warm.close()

    assert asyncio.run(scenario()) == (0, 0, True, 2)


def test_an_agent_that_raises_is_a_failed_action_and_not_the_end_of_the_warm_process(places):
    async def scenario():
        warm = WarmRunner()
        executor = Executor(places, warm)
        ref = AgentRef("ocf", "Dummy", "heartbeat")
        try:
            bad = await executor.run(AgentCall(1, "d", ref, "start", {"state": "/nonexistent/x"}))
            good = await executor.run(AgentCall(2, "d", ref, "start"))
            return bad, good, warm.starts
        finally:
            await warm.close()

    bad, good, starts = asyncio.run(scenario())
    assert bad.rc == 1 and "/nonexistent/x" in bad.exit_reason
    assert (good.rc, starts) == (0, 1)


def test_many_forked_actions_at_once_all_come_back(places):
    async def scenario():
        warm = WarmRunner()
        executor = Executor(places, warm)
        ref = AgentRef("ocf", "Dummy", "heartbeat")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(executor.run(AgentCall(n, f"d{n}", ref, "start")))
                    for n in range(30)
                ]
            return [t.result().rc for t in tasks], warm.starts
        finally:
            await warm.close()

    assert asyncio.run(scenario()) == ([0] * 30, 1)


def test_cancelling_an_action_kills_its_processes(places, tmp_path):
    script(places.ocf_roots[0] / "resource.d/test/probe", f"echo $$ > {tmp_path}/pid\nsleep 60\n")

    async def scenario():
        task = asyncio.ensure_future(Executor(places).run(ocf_call("start", 30000)))
        for _ in range(200):
            await asyncio.sleep(0.02)
            if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
                break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    time.sleep(0.1)
    assert not is_alive(int((tmp_path / "pid").read_text()))
