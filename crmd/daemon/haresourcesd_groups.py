"""Takes and gives the groups of haresources through execd, one step after the other.

A group is started left to right and stopped right to left; its scripts are of class `heartbeat`,
whose status is judged by its text (ocf/executor.py, which also repeats a failed stop).  A start
that fails releases the whole group.  Facts: heartbeat-v1.md section 11.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from crmd.daemon.execd_client import ExecdClient
from crmd.daemon.ipc import Message
from crmd.daemon.paths import Paths
from crmd.haresources.claims import Group
from crmd.haresources.parse import ResourceWord
from crmd.haresources.takeover_events import Done, Run
from crmd.heartbeat.settings import Stonith
from ocf.calls import AgentCall, AgentRef, AgentResult, ExecStatus

ACTION_MS = 600_000
"""Heartbeat had no timeout; a script that takes ten minutes is taken for hung."""
STATUS_MS = 60_000
FENCE_MS = 120_000
TAG = "ResourceManager"

Say = Callable[[str, str, str], None]


def call_of(word: ResourceWord, operation: str, timeout_ms: int = ACTION_MS) -> AgentCall:
    """The call of one resource; the number is given later."""
    params = {str(number): value for number, value in enumerate(word.args, start=1)}
    agent = AgentRef("heartbeat", word.script)
    return AgentCall(0, word.canonical, agent, operation, params, timeout_ms=timeout_ms)


def fence_call(line: Stonith, node: str) -> AgentCall:
    """Reset `node` with the device of a stonith_host line: parameters are NAME=VALUE words."""
    params: dict[str, str] = {}
    for word in line.parameters:
        name, _, value = word.partition("=")
        params[name] = value
    params |= {"port": node, "plug": node, "nodename": node}
    agent = AgentRef("stonith", line.type)
    return AgentCall(0, f"stonith-{node}", agent, "reboot", params, timeout_ms=FENCE_MS)


@dataclass(slots=True)
class GroupRunner:
    """Answers a `Run` with a `Done`."""

    paths: Paths
    say: Say
    groups: Callable[[], Mapping[str, Group]]
    """The groups of now, by key."""
    execd: ExecdClient = field(init=False)
    _waiting: dict[int, asyncio.Future[AgentResult]] = field(default_factory=dict)
    _number: int = 0
    touched: set[str] = field(default_factory=set)
    """Resources execd may remember."""

    def __post_init__(self) -> None:
        self.execd = ExecdClient(
            self.paths.execd_socket, self._result, resubmit=True, on_conflict=self._conflict
        )

    def _conflict(self, told: Message) -> None:
        self.say("info" if told["over"] else "ERROR", str(told["text"]), "")

    def _result(self, result: AgentResult) -> None:
        waiting = self._waiting.pop(result.call_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    async def call(self, call: AgentCall) -> AgentResult:
        """The result of one call; waits for execd if that is away."""
        self._number += 1
        answer: asyncio.Future[AgentResult] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        self.touched.add(call.rsc)
        self.execd.run(replace(call, call_id=self._number))
        return await answer

    async def run(self, run: Run) -> Done:
        """Do all steps."""
        not_started: list[str] = []
        not_stopped: list[str] = []
        known = self.groups()
        for step in run.steps:
            group = known.get(step.key)
            if group is None:
                self.say("ERROR", f"No group {step.key} in haresources any more", TAG)
                continue
            if step.take:
                if not await self._take(group):
                    not_started.append(group.key)
                    if not await self._give(group):
                        not_stopped.append(group.key)
            elif not await self._give(group):
                not_stopped.append(group.key)
            if not_stopped:
                break
        return Done(run.job, tuple(not_started), tuple(not_stopped))

    async def _take(self, group: Group) -> bool:
        self.say("info", f"Acquiring resource group: {group.line}", TAG)
        for word in group.resources:
            self.say("info", f"Running {self._script(word)} start", TAG)
            result = await self.call(call_of(word, "start"))
            if not _is_good(result):
                if result.status is ExecStatus.NOT_INSTALLED:
                    self.say("ERROR", f"Cannot locate resource script {word.script}", TAG)
                else:
                    place = self.paths.resource_d / word.script
                    self.say("ERROR", f"Return code {result.rc} from {place}{_why(result)}", TAG)
                text = f"Giving up resources due to failure of {word.canonical}"
                self.say("CRIT", text, TAG)
                return False
        return True

    async def _give(self, group: Group) -> bool:
        self.say("info", f"Releasing resource group: {group.line}", TAG)
        is_down = True
        for word in reversed(group.resources):
            self.say("info", f"Running {self._script(word)} stop", TAG)
            result = await self.call(call_of(word, "stop"))
            if not _is_good(result) and result.status is not ExecStatus.NOT_INSTALLED:
                text = f"{word.canonical} does not stop: return code {result.rc}{_why(result)}"
                self.say("ERROR", text, TAG)
                is_down = False
                break
        return is_down

    def _script(self, word: ResourceWord) -> str:
        place = self.paths.resource_d / word.script
        return " ".join((str(place), *word.args))

    async def running(self) -> list[str]:
        """Keys of groups of which something runs on this node."""
        found = []
        for group in self.groups().values():
            for word in group.resources:
                result = await self.call(call_of(word, "monitor", STATUS_MS))
                if _is_good(result):
                    self.say(
                        "CRIT", f"Resource {word.canonical} is active, and should not be!", TAG
                    )
                    found.append(group.key)
                    break
        return found

    def forget(self) -> None:
        """Leave no trace in execd: another manager must not take our calls for its own."""
        for rsc in sorted(self.touched):
            self.execd.forget(rsc)


def _is_good(result: AgentResult) -> bool:
    return result.status is ExecStatus.DONE and result.rc == 0


def _why(result: AgentResult) -> str:
    return f" ({result.exit_reason})" if result.exit_reason else ""
