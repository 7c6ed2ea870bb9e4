"""Walks a transition graph: which actions may fire now, and what a result confirms.

It does not carry out actions, keep times, or know why the graph looks as it does.  The controller
drives it with real results; `crm_simulate` walks on paper by confirming every action at once.

Theory of operation.  A *pass* goes through the synapses in document order and hands out those
whose inputs are all confirmed.  An action confirmed while a pass is under way makes later synapses
ready in the same pass and earlier ones in the next.  Pseudo actions are confirmed as they fire.
A failed action satisfies the inputs of synapses of priority INFINITY only (completed points, post
notifications).  After an abort only pseudo actions and synapses of at least the abort's priority
fire.  An input that names no action of the graph is never confirmed (section 13.3 knows such
graphs), so the walk ends TERMINATED.  Source: scheduler-2-actions.md section 15.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from crmd.scheduler.transition import Action, ActionKind, Synapse, Transition

INFINITY = 1_000_000
UNLIMITED = -1


class WalkState(Enum):
    """How far a walk has come."""

    ACTIVE = "active"
    """Something can fire, or is under way."""
    COMPLETE = "complete"
    """Nothing left, or what is left was given up by an abort or failure."""
    TERMINATED = "terminated"
    """Actions are left that can never fire, without abort or failure: a loop in the graph."""


class _Step(Enum):
    WAITING = 0
    FIRED = 1
    CONFIRMED = 2
    FAILED = 3


@dataclass(slots=True)
class Walker:
    """One transition under way. `batch_limit` and `migration_limit`: -1 is unlimited."""

    transition: Transition
    batch_limit: int = UNLIMITED
    migration_limit: int = UNLIMITED
    abort_priority: int = 0
    abort_reason: str = ""
    skipped: int = 0
    fired: int = 0
    _steps: list[_Step] = field(default_factory=list)
    _missing: list[set[int]] = field(default_factory=list)
    _users: dict[int, list[int]] = field(default_factory=dict)
    _index: dict[int, int] = field(default_factory=dict)
    _ready: list[int] = field(default_factory=list)
    _later: list[int] = field(default_factory=list)
    _cursor: int = -1
    _failures: int = 0
    _pending: dict[int, Action] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, synapse in enumerate(self.transition.synapses):
            self._steps.append(_Step.WAITING)
            self._missing.append(set(synapse.inputs))
            self._index[synapse.action.id] = index
            for action_id in sorted(set(synapse.inputs)):
                self._users.setdefault(action_id, []).append(index)
            if not synapse.inputs:
                self._ready.append(index)

    # --- what may fire ----------------------------------------------------------------------

    def fire(self) -> Iterator[Action]:
        """One pass: the actions to carry out now, pseudo ones included (already confirmed).

        Confirming an action while iterating makes later synapses part of this pass.
        """
        self._cursor = -1
        for index in self._later:
            heapq.heappush(self._ready, index)
        self._later = []
        held: list[int] = []
        while self._ready:
            if 0 < self.batch_limit <= len(self._pending):
                break
            index = heapq.heappop(self._ready)
            self._cursor = index
            synapse = self.transition.synapses[index]
            if not self._may_fire(synapse):
                held.append(index)
                continue
            self._steps[index] = _Step.FIRED
            self.fired += 1
            if synapse.action.kind is ActionKind.PSEUDO:
                self.confirm(synapse.action.id)
            else:
                self._pending[synapse.action.id] = synapse.action
            yield synapse.action
        self._later += held

    def _may_fire(self, synapse: Synapse) -> bool:
        if synapse.action.kind is ActionKind.PSEUDO:
            return True
        if synapse.priority < self.abort_priority:
            self.skipped += 1
            return False
        return not self._migrations_full(synapse.action)

    def _migrations_full(self, action: Action) -> bool:
        if self.migration_limit < 0 or action.operation != "migrate_to":
            return False
        busy = sum(
            1
            for other in self._pending.values()
            if other.operation in ("migrate_to", "migrate_from") and other.on_node == action.on_node
        )
        return busy >= self.migration_limit

    # --- what happened ----------------------------------------------------------------------

    def confirm(self, action_id: int, failed: bool = False) -> None:
        """The action has ended. Raises KeyError for an action that is not of this graph."""
        index = self._index[action_id]
        if self._steps[index] in (_Step.CONFIRMED, _Step.FAILED):
            return
        self._steps[index] = _Step.FAILED if failed else _Step.CONFIRMED
        self._pending.pop(action_id, None)
        self._failures += failed
        for user in self._users.get(action_id, ()):
            if self._steps[user] is not _Step.WAITING:
                continue
            if failed and self.transition.synapses[user].priority < INFINITY:
                continue
            missing = self._missing[user]
            missing.discard(action_id)
            if not missing:
                self._enqueue(user)

    def _enqueue(self, index: int) -> None:
        if index > self._cursor:
            heapq.heappush(self._ready, index)
        else:
            self._later.append(index)

    def abort(self, priority: int, reason: str) -> bool:
        """Fire nothing below `priority` any more; false when an earlier abort was as strong."""
        if priority <= self.abort_priority:
            return False
        self.abort_priority = priority
        self.abort_reason = reason
        return True

    # --- how it stands ----------------------------------------------------------------------

    def action(self, action_id: int) -> Action | None:
        """The action of that id, if the graph has it."""
        index = self._index.get(action_id)
        return None if index is None else self.transition.synapses[index].action

    def has_fired(self, action_id: int) -> bool:
        """Whether the action was handed out (and perhaps has ended)."""
        index = self._index.get(action_id)
        return index is not None and self._steps[index] is not _Step.WAITING

    def pending(self) -> tuple[Action, ...]:
        """Actions handed out whose end is not known yet, in the order they fired."""
        return tuple(self._pending.values())

    @property
    def state(self) -> WalkState:
        """Meaningful after a pass: whether anything is left to wait for or to do."""
        if self._pending:
            return WalkState.ACTIVE
        for index in (*self._ready, *self._later):
            if self._may_fire_quietly(self.transition.synapses[index]):
                return WalkState.ACTIVE
        if _Step.WAITING in self._steps and not self.abort_priority and not self._failures:
            return WalkState.TERMINATED
        return WalkState.COMPLETE

    def _may_fire_quietly(self, synapse: Synapse) -> bool:
        pseudo = synapse.action.kind is ActionKind.PSEUDO
        return pseudo or synapse.priority >= self.abort_priority

    def unfinished(self) -> int:
        """Synapses that never fired."""
        return sum(1 for step in self._steps if step is _Step.WAITING)


def limits(transition: Transition) -> tuple[int, int]:
    """Batch limit and migration limit of a graph's root; -1 means unlimited (also batch 0)."""
    batch = _integer(transition.root("batch-limit"))
    migration = _integer(transition.root("migration-limit"))
    return (batch if batch > 0 else UNLIMITED, migration)


def _integer(text: str | None) -> int:
    try:
        return int(text) if text is not None else UNLIMITED
    except ValueError:
        return UNLIMITED
