"""Relations that make probes finish before the things that depend on what they find.

Source: scheduler-2-actions.md section 12.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.scheduler.act.action import Action, Ordering, Plan, relate
from crmd.scheduler.act.names import op_key
from crmd.scheduler.act.parts import primitives
from crmd.scheduler.model import Resource, Variant
from crmd.scheduler.order.flags import (
    BLOCK,
    F2T,
    IF_UNMIG,
    LOOP,
    ORD,
    PSEUDO,
    REQ_SAMENODE,
    RUNNABLE,
    SAMENODE,
    SAMENODE_TGT,
)
from crmd.scheduler.order.relations import _task

if TYPE_CHECKING:
    from crmd.scheduler.order.propagate import Propagation


def order_probes(plan: Plan, propagation: Propagation) -> None:
    """All probe relations of 12.2, part A for every probe, then part B."""
    for top in plan.cluster.resources:
        for rsc in primitives(top):
            for probe in plan.find(rsc, op_key(rsc.id, "monitor"), None):
                _order_one(plan, propagation, rsc, probe)
    for ordering in plan.orderings[:]:
        _order_before_stops(plan, ordering)


def _order_one(plan: Plan, propagation: Propagation, rsc: Resource, probe: Action) -> None:
    for entry in probe.afters[::-1]:
        point = entry.action
        _inactive_instances(probe, rsc, entry.flags, point)
        marked: list[Action] = []
        _restarts(plan, propagation, rsc, probe, point, marked)
        for act in marked:
            act.flags &= ~LOOP


def _inactive_instances(probe: Action, rsc: Resource, flags: int, point: Action) -> None:
    """An unrunnable probe blocks starts of instances of its own collective (A1)."""
    collective = point.rsc
    if (
        collective is None
        or collective.variant < Variant.CLONE
        or probe.flags & RUNNABLE
        or flags & BLOCK
        or rsc.top is not collective
        or point.task != "start"
    ):
        return
    for entry in point.afters[::-1]:
        start = entry.action
        inst = start.rsc
        if (
            inst is not None
            and start.task == "start"
            and inst.top is collective
            and inst is not collective
            and not inst.active_on
        ):
            relate(probe, start, ORD | BLOCK)


def _restarts(
    plan: Plan,
    propagation: Propagation,
    rsc: Resource,
    probe: Action,
    point: Action,
    marked: list[Action],
) -> None:
    """What restarts because of the probed resource stops only after the probe (A2)."""
    if point.flags & LOOP:
        return
    point.flags |= LOOP
    marked.append(point)
    x = point.rsc
    if x is None:
        return
    if x.variant is Variant.PRIMITIVE and x is not rsc:
        undo = {"start": "stop", "promote": "demote"}.get(point.task)
        if undo is not None:
            for act in plan.find(x, op_key(x.id, undo), None):
                if not act.flags & PSEUDO:
                    relate(probe, act, ORD)
    partner: Resource | None = None
    interleave = False
    if x.variant >= Variant.CLONE and is_true(x.meta.get("interleave")):
        interleave = True
        partner = propagation.compatible_by_assignment(rsc, x)
    for entry in point.afters[::-1]:
        if entry.flags & F2T:
            _restarts(plan, propagation, rsc, probe, entry.action, marked)
            continue
        if x.variant < Variant.GROUP or x is rsc.parent:
            continue
        inst = entry.action.rsc
        if inst is None or inst.variant >= Variant.CLONE or inst.parent is not x:
            continue
        if interleave and inst is not partner:
            continue
        _restarts(plan, propagation, rsc, probe, entry.action, marked)


def is_true(text: str | None) -> bool:
    """Whether a meta-attribute says yes (part 1, 2.1)."""
    return text is not None and text.lower() in ("true", "on", "yes", "y", "1")


def _order_before_stops(plan: Plan, ordering: Ordering) -> None:
    """What waits for a stop also waits for the probes of the stopped resource (B)."""
    a, b = ordering.first_rsc, ordering.then_rsc
    if ordering.flags == 0 or a is None or a is b:
        return
    if ordering.first is not None:
        if ordering.first.task != "stop":
            return
    elif not (ordering.first_key or "").endswith("_stop_0"):
        return
    if a.launcher is not None and a.launcher is b:
        if _task(ordering.then, ordering.then_key) == "stop":
            return
    if ordering.flags in (REQ_SAMENODE, SAMENODE_TGT):
        flags = ordering.flags
    else:
        flags = ORD | (ordering.flags & (IF_UNMIG | SAMENODE))
    probes = plan.find(a, op_key(a.id, "monitor"), None)
    if not probes:
        return
    if ordering.then is not None:
        thens = [ordering.then]
    elif b is not None and ordering.then_key is not None:
        thens = plan.find(b, ordering.then_key, None)
    else:
        return
    for probe in probes:
        for then in thens:
            if then.task == "stonith":
                if then.meta.get("stonith_action") == "on" and then.node is probe.node:
                    continue
            elif then.task == "do_shutdown" and then.node is not probe.node:
                continue
            relate(probe, then, flags)
