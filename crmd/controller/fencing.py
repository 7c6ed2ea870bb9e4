"""The DC's side of fencing: from an order to shoot a node to calls of fence agents on members.

Which device and level comes next is decided in `crmd.fencing`; what a node's death means for its
resources, in `leader.py`.  Source: cluster-behaviour.md 2, reliability.md I4, I5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from crmd.controller.core import Core
from crmd.controller.messages import FenceEvents, Run
from crmd.controller.orders import call_to, fence_text
from crmd.controller.release import cluster_option, duration_ms
from crmd.fencing.devices import devices
from crmd.fencing.fencer import Fenced, Fencer, RunFence
from crmd.scheduler.transition import Action

KILLS = ("off", "reboot")


@dataclass(slots=True)
class Fencing:
    """A DC's fencing. `able`: members that may run a fence agent; `ended` is told each end."""

    core: Core
    able: Callable[[], tuple[str, ...]]
    ended: Callable[[Fenced], None]
    fencer: Fencer = field(init=False)

    def __post_init__(self) -> None:
        self.fencer = Fencer(f"{self.core.node}.{self.core.incarnation}.{self.core.round}")

    def is_under_way(self, node: str) -> bool:
        """Whether a node is being shot just now."""
        return self.fencer.has(node)

    def in_transition(self, action: Action) -> None:
        """A fencing that the scheduler asks for."""
        target = action.on_node or ""
        what = action.attribute("CRM_meta_stonith_action") or "reboot"
        delay = duration_ms(action.attribute("CRM_meta_priority_fencing_delay") or "0", 0) / 1000
        self.begin(target, what, "scheduler", delay)

    def begin(self, target: str, what: str, origin: str, delay_s: float = 0.0) -> None:
        """Begin to fence a node; `ended` is told the end."""
        core = self.core
        if core.quorum.is_two_node and not delay_s and origin == "scheduler":
            delay_s = self._default_delay(target)
        core.log("fencing.begins", "warning", target=target, action=what, delay_s=delay_s)
        self._carry_out(
            self.fencer.request(
                core.replica.root,
                target,
                what,
                origin,
                self.able(),
                core.node,
                delay_s,
                self._chance(),
                core.now,
            )
        )

    def _chance(self) -> float:
        """Where in a device's random delay we wait, 0 to 1: two rivals must not wait alike."""
        return int.from_bytes(sha256(self.fencer.name.encode()).digest()[:4]) / 2**32

    def _default_delay(self, target: str) -> float:
        """Two nodes that lose each other must not shoot at once: the first in the alphabet may."""
        configured = any(d.has_delay() for d in devices(self.core.replica.root).values())
        text = cluster_option(self.core.replica.root, "priority-fencing-delay", "0")
        if configured or duration_ms(text, 0) or target > self.core.node:
            return 0.0
        return self.core.settings.fence_delay_s

    def _carry_out(self, outputs: list[RunFence | Fenced]) -> None:
        core = self.core
        for output in outputs:
            match output:
                case RunFence(operation, node, device, target, what):
                    call = device.call(target, what, fence_text(operation, target, what))
                    core.send(Run(core.round, core.view, operation, call_to(call)), node)
                case Fenced():
                    self._log_end(output)
                    self.ended(output)
                    self.tell()
        self.fencer.stamp(core.wall)

    def _log_end(self, end: Fenced) -> None:
        level = "warning" if end.ok else "error"
        fields = {"target": end.target, "ok": end.ok, "device": end.device, "error": end.error}
        self.core.log("fencing.ends", level, **fields)

    def tell(self) -> None:
        """Let every member have the history of fencing."""
        self.core.send(FenceEvents(self.core.round, self.fencer.history))

    def result(self, report: Mapping[str, Any]) -> str | None:
        """A fence agent has ended; the target if it is dead by order of a DC before us."""
        ok = report["status"] == 0 and report["rc"] == 0
        operation, target = report["operation"], report["target"]
        if any(r.operation == operation for r in self.fencer.requests.values()):
            core = self.core
            self._carry_out(
                self.fencer.result(
                    operation, ok, report["reason"], self.able(), core.node, core.now
                )
            )
            return None
        is_dead = ok and report["action"] in KILLS and target not in self.able()
        return target if is_dead and not self._has_returned(target, report["life"]) else None

    def _has_returned(self, target: str, life: str) -> bool:
        """Whether a node lives a later life than the one that was shot."""
        poll = self.core.election.polls.get(target)
        return poll is not None and life != "" and poll.incarnation != life

    def node_lost(self, node: str) -> None:
        """A node that may have run a fence agent is gone."""
        core = self.core
        self._carry_out(self.fencer.node_lost(node, self.able(), core.node, core.now))

    def confirm(self, target: str, by: str) -> None:
        """A person vouches that a node is down."""
        self._carry_out([self.fencer.confirm(target, by, self.core.now)])

    def tick(self) -> None:
        """Delays and timeouts."""
        self._carry_out(self.fencer.tick(self.able(), self.core.node, self.core.now))
