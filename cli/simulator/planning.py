"""The scheduler as the simulator uses it: one unpacked state, one plan.

Thin: every decision is made in `crmd.scheduler`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from lxml import etree

from crmd.scheduler import model
from crmd.scheduler.act.action import Plan as Actions
from crmd.scheduler.act.replay import replay
from crmd.scheduler.assign import apply_criteria
from crmd.scheduler.graph_dot import to_dot
from crmd.scheduler.graph_xml import to_exp_xml
from crmd.scheduler.pipeline import collector_paused, run_on
from crmd.scheduler.transition import Decision, Transition
from crmd.scheduler.unpack import unpack_constraints, unpack_status


def unpack(
    root: etree._Element, now: float, explain: model.Recorder | None = None
) -> model.Cluster:
    """The state of the cluster as the scheduler reads it; the CIB stays as it is.

    Failures in it change scores already: `explain` is told.
    """
    return unpack_own(copy.deepcopy(root), now, explain)


def unpack_own(
    root: etree._Element, now: float, explain: model.Recorder | None = None
) -> model.Cluster:
    """The same for a document that nobody else needs: it is changed."""
    with collector_paused():
        return unpack_status(root, now, explain)


STATUS_PHASE = 2
"""Requests up to this phase arise while the status is read."""


def status_messages(root: etree._Element, now: float) -> list[str]:
    """What there is to say about the state alone: unfencing that has become necessary.

    Works on a state of its own, since carrying out requests leaves traces in it.
    """
    cluster = unpack(root, now)
    cluster.requests = [r for r in cluster.requests if r.phase <= STATUS_PHASE]
    actions = Actions(cluster, sanitized=True)
    replay(actions)
    return actions.messages


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided."""

    cluster: model.Cluster
    actions: Actions
    decision: Decision

    @property
    def transition(self) -> Transition:
        """The graph."""
        return self.decision.transition

    @property
    def scores(self) -> list[str]:
        """Printed scores and utilization, in the order of events."""
        return self.cluster.score_lines

    @property
    def messages(self) -> tuple[str, ...]:
        """What the scheduler had to say on the way."""
        return self.decision.messages

    @property
    def summary(self) -> tuple[str, ...]:
        """What will change, one line each."""
        return self.decision.summary

    def graph_xml(self) -> bytes:
        """The graph as the controller's XML."""
        return to_exp_xml(self.transition)

    def dot(self, all_actions: bool) -> str:
        """The graph as Graphviz text."""
        return to_dot(self.actions, all_actions=all_actions)


def plan(
    cluster: model.Cluster, *, scores: bool, utilization: bool, explain: model.Recorder | None
) -> Plan:
    """Schedule an unpacked cluster (which is changed by it)."""
    cluster.record_scores = scores
    cluster.record_utilization = utilization
    cluster.explain = explain
    unpack_constraints(cluster)
    apply_criteria(cluster)
    ran = run_on(cluster, sanitized=True)
    return Plan(cluster, ran.plan, ran.decision)
