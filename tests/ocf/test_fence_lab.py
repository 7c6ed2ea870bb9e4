"""The lab's fence agent through the executor, against a supervisor of a few lines."""

import asyncio
import json
import struct
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from ocf.calls import AgentCall, AgentRef, ExecStatus
from ocf.executor import Executor

AGENT = Path(__file__).resolve().parents[2] / "ocf/fence/fence_lab"
FENCE = AgentRef("stonith", "fence_lab")


class Supervisor:
    """Answers fence requests and remembers them."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.path, self.answer = path, answer
        self.asked: list[dict[str, str]] = []

    async def _serve(self, reader, writer):
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        self.asked.append(json.loads(await reader.readexactly(length)))
        writer.write(struct.pack(">I", len(self.answer)) + self.answer)
        await writer.drain()
        writer.close()

    async def run(self, operation: str, **params: str):
        server = await asyncio.start_unix_server(self._serve, self.path)
        async with server:
            call = AgentCall(
                1, "f", FENCE, operation, {"control": str(self.path), **params}, timeout_ms=10_000
            )
            return await Executor().run(call)


def fence(tmp_path, operation, answer, **params):
    supervisor = Supervisor(tmp_path / "control.sock", json.dumps(answer).encode())
    return asyncio.run(supervisor.run(operation, **params)), supervisor.asked


def test_a_node_is_fenced_by_its_name_and_the_answer_decides(tmp_path):
    result, asked = fence(tmp_path, "reboot", {"rc": 0}, plug="n2", pcmk_host_list="n2")
    assert (result.rc, result.status) == (0, ExecStatus.DONE)
    assert asked == [{"op": "fence", "node": "n2", "action": "reboot"}]


def test_a_refusal_of_the_supervisor_is_a_failure_with_its_words(tmp_path):
    result, _ = fence(tmp_path, "off", {"rc": 1, "error": "no node n9"}, nodename="n9")
    assert result.rc == 1 and result.exit_reason == "fence_lab: no node n9"


@pytest.mark.parametrize(("rc", "expected"), [(0, 0), (2, 7), (1, 1)])
def test_the_status_of_a_node_that_is_off_is_not_running(tmp_path, rc, expected):
    assert fence(tmp_path, "status", {"rc": rc}, plug="n1")[0].rc == expected


def test_a_start_of_the_device_asks_the_supervisor_and_a_stop_does_not(tmp_path):
    result, asked = fence(tmp_path, "start", {"rc": 0})
    assert result.rc == 0 and [a["action"] for a in asked] == ["monitor"]
    result, asked = fence(tmp_path / ".", "stop", {"rc": 1})
    assert result.rc == 0 and asked == []


def test_without_a_supervisor_the_agent_says_where_it_looked(tmp_path):
    call = AgentCall(1, "f", FENCE, "off", {"control": str(tmp_path / "no"), "plug": "n1"})
    result = asyncio.run(Executor().run(call))
    assert result.rc == 1 and str(tmp_path / "no") in result.exit_reason


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"nonsense", b'{"rc": "0"}'])
def test_a_strange_answer_never_counts_as_fenced(tmp_path, answer):
    supervisor = Supervisor(tmp_path / "control.sock", answer)
    assert asyncio.run(supervisor.run("off", plug="n1")).rc == 1


def test_its_metadata_names_actions_and_parameters():
    done = subprocess.run([AGENT, "-o", "metadata"], capture_output=True, check=True)
    root = etree.fromstring(done.stdout)
    assert {"on", "off", "reboot", "status", "monitor", "list"} <= {
        a.get("name") for a in root.iter("action")
    }
    assert [p.get("name") for p in root.iter("parameter")][:3] == ["action", "control", "plug"]
