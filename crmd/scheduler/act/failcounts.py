"""Clearing fail counts.

Source: scheduler-2-actions.md section 7.4.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.create import op
from crmd.scheduler.model import Node, Resource


def clear_failcount(plan: Plan, rsc: Resource, node: Node) -> Action:
    """The action that forgets the failures of a resource on a node."""
    act = op(plan, rsc, "clear_failcount", node, optional=False)
    act.meta["op_no_wait"] = "true"
    return act
