"""Assignment of a group, and a group as the primary of a colocation.

Facts: scheduler-1-assignment.md 21.1, 20.5.
"""

from __future__ import annotations

from crmd.scheduler.assign.report import report_table
from crmd.scheduler.assign.variants import APPLY, ASSIGN, apply_colocation, assign
from crmd.scheduler.model import INFINITY, Cluster, Colocation, Node, Resource, Variant


def assign_group(
    cluster: Cluster, group: Resource, prefer: Node | None, stop_if_fail: bool
) -> Node | None:
    """Members in order; answers the first member's node that is one (21.1)."""
    if not group.unassigned:
        return first_place(group)
    if group.assigning:
        return None
    if not group.children:
        group.unassigned = False
        return None
    group.assigning = True
    group.orig_role = group.children[0].orig_role
    report_table(cluster, "pcmk__group_assign", group)
    first: Node | None = None
    for member in group.children:
        node = assign(cluster, member, prefer, stop_if_fail)
        if first is None:
            first = node
    group.next_role = group.children[0].next_role
    group.assigning = group.unassigned = False
    if group.group is None or not group.group.colocated:
        return None
    return first


def first_place(rsc: Resource) -> Node | None:
    """The node of a primitive, or of the first member that has one."""
    if not rsc.children:
        return rsc.assigned
    return next((n for n in map(first_place, rsc.children) if n is not None), None)


def apply_to_group(cluster: Cluster, dependent: Resource, primary: Resource, c: Colocation) -> int:
    """A group as primary: its last member if mandatory, else its first (20.5)."""
    if primary.unassigned or not primary.children:
        return 0
    if primary.group is not None and primary.group.colocated:
        member = primary.children[-1] if c.score >= INFINITY else primary.children[0]
        return apply_colocation(cluster, dependent, member, c)
    if c.score >= INFINITY:
        cluster.warnings.append(
            f"colocation {c.id}: {c.dependent.id} cannot be mandatorily with {primary.id}, "
            "whose members need not be together; ignored"
        )
        return 0
    return sum(apply_colocation(cluster, dependent, m, c) for m in primary.children)


ASSIGN[Variant.GROUP] = assign_group
APPLY[Variant.GROUP] = apply_to_group
