"""A node is silent: may its groups be taken?  Fencing, waiting time, a person's word.

Source: heartbeat-v1.md section 8, "Fencing decision at death", and mission.md H13 for the waiting
time, the manual mode and the disk lock, which Heartbeat had not.  Their order: waiting time or a
person's word (without a fence device), disk lock, fencing.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.haresources.takeover_events import Effect, Fence, Fenced, Policy, Say, Send, TakeLock

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
    locking: set[str] = field(default_factory=set)
    """Nodes that the disk lock was asked about."""

    @property
    def are_pending(self) -> bool:
        return bool(self.fencing or self.delayed or self.locking)

    def died(
        self, node: str, holds_nothing: bool, now: float, has_left: bool = False
    ) -> tuple[bool, list[Effect]]:
        """Whether the groups of `node` may be taken at once, and what to do.

        With a disk lock, a silent node that said that it holds nothing is asked about as well: it
        may be about to take what is ours.
        """
        if holds_nothing and (has_left or not self.policy.has_disklock):
            said: list[Effect] = [Say("info", f"Dead node {node} gave up resources.")]
            return True, [*said, stonith_message(node, "unneeded")]
        if self.policy.has_stonith:
            return False, self._lock(node) if self.policy.has_disklock else self._fence(node)
        if self.policy.has_disklock:
            return self._wait(node, now, [])
        out: list[Effect] = [
            Say("WARN", "No STONITH device configured."),
            Say("WARN", "Shared disks are not protected."),
            stonith_message(node, "n_stnth"),
        ]
        return self._wait(node, now, out)

    def _fence(self, node: str) -> list[Effect]:
        self.fencing[node] = None
        return [Say("info", f"Resetting node {node} with STONITH"), Fence(node)]

    def _lock(self, node: str) -> list[Effect]:
        self.locking.add(node)
        return [Say("info", f"node {node} is silent; asking for the disk lock"), TakeLock(node)]

    def lock_says(self, node: str, word: str) -> tuple[bool, list[Effect]]:
        """Whether the groups of a silent node may be taken now, and what to do."""
        if word == "lost":
            self.forget(node)
        elif word == "won" and self.policy.has_stonith and node not in self.fencing:
            self.locking.discard(node)
            return False, self._fence(node)
        elif word == "free" and not self.policy.has_stonith:
            self.forget(node)
            return True, [
                Say("info", f"node {node} holds nothing any more, says the disk lock"),
                stonith_message(node, "OK"),
            ]
        return False, []

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
        if self.policy.has_disklock:
            return False, [*out, *self._lock(node)]
        return True, out

    def fenced(self, event: Fenced, now: float) -> tuple[bool, list[Effect]]:
        """Whether the groups of the node may be taken now, and what to say."""
        node = event.node
        if not self._waits(node):
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
        waited = self._waits(node)
        self.fencing.pop(node, None)
        self.delayed.pop(node, None)
        self.locking.discard(node)
        return waited

    def _waits(self, node: str) -> bool:
        return node in self.fencing or node in self.delayed or node in self.locking

    def tick(self, now: float) -> tuple[list[str], list[Effect]]:
        """Nodes whose waiting time is over, and fencing to try again."""
        ready = sorted(node for node, at in self.delayed.items() if now >= at)
        out: list[Effect] = []
        for node in ready:
            del self.delayed[node]
            if self.policy.has_disklock:
                out += self._lock(node)
        if self.policy.has_disklock:
            ready = []
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
