"""Assignment of a clone.

Facts: scheduler-1-assignment.md 21.2.
"""

from __future__ import annotations

from crmd.scheduler.assign import promotable
from crmd.scheduler.assign.colocation_lists import this_with_list, with_this_list
from crmd.scheduler.assign.instances import assign_instances, sort_instances
from crmd.scheduler.assign.primitive import add_dependents_preferences
from crmd.scheduler.assign.report import report_table
from crmd.scheduler.assign.variants import ASSIGN, assign
from crmd.scheduler.model import Cluster, Node, Resource, Variant


def assign_clone(
    cluster: Cluster, clone: Resource, prefer: Node | None, stop_if_fail: bool
) -> Node | None:
    """Assign all instances, and their roles in a promotable clone (21.2)."""
    facts = clone.clone
    if not clone.unassigned or clone.assigning or facts is None:
        return None
    clone.assigning = True
    if clone.promotable:
        promotable.add_promotion_scores(cluster, clone)
    for c in list(this_with_list(clone)):
        assign(cluster, c.primary, prefer, stop_if_fail)
    for c in list(with_this_list(clone)):
        add_dependents_preferences(cluster, clone, c)
    report_table(cluster, "pcmk__clone_assign", clone)
    clone.children = sort_instances(cluster, clone.children)
    assign_instances(cluster, clone, clone.children, facts.max, facts.node_max)
    if clone.promotable:
        promotable.choose_roles(cluster, clone)
    clone.assigning = clone.unassigned = False
    return None


ASSIGN[Variant.CLONE] = assign_clone
