"""A walk on paper: every action of a transition pretends to succeed, for `crm_simulate`.

Drives the `Walker` and tells a performer about each action that fires; what an action would
change in the CIB is `crmd.transition.history`.  It starts nothing, waits for nothing and knows
no time.  Facts: scheduler-2-actions.md sections 15 and 16.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crmd.scheduler.transition import Action, ActionKind, Transition
from crmd.transition.walker import INFINITY, Walker, WalkState


@dataclass(frozen=True, slots=True)
class PseudoStep:
    """A point of the transition was reached; `node` only for the fencing of guest nodes."""

    key: str
    node: str | None


@dataclass(frozen=True, slots=True)
class ResourceStep:
    """An operation ran on a node; `interval_ms` is 0 for anything but monitors."""

    resource: str
    operation: str
    interval_ms: int
    node: str
    failed_rc: int | None = None
    """Exit status of a failure that was asked for, else None."""
    action_id: int = 0


@dataclass(frozen=True, slots=True)
class ClusterStep:
    """Something the cluster does by itself, such as clearing a fail count."""

    operation: str
    resource: str | None
    node: str


@dataclass(frozen=True, slots=True)
class FencingStep:
    """A node was fenced (or unfenced, with operation `on`)."""

    node: str
    operation: str


@dataclass(frozen=True, slots=True)
class AttributeStep:
    """A transient attribute that a pretended failure set."""

    name: str
    value: str
    node_id: str


Step = PseudoStep | ResourceStep | ClusterStep | FencingStep | AttributeStep
Perform = Callable[[Action], bool]
"""Called once per fired action; False means that the action failed."""


def walk(transition: Transition, perform: Perform) -> WalkState:
    """Fire every synapse in the order of the reference; each is confirmed at once.

    After a failed action only pseudo-actions and synapses of infinite priority go on.
    TERMINATED means that actions are left over although nothing failed.
    """
    walker = Walker(transition)
    fired_before = -1
    while walker.fired > fired_before:
        fired_before = walker.fired
        for action in walker.fire():
            succeeded = perform(action)
            if action.kind is not ActionKind.PSEUDO:
                walker.confirm(action.id, failed=not succeeded)
            if not succeeded:
                walker.abort(INFINITY, f"{action.operation_key} failed")
    return walker.state
