"""Relations whose later action belongs to a clone or bundle, interleaving included.

Source: scheduler-2-actions.md section 12.9; compatible instances: scheduler-1-assignment.md 21.10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.scheduler.act.action import Action, relate
from crmd.scheduler.act.assignment import unassign
from crmd.scheduler.assign.choice import sort_nodes
from crmd.scheduler.assign.compatible import any_blocked, partners_of
from crmd.scheduler.model import Cluster, Node, Resource, Variant
from crmd.scheduler.order.effective import (
    effective,
    instance_task,
    instances_for,
    variant_flags,
)
from crmd.scheduler.order.flags import BLOCK, F2T, RUNNABLE
from crmd.scheduler.order.probes import is_true
from crmd.scheduler.order.rules import CHANGED_FIRST, CHANGED_THEN, primitive_rules

if TYPE_CHECKING:
    from crmd.scheduler.order.propagate import Propagation


def apply(
    p: Propagation,
    first: Action,
    then: Action,
    node: Node | None,
    passed: int,
    filt: int,
    kind: int,
) -> int:
    """One relation flag on a clone or bundle; what changed."""
    if _interleaved(first, then):
        return _apply_interleaved(p, first, then, node, filt, kind)
    rsc = then.rsc
    changed = primitive_rules(p, first, then, passed, filt, kind)
    if rsc is None:
        return changed
    for inst in instances_for(then, rsc) if rsc.variant >= Variant.CLONE else rsc.children:
        act = p.plan.newest(inst, then.task, node)
        if act is None or not variant_flags(p.plan, act, node) & RUNNABLE:
            continue
        inst_changed = p.rules_of(inst, first, act, node, passed, filt, kind)
        changed |= inst_changed
        if inst_changed & CHANGED_THEN:
            for entry in act.afters[::-1]:
                p.update(entry.action)
    return changed


def _interleaved(first: Action, then: Action) -> bool:
    a, b = first.rsc, then.rsc
    if a is None or b is None or a is b:
        return False
    if a.variant < Variant.CLONE or b.variant < Variant.CLONE:
        return False
    down = then.key.endswith(("_stop_0", "_demote_0"))
    return is_true((a if down else b).meta.get("interleave"))


def _apply_interleaved(
    p: Propagation, first: Action, then: Action, node: Node | None, filt: int, kind: int
) -> int:
    a, b = first.rsc, then.rsc
    assert a is not None and b is not None
    plan = p.plan
    current = first.key.endswith(("_stopped_0", "_demoted_0"))
    first_task = instance_task(first, a)
    changed = 0
    for then_inst in partners_of(b):
        first_inst = compatible(plan.cluster, then_inst, a, current=current)
        if first_inst is None:
            if not current and kind & (BLOCK | F2T):
                if unassign(plan, then_inst):
                    changed |= CHANGED_THEN
                p.flags_changed()
            continue
        first_act = _first_action(p, first_inst, first, first_task, node)
        then_act = _then_action(p, then_inst, then, node)
        if first_act is None or then_act is None:
            continue
        if relate(first_act, then_act, kind):
            changed |= CHANGED_FIRST | CHANGED_THEN
        flags = effective(plan, first_act, node)
        owner = then_act.rsc
        assert owner is not None
        changed |= p.rules_of(owner, first_act, then_act, node, flags, filt, kind)
    return changed


def _first_action(
    p: Propagation, inst: Resource, first: Action, task: str, node: Node | None
) -> Action | None:
    if (
        inst.replica_container
        and inst.replica is not None
        and first.task
        not in (
            "stop",
            "stopped",
        )
    ):
        child = inst.replica.child
        if child is not None:
            return p.plan.newest(child, task)
    return p.plan.newest(inst, task, node)


def _then_action(p: Propagation, inst: Resource, then: Action, node: Node | None) -> Action | None:
    if (
        inst.replica_container
        and inst.replica is not None
        and then.task
        in (
            "promote",
            "promoted",
            "demote",
            "demoted",
        )
    ):
        child = inst.replica.child
        if child is not None:
            return p.plan.newest(child, then.task)
    return p.plan.newest(inst, then.task, node)


def compatible(
    cluster: Cluster, match: Resource, collective: Resource, *, current: bool
) -> Resource | None:
    """The instance on the node of `match`, or on the best of its allowed nodes if it has none."""
    node = location(match, current=current)
    if node is not None:
        return _instance_on(collective, node, current=current)
    for index in sort_nodes(cluster, match.scores, None):
        candidate = cluster.nodes_by_index[index]
        found = _instance_on(collective, candidate, current=current)
        if found is not None:
            return found
    return None


def _instance_on(collective: Resource, node: Node, *, current: bool) -> Resource | None:
    for inst in partners_of(collective):
        if location(inst, current=current) is node and not any_blocked(inst):
            return inst
    return None


def location(rsc: Resource, *, current: bool) -> Node | None:
    """Where the resource is (or will be), if that is exactly one node."""
    nodes: list[Node] = []
    _collect(rsc, nodes, current)
    return nodes[0] if len(nodes) == 1 else None


def _collect(rsc: Resource, nodes: list[Node], current: bool) -> None:
    if rsc.children:
        for child in rsc.children:
            _collect(child, nodes, current)
        return
    for node in rsc.active_on if current else ([rsc.assigned] if rsc.assigned else []):
        if node not in nodes:
            nodes.append(node)
