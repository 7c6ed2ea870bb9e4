"""The pipeline: CIB in, decision out.

Stages and their order: scheduler-1-assignment.md section 3, scheduler-2-actions.md section 2.
Nothing here reads a clock; `now` is an argument.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lxml import etree

from cib import scores
from cib.upgrade import upgrade
from crmd.scheduler.act.action import Plan
from crmd.scheduler.act.changes import check_configuration, check_deferred
from crmd.scheduler.act.collective import create_actions
from crmd.scheduler.act.fence_orders import schedule_fencing_and_shutdown
from crmd.scheduler.act.probes import clear_removed_failcounts, schedule_probes
from crmd.scheduler.act.remote import order_remote_connections
from crmd.scheduler.act.replay import replay
from crmd.scheduler.assign import add_internal_constraints, apply_criteria, assign_all
from crmd.scheduler.assign.report import report_capacities
from crmd.scheduler.graph import GraphBuilder
from crmd.scheduler.graph_actions import build_transition
from crmd.scheduler.model import Cluster, Recorder
from crmd.scheduler.order.cycles import has_order_cycle
from crmd.scheduler.order.internal import order_internally
from crmd.scheduler.order.invalid import drop_invalid_relations
from crmd.scheduler.order.probes import order_probes
from crmd.scheduler.order.propagate import Propagation, deep_recursion
from crmd.scheduler.order.relations import resolve
from crmd.scheduler.report.causes import causes_of_actions
from crmd.scheduler.report.summary import layout, summarize
from crmd.scheduler.transition import Decision, ScoreLine
from crmd.scheduler.unpack import unpack

_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
    remove_blank_text=True, remove_comments=True, remove_pis=True,
)  # fmt: skip

LAST_DATE = 253_402_300_799
"""The last second of the year 9999."""


def parse(cib: bytes) -> etree._Element:
    """The document, upgraded to the newest schema in memory.

    Raises lxml.etree.XMLSyntaxError and cib.upgrade.UpgradeError.
    """
    return upgrade(etree.fromstring(cib, _PARSER), in_place=True).root


def effective_now(cib: etree._Element, now: float) -> float:
    """`execution-date` of the CIB if it has one before the year 10,000, else `now` (3.2)."""
    text = cib.get("execution-date", "")
    if not scores.is_number(text):
        return now
    date = scores.integer(text)
    return float(date) if date <= LAST_DATE else now


def read(
    cib: bytes, now: float, *, record_scores: bool = False, explain: Recorder | None = None
) -> Cluster:
    """Configuration and status as a working set, criteria applied (phases 1 - 5)."""
    cluster = unpack(parse(cib), now, explain)
    cluster.record_scores = record_scores
    apply_criteria(cluster)
    return cluster


def assign(cluster: Cluster) -> None:
    """Choose nodes and roles (phases 6 and 8, as far as scores are concerned)."""
    with deep_recursion():
        add_internal_constraints(cluster)
        report_capacities(cluster, "Original")
        assign_all(cluster)
        report_capacities(cluster, "Remaining")


@dataclass(slots=True)
class Run:
    """One scheduling run, kept for those who want to see more than the decision."""

    plan: Plan
    decision: Decision


def plan_actions(cluster: Cluster, *, sanitized: bool = False) -> Plan:
    """Phases 6 to 15 on an unpacked cluster."""
    plan = Plan(cluster, sanitized=sanitized)
    with deep_recursion():
        done = replay(plan)
        for rsc in cluster.resources:
            order_internally(plan, rsc)
        check_configuration(plan)
        assign(cluster)
        replay(plan, done)
        check_deferred(plan)
        schedule_probes(plan)
        clear_removed_failcounts(plan)
        for rsc in cluster.resources:
            create_actions(plan, rsc)
        order_remote_connections(plan)
        schedule_fencing_and_shutdown(plan)
        resolve_orderings(plan)
    return plan


def resolve_orderings(plan: Plan) -> None:
    """Phase 15: orderings become relations, and relations do their work."""
    resolve(plan)
    propagation = Propagation(plan)
    for action in reversed(plan.actions[:]):
        propagation.block_dependents(action)
    order_probes(plan, propagation)
    propagation.run()
    drop_invalid_relations(plan)


def finish(plan: Plan) -> Decision:
    """Phases 16 and 17: the summary and the graph."""
    summarize(plan)
    builder = GraphBuilder(plan)
    with deep_recursion():
        builder.build()
    transition = build_transition(plan, builder)
    if has_order_cycle(plan):
        from crmd.scheduler.dependencies import cycle_warnings, dependency_graph

        plan.warnings += cycle_warnings(dependency_graph(plan))
    unreadable = plan.cluster.attributes.recheck.unreadable
    plan.warnings += [
        f"date_expression {ident}: {what}; it never passes" for ident, what in unreadable.items()
    ]
    return Decision(
        transition=transition,
        warnings=(*plan.cluster.warnings, *plan.warnings),
        reasons=causes_of_actions(plan),
        scores=tuple(ScoreLine(line) for line in plan.cluster.score_lines),
        summary=layout(summarize(plan)),
        messages=tuple(plan.messages),
    )


def run(
    cib: bytes,
    now: float,
    *,
    record_scores: bool = False,
    explain: Recorder | None = None,
    sanitized: bool = False,
) -> Run:
    """Schedule, and keep the plan.  `sanitized`: the CIB may lack private parameters.

    Raises lxml.etree.XMLSyntaxError and cib.upgrade.UpgradeError.
    """
    with collector_paused():
        cluster = read(cib, now, record_scores=record_scores, explain=explain)
        return run_on(cluster, sanitized=sanitized)


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: a run makes many objects and next to no garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def run_on(cluster: Cluster, *, sanitized: bool = False) -> Run:
    """Schedule on a working set that `read` made; a set can be used once."""
    with collector_paused():
        plan = plan_actions(cluster, sanitized=sanitized)
        return Run(plan, finish(plan))


def schedule(cib: bytes, now: float) -> Decision:
    """What the cluster should do next.  `now`: seconds since the epoch."""
    return run(cib, now).decision
