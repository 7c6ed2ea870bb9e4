"""Actions, relations between them, and the plan that holds all of one run.

Data and lookup only; creation is `crmd.scheduler.act.create`, ordering is
`crmd.scheduler.order`.  Source: scheduler-2-actions.md sections 1 and 3.2.

Where the specification says "newest first", the lists here are oldest first (append) and are
walked in reverse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from crmd.scheduler.act.names import op_key
from crmd.scheduler.model import Cluster, HistoryEntry, Node, Resource
from crmd.scheduler.order.flags import OPTIONAL, PSEUDO, RUNNABLE


class Needs(IntEnum):
    """What must be true of the cluster before an action may run (3.4.8)."""

    NOTHING = 0
    QUORUM = 1
    FENCING = 2


@dataclass(slots=True, eq=False)
class Relation:
    """One entry of an action's `befores` or `afters`; the two copies are independent."""

    action: Action
    flags: int
    graphed: bool = False
    """Has become an input in the graph."""


@dataclass(frozen=True, slots=True, eq=False)
class Cause:
    """One link of a chain of causes; with `because`, the chain goes on there."""

    text: str
    because: Action | None = None


@dataclass(slots=True, eq=False)
class Action:
    """One thing that could be done; `id` is visible in the graph."""

    id: int
    key: str
    task: str
    rsc: Resource | None
    node: Node | None
    flags: int = RUNNABLE
    cancel_task: str | None = None
    needs: Needs = Needs.NOTHING
    reason: str | None = None
    priority: int = 0
    meta: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    """Instance attributes of the `<op>`, evaluated for the node."""
    needed_before: int = 0
    """For "at least N of" points: how many predecessors must be runnable."""
    seen_before: int = 0
    befores: list[Relation] = field(default_factory=list)
    afters: list[Relation] = field(default_factory=list)
    related: dict[int, int] = field(default_factory=dict)
    """Id of a later action -> union of the flags of all entries for it in `afters`."""
    causes: list[Cause] = field(default_factory=list)
    """Why it became required or impossible, in the order in which it happened (for people)."""

    def note(self, text: str) -> None:
        """Record why the action exists, unless something is recorded already."""
        if not self.causes:
            self.causes.append(Cause(text))


@dataclass(slots=True, eq=False)
class Ordering:
    """An abstract ordering: not yet between actions (section 4)."""

    first_rsc: Resource | None
    first_key: str | None
    first: Action | None
    then_rsc: Resource | None
    then_key: str | None
    then: Action | None
    flags: int


@dataclass(slots=True, eq=False)
class ResourceActions:
    """The actions of one resource, oldest first, and by lower-case key."""

    all: list[Action] = field(default_factory=list)
    by_key: dict[str, list[Action]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Task -> its key with interval 0, made once."""


@dataclass(slots=True, eq=False)
class Plan:
    """Everything part 2 makes in one run."""

    cluster: Cluster
    actions: list[Action] = field(default_factory=list)
    """Oldest first."""
    singletons: dict[str, Action] = field(default_factory=dict)
    """Actions without a resource, by lower-case key."""
    orderings: list[Ordering] = field(default_factory=list)
    user_orderings: list[Ordering] = field(default_factory=list)
    """Those of `orderings` that come from `rsc_order` constraints."""
    ops: dict[int, ResourceActions] = field(default_factory=dict)
    """Resource index -> its actions."""
    sanitized: bool = True
    """The CIB may lack private parameters (true in the simulator, false in the daemon; 7.5)."""
    expired: set[int] = field(default_factory=set)
    """Identities of recurring history entries with an expired failure: run anew (part 1, 14.7)."""
    deferred_failures: list[tuple[Resource, Node, HistoryEntry]] = field(default_factory=list)
    deferred_checks: list[tuple[Resource, Node, HistoryEntry]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """Informational lines met while planning, in order."""
    points: dict[tuple[int, str], object] = field(default_factory=dict)
    """(clone index, task) -> its notification points."""

    def of(self, rsc: Resource) -> ResourceActions:
        """The actions of a resource."""
        found = self.ops.get(rsc.index)
        if found is None:
            found = self.ops[rsc.index] = ResourceActions()
        return found

    def key(self, rsc: Resource, task: str) -> str:
        """K(rsc, task, 0): one string for all nodes."""
        keys = self.of(rsc).keys
        found = keys.get(task)
        if found is None:
            found = keys[task] = op_key(rsc.id, task)
        return found

    # ---- lookup (3.2) -------------------------------------------------------------------------

    def find(self, rsc: Resource, key: str, node: Node | None) -> list[Action]:
        """Matches, oldest first; with a node, actions without one match and adopt it."""
        found = self.of(rsc).by_key.get(key.lower())
        if not found:
            return []
        if node is None:
            return list(found)
        out = []
        for action in found:
            if action.node is None:
                action.node = node
                out.append(action)
            elif action.node is node:
                out.append(action)
        return out

    def find_exact(self, rsc: Resource, key: str, node: Node | None) -> list[Action]:
        """Matches on exactly this node, oldest first; none without a node."""
        if node is None:
            return []
        found = self.of(rsc).by_key.get(key.lower())
        return [a for a in found if a.node is node] if found else []

    def newest(self, rsc: Resource, task: str, node: Node | None = None) -> Action | None:
        """The newest action with this task, on the node if given.  Changes nothing."""
        ops = self.ops.get(rsc.index)
        if ops is None:
            return None
        for action in reversed(ops.all):
            if action.task == task and (node is None or action.node is node):
                return action
        return None

    def newest_key(self, rsc: Resource, key: str, node: Node | None = None) -> Action | None:
        """The newest action with this key, on the node if given.  Changes nothing."""
        ops = self.ops.get(rsc.index)
        if ops is None:
            return None
        for action in reversed(ops.by_key.get(key.lower(), ())):
            if node is None or action.node is node:
                return action
        return None

    def newest_first(self, rsc: Resource) -> Iterator[Action]:
        """Actions of the resource from the newest; those made meanwhile are not visited."""
        ops = self.ops.get(rsc.index)
        return iter(ops.all[::-1]) if ops is not None else iter(())

    # ---- storing ------------------------------------------------------------------------------

    def add(self, action: Action) -> None:
        """File a new action."""
        self.actions.append(action)
        if action.rsc is None:
            self.singletons.setdefault(action.key.lower(), action)
        else:
            ops = self.of(action.rsc)
            ops.all.append(action)
            ops.by_key.setdefault(action.key.lower(), []).append(action)

    def singleton(self, key: str, task: str, node: Node | None = None, *, optional: bool) -> Action:
        """An action that belongs to no resource (fencing, shutdown ...), made if missing."""
        action = self.singletons.get(key.lower())
        if action is None:
            flags = RUNNABLE | (OPTIONAL if optional else 0)
            action = Action(len(self.actions) + 1, key, task, None, node, flags)
            self.add(action)
        elif not optional:
            action.flags &= ~OPTIONAL
        return action

    def pseudo(self, name: str) -> Action:
        """A pseudo-action without a resource, by name; optional when new."""
        action = self.singleton(name, name, optional=True)
        action.flags |= PSEUDO | RUNNABLE
        return action


def relate(first: Action | None, then: Action | None, flags: int) -> bool:
    """Order two actions; True if the relation is new (1.3)."""
    if flags == 0 or first is None or then is None:
        return False
    known = first.related.get(then.id, 0)
    if known & flags:
        return False
    first.related[then.id] = known | flags
    first.afters.append(Relation(then, flags))
    then.befores.append(Relation(first, flags))
    return True
