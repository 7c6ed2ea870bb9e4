"""What part 1 of the scheduler asks of part 2, in the order in which it arose.

Reading status, constraints and assignment create actions and orderings on the way, and the
numbers of actions depend on that order (scheduler-2-actions.md, 1.1, 3.6, 4, 5, 8).  Part 1 does
not make actions: it appends these values to `Cluster.requests`; part 2 replays them.

`phase` is the phase number of scheduler-2-actions.md section 2.
Requests of phases 2 - 5 are complete when unpacking ends; phase 8 adds `LeftWithoutNode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree

    from crmd.scheduler.model import Colocation, HistoryEntry, Node, Resource, TicketConstraint


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """Get-or-create `K(resource, task, interval_ms)` on the node (part 2, 3.3).

    `managed` and `runnable` are the facts at that moment: whether the resource was managed, and
    the outcome of 3.5 rules 1 - 4 (all tasks asked for here need nothing).
    """

    phase: int
    resource: Resource
    task: str
    """stop, demote, lrm_delete, or the task of a recurring operation seen in history."""
    node: Node
    interval_ms: int = 0
    optional: bool = False
    managed: bool = True
    runnable: bool = True


@dataclass(frozen=True, slots=True)
class ClearFailCount:
    """Part 2, 7.4; `fence_first` is the remote node of 3.6.1 whose fence op must precede."""

    phase: int
    resource: Resource
    node: Node
    reason: str
    fence_first: Node | None = None


@dataclass(frozen=True, slots=True)
class FenceRequest:
    """Create the optional fence op of a node with this reason (part 2, 11.3)."""

    phase: int
    node: Node
    reason: str
    priority_delay: bool = False


@dataclass(frozen=True, slots=True)
class StopsBecomeOptional:
    """Any stop of the resource on the node created so far is optional after all (12.18)."""

    phase: int
    resource: Resource
    node: Node


@dataclass(frozen=True, slots=True)
class RescheduleRecurring:
    """An expired recurring failure: treat the operation as if its restart digest changed (14.7)."""

    phase: int
    resource: Resource
    node: Node
    entry: HistoryEntry


@dataclass(frozen=True, slots=True)
class DeferredFailureCheck:
    """A failed start or monitor of a bundle connection with address `#uname`: whether its
    parameters changed can be told only after assignment (14.6.4; part 2, phase 9)."""

    phase: int
    resource: Resource
    node: Node
    entry: HistoryEntry


@dataclass(frozen=True, slots=True)
class OrderElement:
    """An `rsc_order` in its place among the constraints; templates and tags are expanded."""

    phase: int
    element: etree._Element


@dataclass(frozen=True, slots=True)
class ColocationMade:
    """A configured colocation in its place (its orderings: part 2, 5.4)."""

    phase: int
    colocation: Colocation


@dataclass(frozen=True, slots=True)
class TicketMade:
    """A ticket constraint in its place; its effects on scores and flags are already applied."""

    phase: int
    constraint: TicketConstraint


@dataclass(frozen=True, slots=True)
class LeftWithoutNode:
    """Assignment ended without a node, for good: existing actions change (part 2, 8)."""

    phase: int
    resource: Resource


Request = (
    ActionRequest
    | ClearFailCount
    | FenceRequest
    | StopsBecomeOptional
    | RescheduleRecurring
    | DeferredFailureCheck
    | OrderElement
    | ColocationMade
    | TicketMade
    | LeftWithoutNode
)
