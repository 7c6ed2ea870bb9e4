"""Orderings that the configuration asks for: `rsc_order`, and anti-colocations.

Source: scheduler-2-actions.md section 5.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

from lxml import etree

from cib import scores
from cib.lexical import integer_at_least, parse_boolean
from crmd.scheduler.act.action import Plan
from crmd.scheduler.act.names import op_key
from crmd.scheduler.model import INFINITY, Colocation, Resource, Role, Variant
from crmd.scheduler.order.flags import (
    ASYM,
    BLOCK,
    F2T,
    G_THEN,
    MINRUN,
    ORD,
    REQ_SAMENODE,
    SERIAL,
    T2F,
)
from crmd.scheduler.order.relations import order, order_action_key, order_key_action
from crmd.scheduler.unpack.references import resource_named, resource_sets

_INVERSE: Final = {
    "start": "stop",
    "stop": "start",
    "promote": "demote",
    "demote": "promote",
    "promoted": "demoted",
    "demoted": "promoted",
    "running": "stopped",
    "stopped": "running",
}


@dataclass(frozen=True, slots=True)
class Manner:
    """Kind and symmetry of an order: what it means forwards and backwards (5.1)."""

    kind: str
    symmetric: bool

    def forward(self, first_task: str) -> int:
        """Flags of the order as written."""
        if self.kind == "Optional":
            return ORD
        if self.kind == "Serialize":
            return SERIAL
        if not self.symmetric:
            return ORD | ASYM
        block = BLOCK if first_task in ("start", "promote", "migrate_from") else 0
        return ORD | F2T | block

    @property
    def backward(self) -> int:
        """Flags of the reverse order; only for symmetric ones."""
        return ORD if self.kind == "Optional" else ORD | T2F


def _kind(plan: Plan, element: etree._Element) -> str:
    kind = element.get("kind")
    if kind is not None:
        if kind in ("Mandatory", "Optional", "Serialize"):
            return kind
        plan.warnings.append(
            f"order {element.get('id')}: kind '{kind}' is none of Mandatory, Optional, "
            "Serialize; taken as Mandatory"
        )
        return "Mandatory"
    score = element.get("score")
    if score is not None and scores.parse(score, 0) == 0:
        return "Optional"
    return "Mandatory"


def _manner(
    plan: Plan, element: etree._Element, parent: Manner | None, parent_sym: str | None
) -> Manner:
    if parent is not None and element.get("kind") is None and element.get("score") is None:
        kind = parent.kind
    else:
        kind = _kind(plan, element)
    text = element.get("symmetrical", parent_sym)
    wanted = None if text is None else parse_boolean(text)
    symmetric = kind != "Serialize" if wanted is None else wanted
    if kind == "Serialize" and symmetric:
        symmetric = False
    return Manner(kind, symmetric)


def _resource(plan: Plan, ref: str | None) -> Resource | None:
    """The resource that a constraint names; an instance stands for its clone."""
    return None if ref is None else resource_named(plan.cluster, ref)


def unpack_order(plan: Plan, element: etree._Element) -> None:
    """One `rsc_order`, simple or with sets."""
    sets = resource_sets(plan.cluster, element)
    manner = _manner(plan, element, None, None)
    if sets:
        _unpack_sets(plan, element, sets, manner)
    else:
        _unpack_simple(plan, element, manner)


def _unpack_simple(plan: Plan, element: etree._Element, manner: Manner) -> None:
    first, then = _resource(plan, element.get("first")), _resource(plan, element.get("then"))
    if first is None or then is None:
        missing = "first" if first is None else "then"
        plan.warnings.append(
            f"order {element.get('id')}: no resource '{element.get(missing)}' ({missing}); ignored"
        )
        return
    first_task = element.get("first-action") or "start"
    then_task = element.get("then-action") or first_task
    needed = 0
    if first.variant is Variant.CLONE:
        if "clone-min" in first.meta:
            needed = integer_at_least(first.meta["clone-min"], 0)
        elif parse_boolean(element.get("require-all", "true")) is False:
            needed = 1
    flags = manner.forward(first_task)
    if needed > 0:
        _order_at_least(plan, element, first, first_task, then, then_task, needed, flags)
    else:
        order(plan, first, first_task, then, then_task, flags)
    if not manner.symmetric:
        return
    first_inverse, then_inverse = _INVERSE.get(first_task), _INVERSE.get(then_task)
    if first_inverse is None or then_inverse is None:
        plan.warnings.append(
            f"order {element.get('id')}: {first_task} then {then_task} has no reverse; "
            "only the order as written applies"
        )
        return
    order(plan, then, then_inverse, first, first_inverse, manner.backward)


def _order_at_least(
    plan: Plan,
    element: etree._Element,
    first: Resource,
    first_task: str,
    then: Resource,
    then_task: str,
    needed: int,
    flags: int,
) -> None:
    point = plan.pseudo(f"clone-one-or-more:{element.get('id')}")
    point.needed_before = needed
    for child in first.children:
        order_key_action(plan, child, op_key(child.id, first_task), point, MINRUN | G_THEN)
    order_action_key(plan, point, then, op_key(then.id, then_task), flags | BLOCK)


# ---- sets (5.3) ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderSet:
    """One `resource_set` of an order."""

    id: str
    resources: tuple[Resource, ...]
    task: str
    sequential: bool
    """Default true: order inside the set."""
    explicit_sequential: bool
    """`sequential` is written and true: the set has a representative."""
    require_all: bool


def _unpack_sets(
    plan: Plan, element: etree._Element, sets: list[etree._Element], manner: Manner
) -> None:
    previous: OrderSet | None = None
    for resolved in sets:
        found = _read_set(plan, element, resolved)
        if found is None:
            return
        own = _manner(plan, resolved, manner, element.get("symmetrical"))
        _order_inside(plan, found, own)
        if previous is not None:
            _order_sets(plan, previous, found, manner, invert=False)
            if manner.symmetric:
                _order_sets(plan, found, previous, manner, invert=True)
        previous = found


def _read_set(plan: Plan, element: etree._Element, block: etree._Element) -> OrderSet | None:
    members = []
    for ref in block.iterchildren("resource_ref"):
        rsc = _resource(plan, ref.get("id"))
        if rsc is None:
            plan.warnings.append(
                f"order {element.get('id')}: set {block.get('id')} names no resource "
                f"'{ref.get('id')}'; the rest of the order is ignored"
            )
            return None
        members.append(rsc)
    sequential = block.get("sequential")
    return OrderSet(
        block.get("id", ""),
        tuple(members),
        block.get("action") or "start",
        parse_boolean(sequential if sequential is not None else "true") is not False,
        sequential is not None and parse_boolean(sequential) is True,
        parse_boolean(block.get("require-all", "true")) is not False,
    )


def _order_inside(plan: Plan, block: OrderSet, manner: Manner) -> None:
    members = block.resources
    if len(members) == 1:
        return
    flags = manner.forward(block.task)
    if manner.kind == "Serialize":
        for i, first in enumerate(members):
            for then in members[i + 1 :]:
                order(plan, first, block.task, then, block.task, flags)
        return
    if not block.sequential:
        return
    for first, then in itertools.pairwise(members):
        order(plan, first, block.task, then, block.task, flags)
    if not manner.symmetric:
        return
    inverse = _INVERSE.get(block.task)
    if inverse is None:
        return
    for first, then in itertools.pairwise(members):
        order(plan, then, inverse, first, inverse, manner.backward)


def _order_sets(plan: Plan, x: OrderSet, y: OrderSet, manner: Manner, *, invert: bool) -> None:
    x_task, y_task = x.task, y.task
    require_all = x.require_all
    if invert:
        inverse_x, inverse_y = _INVERSE.get(x_task), _INVERSE.get(y_task)
        if inverse_x is None or inverse_y is None:
            return
        x_task, y_task = inverse_x, inverse_y
    if x_task in ("stop", "demote"):
        require_all = True
    flags = manner.backward if invert else manner.forward(x_task)
    if not require_all:
        point = plan.pseudo(f"one-or-more:{x.id}")
        point.needed_before = 1
        for rsc in x.resources:
            order_key_action(plan, rsc, op_key(rsc.id, x_task), point, MINRUN | G_THEN)
        for rsc in y.resources:
            order_action_key(plan, point, rsc, op_key(rsc.id, y_task), flags | BLOCK)
        return
    firsts = x.resources
    if x.explicit_sequential and firsts:
        firsts = (firsts[0] if invert else firsts[-1],)
    thens = y.resources
    if y.explicit_sequential and thens:
        thens = (thens[-1] if invert else thens[0],)
    for first in firsts:
        for then in thens:
            order(plan, first, x_task, then, y_task, flags)


# ---- anti-colocation (5.4) ----------------------------------------------------------------------


def order_colocation(plan: Plan, colocation: Colocation) -> None:
    """Resources that must be apart leave a node before the other comes there."""
    if colocation.score > -INFINITY:
        return
    a, b = colocation.dependent, colocation.primary
    _apart(plan, a, colocation.dependent_role, b, colocation.primary_role)
    _apart(plan, b, colocation.primary_role, a, colocation.dependent_role)


def _apart(plan: Plan, first: Resource, first_role: Role, then: Resource, then_role: Role) -> None:
    firsts = ["demote" if first_role is Role.PROMOTED else "stop"]
    if first_role is Role.UNPROMOTED:
        firsts.append("promote")
    thens = ["promote" if then_role is Role.PROMOTED else "start"]
    if then_role is Role.UNPROMOTED:
        thens.append("demote")
    for first_task in firsts:
        for then_task in thens:
            order(plan, first, first_task, then, then_task, REQ_SAMENODE)
