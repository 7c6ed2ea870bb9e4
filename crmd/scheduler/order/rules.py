"""What a relation does to its two actions when they belong to primitives or groups.

Source: scheduler-2-actions.md sections 12.6 and 12.7; the rule numbers below are those of 12.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crmd.scheduler.act.action import Action, Cause
from crmd.scheduler.model import Node, Role
from crmd.scheduler.order.flags import (
    ASYM,
    BLOCK,
    ELSEREAL,
    F2T,
    MIGGATE,
    MIGRATABLE,
    OPTIONAL,
    PSEUDO,
    RESTART,
    RUNNABLE,
    T2F,
    T2F_PROM,
)
from crmd.scheduler.order.relations import current_role

if TYPE_CHECKING:
    from crmd.scheduler.order.propagate import Propagation

CHANGED_FIRST: Final = 1
CHANGED_THEN: Final = 2

_WORDS: Final = {OPTIONAL: "required", RUNNABLE: "unrunnable", MIGRATABLE: "unmigrateable"}


def clear(action: Action, flag: int, because: Action) -> None:
    """Clear one flag of `action`, with a reason when another resource is to blame (12.7)."""
    if not action.flags & flag:
        return
    action.flags &= ~flag
    word = _WORDS[flag]
    other = because.rsc
    text = f"{word} {other.id} {because.task}" if other is not None else f"{word} {because.task}"
    action.causes.append(Cause(word, because))
    if action.rsc is not other and action.reason is None:
        action.reason = text


def primitive_rules(
    p: Propagation,
    first: Action,
    then: Action,
    passed: int,
    filt: int,
    kind: int,
) -> int:
    """Apply one relation flag `kind`; `passed` are first's effective flags (12.7)."""
    then_before, first_before = then.flags, first.flags
    if kind & ASYM:
        _asymmetric(first, then)
    if kind & T2F and not then.flags & OPTIONAL:
        if not passed & OPTIONAL:
            clear(first, OPTIONAL, then)
        if passed & MIGRATABLE and not then.flags & MIGRATABLE:
            clear(first, MIGRATABLE, then)
    if (
        kind & T2F_PROM
        and then.rsc is not None
        and then.rsc.orig_role is Role.PROMOTED
        and not then.flags & OPTIONAL
    ):
        clear(first, OPTIONAL, then)
        if first.flags & MIGRATABLE and not then.flags & MIGRATABLE:
            clear(first, MIGRATABLE, then)
    if kind & MIGGATE:
        if then.flags & (MIGRATABLE | RUNNABLE) != MIGRATABLE | RUNNABLE:
            clear(first, RUNNABLE, then)
        if not then.flags & OPTIONAL:
            clear(first, OPTIONAL, then)
    if kind & ELSEREAL and not first.flags & RUNNABLE:
        clear(then, MIGRATABLE, first)
        then.flags &= ~PSEUDO
    if kind & BLOCK and then.flags & RUNNABLE and not passed & RUNNABLE:
        clear(then, RUNNABLE, first)
        clear(then, MIGRATABLE, first)
    if (
        kind & F2T
        and then.flags & OPTIONAL
        and not passed & OPTIONAL
        and not first.flags & MIGRATABLE
    ):
        clear(then, OPTIONAL, first)
    if kind & RESTART:
        _restart(first, then, filt)

    changed = 0
    if then.flags != then_before or first.flags != first_before:
        p.flags_changed()
    if then.flags != then_before:
        changed |= CHANGED_THEN
        if then.rsc is not None and then.rsc.parent is not None:
            p.update(then)
    if first.flags != first_before:
        changed |= CHANGED_FIRST
    return changed


def _asymmetric(first: Action, then: Action) -> None:
    """Rule 1: a one-way order only forbids what is not so already."""
    if first.flags & RUNNABLE:
        return
    if then.flags & OPTIONAL:
        rsc = then.rsc
        if rsc is not None:
            state = current_role(rsc)
            if state is Role.STOPPED and then.task == "stop":
                return
            if (
                state >= Role.STARTED
                and then.task == "start"
                and len(rsc.active_on) == 1
                and then.node is not None
                and rsc.active_on[0] is then.node
            ):
                return
    clear(then, OPTIONAL, first)
    clear(then, RUNNABLE, first)


def _restart(first: Action, then: Action, filt: int) -> None:
    """Rule 8: a start that must happen makes the stop before it happen."""
    if (filt & OPTIONAL and not then.flags & OPTIONAL) or (
        filt & RUNNABLE
        and not then.flags & RUNNABLE
        and then.rsc is not None
        and then.rsc.managed
        and first.rsc is then.rsc
    ):
        pass
    else:
        return
    if first.flags & RUNNABLE:
        clear(first, OPTIONAL, then)
    if not then.flags & OPTIONAL:
        clear(first, OPTIONAL, then)
    if not then.flags & MIGRATABLE:
        clear(first, MIGRATABLE, then)
    if not first.flags & OPTIONAL and not first.flags & RUNNABLE:
        clear(then, RUNNABLE, first)


def group_rules(
    p: Propagation,
    first: Action,
    then: Action,
    node: Node | None,
    passed: int,
    filt: int,
    kind: int,
) -> int:
    """The primitive rules on the group's own action, then on each member's (12.6)."""
    changed = primitive_rules(p, first, then, passed, filt, kind)
    if then.rsc is None:
        return changed
    for member in then.rsc.children:
        act = p.plan.newest(member, then.task, node)
        if act is not None:
            changed |= p.rules_of(member, first, act, node, passed, filt, kind)
    return changed
