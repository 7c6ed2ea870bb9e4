"""The local resource manager: what execd does and did on this node, and telling the DC about it.

It carries out the DC's orders one at a time per resource, keeps this node's part of the history as
the truth from which the CIB is corrected after a join, repeats reports until a DC has them, and
lets go of everything on its own when the node may not hold it any longer (quorum lost, stalled,
expelled).  It does not decide where anything runs.  Source: reliability.md I8, I18, I27;
scheduler-2-actions.md 16.4.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import Any

from crmd.controller.core import Core
from crmd.controller.events import (
    AgentDone,
    CancelRecurring,
    ExecutorState,
    ForgetResource,
    Remember,
    RunAgent,
)
from crmd.controller.held import Held, differences, is_active_after, started_by
from crmd.controller.messages import Cancel, Forget, Joined, Run
from crmd.controller.orders import call_from, fence_data
from crmd.controller.release import is_releasable, stop_call, stop_order
from crmd.controller.reports import Reports
from crmd.transition.results import Context, TransitionKey, entries, operation_key
from ocf.calls import AgentCall, AgentResult, ExecStatus

ORDERS_KEPT = 2000
"""Order numbers remembered to recognise a repeat; the oldest is forgotten."""
IN_DOUBT_S = 60.0
"""A resource that is forgotten while it runs keeps its node from leaving no longer than that."""
CALLS_MEMORY = "calls"
CALLS_RESERVED = 1000
"""Call numbers are reserved in such blocks, so that none is used twice during a boot."""
BRINGS_UP = ("start", "promote", "migrate_to", "migrate_from")
ENDS_MONITORS = ("start", "stop", "migrate_to", "migrate_from")

Key = tuple[str, str, int]


@dataclass(slots=True)
class Lrm:
    """This node's resources."""

    core: Core
    is_up: bool = False
    next_call: int = 1
    held: dict[str, Held] = field(default_factory=dict)
    running: dict[int, AgentCall] = field(default_factory=dict)
    queued: dict[str, deque[AgentCall]] = field(default_factory=dict)
    recurring: dict[Key, AgentCall] = field(default_factory=dict)
    reports: Reports = field(init=False)
    letting_go: deque[AgentCall] = field(default_factory=deque)
    _orders: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _letting: int | None = None
    _released: int = 0
    _reserved: int = 0
    _in_doubt: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reports = Reports(self.core)

    # --- the executor -----------------------------------------------------------------------

    def executor_up(self, state: ExecutorState) -> None:
        """execd tells what it knows.

        What it never saw, or has forgotten by dying, is asked for again: agents are idempotent,
        so a repeated call ends as the first would have.  Resources are left as they are.
        """
        forgot = bool(self.core.executor) and state.incarnation != self.core.executor
        self.is_up, self.core.executor = True, state.incarnation
        calls = {(c.rsc, c.operation, c.interval_ms): c for c in state.recurring}
        known, repeated = self.running, self.recurring
        self.recurring = dict(calls)
        self.running = {c.call_id: c for c in state.running}
        done = {r.call_id for r in state.results}
        for result in sorted(state.results, key=lambda r: r.call_id):
            if result.call_id in known and result.call_id not in self.running:
                self.running[result.call_id] = known[result.call_id]
                self.done(AgentDone(result))
            else:
                self._remember(result, calls.get(_key(result)))
        for call in self.running.values():
            held = self._hold(call)
            if held is not None:
                held.call = call
        for call_id, call in sorted(known.items()):
            if call_id in done or call_id in self.running:
                continue
            if self._is_letting_go and call.operation in BRINGS_UP:
                self._report_dropped(call)
            else:
                self._run(call)
        if forgot:
            self.core.log("executor.restarted", "warning", incarnation=state.incarnation)
            for key, call in sorted(repeated.items()):
                if key not in self.recurring:
                    self._start(call)
        self._let_go_next()

    def executor_lost(self) -> None:
        """execd does not answer for now."""
        self.is_up = False

    def _hold(self, call: AgentCall) -> Held | None:
        context = Context.load(call.user_data)
        if context is None:
            return None
        return self.held.setdefault(call.rsc, Held(dict(context.rsc)))

    def _remember(self, result: AgentResult, call: AgentCall | None) -> list[dict[str, Any]]:
        """Put a result into our history; the entries made."""
        context = Context.load(result.user_data)
        if context is None or result.status is ExecStatus.CANCELLED:
            return []
        made = entries(result, context, self.core.node, self.core.wall)
        held = self.held.setdefault(result.rsc, Held(dict(context.rsc)))
        held.rsc = dict(context.rsc)
        for entry in made:
            held.entries[entry["id"]] = entry
        if call is not None:
            held.call = call
        held.is_active = is_active_after(result, context, held.is_active)
        self._in_doubt.pop(result.rsc, None)
        return made

    # --- orders -----------------------------------------------------------------------------

    def order_is_new(self, order: str) -> bool:
        """False for an order seen before."""
        if order in self._orders:
            return False
        self._orders[order] = None
        while len(self._orders) > ORDERS_KEPT:
            self._orders.popitem(last=False)
        return True

    def run(self, message: Run) -> None:
        """Carry out a call, after whatever its resource is busy with.

        A node that is letting go starts nothing: the order was given before its DC knew.
        """
        call = call_from(message.call)
        if self._is_letting_go and call.operation in BRINGS_UP:
            self._report_dropped(call)
        else:
            self._start(call)

    @property
    def _is_letting_go(self) -> bool:
        return bool(self.letting_go) or self._letting in self.running

    def _start(self, call: AgentCall) -> None:
        if self._is_busy(call.rsc):
            self.queued.setdefault(call.rsc, deque()).append(call)
        else:
            self._run(replace(call, call_id=self._take_call_id()))

    def number_from(self, reserved: int) -> None:
        """Numbers up to `reserved` may have been used before our process restarted."""
        self.next_call = self._reserved = max(reserved, self._reserved)
        self.next_call += 1

    def _take_call_id(self) -> int:
        number = self.next_call
        self.next_call += 1
        if number > self._reserved:
            self._reserved = number + CALLS_RESERVED
            self.core.emit(Remember(CALLS_MEMORY, str(self._reserved)))
        return number

    def _is_busy(self, rsc: str) -> bool:
        """An action of the resource is under way (first runs of monitors count, later not)."""
        return any(c.rsc == rsc for c in self.running.values())

    def _run(self, call: AgentCall) -> None:
        if call.operation in ENDS_MONITORS:
            self._cancel_all(call.rsc)
        self.running[call.call_id] = call
        if call.interval_ms:
            self.recurring[(call.rsc, call.operation, call.interval_ms)] = call
        held = self._hold(call)
        if held is not None:
            held.call = call
            if call.operation in ("start", "migrate_from", "promote"):
                held.is_active = True
        self.core.emit(RunAgent(call))

    def _cancel_all(self, rsc: str) -> None:
        for key in sorted(k for k in self.recurring if k[0] == rsc):
            self._cancel(key)

    def _cancel(self, key: Key) -> None:
        call = self.recurring.pop(key, None)
        self.core.emit(CancelRecurring(*key))
        if call is not None and self.running.pop(call.call_id, None) is not None:
            self._report_dropped(call)  # its first result is awaited and will not come

    def cancel(self, message: Cancel) -> None:
        """Stop a recurring call, forget its result, and say so."""
        key = (message.rsc, message.operation, message.interval_ms)
        self._cancel(key)
        op_id = operation_key(*key)
        held = self.held.get(message.rsc)
        if held is not None:
            held.entries.pop(op_id, None)
        self.reports.add({"kind": "cancel", "key": message.key, "rsc": message.rsc, "op_id": op_id})
        self._next_queued(message.rsc)

    def forget(self, message: Forget) -> None:
        """Forget a resource's history, and say so."""
        self.forget_resource(message.rsc)
        self.reports.add({"kind": "forget", "key": message.key, "rsc": message.rsc})

    def forget_resource(self, rsc: str) -> None:
        """Our memory of a resource goes, execd's as well; its monitors end."""
        self._cancel_all(rsc)
        held = self.held.pop(rsc, None)
        if held is not None and held.is_active:
            self._in_doubt[rsc] = self.core.now + IN_DOUBT_S
        self.core.emit(ForgetResource(rsc))

    def doubtful(self) -> list[str]:
        """Resources that ran here when they were forgotten, and were not looked at since."""
        return sorted(r for r, until in self._in_doubt.items() if self.core.now < until)

    def follow_changes(self, changes: list[Any]) -> None:
        """The DC deleted parts of our history in the CIB: they are deleted here as well."""
        for change in changes:
            if len(change) < 2 or change[1] != self.core.node:
                continue
            if change[0] == "drop_rsc" and change[2] in self.held:
                self.forget_resource(change[2])
            elif change[0] == "drop_op" and change[2] in self.held:
                entry = self.held[change[2]].entries.pop(change[3], None)
                if entry is not None and change[3].endswith("_last_failure_0"):
                    self.core.emit(ForgetResource(change[2], failures_only=True))

    # --- results ----------------------------------------------------------------------------

    def done(self, event: AgentDone) -> None:
        """A result came from execd."""
        result = event.result
        call = self.running.pop(result.call_id, None)
        if call is None:
            call = self.recurring.get(_key(result))
            if call is None or call.call_id != result.call_id:
                return  # of a call that was cancelled meanwhile
        fence = fence_data(result.user_data)
        if fence is not None:
            victim = self.core.election.polls.get(str(fence.get("target")))
            life = victim.incarnation if victim is not None else ""
            self.reports.add({"kind": "fence", **fence, "life": life, **_outcome(result)})
        else:
            self._report_operation(result, call)
        self._after(result.rsc)

    def _report_operation(self, result: AgentResult, call: AgentCall) -> None:
        context = Context.load(result.user_data)
        if context is None:
            return
        made = self._remember(result, call)
        self.reports.add(
            {
                "kind": "op",
                "key": str(context.key),
                "rsc": dict(context.rsc),
                "operation": context.operation,
                "entries": made,
                **_outcome(result),
            }
        )

    def _after(self, rsc: str) -> None:
        if self.letting_go:
            self._let_go_next()
        self._next_queued(rsc)

    def _next_queued(self, rsc: str) -> None:
        queue = self.queued.get(rsc)
        if queue and not self._is_busy(rsc):
            call = queue.popleft()
            if not queue:
                del self.queued[rsc]
            self._run(replace(call, call_id=self._take_call_id()))

    def joined(self, wants_to_leave: bool, serial: int = 0) -> Joined:
        """What the DC must know of us: how the CIB differs from what is true here."""
        drops, missing = self._differences()
        known = {
            json.dumps(r.get("entries"), sort_keys=True) for r in self.reports.waiting.values()
        }
        for body in missing:
            if json.dumps(body["entries"], sort_keys=True) not in known:
                self.reports.add(body)
        first, results = self.reports.take_all()
        waiting = [c for queue in self.queued.values() for c in queue]
        waiting += self.letting_go
        return Joined(
            round=self.core.round,
            boot=self.core.boot,
            drops=drops,
            running=sorted(c.user_data for c in [*self.running.values(), *waiting]),
            first=first,
            results=results,
            shutdown=wants_to_leave,
            serial=serial,
        )

    def _differences(self) -> tuple[list[Any], list[dict[str, Any]]]:
        calls = [*self.running.values(), *(c for queue in self.queued.values() for c in queue)]
        contexts = (Context.load(c.user_data) for c in calls)
        pending = {str(c.key) for c in contexts if c is not None}
        return differences(self.core.replica.root, self.core.node, self.held, pending)

    # --- letting go -------------------------------------------------------------------------

    def active(self) -> list[str]:
        """Resources that run here as far as we know, in the order in which they may be stopped."""
        rows = [(started_by(h), rsc) for rsc, h in self.held.items() if h.is_active]
        return stop_order(self.core.replica.root, [rsc for _, rsc in sorted(rows, reverse=True)])

    def releasable(self) -> list[str]:
        """Those of them that this node may stop on its own."""
        root, node = self.core.replica.root, self.core.node
        return [rsc for rsc in self.active() if is_releasable(root, rsc, node)]

    def let_go(self, reason: str, addresses_first: bool = False) -> None:
        """Stop what runs here without waiting for anybody, newest started first."""
        if self.letting_go:
            return
        calls = []
        for rsc in self.releasable():
            held = self.held[rsc]
            self._released += 1
            context = Context(
                TransitionKey(-1, self._released, 0, self.core.incarnation),
                held.rsc,
                "stop",
                operation_key(rsc, "stop", 0),
                "",
            )
            calls.append(stop_call(self.core.replica.root, held.rsc, held.call, context.dump()))
        if not calls:
            return
        if addresses_first:
            calls.sort(key=lambda c: not c.agent.type.lower().startswith("ipaddr"))
        self.core.log("resources.released", "warning", reason=reason, rsc=[c.rsc for c in calls])
        for call in calls:
            self._cancel_all(call.rsc)
            for dropped in self.queued.pop(call.rsc, ()):
                self._report_dropped(dropped)
        self.letting_go = deque(calls)
        self._let_go_next()

    def _report_dropped(self, call: AgentCall) -> None:
        context = Context.load(call.user_data)
        if context is not None:
            self.reports.add({"kind": "dropped", "key": str(context.key), "rsc": call.rsc})

    def _let_go_next(self) -> None:
        """The next stop, when the one before has ended: that keeps the order."""
        if self._letting is not None and self._letting in self.running:
            return
        self._letting = None
        if self.letting_go and not self._is_busy(self.letting_go[0].rsc):
            call = self.letting_go.popleft()
            self._letting = self._take_call_id()
            self._run(replace(call, call_id=self._letting))


def _key(result: AgentResult) -> Key:
    return (result.rsc, result.operation, result.interval_ms)


def _outcome(result: AgentResult) -> dict[str, Any]:
    return {
        "rc": result.rc,
        "status": result.status.value,
        "interval": result.interval_ms,
        "changed": result.changed_at,
        "reason": result.exit_reason,
    }
