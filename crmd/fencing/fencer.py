"""Carries a fencing request through levels, devices, delays and retries to one answer.

A state machine: requests, results, lost executors and time in; calls to run on some member and
final outcomes out.  It never assumes success: only a result or a person's word ends a request well
(I4).  It does not decide who must be fenced (the scheduler does).  Source: ocf.md section 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from crmd.fencing.devices import Device, executors, levels

Tree = etree._Element

HISTORY_LIMIT = 500
ATTEMPTS = 2
"""Runs of one device before the next is tried."""
GRACE_S = 5.0
"""A result may come this much later than the agent's own timeout."""


@dataclass(frozen=True, slots=True)
class RunFence:
    """Let `node` run `device` against `target`."""

    operation: str
    node: str
    device: Device
    target: str
    action: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """A request has ended."""

    target: str
    action: str
    ok: bool
    device: str
    by: str
    error: str


Output = RunFence | Fenced


@dataclass(slots=True)
class _Step:
    device: Device
    action: str
    may_fail: bool = False


@dataclass(slots=True)
class _Request:
    target: str
    action: str
    origin: str
    steps: list[list[_Step]]
    level: int = 0
    index: int = 0
    attempts: int = 0
    not_before: float = 0.0
    operation: str = ""
    node: str = ""
    expires: float = 0.0
    tried: set[str] = field(default_factory=set)
    error: str = ""


@dataclass(slots=True)
class Fencer:
    """All fencing that this DC has under way, and the history."""

    name: str
    """Unique per DC regime; prefix of operation numbers."""
    requests: dict[str, _Request] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    _number: int = 0

    def request(
        self,
        root: Tree,
        target: str,
        action: str,
        origin: str,
        members: tuple[str, ...],
        dc: str,
        delay_s: float,
        chance: float,
        now: float,
    ) -> list[Output]:
        """Begin to fence; joins a request for the same target that is under way."""
        if target in self.requests:
            return []
        steps = [_steps(level, action) for level in levels(root, target)]
        request = _Request(target, action, origin, steps)
        self.requests[target] = request
        first = steps[0][0].device if steps else None
        if first is not None and action in ("off", "reboot"):
            request.not_before = now + delay_s + first.delay(target, chance)
        self._note(request, "pending", "", now)
        return self._go_on(request, members, dc, now)

    def has(self, target: str) -> bool:
        """Whether a request against the target is under way."""
        return target in self.requests

    def result(
        self,
        operation: str,
        ok: bool,
        error: str,
        members: tuple[str, ...],
        dc: str,
        now: float,
    ) -> list[Output]:
        """The agent has answered."""
        request = next((r for r in self.requests.values() if r.operation == operation), None)
        if request is None:
            return []
        step = request.steps[request.level][request.index]
        request.operation = ""
        if ok or step.may_fail:
            request.index += 1
            request.attempts = 0
            request.tried.clear()
            if request.index >= len(request.steps[request.level]):
                return [self._end(request, True, step.device.id, "", now)]
            return self._go_on(request, members, dc, now)
        request.error = error or f"{step.device.id} failed"
        request.attempts += 1
        request.tried.add(request.node)
        if request.attempts >= ATTEMPTS:
            self._next_level(request)
        return self._go_on(request, members, dc, now)

    def node_lost(self, node: str, members: tuple[str, ...], dc: str, now: float) -> list[Output]:
        """A member is gone; what it was running is given to another."""
        out: list[Output] = []
        for request in list(self.requests.values()):
            if request.operation and request.node == node:
                request.operation = ""
                request.tried.add(node)
                out += self._go_on(request, members, dc, now)
        return out

    def confirm(self, target: str, by: str, now: float) -> Fenced:
        """A person vouches that the target is down."""
        request = self.requests.get(target)
        if request is None:
            request = _Request(target, "off", by, [])
            self.requests[target] = request
        return self._end(request, True, "(a human)", "", now)

    def tick(self, members: tuple[str, ...], dc: str, now: float) -> list[Output]:
        """Delays that have passed, and results that never came."""
        out: list[Output] = []
        for request in list(self.requests.values()):
            if request.operation and now >= request.expires:
                out += self.result(request.operation, False, "no answer in time", members, dc, now)
            elif not request.operation:
                out += self._go_on(request, members, dc, now)
        return out

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        times = [r.expires if r.operation else r.not_before for r in self.requests.values()]
        return min(times, default=None)

    # --- inside -----------------------------------------------------------------------------

    def _go_on(
        self, request: _Request, members: tuple[str, ...], dc: str, now: float
    ) -> list[Output]:
        if request.operation or now < request.not_before:
            return []
        while request.level < len(request.steps):
            step = request.steps[request.level][request.index]
            able = executors(step.device, request.target, members, dc)
            fresh = [n for n in able if n not in request.tried] or able
            if fresh:
                return [self._run(request, step, fresh[0], now)]
            request.error = f"{step.device.id}: no member may run it"
            self._next_level(request)
        error = request.error or f"no fence device for {request.target}"
        return [self._end(request, False, "", error, now)]

    def _run(self, request: _Request, step: _Step, node: str, now: float) -> RunFence:
        self._number += 1
        request.operation = f"{self.name}.{self._number}"
        request.node = node
        request.expires = now + step.device.timeout(step.action) + GRACE_S
        return RunFence(request.operation, node, step.device, request.target, step.action)

    def _next_level(self, request: _Request) -> None:
        request.level += 1
        request.index = 0
        request.attempts = 0
        request.tried.clear()

    def _end(self, request: _Request, ok: bool, device: str, error: str, now: float) -> Fenced:
        del self.requests[request.target]
        if ok:
            self.failures.pop(request.target, None)
        else:
            self.failures[request.target] = self.failures.get(request.target, 0) + 1
        self._note(request, "success" if ok else "failed", error, now)
        return Fenced(request.target, request.action, ok, device, request.node, error)

    def _note(self, request: _Request, state: str, error: str, now: float) -> None:
        del now
        event: dict[str, Any] = {
            "target": request.target,
            "action": request.action,
            "origin": request.origin,
            "delegate": request.node,
            "state": state,
            "error": error,
        }
        pending = [
            e for e in self.history if e["target"] == request.target and e["state"] == "pending"
        ]
        for old in pending:
            self.history.remove(old)
        self.history.append(event)
        del self.history[:-HISTORY_LIMIT]

    def stamp(self, wall: float) -> None:
        """Give events noted in this step their time."""
        for event in self.history:
            event.setdefault("at", int(wall))

    def take_history(self, events: list[Mapping[str, Any]]) -> None:
        """Start from what the DC before us knew."""
        self.history = [dict(e) for e in events][-HISTORY_LIMIT:]


def _steps(level: tuple[Device, ...], action: str) -> list[_Step]:
    """One level's runs: with several devices a reboot is off everywhere, then on everywhere."""
    if action == "reboot" and len(level) > 1:
        return [
            *(_Step(d, "off") for d in level),
            *(_Step(d, "on", may_fail=True) for d in level),
        ]
    return [_Step(d, action) for d in level]
