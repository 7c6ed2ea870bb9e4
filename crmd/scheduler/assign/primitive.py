"""Assignment of a primitive.

Facts: scheduler-1-assignment.md 19.3, 19.5, 23.2.
"""

from __future__ import annotations

from cib.lexical import Role
from cib.scores import INFINITY
from crmd.scheduler.assign.choice import choose
from crmd.scheduler.assign.colocation import (
    Flags,
    any_available,
    apply_to_primitive,
    colocated_scores,
    factor_of,
)
from crmd.scheduler.assign.colocation_lists import has_influence, this_with_list, with_this_list
from crmd.scheduler.assign.placing import place
from crmd.scheduler.assign.report import report_table
from crmd.scheduler.assign.terms import table_before, tell_changes
from crmd.scheduler.assign.utilization import limit_by_capacity
from crmd.scheduler.assign.variants import APPLY, ASSIGN, apply_colocation, assign
from crmd.scheduler.model import Cluster, Colocation, Node, QuorumPolicy, Resource, Variant
from crmd.scheduler.unpack import tables
from crmd.scheduler.unpack.activity import current_node
from crmd.scheduler.unpack.operations import connection_node

_ACTIVE = Flags(active=True)
_ACTIVE_NONNEG = Flags(active=True, nonneg=True)


def assign_primitive(
    cluster: Cluster, rsc: Resource, prefer: Node | None, stop_if_fail: bool
) -> Node | None:
    """Choose a node for a primitive (19.3)."""
    parent = rsc.parent
    if parent is not None and not parent.assigning:
        assign(cluster, parent, prefer, stop_if_fail)
    if not rsc.unassigned:
        return rsc.assigned
    if rsc.assigning:
        return None
    rsc.assigning = True
    _apply_colocations(cluster, rsc)
    if rsc.next_role is Role.STOPPED:
        tables.ban_everywhere(cluster, rsc, "target-role or failure: to be stopped")
    elif (
        rsc.next_role > rsc.orig_role
        and not cluster.quorate
        and cluster.options.no_quorum_policy is QuorumPolicy.FREEZE
    ):
        rsc.next_role = rsc.orig_role
    report_table(cluster, "pcmk__primitive_assign", rsc)
    if cluster.options.fencing_enabled and not cluster.have_fence_devices:
        rsc.managed = False
    _remark(cluster, rsc)
    if not rsc.managed:
        rsc.next_role = rsc.orig_role
        place(cluster, rsc, current_node(rsc), forced=True, stop_if_fail=stop_if_fail)
    elif cluster.options.stop_all:
        place(cluster, rsc, None, forced=True, stop_if_fail=stop_if_fail)
    else:
        most = limit_by_capacity(cluster, rsc)
        chosen = choose(cluster, rsc, prefer or most, current_node(rsc))
        place(cluster, rsc, chosen, forced=False, stop_if_fail=stop_if_fail)
    rsc.assigning = False
    if rsc.is_remote_connection:
        _tell_remote_node(cluster, rsc)
    return rsc.assigned


def _remark(cluster: Cluster, rsc: Resource) -> None:
    """Tell the recorder what forbids a choice by score."""
    if cluster.explain is None:
        return
    if cluster.options.fencing_enabled and not cluster.have_fence_devices:
        cluster.explain.remark(rsc, "fencing is enabled and no device configured: all stays")
    elif not rsc.managed:
        cluster.explain.remark(rsc, "unmanaged, blocked or in maintenance: it stays as it is")
    elif cluster.options.stop_all:
        cluster.explain.remark(rsc, "stop-all-resources is set")


def _apply_colocations(cluster: Cluster, rsc: Resource) -> None:
    """Mandatory ones first, primaries before dependents (19.3.4, 19.3.5)."""
    primaries, dependents = list(this_with_list(rsc)), list(with_this_list(rsc))
    for mandatory in (True, False):
        for c in primaries:
            if (abs(c.score) >= INFINITY) is mandatory:
                _follow_primary(cluster, rsc, c)
        for c in dependents:
            if (abs(c.score) >= INFINITY) is mandatory:
                add_dependents_preferences(cluster, rsc, c)


def _follow_primary(cluster: Cluster, rsc: Resource, c: Colocation) -> None:
    """19.5: assign the primary, then let its place count; undo what leaves no node."""
    keep: dict[int, int] | None = None
    if c.dependent_role >= Role.PROMOTED or -INFINITY < c.score < 0:
        keep = dict(rsc.scores)
    if c.primary.unassigned:
        assign(cluster, c.primary, None, True)
    before = table_before(cluster, rsc)
    apply_colocation(cluster, rsc, c.primary, c)
    if keep is not None and not any_available(cluster, rsc.scores):
        rsc.scores = keep
    tell_changes(cluster, rsc, before, f"colocation {c.id} with {c.primary.id}")


def add_dependents_preferences(cluster: Cluster, primary: Resource, c: Colocation) -> None:
    """20.4: the primary listens to where its dependent would like to be."""
    if not has_influence(c):
        return
    flags = _ACTIVE_NONNEG if primary.clone is not None else _ACTIVE
    result = colocated_scores(
        cluster, c.dependent, primary, primary.scores, c, factor_of(c.score), flags
    )
    if result is not None:
        before = table_before(cluster, primary)
        primary.scores = result
        tell_changes(cluster, primary, before, f"colocation {c.id} with {c.dependent.id}")


def _tell_remote_node(cluster: Cluster, connection: Resource) -> None:
    """A connection's place decides whether its node can be used (23.2)."""
    node = connection_node(cluster, connection)
    if node is None:
        return
    if connection.assigned is not None and connection.next_role is not Role.STOPPED:
        node.online = True
        if not node.seen:
            node.unclean = False
    else:
        node.shutdown = True
    cluster.usable[node.index] = node.usable


ASSIGN[Variant.PRIMITIVE] = assign_primitive
APPLY[Variant.PRIMITIVE] = apply_to_primitive
