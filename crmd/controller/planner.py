"""The DC's work loop: ask the scheduler, walk the transition, take in results, ask again.

A transition that anything unexpected happens to is aborted: it sends nothing more, its calls under
way are waited for, then the scheduler is asked with what is known by then.  Nothing is planned
while a call of an earlier DC is under way, or a member is about to rejoin.
Source: scheduler-2-actions.md section 15; reliability.md I4, I14, I18, I21.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crmd.attributes import counts, failure_attributes, last_failure_name, raised
from crmd.attributes import fail_count_name as count_name
from crmd.controller.core import Core
from crmd.controller.events import Schedule, ScheduleDone
from crmd.controller.held import is_same_entry
from crmd.controller.messages import Cancel, Depart, Forget, Run
from crmd.controller.orders import call_to
from crmd.controller.release import cluster_option, duration_ms, is_true, with_stop_policy
from crmd.replication.status import find_operation, transient_attributes
from crmd.replication.writer import Writer
from crmd.scheduler.transition import Action, ActionKind, Transition
from crmd.transition.results import (
    TransitionKey,
    call_of,
    context_of,
    interval_of,
    is_expected,
    pending_entry,
    timeout_of,
)
from crmd.transition.walker import INFINITY, Walker, WalkState, limits
from ocf.calls import ExecStatus

ASK_AFTER_S, ASK_LAST_S = 10.0, 80.0
RESULT_GRACE_S = 60.0
"""A result may come this much later than the action's timeout before it counts as lost."""
SCHEDULE_PATIENCE_S = 60.0
RETRY_FIRST_S, RETRY_LAST_S = 1.0, 60.0


@dataclass(slots=True)
class InFlight:
    """An action that a node was told to carry out."""

    action: Action
    node: str
    expires: float
    ask_at: float
    """When to ask the node whether it has the order at all."""
    ask_every: float = ASK_AFTER_S


FenceRequest = Callable[[Action], None]


@dataclass(slots=True)
class Planner:
    """One DC regime's planning. `request_fencing` is the leader's."""

    core: Core
    writer: Writer
    request_fencing: FenceRequest
    uuid: str = ""
    number: int = 0
    walker: Walker | None = None
    newest: Transition | None = None
    wanted: str = ""
    not_before: float = 0.0
    in_flight: dict[str, InFlight] = field(default_factory=dict)
    foreign: dict[tuple[str, str], float] = field(default_factory=dict)
    fencing: dict[str, list[int]] = field(default_factory=dict)
    recheck_at: float | None = None
    _request: int | None = None
    _requests: int = 0
    _asked_at: float = 0.0
    _unsent: bool = False
    _retry_s: float = RETRY_FIRST_S

    def __post_init__(self) -> None:
        seed = f"{self.core.node} {self.core.incarnation} {self.core.round}"
        h = hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()
        self.uuid = f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    # --- planning ---------------------------------------------------------------------------

    def want(self, reason: str) -> None:
        """What is planned is out of date: stop it, and plan anew."""
        self.wanted = self.wanted or reason
        if self.walker is not None and self.walker.abort(INFINITY, reason):
            self.core.log("transition.aborted", number=self.number, uuid=self.uuid, reason=reason)

    @property
    def is_idle(self) -> bool:
        """Nothing is running or due."""
        return self.walker is None and not self.wanted and self._request is None

    def advance(self, members: Mapping[str, bool]) -> None:
        """Fire what may fire; `members` maps each member to whether it can take orders now."""
        if not all(members.values()):
            return
        while self.walker is not None:
            fired = False
            for action in self.walker.fire():
                fired = True
                self._dispatch(action, members)
            if not fired:
                break
        if self.walker is not None and self.walker.state is not WalkState.ACTIVE:
            self._finish(self.walker)
        if self.wanted and self._may_ask():
            self._ask()

    def _may_ask(self) -> bool:
        return (
            self.walker is None
            and self._request is None
            and not self.foreign
            and not self.in_flight
            and self.core.now >= self.not_before
        )

    def _ask(self) -> None:
        self._requests += 1
        self._request = self._requests
        self._asked_at = self.core.now
        self._unsent = True
        self.core.log("transition.planned", reason=self.wanted)
        self.wanted = ""

    def take_question(self) -> Schedule | None:
        """The question to the scheduler noted in this step, after the replica was flushed."""
        if not self._unsent:
            return None
        self._unsent = False
        cib = self.core.replica.to_bytes()
        if self.core.quorum.lock == "denied":  # whatever no-quorum-policy says: the other goes on
            cib = with_stop_policy(self.core.replica.root)
        return Schedule(self._requests, cib, self.core.wall)

    def decided(self, event: ScheduleDone) -> None:
        """The scheduler's answer."""
        if event.request_id != self._request:
            return
        self._request = None
        if event.decision is None:
            self.core.log("schedule.failed", "error", error=event.error, again_s=self._retry_s)
            self._retry("the scheduler failed")
            return
        self._retry_s = RETRY_FIRST_S
        if self.wanted:
            return  # out of date already; `advance` asks again
        self.number += 1
        transition = self.newest = event.decision.transition
        batch, migrations = limits(transition)
        self.walker = Walker(transition, batch, migrations)
        for warning in event.decision.warnings:
            self.core.log("schedule.warning", "warning", text=warning)
        self._plan_recheck(transition.root("recheck-by"))

    def _retry(self, reason: str) -> None:
        self.wanted = self.wanted or reason
        self.not_before = self.core.now + self._retry_s
        self._retry_s = min(self._retry_s * 2, RETRY_LAST_S)

    def _plan_recheck(self, by: str | None) -> None:
        text = cluster_option(self.core.replica.root, "cluster-recheck-interval", "15min")
        interval = duration_ms(text, 900_000) / 1000
        self.recheck_at = self.core.now + interval if interval else None
        if by is not None and by.isdigit():
            soon = self.core.now + max(1.0, int(by) - self.core.wall)
            self.recheck_at = min(soon, self.recheck_at or soon)

    def _finish(self, walker: Walker) -> None:
        self.walker = None
        self.core.log(
            "transition.done",
            number=self.number,
            fired=walker.fired,
            unfinished=walker.unfinished(),
            aborted=walker.abort_reason,
        )
        if walker.state is WalkState.TERMINATED:
            self.core.log("transition.loop", "error", number=self.number)

    # --- firing -----------------------------------------------------------------------------

    def _dispatch(self, action: Action, members: Mapping[str, bool]) -> None:
        assert self.walker is not None
        match action.kind, action.operation:
            case ActionKind.PSEUDO, _:
                return
            case ActionKind.CRM, "stonith":
                self.fencing.setdefault(action.on_node or "", []).append(action.id)
                self.request_fencing(action)
                return
            case ActionKind.CRM, "clear_failcount":
                self._clear_failures(action)
            case ActionKind.CRM, "lrm_delete":
                if action.resource is not None and action.on_node is not None:
                    self.writer.status(["drop_rsc", action.on_node, action.resource.id])
            case ActionKind.CRM, "do_shutdown":
                self.core.log("node.departs", node=action.on_node)
                self.core.send(Depart(self.core.round, self.core.view), action.on_node)
            case ActionKind.RSC_OP, _:
                self._order(action, members)
                return
            case _:
                self.core.log("action.unknown", "error", operation=action.operation)
        self.walker.confirm(action.id)

    def _order(self, action: Action, members: Mapping[str, bool]) -> None:
        assert self.walker is not None
        node = action.router_node or action.on_node or self.core.node
        if node not in members or action.resource is None:
            self.walker.confirm(action.id, failed=True)
            self.want(f"{action.operation_key}: {node} is not a member")
            return
        context = context_of(action, self.number, self.uuid)
        key = str(context.key)
        order = (self.core.round, self.core.view, key)
        self.core.log("action.ordered", key=action.operation_key, node=node)
        match action.operation:
            case "cancel":
                operation = action.attribute("CRM_meta_operation") or "monitor"
                about = (action.resource.id, operation, interval_of(action))
                self.core.send(Cancel(*order, *about, key), node)
            case "delete":
                self.core.send(Forget(*order, action.resource.id, key), node)
            case _:
                pending = pending_entry(context, node, self.core.wall)
                if pending is not None:
                    self.writer.status(["put", node, dict(context.rsc), pending])
                self.core.send(Run(*order, call_to(call_of(action, context))), node)
        if is_true(action.attribute("CRM_meta_op_no_wait")):
            self.walker.confirm(action.id)
            return
        expires = self.core.now + timeout_of(action) / 1000 + RESULT_GRACE_S
        self.in_flight[key] = InFlight(action, node, expires, self.core.now + ASK_AFTER_S)

    def _clear_failures(self, action: Action) -> None:
        assert action.resource is not None
        if action.on_node is not None:
            self.clear_failures(action.on_node, action.resource.id)

    def clear_failures(
        self,
        node: str,
        rsc: str,
        operation: str | None = None,
        interval_ms: int | None = None,
    ) -> bool:
        """Forget fail counts and the recorded failure of a resource on a node; false: none."""
        names = transient_attributes(self.core.replica.root, node)
        doomed = failure_attributes(names, rsc, operation, interval_ms)
        for name in doomed:
            self.writer.status(["attr", node, name, None])
        op_id = f"{rsc}_last_failure_0"
        entry = find_operation(self.core.replica.root, node, rsc, op_id)
        if entry is not None and operation in (None, entry.get("operation")):
            self.writer.status(["drop_op", node, rsc, op_id])
            return True
        return bool(doomed)

    # --- results ----------------------------------------------------------------------------

    def result(self, node: str, report: Mapping[str, Any]) -> None:
        """One report of a member, not seen before."""
        match report["kind"]:
            case "op":
                self._operation(node, report)
            case "cancel":
                self.writer.status(["drop_op", node, report["rsc"], report["op_id"]])
                self._settle(node, report["key"], failed=False)
            case "forget":
                self.writer.status(["drop_rsc", node, report["rsc"]])
                self._settle(node, report["key"], failed=False)
            case "dropped":
                self._settle(node, report["key"], failed=True)

    def _operation(self, node: str, report: Mapping[str, Any]) -> None:
        status = ExecStatus(report["status"])
        key = TransitionKey.parse(report["key"])
        target = 0 if key is None else key.target_rc
        rsc, operation, interval = report["rsc"], report["operation"], report["interval"]
        as_expected = is_expected(report["rc"], status, target)
        news = self._record(node, rsc, report["entries"])
        if status is ExecStatus.CANCELLED:
            self._settle(node, report["key"], failed=False)
            return
        if news and not as_expected:
            self.core.log(
                "action.failed",
                "warning",
                key=f"{rsc['id']}_{operation}_{interval}",
                node=node,
                rc=report["rc"],
                status=status.name.lower(),
                reason=report["reason"],
            )
            if counts(operation, interval):
                self._count_failure(node, rsc["id"], operation, interval, report["changed"])
        ours = self._settle(node, report["key"], failed=not as_expected)
        if not ours and (news or not as_expected):
            self.want(f"{rsc['id']}_{operation}_{interval} on {node}: rc {report['rc']}")

    def _record(self, node: str, rsc: Mapping[str, str], made: list[dict[str, Any]]) -> bool:
        """Put entries into the CIB; false when it shows them already."""
        news = False
        for entry in made:
            found = find_operation(self.core.replica.root, node, rsc["id"], entry["id"])
            there = {} if found is None else {str(k): str(v) for k, v in found.attrib.items()}
            if not is_same_entry(entry, there):
                news = True
                self.writer.status(["put", node, dict(rsc), entry])
        return news

    def _count_failure(
        self, node: str, rsc: str, operation: str, interval: int, changed: int
    ) -> None:
        fatal = is_true(cluster_option(self.core.replica.root, "start-failure-is-fatal", "true"))
        name = count_name(rsc, operation, interval)
        current = transient_attributes(self.core.replica.root, node).get(name)
        value = raised(current, operation, fatal)
        when = str(changed or int(self.core.wall))
        self.writer.status(
            ["attr", node, name, value],
            ["attr", node, last_failure_name(rsc, operation, interval), when],
        )

    def _settle(self, node: str, key: str, failed: bool) -> bool:
        """An ordered action has ended; false if it was none of the present transition."""
        if self.foreign.pop((node, key), None) is not None:
            self.want("a call of an earlier DC has ended")
            return False
        known = self.in_flight.pop(key, None)
        if known is None:
            return False
        if self.walker is not None:
            self.walker.confirm(known.action.id, failed)
        if failed:
            self.want(f"{known.action.operation_key} on {node} failed")
        return True

    def fenced(self, target: str, ok: bool) -> None:
        """A fencing that the transition asked for has ended."""
        for action_id in self.fencing.pop(target, []):
            if self.walker is not None and self.walker.action(action_id) is not None:
                self.walker.confirm(action_id, failed=not ok)
        if not ok:
            self.want(f"fencing of {target} failed")
            self.not_before = max(self.not_before, self.core.now + self._retry_s)
            self._retry_s = min(self._retry_s * 2, RETRY_LAST_S)
        else:
            self._retry_s = RETRY_FIRST_S

    # --- members ----------------------------------------------------------------------------

    def node_joined(self, node: str, running: list[str]) -> None:
        """A member says what is under way there (keys); other calls of ours there are lost."""
        for key, known in list(self.in_flight.items()):
            if known.node == node and key not in running:
                self._lose(key, known, "lost in a restart of its controller")
        for about in [f for f in self.foreign if f[0] == node and f[1] not in running]:
            del self.foreign[about]
        for key in running:
            if key not in self.in_flight:
                self.foreign[(node, key)] = self.core.now + 3600.0

    def node_lost(self, node: str) -> None:
        """Nothing more will come from a node."""
        for key, known in list(self.in_flight.items()):
            if known.node == node:
                self._lose(key, known, f"{node} is lost")
        for about in [f for f in self.foreign if f[0] == node]:
            del self.foreign[about]
        self.want(f"{node} is lost")

    def _lose(self, key: str, known: InFlight, reason: str) -> None:
        del self.in_flight[key]
        if self.walker is not None:
            self.walker.confirm(known.action.id, failed=True)
        self.want(f"{known.action.operation_key} on {known.node}: {reason}")

    # --- time -------------------------------------------------------------------------------

    def tick(self) -> None:
        """Results and answers that never came, and the periodic second look."""
        now = self.core.now
        for key, known in list(self.in_flight.items()):
            if now >= known.expires:
                self.core.log("action.lost", "error", key=known.action.operation_key)
                self._lose(key, known, "no result in time")
        for about in [f for f, expires in self.foreign.items() if now >= expires]:
            del self.foreign[about]
        if self._request is not None and now >= self._asked_at + SCHEDULE_PATIENCE_S:
            self._request = None
            self._retry("the scheduler did not answer")
        if self.recheck_at is not None and now >= self.recheck_at:
            self.recheck_at = None
            self.want("cluster-recheck-interval")

    def doubtful(self) -> list[str]:
        """Nodes to ask anew what runs there: an order, or its result, may have got lost."""
        nodes = set()
        for known in self.in_flight.values():
            if self.core.now >= known.ask_at:
                known.ask_every = min(2 * known.ask_every, ASK_LAST_S)
                known.ask_at = self.core.now + known.ask_every
                nodes.add(known.node)
        return sorted(nodes)

    def deadline(self) -> float | None:
        """When `tick` or `advance` can do something because of the time."""
        times = [min(k.expires, k.ask_at) for k in self.in_flight.values()]
        times += self.foreign.values()
        if self._request is not None:
            times.append(self._asked_at + SCHEDULE_PATIENCE_S)
        if self.recheck_at is not None:
            times.append(self.recheck_at)
        if self.wanted and self.walker is None and self.not_before > self.core.now:
            times.append(self.not_before)
        return min(times, default=None)
