"""Runs one action of any resource class: an AgentCall in, an AgentResult out.

It knows how each class is called and how its answer reads; it does not queue, repeat or limit
(`ocf.recurring` decides that) and keeps no state between calls.  Facts: ocf.md sections 2, 3, 6,
9 and 10.1.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from ocf import classes
from ocf.calls import AgentCall, AgentResult, ExecStatus
from ocf.classes import Missing, Program, PythonTarget, SystemdUnit
from ocf.codes import Rc
from ocf.environment import Places, base_environment, ocf_environment
from ocf.output import exit_reason
from ocf.runners import Ended, Job, Started, spawn
from ocf.secrets import PLACEHOLDER, SecretError, reveal
from ocf.warm import WarmRunner, cold_job

HEARTBEAT_STOP_RETRIES = 10
HEARTBEAT_RETRY_S = 1.0
_FENCE_IGNORED = frozenset({"action", "crm_feature_set", "provides", "stonith-timeout"})
_MONITORS = ("monitor", "status")


@dataclass(frozen=True, slots=True)
class _Answer:
    rc: Rc
    status: ExecStatus = ExecStatus.DONE
    reason: str = ""
    output: str = ""


@dataclass(slots=True)
class _Run:
    """One call under way: its deadline, and what its processes printed."""

    call: AgentCall
    deadline: float
    started: Started | None

    @property
    def left_s(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


@dataclass(slots=True)
class Executor:
    """`warm` is None where Python agents must run in fresh interpreters."""

    places: Places = field(default_factory=Places)
    warm: WarmRunner | None = None
    wall_clock: Callable[[], float] = time.time
    heard: Callable[[AgentCall, str], None] | None = None
    """Told what each process of a call wrote on standard error, exit reasons included."""

    async def run(self, call: AgentCall, started: Started | None = None) -> AgentResult:
        """The result of the call; every failure is a result, nothing is raised.

        `started` hears the process id of each process.  Cancelling the task kills the processes.
        """
        run_at = int(self.wall_clock())
        begin = time.monotonic()
        run = _Run(call, begin + call.timeout_ms / 1000, started)
        try:
            run.call = self._with_secrets(call)
        except SecretError as e:
            answer = _Answer(Rc.ARGS, ExecStatus.ERROR, str(e))
        else:
            answer = await self._answer(run)
        return AgentResult(
            call_id=call.call_id,
            rsc=call.rsc,
            operation=call.operation,
            interval_ms=call.interval_ms,
            rc=int(answer.rc),
            status=answer.status,
            exit_reason=answer.reason,
            output=answer.output,
            exec_ms=round((time.monotonic() - begin) * 1000),
            run_at=run_at,
            changed_at=run_at,
            user_data=call.user_data,
        )

    def _with_secrets(self, call: AgentCall) -> AgentCall:
        """The call with its secrets; a stop must not fail for want of one."""
        if PLACEHOLDER not in call.params.values():
            return call
        try:
            return replace(call, params=reveal(call.rsc, call.params, self.places.secrets))
        except SecretError:
            if call.operation == "stop":
                return call
            raise

    async def _answer(self, run: _Run) -> _Answer:
        call = run.call
        found = classes.resolve(call.agent, self.places)
        match found:
            case Missing(rc, status, reason):
                return _Answer(rc, status, reason)
            case SystemdUnit(unit):
                return await self._systemd(run, unit)
        if call.agent.klass == "heartbeat":
            return await self._heartbeat(run, found)
        if call.agent.klass == "stonith":
            return await self._stonith(run, found)
        if call.agent.klass in ("lsb", "service"):
            word = "status" if call.operation == "monitor" else call.operation
            ended = await self._process(run, found, [word], base_environment(self.places))
            return _read(ended, call, classes.lsb_rc)
        env = ocf_environment(call, self.places)
        ended = await self._process(run, found, [call.operation], env)
        return _read(ended, call, classes.ocf_rc)

    async def _process(
        self,
        run: _Run,
        found: Program | PythonTarget,
        words: list[str],
        env: Mapping[str, str],
        stdin: bytes = b"",
    ) -> Ended:
        ended = await self._start_process(run, found, words, env, stdin)
        if self.heard is not None and ended.stderr:
            self.heard(run.call, ended.stderr)
        return ended

    async def _start_process(
        self,
        run: _Run,
        found: Program | PythonTarget,
        words: list[str],
        env: Mapping[str, str],
        stdin: bytes,
    ) -> Ended:
        if run.left_s <= 0:
            return Ended(None, timed_out=True)
        if isinstance(found, PythonTarget):
            job = Job((found.target, *words), env, run.left_s)
            if self.warm is not None:
                return await self.warm.run(job, run.started)
            return await spawn(cold_job(job), run.started)
        job = Job((str(found.path), *words), env, run.left_s, stdin)
        return await spawn(job, run.started)

    # -- Heartbeat scripts: positional arguments, running decided by the text of status

    async def _heartbeat(self, run: _Run, found: Program | PythonTarget) -> _Answer:
        call = run.call
        numbered = sorted((int(n), v) for n, v in call.params.items() if n.isdigit())
        words = [value for _, value in numbered]
        env = base_environment(self.places)

        async def script(action: str) -> Ended:
            return await self._process(run, found, [*words, action], env)

        async def runs() -> bool | _Answer:
            ended = await script("status")
            if ended.code is None:
                return _read(ended, call, classes.ocf_rc)
            return classes.heartbeat_says_running(ended.stdout)

        match call.operation:
            case "monitor" | "status":
                state = await runs()
                if isinstance(state, _Answer):
                    return state
                return _Answer(Rc.SUCCESS if state else Rc.NOT_RUNNING)
            case "start":
                state = await runs()
                if isinstance(state, _Answer):
                    return state
                if state:
                    return _Answer(Rc.SUCCESS)
                return _read(await script("start"), call, _plain_rc)
            case "stop":
                return await self._heartbeat_stop(script, runs, call)
            case _:
                return _Answer(
                    Rc.UNIMPLEMENTED,
                    reason=f"{call.agent}: Heartbeat scripts know start, stop and status only",
                )

    async def _heartbeat_stop(self, script: _Script, runs: _Runs, call: AgentCall) -> _Answer:
        answer = _Answer(Rc.GENERIC)
        for attempt in range(HEARTBEAT_STOP_RETRIES + 1):
            if attempt:
                await asyncio.sleep(HEARTBEAT_RETRY_S)
            answer = _read(await script("stop"), call, _plain_rc)
            if answer.status is not ExecStatus.DONE or answer.rc is Rc.SUCCESS:
                return answer
        if await runs() is False:
            return replace(answer, rc=Rc.SUCCESS, reason="")
        return answer

    # -- fence agents: parameters on standard input

    async def _stonith(self, run: _Run, found: Program | PythonTarget) -> _Answer:
        call = run.call
        if call.operation == "stop":
            return _Answer(Rc.SUCCESS)
        action = "monitor" if call.operation == "start" else call.operation
        env = base_environment(self.places)
        lines = fence_input(action, call.params)
        ended = await self._process(run, found, [], env, lines.encode())
        if ended.code == 2 and action == "status":
            return replace(_read(ended, call, _plain_rc), rc=Rc.NOT_RUNNING)
        answer = _read(ended, call, _plain_rc)
        if answer.rc is not Rc.SUCCESS and not answer.reason:
            last = ended.stderr.strip().rsplit("\n", 1)[-1]
            answer = replace(answer, reason=last[:1024])
        return answer

    # -- systemd, through its command

    async def _systemd(self, run: _Run, unit: str) -> _Answer:
        call = run.call
        env = base_environment(self.places)
        words = {"start": "start", "stop": "stop", "reload": "reload"}
        show = ("systemctl", "show", "-p", "LoadState", "-p", "ActiveState", unit)
        ended = await spawn(Job(show, env, run.left_s), run.started)
        if ended.code != 0:
            return _read(ended, call, _plain_rc)
        state = dict(line.split("=", 1) for line in ended.stdout.splitlines() if "=" in line)
        if state.get("LoadState") == "not-found":
            if call.operation == "stop":
                return _Answer(Rc.SUCCESS)
            return _Answer(Rc.INSTALLED, ExecStatus.NOT_INSTALLED, f"{unit}: no such unit")
        if call.operation in _MONITORS:
            active = state.get("ActiveState") in ("active", "reloading")
            return _Answer(Rc.SUCCESS if active else Rc.NOT_RUNNING)
        if call.operation not in words:
            return _Answer(Rc.UNIMPLEMENTED, reason=f"{unit}: units know no {call.operation}")
        do = ("systemctl", words[call.operation], unit)
        return _read(await spawn(Job(do, env, run.left_s), run.started), call, _plain_rc)


_Script = Callable[[str], Awaitable[Ended]]
_Runs = Callable[[], Awaitable[bool | _Answer]]


def fence_input(action: str, params: Mapping[str, str]) -> str:
    """Lines for a fence agent: action first, then the parameters that are the agent's own."""
    own = {
        name: value
        for name, value in params.items()
        if name not in _FENCE_IGNORED and not name.startswith(("pcmk_", "CRM_meta_"))
    }
    lines = [f"action={action}"]
    lines += [f"{name}={' '.join(value.splitlines())}" for name, value in sorted(own.items())]
    return "\n".join(lines) + "\n"


def _plain_rc(operation: str, code: int) -> Rc:
    return Rc.SUCCESS if code == 0 else Rc.GENERIC


def _read(ended: Ended, call: AgentCall, meaning: Callable[[str, int], Rc]) -> _Answer:
    """The answer that an ended process stands for (ocf.md section 3, last paragraph)."""
    reason = exit_reason(ended.stderr)
    if ended.timed_out:
        text = f"{call.operation} did not end within {call.timeout_ms} ms; its processes are killed"
        return _Answer(Rc.GENERIC, ExecStatus.TIMEOUT, reason or text, ended.stdout)
    if ended.missing:
        return _Answer(Rc.INSTALLED, ExecStatus.NOT_INSTALLED, ended.fault)
    if ended.fault:
        return _Answer(Rc.GENERIC, ExecStatus.ERROR, reason or ended.fault, ended.stdout)
    if ended.code is None:
        text = f"{call.operation} was killed by signal {ended.signal}"
        return _Answer(Rc.GENERIC, ExecStatus.ERROR, reason or text, ended.stdout)
    return _Answer(meaning(call.operation, ended.code), ExecStatus.DONE, reason, ended.stdout)
