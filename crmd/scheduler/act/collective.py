"""Actions of groups, clones and bundles: their parts' first, then their own points.

Source: scheduler-2-actions.md section 10.5.
"""

from __future__ import annotations

from dataclasses import dataclass

from crmd.scheduler.act.action import Plan
from crmd.scheduler.act.create import collective_point
from crmd.scheduler.act.notify import order_points, promotion_points, start_stop_points
from crmd.scheduler.act.parts import primitives
from crmd.scheduler.act.primitive import create_primitive_actions
from crmd.scheduler.model import INFINITY, Resource, Variant
from crmd.scheduler.order.flags import MIGRATABLE, OPTIONAL, PSEUDO, RUNNABLE
from crmd.scheduler.order.probes import is_true


@dataclass(slots=True)
class InstanceState:
    """What the instances of a collective are about to do, taken together."""

    active: bool = False
    starting: bool = False
    stopping: bool = False
    restarting: bool = False


def create_actions(plan: Plan, rsc: Resource) -> None:
    """Phase 12 for one resource of any variant."""
    match rsc.variant:
        case Variant.PRIMITIVE:
            create_primitive_actions(plan, rsc)
        case Variant.GROUP:
            _create_group(plan, rsc)
        case Variant.CLONE:
            _create_clone(plan, rsc)
        case Variant.BUNDLE:
            _create_bundle(plan, rsc)


def _create_group(plan: Plan, group: Resource) -> None:
    for member in group.children:
        create_actions(plan, member)
    tasks = ["start", "running", "stop", "stopped"]
    if is_true(group.meta.get("promotable")):
        tasks += ["demote", "demoted", "promote", "promoted"]
    for task in tasks:
        collective_point(plan, group, task, optional=True, runnable=True)


def _observe(plan: Plan, inst: Resource, state: InstanceState) -> None:
    for rsc in primitives(inst):
        if rsc.active_on:
            state.active = True
        starting = stopping = False
        for act in plan.newest_first(rsc):
            if act.flags & OPTIONAL:
                continue
            if act.task == "start":
                if act.flags & RUNNABLE:
                    starting = True
            elif act.task == "stop" and act.flags & (PSEUDO | RUNNABLE):
                stopping = True
        state.starting |= starting
        state.stopping |= stopping
        state.restarting |= starting and stopping


def _create_points(plan: Plan, rsc: Resource, instances: list[Resource]) -> None:
    """The points start, running, stop, stopped over the instances' actions."""
    state = InstanceState()
    for inst in instances:
        create_actions(plan, inst)
        _observe(plan, inst, state)
    start = collective_point(plan, rsc, "start", optional=not state.starting, runnable=True)
    started = collective_point(
        plan,
        rsc,
        "running",
        optional=not state.starting,
        runnable=state.active or state.starting,
    )
    started.priority = INFINITY
    stop = collective_point(plan, rsc, "stop", optional=not state.stopping, runnable=True)
    stopped = collective_point(plan, rsc, "stopped", optional=not state.stopping, runnable=True)
    stopped.priority = INFINITY
    if not state.restarting:
        stop.flags |= MIGRATABLE
    if rsc.variant is Variant.CLONE:
        start_stop_points(plan, rsc, start, started, stop, stopped)


def _create_clone(plan: Plan, clone: Resource) -> None:
    _create_points(plan, clone, clone.children)
    if clone.promotable:
        _create_promotion(plan, clone)
        for inst in clone.children:
            inst.priority = clone.priority


def _create_promotion(plan: Plan, clone: Resource) -> None:
    demoting = promoting = False
    for inst in clone.children:
        create_actions(plan, inst)
        for rsc in primitives(inst):
            for act in plan.newest_first(rsc):
                if act.flags & OPTIONAL:
                    continue
                if act.task == "demote":
                    demoting = True
                elif act.task == "promote":
                    promoting = True
    promote = collective_point(plan, clone, "promote", optional=not promoting, runnable=True)
    promoted = collective_point(plan, clone, "promoted", optional=not promoting, runnable=True)
    promoted.priority = INFINITY
    promotion_points(plan, clone, "promote", promote, promoted)
    demote = collective_point(plan, clone, "demote", optional=not demoting, runnable=True)
    demoted = collective_point(plan, clone, "demoted", optional=not demoting, runnable=True)
    demoted.priority = INFINITY
    promotion_points(plan, clone, "demote", demote, demoted)
    order_points(plan, clone)


def _create_bundle(plan: Plan, bundle: Resource) -> None:
    facts = bundle.bundle_facts
    assert facts is not None
    for replica in facts.replicas:
        for rsc in (replica.ip, replica.container, replica.remote):
            if rsc is not None:
                create_actions(plan, rsc)
    _create_points(plan, bundle, [replica.container for replica in facts.replicas])
    if facts.clone is None:
        return
    create_actions(plan, facts.clone)
    if facts.clone.promotable:
        for task in ("promote", "promoted", "demote", "demoted"):
            point = collective_point(plan, bundle, task, optional=True, runnable=True)
            if task in ("promoted", "demoted"):
                point.priority = INFINITY
