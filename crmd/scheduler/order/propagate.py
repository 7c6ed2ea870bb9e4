"""Propagation: what is required, runnable or migratable spreads along the relations.

`Propagation.update` repeats until nothing changes any more.  The order in which actions are
visited is part of the result (the first reason stays), so it is exactly that of the rules.
The recursion can be as deep as the longest chain of relations; frames of pure Python functions
live on the heap, so only the interpreter's limit has to be raised.
Source: scheduler-2-actions.md sections 12.3 - 12.5, 12.10, 12.11.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from crmd.scheduler.act.action import Action, Cause, Plan, Relation, relate
from crmd.scheduler.act.names import COMPLETED, notify_key, op_key
from crmd.scheduler.assign.colocation_lists import with_this_list
from crmd.scheduler.model import INFINITY, Colocation, Node, Resource, Role, Variant
from crmd.scheduler.order import collective_rules
from crmd.scheduler.order.effective import effective
from crmd.scheduler.order.flags import (
    ALWAYS,
    ASYM,
    BLOCK,
    CANCELS,
    ELSEREAL,
    F2T,
    F2T_NODE,
    G_FIRST,
    G_THEN,
    MIGGATE,
    MINRUN,
    NESTPROBE,
    OPTIONAL,
    ORD,
    RESTART,
    RUNNABLE,
    SAMENODE,
    T2F,
    T2F_PROM,
)
from crmd.scheduler.order.rules import (
    CHANGED_FIRST,
    CHANGED_THEN,
    group_rules,
    primitive_rules,
)

_STOP_GLUE = F2T | T2F | RESTART
_RECURSION = 1_000_000


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Room for long chains of relations; the limit is put back afterwards."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class Propagation:
    """One run of phase 15 over a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._seen: dict[tuple[int, int], int] = {}

    def effective(self, action: Action, node: Node | None) -> int:
        """Effective flags (12.8); a collective's are remembered until some flag changes."""
        rsc = action.rsc
        if rsc is None or rsc.variant is Variant.PRIMITIVE:
            return action.flags
        key = (action.id, -1 if node is None else node.index)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = effective(self.plan, action, node)
        return found

    def flags_changed(self) -> None:
        """Forget what was seen: an action's flags are no longer what they were."""
        self._seen.clear()

    def run(self) -> None:
        """Update every action, newest first."""
        for action in reversed(self.plan.actions[:]):
            self.update(action)

    # ---- 12.3 ---------------------------------------------------------------------------------

    def update(self, then: Action) -> None:
        """Bring `then` in line with everything before it, and pass on what changed."""
        before_flags = then.flags
        if then.needed_before > 0:
            then.seen_before = 0
            then.flags &= ~RUNNABLE
        changed_then = False
        befores = then.befores
        for i in range(len(befores) - 1, -1, -1):
            rel = befores[i]
            flags = rel.flags
            if flags == 0:
                continue
            changed_first = False
            first = rel.action
            fn = _node_of(first)
            tn = _node_of(then)
            if flags & SAMENODE and fn is not None and tn is not None and fn is not tn:
                rel.flags = 0
                continue
            if flags & CANCELS and first.rsc is not None and not then.flags & OPTIONAL:
                first.flags |= OPTIONAL
                self.flags_changed()
                if first.task == "reload-agent":
                    first.rsc.reload = False
            other = self._remap(first, then)
            if other is first:
                ff = self.effective(first, tn)
                tf = self.effective(then, fn)
                changed = self._apply(rel, first, then, ff, tf)
                if changed:
                    self.flags_changed()
                if changed & CHANGED_FIRST:
                    changed_first = True
                if changed & CHANGED_THEN:
                    changed_then = True
            elif relate(other, then, flags):
                changed_then = True
                rel.flags = 0
            if changed_first:
                for entry in first.afters[::-1]:
                    self.update(entry.action)
                self.update(first)
        if then.needed_before > 0:
            changed_then = then.flags != before_flags
        if changed_then:
            if before_flags & RUNNABLE and not then.flags & RUNNABLE:
                self.block_dependents(then)
            self.update(then)
            for entry in then.afters[::-1]:
                self.update(entry.action)

    # ---- 12.4 ---------------------------------------------------------------------------------

    def _remap(self, first: Action, then: Action) -> Action:
        """For a collective's start, the point at which it is complete."""
        a, b = first.rsc, then.rsc
        if a is None or b is None or a is b or a.variant is Variant.PRIMITIVE:
            return first
        parent = b.parent
        while parent is not None:
            if parent is a:
                return first
            parent = parent.parent
        if "notify" in first.key or "interval" in first.meta:
            return first
        task = first.task
        if task in ("monitor", "do_shutdown", "stonith"):
            return first
        task = COMPLETED.get(task, task)
        if a.notify and (a.variant >= Variant.CLONE or a.bundle is not None):
            key = notify_key(a.id, "confirmed-post", task)
        else:
            key = op_key(a.id, task)
        return self.plan.newest_key(a, key) or first

    # ---- 12.5 ---------------------------------------------------------------------------------

    def _apply(self, rel: Relation, first: Action, then: Action, ff: int, tf: int) -> int:
        node = then.node
        if rel.flags & F2T_NODE:
            rel.flags = (rel.flags & ~F2T_NODE) | F2T
            node = first.node
        flags = rel.flags
        if then.rsc is not None:
            changed = self._apply_to_resource(rel, then.rsc, first, then, node, ff)
            flags = rel.flags
        else:
            changed = self._apply_to_point(flags, first, then, node, ff)
        if flags & G_THEN and first.flags & RUNNABLE and not ff & OPTIONAL:
            then.flags |= ALWAYS
        if flags & G_FIRST and not tf & OPTIONAL:
            first.flags |= ALWAYS
        if (
            flags & _STOP_GLUE
            and first.task == "stop"
            and not first.flags & RUNNABLE
            and first.rsc is not None
            and not first.rsc.managed
            and first.rsc.blocked
            and then.flags & RUNNABLE
        ):
            then.flags &= ~RUNNABLE
            changed |= CHANGED_THEN
        return changed

    def _apply_to_resource(
        self, rel: Relation, rsc: Resource, first: Action, then: Action, node: Node | None, ff: int
    ) -> int:
        flags = rel.flags
        rules = self.rules_of
        changed = 0
        if flags & F2T:
            changed |= rules(rsc, first, then, node, ff & OPTIONAL, OPTIONAL, F2T)
        if flags & RESTART:
            changed |= rules(rsc, first, then, node, ff, OPTIONAL | RUNNABLE, RESTART)
        if flags & T2F:
            changed |= self._then_to_first(first, then, node, ff)
        if flags & T2F_PROM:
            changed |= rules(rsc, first, then, node, ff & OPTIONAL, OPTIONAL, T2F_PROM)
        if flags & MINRUN:
            changed |= rules(rsc, first, then, node, ff, RUNNABLE, MINRUN)
        if flags & NESTPROBE:
            if not ff & RUNNABLE and first.rsc is not None and first.rsc.active_on:
                rel.flags = flags = 0
            else:
                changed |= rules(rsc, first, then, node, ff, RUNNABLE, BLOCK)
        if flags & BLOCK:
            changed |= rules(rsc, first, then, node, ff, RUNNABLE, BLOCK)
        if flags & MIGGATE:
            changed |= rules(rsc, first, then, node, ff, OPTIONAL, MIGGATE)
        if flags & ELSEREAL:
            changed |= rules(rsc, first, then, node, ff, OPTIONAL, ELSEREAL)
        if flags & ORD:
            changed |= rules(rsc, first, then, node, ff, RUNNABLE, ORD)
        if flags & ASYM:
            changed |= rules(rsc, first, then, node, ff, RUNNABLE, ASYM)
        return changed

    def _then_to_first(self, first: Action, then: Action, node: Node | None, ff: int) -> int:
        if first.rsc is not None:
            return self.rules_of(first.rsc, first, then, node, ff, OPTIONAL, T2F)
        if not ff & OPTIONAL and first.flags & RUNNABLE:
            first.flags &= ~RUNNABLE
            return CHANGED_FIRST
        return 0

    def _apply_to_point(
        self, flags: int, first: Action, then: Action, node: Node | None, ff: int
    ) -> int:
        """`then` belongs to no resource: fencing, shutdown, "at least N of"."""
        changed = 0
        if flags & F2T and not ff & OPTIONAL and then.flags & OPTIONAL:
            then.flags &= ~OPTIONAL
            changed |= CHANGED_THEN
        if flags & T2F:
            changed |= self._then_to_first(first, then, node, ff)
        if flags & MINRUN and ff & RUNNABLE:
            then.seen_before += 1
            if then.seen_before >= then.needed_before and not then.flags & RUNNABLE:
                then.flags |= RUNNABLE
                changed |= CHANGED_THEN
        if flags & NESTPROBE and not ff & RUNNABLE:
            if first.rsc is None or not first.rsc.active_on:
                flags |= BLOCK
        if flags & BLOCK and not ff & RUNNABLE and then.flags & RUNNABLE:
            then.flags &= ~RUNNABLE
            changed |= CHANGED_THEN
        return changed

    def rules_of(
        self,
        rsc: Resource,
        first: Action,
        then: Action,
        node: Node | None,
        passed: int,
        filt: int,
        kind: int,
    ) -> int:
        """The method of the resource's variant for one relation flag (12.6)."""
        if rsc.variant <= Variant.GROUP and kind in (ORD, MINRUN):
            return 0
        if rsc.variant is Variant.PRIMITIVE:
            return primitive_rules(self, first, then, passed, filt, kind)
        if rsc.variant is Variant.GROUP:
            return group_rules(self, first, then, node, passed, filt, kind)
        return collective_rules.apply(self, first, then, node, passed, filt, kind)

    def compatible_by_assignment(self, match: Resource, collective: Resource) -> Resource | None:
        """The instance of a collective that belongs to `match`, by assigned nodes."""
        return collective_rules.compatible(self.plan.cluster, match, collective, current=False)

    # ---- 12.10 --------------------------------------------------------------------------------

    def block_dependents(self, act: Action) -> None:
        """Nothing may start beside something that cannot."""
        rsc = act.rsc
        if rsc is None or act.task not in ("start", "promote") or act.flags & RUNNABLE:
            return
        top = rsc.top
        if top.parent is not None:
            top = top.parent
        for child in top.children:
            part = self.plan.newest(child, act.task)
            if part is None or part.flags & RUNNABLE:
                return
        for colocation in with_this_list(top):
            self._block_one(act, colocation)

    def _block_one(self, act: Action, colocation: Colocation) -> None:
        if colocation.score < INFINITY:
            return
        if act.task == "promote" and colocation.primary_role is not Role.PROMOTED:
            return
        task = "promote" if colocation.dependent_role is Role.PROMOTED else "start"
        self._block(act, colocation.dependent, task)

    def _block(self, because: Action, dependent: Resource, task: str) -> None:
        assert because.rsc is not None
        for act in self.plan.newest_first(dependent):
            if act.task == task and act.flags & RUNNABLE:
                act.flags &= ~RUNNABLE
                self.flags_changed()
                act.causes.append(Cause("unrunnable beside", because))
                if act.reason is None:
                    act.reason = f"colocation with {because.rsc.id}"
                self.block_dependents(act)
                self.update(act)
        for child in dependent.children:
            self._block(because, child, task)


def _node_of(action: Action) -> Node | None:
    """Where the action happens; for a group's start, where the whole group is to go."""
    rsc = action.rsc
    if rsc is None or rsc.variant is not Variant.GROUP or action.task != "start":
        return action.node
    return sole_assigned(rsc)


def sole_assigned(rsc: Resource) -> Node | None:
    """The node to which all assigned parts go, if it is exactly one."""
    nodes: list[Node] = []
    _collect_assigned(rsc, nodes)
    return nodes[0] if len(nodes) == 1 else None


def _collect_assigned(rsc: Resource, nodes: list[Node]) -> None:
    if rsc.variant is Variant.PRIMITIVE:
        if rsc.assigned is not None and rsc.assigned not in nodes:
            nodes.append(rsc.assigned)
        return
    for child in rsc.children:
        _collect_assigned(child, nodes)
