"""The operations that every kind of resource has during assignment, by variant.

Variants call each other without end (a primitive pulls a clone whose members pull a bundle), so
they meet in these two tables, which the modules of the variants fill when `assign` is imported.
Facts: scheduler-1-assignment.md 19.1, 20.5.
"""

from __future__ import annotations

from collections.abc import Callable

from cib.scores import add
from crmd.scheduler.model import Cluster, Colocation, Node, Resource, Variant

Assign = Callable[[Cluster, Resource, Node | None, bool], Node | None]
Apply = Callable[[Cluster, Resource, Resource, Colocation], int]

ASSIGN: dict[Variant, Assign] = {}
APPLY: dict[Variant, Apply] = {}


def assign(
    cluster: Cluster, rsc: Resource, prefer: Node | None = None, stop_if_fail: bool = True
) -> Node | None:
    """Choose the node of a resource; what it depends on goes first.  Returns the node, if one."""
    return ASSIGN[rsc.variant](cluster, rsc, prefer, stop_if_fail)


def apply_colocation(
    cluster: Cluster, dependent: Resource, primary: Resource, colocation: Colocation
) -> int:
    """Let the primary's place change the dependent's scores or priority (20.5).

    Returns what was added to the dependent's priority.
    """
    if dependent.group is not None:
        members = dependent.children[:1] if dependent.group.colocated else dependent.children
        total = 0
        for member in members:
            total += APPLY[primary.variant](cluster, member, primary, colocation)
        if total:
            dependent.priority = add(dependent.priority, total)
        return total
    return APPLY[primary.variant](cluster, dependent, primary, colocation)
