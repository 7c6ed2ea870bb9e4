"""`OCF::AGENT::INSTANCE` in haresources, through the executor."""

import asyncio

from ocf.calls import AgentCall, AgentRef, ExecStatus
from ocf.codes import Rc
from ocf.environment import Places
from ocf.executor import Executor


def run(tmp_path, operation, *words, agents=None):
    places = Places(
        ocf_roots=(agents or tmp_path / "none",),
        resource_d=tmp_path / "ha.d/resource.d",
        init_d=tmp_path / "init.d",
        agent_state=tmp_path,
        extra={"OCF_ROOT": str(agents)} if agents else {},
    )
    params = {str(n): word for n, word in enumerate(words, 1)}
    call = AgentCall(1, "x", AgentRef("heartbeat", "OCF"), operation, params)
    return asyncio.run(Executor(places).run(call))


def write(tmp_path, agent, instance, text):
    path = tmp_path / "ha.d/conf/OCF" / agent / instance
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_our_own_agent_gets_its_parameters_from_the_file(tmp_path):
    write(tmp_path, "Dummy", "one", f"# the state\nstate={tmp_path}/dummy.state\n")
    assert run(tmp_path, "monitor", "Dummy", "one").rc == Rc.NOT_RUNNING
    assert run(tmp_path, "start", "Dummy", "one").rc == Rc.SUCCESS
    assert (tmp_path / "dummy.state").exists()
    assert run(tmp_path, "monitor", "Dummy", "one").rc == Rc.SUCCESS
    assert run(tmp_path, "stop", "Dummy", "one").rc == Rc.SUCCESS
    assert not (tmp_path / "dummy.state").exists()


def test_an_installed_agent_is_called_with_ocf_variables(tmp_path):
    agent = tmp_path / "ocf/resource.d/heartbeat/Mine"
    agent.parent.mkdir(parents=True)
    agent.write_text(f'#!/bin/sh\necho "$1 $OCF_RESKEY_color" >> {tmp_path}/said\n[ $1 = start ]\n')
    agent.chmod(0o755)
    write(tmp_path, "Mine", "two", "color=blue\n")
    assert run(tmp_path, "start", "Mine", "two", agents=tmp_path / "ocf").rc == Rc.SUCCESS
    assert (tmp_path / "said").read_text().splitlines() == ["monitor blue", "start blue"]


def test_a_missing_parameter_file_is_named(tmp_path):
    result = run(tmp_path, "start", "Dummy", "none")
    assert result.rc != 0 and result.status is ExecStatus.DONE
