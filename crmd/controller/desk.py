"""The DC's desk: what it does with clients' requests, and when it answers them.

A change of the configuration is answered when a majority holds it on disk, or when its time is up
with the word that it is not safe yet.  Source: cli.md sections 4 and 6; reliability.md section 5.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crmd.attributes import is_failure_attribute
from crmd.controller.clients import EXIT_USAGE, refusal
from crmd.controller.core import Core
from crmd.controller.leader import Leader
from crmd.controller.messages import Answer, Forget, Forward
from crmd.replication.edit import EditError, edit
from crmd.replication.status import find_node_state, transient_attributes
from crmd.replication.version import configuration
from crmd.replication.writer import Waiting
from crmd.scheduler.graph_xml import to_exp_xml

EXIT_NO_SUCH = 105
EXIT_UNSAFE = 107
ANSWERS_KEPT = 500
"""Requests remembered to recognise a repeat; the oldest is forgotten."""

To = tuple[str, int]
"""Node a request came from, and its number there."""


@dataclass(slots=True)
class Desk:
    """Requests that reached this DC."""

    core: Core
    leader: Leader
    seen: OrderedDict[str, Answer | None] = field(default_factory=OrderedDict)
    """Requests by cause, with their answers once given: an answer may get lost."""
    open: dict[To, str] = field(default_factory=dict)
    waiting_for_idle: list[tuple[To, float]] = field(default_factory=list)
    waiting_for_fencing: dict[str, list[To]] = field(default_factory=dict)

    def forwarded(self, origin: str, message: Forward) -> None:
        """A request, from a member or from ourselves."""
        if message.cause in self.seen:
            answer = self.seen[message.cause]
            if answer is not None:
                self.core.send(answer, origin)
            return
        self.seen[message.cause] = None
        self.open[(origin, message.request)] = message.cause
        while len(self.seen) > ANSWERS_KEPT:
            self.seen.popitem(last=False)
        to, payload = (origin, message.request), message.payload
        match payload.get("op"):
            case "cib":
                self._cib(to, message)
            case "wait":
                patience = float(payload.get("timeout_s", 60.0))
                self.waiting_for_idle.append((to, self.core.now + patience))
            case "cleanup":
                self._cleanup(to, payload)
            case "attribute":
                self._attribute(to, payload)
            case "fence":
                self._fence(to, payload, message.user)
            case "confirm":
                self._confirm(to, payload, message.user)
            case "shutdown":
                self._shutdown(to, payload)
            case "transition":
                newest = self.leader.planner.newest
                graph = None if newest is None else to_exp_xml(newest).decode()
                self._answer(to, {"ok": True, "graph": graph})
            case op:
                self._answer(to, refusal(EXIT_USAGE, f"op {op!r} is not for the DC"))

    def _answer(self, to: To, payload: Mapping[str, Any]) -> None:
        origin, request = to
        answer = Answer(self.core.round, request, payload)
        cause = self.open.pop(to, "")
        if cause in self.seen:
            self.seen[cause] = answer
        self.core.send(answer, origin)

    def _known_node(self, to: To, node: str) -> bool:
        if node in self.core.nodes or find_node_state(self.core.replica.root, node) is not None:
            return True
        names = ", ".join(self.core.nodes)
        self._answer(to, refusal(EXIT_NO_SUCH, f"node '{node}' is not known; nodes: {names}"))
        return False

    # --- changes of the CIB -----------------------------------------------------------------

    def _cib(self, to: To, message: Forward) -> None:
        core, leader = self.core, self.leader
        outcome: Mapping[str, Any] = {"ok": True}
        if message.cause in core.replica.causes:
            wanted = configuration(core.replica.version)  # made under a DC before us
        else:
            leader.flush()
            request, user = message.payload["request"], message.user
            try:
                result = edit(core.replica.root, request, core.wall, to[0], user, core.evaluate)
            except EditError as e:
                self._answer(to, {**refusal(e.code, str(e)), "outcome": e.outcome})
                return
            outcome = result.outcome
            if result.root is None:
                self._answer(to, {"ok": True, "outcome": outcome, "quorum": core.has_quorum})
                return
            wanted = leader.configure(result.root, message.cause)
            leader.planner.want("the configuration has changed")
        expires = core.now + core.settings.receipt_timeout_s
        leader.writer.waiting.append(Waiting(*to, wanted, expires, outcome))

    def settle(self) -> None:
        """Answer those whose change is safe, or whose time is up."""
        core, leader = self.core, self.leader
        if not leader.is_formed:
            return  # who is a member, and whether that is a quorum, is not known yet
        members = leader.in_view()
        needed = core.quorum.receipts_needed(members)
        round_ = core.round if core.has_quorum else 0
        for item, is_safe in leader.writer.settled(core.node, members, needed, round_, core.now):
            payload: dict[str, Any] = {
                "ok": True,
                "outcome": item.outcome,
                "durable": is_safe,
                "quorum": core.has_quorum,
            }
            if not is_safe:
                payload["warning"] = "not yet on the disks of a majority"
            elif not core.has_quorum:
                payload["warning"] = "made without quorum: it may lose against the others' changes"
            self._answer((item.origin, item.request), payload)

    # --- the rest ---------------------------------------------------------------------------

    def _cleanup(self, to: To, payload: Mapping[str, Any]) -> None:
        root, leader = self.core.replica.root, self.leader
        rsc, only = payload.get("rsc"), payload.get("node")
        if only is not None and not self._known_node(to, only):
            return
        operation, interval = payload.get("operation"), payload.get("interval_ms")
        failures_only = payload.get("failures_only", True)
        cleaned = []
        for state in list(root.iterfind("status/node_state")):
            node = state.get("uname", "")
            if only not in (None, node):
                continue
            for name in _resources_of(state, rsc):
                failed = any(
                    is_failure_attribute(n, name, operation, interval)
                    for n in transient_attributes(root, node)
                ) or any(e.get("id") == f"{name}_last_failure_0" for e in _entries(state, name))
                if failures_only and not failed:
                    continue
                leader.planner.clear_failures(node, name, operation, interval)
                self._forget(node, name)
                cleaned.append(node)
        nodes = sorted(set(cleaned))
        if nodes:
            leader.planner.want("a person cleaned up")
        self._answer(to, {"ok": True, "nodes": nodes})

    def _forget(self, node: str, rsc: str) -> None:
        """The history goes here and, by the members' own reading of the change, there."""
        self.leader.writer.status(["drop_rsc", node, rsc])
        if node == self.core.node:
            self.core.send(Forget(self.core.round, self.core.view, "", rsc, ""), node)

    def _attribute(self, to: To, payload: Mapping[str, Any]) -> None:
        node, name = payload["node"], payload["name"]
        if not self._known_node(to, node):
            return
        value = payload.get("value")
        if transient_attributes(self.core.replica.root, node).get(name) != value:
            self.leader.writer.status(["attr", node, name, value])
            self.leader.planner.want(f"attribute {name} of {node} has changed")
        self._answer(to, {"ok": True})

    def _fence(self, to: To, payload: Mapping[str, Any], user: str) -> None:
        node = payload["node"]
        if self._known_node(to, node):
            self.waiting_for_fencing.setdefault(node, []).append(to)
            self.leader.fencing.begin(node, payload.get("action", "reboot"), user)

    def fenced(self, target: str, ok: bool, error: str) -> None:
        """A fencing has ended."""
        for to in self.waiting_for_fencing.pop(target, []):
            self._answer(to, {"ok": True} if ok else refusal(1, f"fencing {target}: {error}"))

    def _confirm(self, to: To, payload: Mapping[str, Any], user: str) -> None:
        node = payload["node"]
        if not self._known_node(to, node):
            return
        if node in self.core.members:
            text = f"node {node} is alive and a member; refused, stop it or cut its power first"
            self._answer(to, refusal(EXIT_UNSAFE, text))
            return
        self.leader.confirm(node, user)
        self._answer(to, {"ok": True})

    def _shutdown(self, to: To, payload: Mapping[str, Any]) -> None:
        node = payload.get("node") or to[0]
        if self._known_node(to, node):
            self.leader.request_shutdown(node)
            self._answer(to, {"ok": True})

    def tick(self) -> None:
        """Tell those who wait that all is quiet, or that their time is up."""
        is_idle = self.leader.is_formed and self.leader.planner.is_idle
        left = []
        for to, expires in self.waiting_for_idle:
            if is_idle or self.core.now >= expires:
                self._answer(to, {"ok": True, "idle": is_idle})
            else:
                left.append((to, expires))
        self.waiting_for_idle = left

    def deadline(self) -> float | None:
        """When `tick` has something to do because of the time."""
        return min((expires for _, expires in self.waiting_for_idle), default=None)


def _resources_of(state: Any, rsc: str | None) -> list[str]:
    found = [e.get("id", "") for e in state.iterfind("lrm/lrm_resources/lrm_resource")]
    return [n for n in found if rsc is None or n == rsc or n.partition(":")[0] == rsc]


def _entries(state: Any, rsc: str) -> list[Any]:
    for entry in state.iterfind("lrm/lrm_resources/lrm_resource"):
        if entry.get("id") == rsc:
            return list(entry)
    return []
