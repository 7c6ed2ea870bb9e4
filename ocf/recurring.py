"""When each action of this node runs: queueing, recurring monitors, limits.  A pure machine.

Promises: at most one action per resource at a time (a recurring monitor waits its turn too);
at most `limit` actions at once, stops first, recurring monitors last and never in the last free
slot; the interval begins when the former run ended; a recurring monitor reports its first result
and then only changes.  It runs nothing and reads no clock: `step(event, now)` with monotonic
seconds.  Facts: ocf.md section 6, reliability.md I18 and section 8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import assert_never

from ocf.calls import AgentCall, AgentResult, ExecStatus

Key = tuple[str, str, int]
"""(resource, operation, interval in ms): what a recurring monitor is known by."""

ENDS_RECURRING = frozenset({"stop", "demote", "promote", "migrate_to"})
"""Operations that cancel the resource's recurring monitors: they were set up for another state."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Do this call; recurring if it has an interval (replacing one of the same key)."""

    call: AgentCall


@dataclass(frozen=True, slots=True)
class Cancel:
    """Forget a recurring monitor, or a call that still waits (`interval_ms` 0)."""

    rsc: str
    operation: str
    interval_ms: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The run that a Begin asked for has ended."""

    run: int
    result: AgentResult


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = Submit | Cancel | Finished | Tick


@dataclass(frozen=True, slots=True)
class Begin:
    """Run this call now; answer with Finished of the same run number."""

    run: int
    call: AgentCall
    queue_ms: int = 0
    """How long it waited for its turn after its time had come."""


@dataclass(frozen=True, slots=True)
class Report:
    """A result that the controller must hear."""

    result: AgentResult


Effect = Begin | Report


class Urgency(IntEnum):
    """Order in which waiting actions get a free slot."""

    STOP = 0
    ACTION = 1
    PROBE = 2
    RECURRING = 3


def urgency(call: AgentCall) -> Urgency:
    """How soon a call deserves a slot."""
    if call.interval_ms > 0:
        return Urgency.RECURRING
    if call.operation in ("stop", "demote"):
        return Urgency.STOP
    return Urgency.PROBE if call.operation in ("monitor", "status") else Urgency.ACTION


@dataclass(slots=True)
class _Waiting:
    call: AgentCall
    order: int
    since: float
    due: float


@dataclass(slots=True)
class _Recurring:
    call: AgentCall
    reported: AgentResult | None = None


@dataclass(slots=True)
class _Running:
    call: AgentCall
    is_cancelled: bool = False


@dataclass(slots=True)
class Agenda:
    """All actions of one node: waiting, running and recurring."""

    limit: int = 4
    _waiting: list[_Waiting] = field(default_factory=list)
    _running: dict[int, _Running] = field(default_factory=dict)
    _recurring: dict[Key, _Recurring] = field(default_factory=dict)
    _next: int = 1
    _now: float = float("-inf")

    def step(self, event: Event, now: float) -> list[Effect]:
        """Take one event; what to run and what to report, in order."""
        self._now = now
        match event:
            case Submit(call):
                effects = self._submit(call, now)
            case Cancel(rsc, operation, interval_ms):
                effects = self._cancel((rsc, operation, interval_ms))
            case Finished(run, result):
                effects = self._finished(run, result, now)
            case Tick():
                effects = []
            case _:
                assert_never(event)
        return effects + self._begin(now)

    def deadline(self) -> float | None:
        """Time of the next Tick that can start something; None when only events can."""
        busy = self._busy()
        dues = [w.due for w in self._waiting if w.due > self._now and w.call.rsc not in busy]
        return min(dues, default=None) if len(self._running) < self.limit else None

    # -- what others may look at

    def recurring(self) -> list[AgentCall]:
        """Calls that recur, by key."""
        return [self._recurring[key].call for key in sorted(self._recurring)]

    def running(self) -> list[AgentCall]:
        """Calls under way, in the order they began."""
        return [self._running[run].call for run in sorted(self._running)]

    def waiting(self) -> list[AgentCall]:
        """Calls in the queue, recurring ones included, in order of arrival."""
        return [w.call for w in sorted(self._waiting, key=lambda w: w.order)]

    def knows(self, rsc: str, operation: str, interval_ms: int) -> bool:
        """Whether such a call recurs or waits."""
        key = (rsc, operation, interval_ms)
        return key in self._recurring or any(_key(w.call) == key for w in self._waiting)

    # -- events

    def _submit(self, call: AgentCall, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if call.interval_ms > 0:
            key = _key(call)
            old = self._recurring.get(key)
            if old is not None and replace(old.call, call_id=call.call_id) == call:
                # The same monitor again: keep its rhythm, report the next result anew.
                old.call, old.reported = call, None
                for waiting in self._waiting:
                    if _key(waiting.call) == key:
                        waiting.call = call
                return []
            effects = self._cancel(key)
            self._recurring[key] = _Recurring(call)
        elif call.operation in ENDS_RECURRING:
            for key in sorted(k for k in self._recurring if k[0] == call.rsc):
                effects += self._cancel(key)
        self._enqueue(call, now, now + call.start_delay_ms / 1000)
        return effects

    def _enqueue(self, call: AgentCall, now: float, due: float) -> None:
        self._waiting.append(_Waiting(call, self._take_number(), now, due))

    def _take_number(self) -> int:
        number, self._next = self._next, self._next + 1
        return number

    def _cancel(self, key: Key) -> list[Effect]:
        dropped = [w.call for w in self._waiting if _key(w.call) == key]
        self._waiting = [w for w in self._waiting if _key(w.call) != key]
        known = self._recurring.pop(key, None)
        if known is not None:
            dropped = [known.call]
            for running in self._running.values():
                if _key(running.call) == key:
                    running.is_cancelled = True
        return [Report(cancelled(call)) for call in dropped]

    def _finished(self, run: int, result: AgentResult, now: float) -> list[Effect]:
        running = self._running.pop(run)
        if running.is_cancelled:
            return []
        key = _key(running.call)
        recurring = self._recurring.get(key)
        if recurring is None or running.call.interval_ms == 0:
            return [Report(result)]
        self._enqueue(recurring.call, now, now + recurring.call.interval_ms / 1000)
        before = recurring.reported
        if before is not None and (before.rc, before.status) == (result.rc, result.status):
            return []
        result = replace(result, call_id=recurring.call.call_id)
        recurring.reported = result
        return [Report(result)]

    # -- the choice of what begins

    def _busy(self) -> set[str]:
        return {r.call.rsc for r in self._running.values()}

    def _begin(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        busy = self._busy()
        for waiting in sorted(self._ready(now), key=lambda w: (urgency(w.call), w.due, w.order)):
            if len(self._running) >= self.limit:
                break
            if waiting.call.rsc in busy:
                continue
            is_recurring = waiting.call.interval_ms > 0
            if is_recurring and self.limit > 1 and len(self._running) >= self.limit - 1:
                break
            run = self._take_number()
            self._waiting.remove(waiting)
            self._running[run] = _Running(waiting.call)
            busy.add(waiting.call.rsc)
            waited_s = now - max(waiting.since, waiting.due)
            effects.append(Begin(run, waiting.call, round(waited_s * 1000)))
        return effects

    def _ready(self, now: float) -> Iterable[_Waiting]:
        """Calls whose time has come; of one resource's one-shot calls only the oldest."""
        first: dict[str, int] = {}
        for w in self._waiting:
            if w.call.interval_ms == 0 and w.due <= now:
                first[w.call.rsc] = min(w.order, first.get(w.call.rsc, w.order))
        return [
            w
            for w in self._waiting
            if w.due <= now
            and (w.call.interval_ms == 0 or w.call.rsc not in first)
            and (w.call.interval_ms > 0 or first[w.call.rsc] == w.order)
        ]


def _key(call: AgentCall) -> Key:
    return (call.rsc, call.operation, call.interval_ms)


def cancelled(call: AgentCall) -> AgentResult:
    """The result of a call that was cancelled (ocf.md section 3: code 0, status cancelled)."""
    return AgentResult(
        call_id=call.call_id,
        rsc=call.rsc,
        operation=call.operation,
        interval_ms=call.interval_ms,
        rc=0,
        status=ExecStatus.CANCELLED,
        user_data=call.user_data,
    )


def resumed(calls: Iterable[AgentCall]) -> list[Submit]:
    """Events that set up the recurring monitors of an earlier life again."""
    return [Submit(replace(call, start_delay_ms=0)) for call in calls]
