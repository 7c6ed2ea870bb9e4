"""A node is silent: may its groups be taken?  Fencing, waiting time, a person's word.

Source: heartbeat-v1.md section 8, "Fencing decision at death", and mission.md H13 for the waiting
time and the manual mode, which Heartbeat had not.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.haresources.takeover_events import Effect, Fence, Fenced, Policy, Say, Send

FENCE_AGAIN_S = 5.0


def stonith_message(node: str, result: str) -> Send:
    """`stonith`: what came of fencing `node` (catalogue, heartbeat-v1.md section 5)."""
    return Send((("t", "stonith"), ("node", node), ("result", result)))


@dataclass(slots=True)
class Deaths:
    """Dead nodes whose groups are not taken yet."""

    policy: Policy
    fencing: dict[str, float | None] = field(default_factory=dict)
    """Node -> when to try again; None: a try is under way."""
    delayed: dict[str, float] = field(default_factory=dict)
    """Node -> when to take over; infinity: when a person says so."""

    @property
    def are_pending(self) -> bool:
        return bool(self.fencing or self.delayed)

    def died(self, node: str, holds_nothing: bool, now: float) -> tuple[bool, list[Effect]]:
        """Whether the groups of `node` may be taken at once, and what to do."""
        if holds_nothing:
            said: list[Effect] = [Say("info", f"Dead node {node} gave up resources.")]
            return True, [*said, stonith_message(node, "unneeded")]
        if self.policy.has_stonith:
            self.fencing[node] = None
            return False, [Say("info", f"Resetting node {node} with STONITH"), Fence(node)]
        out: list[Effect] = [
            Say("WARN", "No STONITH device configured."),
            Say("WARN", "Shared disks are not protected."),
            stonith_message(node, "n_stnth"),
        ]
        return self._wait(node, now, out)

    def _wait(self, node: str, now: float, out: list[Effect]) -> tuple[bool, list[Effect]]:
        if self.policy.takeover_manual:
            self.delayed[node] = float("inf")
            text = f"node {node} is silent; take over by hand: pacekeeper-heartbeat confirm {node}"
            return False, [*out, Say("ALERT", text)]
        if self.policy.takeover_delay_s > 0:
            self.delayed[node] = now + self.policy.takeover_delay_s
            text = (
                f"node {node} is silent; taking over in {self.policy.takeover_delay_s:g} s unless "
                f"it returns; at once: pacekeeper-heartbeat confirm {node}"
            )
            return False, [*out, Say("ALERT", text)]
        return True, out

    def fenced(self, event: Fenced, now: float) -> tuple[bool, list[Effect]]:
        """Whether the groups of the node may be taken now, and what to say."""
        node = event.node
        if node not in self.fencing and node not in self.delayed:
            return False, []
        if event.is_down:
            self.forget(node)
            who = "a person" if event.by_person else "STONITH"
            return True, [
                Say("info", f"node {node} is down, says {who}"),
                stonith_message(node, "OK"),
            ]
        if node not in self.fencing:
            return False, []
        self.fencing[node] = now + FENCE_AGAIN_S
        text = f"STONITH of {node} failed: its resources are not taken; again in 5 s"
        return False, [Say("ERROR", text), stonith_message(node, "bad")]

    def forget(self, node: str) -> bool:
        """The node is back, or dealt with; True if its groups were waiting to be taken."""
        waited = node in self.fencing or node in self.delayed
        self.fencing.pop(node, None)
        self.delayed.pop(node, None)
        return waited

    def tick(self, now: float) -> tuple[list[str], list[Effect]]:
        """Nodes whose waiting time is over, and fencing to try again."""
        ready = sorted(node for node, at in self.delayed.items() if now >= at)
        for node in ready:
            del self.delayed[node]
        out: list[Effect] = []
        for node in sorted(self.fencing):
            at = self.fencing[node]
            if at is not None and now >= at:
                self.fencing[node] = None
                out.append(Fence(node))
        return ready, out

    def deadline(self) -> float | None:
        """When `tick` can next change anything."""
        times = [at for at in self.fencing.values() if at is not None]
        times += [at for at in self.delayed.values() if at != float("inf")]
        return min(times, default=None)
