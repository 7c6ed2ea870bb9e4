"""One resource activity at a time, the others wait in order (heartbeat-v1.md section 8, rule 9).

Pure: it makes `Run` effects and remembers which groups may run on this node.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field, replace

from crmd.haresources.claims import Claim
from crmd.haresources.takeover_events import Done, Run, Step


class Purpose(enum.Enum):
    """Why groups are taken or given; decides what follows."""

    OWN = "acquire local groups"
    MACH_DOWN = "take over from a dead node"
    GIVE = "give groups away in a standby"
    TAKE = "take groups in a standby"
    HEAL = "let go after a split or a stall"
    LEFTOVER = "release what a former run left"
    RETRY = "start again what did not start"
    ANSWER = "release a group that was asked for"
    SHUTDOWN = "release all"


@dataclass(frozen=True, slots=True)
class Work:
    """One activity."""

    purpose: Purpose
    steps: tuple[Step, ...]
    claim: Claim = Claim.NONE
    node: str = ""
    """The dead node, or the one that asked."""


def takes(keys: list[str]) -> tuple[Step, ...]:
    """Steps that take the groups."""
    return tuple(Step(True, key) for key in keys)


def gives(keys: list[str]) -> tuple[Step, ...]:
    """Steps that give the groups."""
    return tuple(Step(False, key) for key in keys)


@dataclass(slots=True)
class WorkQueue:
    """What is done and what waits."""

    current: Work | None = None
    waiting: deque[Work] = field(default_factory=deque)
    active: set[str] = field(default_factory=set)
    """Keys of groups that may run here: from the begin of their start to the end of their stop."""
    _job: int = 0

    @property
    def is_idle(self) -> bool:
        return self.current is None and not self.waiting

    @property
    def held(self) -> set[str]:
        """Keys of groups that may run here, or wait to be started."""
        coming = {step.key for work in self.waiting for step in work.steps if step.take}
        return self.active | coming

    @property
    def taking(self) -> Claim:
        """What is being taken, or waits for it."""
        claim = Claim.NONE
        for work in ([self.current] if self.current else []) + list(self.waiting):
            if any(step.take for step in work.steps):
                claim |= work.claim
        return claim

    def add(self, work: Work) -> list[Run]:
        """Begin the work, or let it wait."""
        self.waiting.append(work)
        return self._next()

    def drop(self, *purposes: Purpose) -> None:
        """Forget what waits for one of these purposes."""
        self.waiting = deque(work for work in self.waiting if work.purpose not in purposes)

    def withdraw(self, key: str) -> None:
        """Take a group no more that waits to be taken."""
        self.waiting = deque(
            replace(work, steps=tuple(s for s in work.steps if s.key != key or not s.take))
            for work in self.waiting
        )

    def finish(self, done: Done) -> Work | None:
        """The work that ended; None if `done` speaks of another one.  Call `go_on` after it."""
        work = self.current
        if work is None or done.job != self._job:
            return None
        self.current = None
        kept = {*done.not_stopped}
        for step in work.steps:
            if not step.take and step.key not in kept:
                self.active.discard(step.key)
        self.active -= set(done.not_started) - kept
        return work

    def go_on(self) -> list[Run]:
        """Begin what waits, if nothing is under way."""
        return self._next()

    def _next(self) -> list[Run]:
        if self.current is not None or not self.waiting:
            return []
        self.current = self.waiting.popleft()
        self._job += 1
        self.active |= {step.key for step in self.current.steps if step.take}
        return [Run(self._job, self.current.steps)]
