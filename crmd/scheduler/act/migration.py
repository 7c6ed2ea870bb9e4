"""Live migration: may the resource migrate, and the actions that do it.

Source: scheduler-2-actions.md section 10.6.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Plan
from crmd.scheduler.act.create import op
from crmd.scheduler.model import Node, Resource
from crmd.scheduler.order.flags import ELSEREAL, MIGGATE, MIGRATABLE, ORD, PSEUDO
from crmd.scheduler.order.relations import order


def may_migrate(rsc: Resource, current: Node | None) -> bool:
    """Whether moving from `current` to the assigned node can be a live migration."""
    return (
        rsc.migratable
        and rsc.managed
        and not rsc.failed
        and not rsc.start_pending
        and current is not None
        and not current.unclean
        and rsc.assigned is not None
        and not rsc.assigned.unclean
    )


def create_migration(plan: Plan, rsc: Resource, current: Node) -> None:
    """migrate_to, migrate_from, and how they replace stop and start."""
    target = rsc.assigned
    assert target is not None
    start = op(plan, rsc, "start", target, optional=True)
    stop = op(plan, rsc, "stop", current, optional=True)
    partial = rsc.partial_tgt is not None
    to = None
    if not partial:
        to = op(plan, rsc, "migrate_to", current, optional=True)
    from_ = op(plan, rsc, "migrate_from", target, optional=True)
    start.flags |= MIGRATABLE | PSEUDO
    stop.flags |= MIGRATABLE
    from_.flags |= MIGRATABLE
    if to is not None:
        to.flags |= MIGRATABLE
        to.needs = start.needs
        order(plan, rsc, "monitor", rsc, "migrate_to", ORD)
        order(plan, rsc, "migrate_to", rsc, "migrate_from", ORD | MIGGATE)
    else:
        from_.needs = start.needs
        order(plan, rsc, "monitor", rsc, "migrate_from", ORD)
    order(plan, rsc, "migrate_from", rsc, "stop", ORD | MIGGATE)
    order(plan, rsc, "migrate_from", rsc, "start", ORD | MIGGATE | ELSEREAL)
    for act in (to, from_):
        if act is not None:
            act.meta["migrate_source"] = current.name
            act.meta["migrate_target"] = target.name
    if to is not None and not rsc.is_remote_connection:
        to.meta["record-pending"] = "true"
