"""The transition graph: which actions are in it, and what each of them waits for.

It writes neither XML (`graph_xml`) nor dot (`graph_dot`).
Source: scheduler-2-actions.md sections 13.1 - 13.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.scheduler.act.action import Action, Plan, Relation
from crmd.scheduler.act.notify import create_notifications
from crmd.scheduler.model import Node, Resource, Variant
from crmd.scheduler.order.effective import variant_flags
from crmd.scheduler.order.flags import (
    ALWAYS,
    DEDUPED,
    G_FIRST,
    G_THEN,
    GRAPHED,
    IF_UNMIG,
    MIGGATE,
    MIGRATABLE,
    MINRUN,
    ON_DC,
    OPTIONAL,
    ORD,
    PSEUDO,
    REQ_SAMENODE,
    RUNNABLE,
    SAMENODE_TGT,
)

_WEAK = G_FIRST | G_THEN | ORD


@dataclass(slots=True)
class GraphBuilder:
    """Collects synapses; each is an action and the actions it waits for."""

    plan: Plan
    synapses: list[tuple[Action, list[Action]]] = field(default_factory=list)

    def build(self) -> None:
        """All synapses in writing order (13.2)."""
        plan = self.plan
        for rsc in plan.cluster.resources:
            self._add_resource(rsc)
        changed = remote_maintenance_changes(plan.cluster.nodes)
        if changed:
            point = plan.pseudo("maintenance_nodes")
            point.flags |= ALWAYS
        for action in reversed(plan.actions[:]):
            self._add(action)

    def _add_own(self, rsc: Resource) -> None:
        for action in self.plan.newest_first(rsc):
            self._add(action)

    def _add_resource(self, rsc: Resource) -> None:
        if rsc.variant is Variant.CLONE:
            self._add_clone(rsc)
        elif rsc.bundle_facts is not None:
            if rsc.bundle_facts.clone is not None:
                self._add_resource(rsc.bundle_facts.clone)
            for replica in rsc.bundle_facts.replicas:
                for part in (replica.ip, replica.container, replica.remote):
                    if part is not None:
                        self._add_resource(part)
        else:
            self._add_own(rsc)
            for child in rsc.children:
                self._add_resource(child)

    def _add_clone(self, clone: Resource) -> None:
        for action in self.plan.newest_first(clone):
            variant_flags(self.plan, action, None)
        if clone.notify:
            create_notifications(self.plan, clone)
        for child in clone.children:
            self._add_resource(child)
        self._add_own(clone)

    def _add(self, action: Action) -> None:
        if action.flags & GRAPHED:
            return
        merge_befores(action)
        if not included(action):
            return
        action.flags |= GRAPHED
        inputs = []
        for entry in action.befores:
            if self._is_input(action, entry):
                entry.graphed = True
                inputs.append(entry.action)
        self.synapses.append((action, inputs))

    def _is_input(self, action: Action, entry: Relation) -> bool:
        return is_input(action, entry)


def remote_maintenance_changes(nodes: list[Node]) -> list[Node]:
    """Remote and guest nodes whose maintenance state is not the recorded one."""
    return [n for n in nodes if n.is_remote_kind and n.maintenance != n.remote_maint]


def merge_befores(action: Action) -> None:
    """Sort the entries by action id and merge those of one action (13.4); once per action."""
    if action.flags & DEDUPED:
        return
    action.flags |= DEDUPED
    merged: dict[int, Relation] = {}
    for entry in sorted(action.befores[::-1], key=lambda e: e.action.id):
        known = merged.get(entry.action.id)
        if known is None:
            merged[entry.action.id] = entry
        else:
            known.flags |= entry.flags
    action.befores = list(merged.values())


def included(action: Action) -> bool:
    """Whether an action belongs into the graph (13.3)."""
    flags = action.flags
    if not flags & RUNNABLE:
        return False
    if flags & OPTIONAL and not flags & ALWAYS:
        return False
    rsc = action.rsc
    if rsc is not None and not rsc.managed and action.task != "monitor":
        if action.meta.get("interval", "0") == "0":
            return False
    if flags & PSEUDO or action.task in ("stonith", "do_shutdown"):
        return True
    node = action.node
    if node is None:
        return False
    if flags & ON_DC or (node.is_guest and not node.remote_reset):
        return True
    return node.online and not node.unclean


def is_input(action: Action, entry: Relation) -> bool:
    """Whether an entry of an included action becomes an input (13.3)."""
    if entry.graphed:
        return True
    flags = entry.flags
    if flags == 0:
        return False
    first = entry.action
    if not first.flags & RUNNABLE:
        if not flags & ~_WEAK or flags & (MINRUN | MIGGATE):
            return False
    if flags & IF_UNMIG and first.flags & MIGRATABLE:
        return False
    if flags == ORD and first.flags & MIGRATABLE and first.key.endswith("_stop_0"):
        return False
    if flags == SAMENODE_TGT:
        return _load_allows(action, entry, first)
    if flags == REQ_SAMENODE:
        apart = first.node is not None and action.node is not None and first.node is not action.node
        if apart or first.flags & OPTIONAL:
            entry.flags = 0
            return False
        return True
    if _stop_of_failed(action, first):
        return False
    return not (
        first.flags & OPTIONAL and not first.flags & (ALWAYS | GRAPHED) and not included(first)
    )


def _load_allows(action: Action, entry: Relation, first: Action) -> bool:
    """Rule 6: capacity is freed on the node where it is wanted."""
    rsc = action.rsc
    if action.task == "migrate_to" and rsc is not None:
        fits = first.node is rsc.assigned
    else:
        fits = first.node is action.node and not first.flags & OPTIONAL
    if not fits:
        entry.flags = 0
    return fits


def _stop_of_failed(action: Action, first: Action) -> bool:
    """Rule 8."""
    a, b = first.rsc, action.rsc
    return (
        a is not None
        and a is not b
        and a.failed
        and not a.managed
        and first.key.endswith("_stop_0")
        and b is not None
        and b.variant is Variant.CLONE
    )
