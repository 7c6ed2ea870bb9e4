"""Which colocations count for a resource: its own and those of what it is part of.

Facts: scheduler-1-assignment.md 20.1, with the merge quirk of 29.1.
"""

from __future__ import annotations

from collections.abc import Callable

from crmd.scheduler.model import INFINITY, Colocation, Resource, Variant
from crmd.scheduler.unpack.colocations import insert_by_dependent, insert_by_primary

Insert = Callable[[list[Colocation], Colocation], None]


def this_with_list(rsc: Resource) -> list[Colocation]:
    """Colocations in which the resource is the dependent; not to be changed."""
    if rsc.parent is None and rsc.variant is not Variant.GROUP:
        return rsc.this_with
    found: list[Colocation] = []
    _ask_this_with(rsc, rsc, found)
    return found


def with_this_list(rsc: Resource) -> list[Colocation]:
    """Colocations in which the resource is the primary; not to be changed."""
    if rsc.parent is None and rsc.variant is not Variant.GROUP:
        return rsc.with_this
    found: list[Colocation] = []
    _ask_with_this(rsc, rsc, found)
    return found


def _add_list(into: list[Colocation], more: list[Colocation], insert: Insert) -> None:
    """The reference's merge: the first element of `more`, once for each of its elements."""
    if not into:
        into.extend(more)
        return
    for _ in more:
        insert(into, more[0])


def _ask_this_with(rsc: Resource, origin: Resource, into: list[Colocation]) -> None:
    match rsc.variant:
        case Variant.PRIMITIVE:
            if rsc is origin:
                _add_list(into, rsc.this_with, insert_by_primary)
                if rsc.parent is not None:
                    _ask_this_with(rsc.parent, origin, into)
            else:
                for c in rsc.this_with:
                    if c.explicit:
                        insert_by_primary(into, c)
        case Variant.GROUP:
            _ask_group_this_with(rsc, origin, into)
        case Variant.CLONE:
            _add_list(into, rsc.this_with, insert_by_primary)
            if rsc.parent is not None:
                _ask_this_with(rsc.parent, origin, into)
        case Variant.BUNDLE:
            if _bundle_answers(rsc, origin):
                _add_list(into, rsc.this_with, insert_by_primary)


def _ask_group_this_with(group: Resource, origin: Resource, into: list[Colocation]) -> None:
    members = group.children
    if origin is group or (members and origin is members[0]):
        _add_list(into, group.this_with, insert_by_primary)
        if group.parent is not None:
            _ask_this_with(group.parent, origin, into)
        if group.group is not None and group.group.colocated:
            for member in members:
                if member is not origin and member.this_with:
                    _ask_this_with(member, origin, into)
        return
    for member in members:
        if member is origin:
            return
        if not member.managed:
            for c in group.this_with:
                if c.score == INFINITY:
                    insert_by_primary(into, c)
            return


def _ask_with_this(rsc: Resource, origin: Resource, into: list[Colocation]) -> None:
    match rsc.variant:
        case Variant.PRIMITIVE:
            if rsc is origin:
                _add_list(into, rsc.with_this, insert_by_dependent)
                if rsc.parent is not None:
                    _ask_with_this(rsc.parent, origin, into)
            else:
                for c in rsc.with_this:
                    if c.explicit:
                        insert_by_dependent(into, c)
        case Variant.GROUP:
            members = rsc.children
            if origin is not rsc and (not members or origin is not members[-1]):
                return
            _add_list(into, rsc.with_this, insert_by_dependent)
            if rsc.parent is not None:
                _ask_with_this(rsc.parent, origin, into)
            if rsc.group is not None and rsc.group.colocated:
                for member in members:
                    if member is not origin and member.with_this:
                        _ask_with_this(member, origin, into)
        case Variant.CLONE:
            _add_list(into, rsc.with_this, insert_by_dependent)
            if rsc.parent is not None:
                _ask_with_this(rsc.parent, origin, into)
        case Variant.BUNDLE:
            if _bundle_answers(rsc, origin):
                _add_list(into, rsc.with_this, insert_by_dependent)


def _bundle_answers(bundle: Resource, origin: Resource) -> bool:
    """Whether a bundle's own colocations count for the one who asks."""
    if origin is bundle or origin.replica_container:
        return True
    facts = bundle.bundle_facts
    clone = facts.clone if facts is not None else None
    if clone is None or not clone.promotable or clone.clone is None:
        return False
    if origin is clone:
        return clone.clone.promotion_constrained
    return origin.top is clone and not origin.unassigned


def has_influence(c: Colocation, primary: Resource | None = None) -> bool:
    """Whether the dependent may pull its primary (16.10)."""
    rsc = primary or c.primary
    if c.dependent.nesting_allowed and not rsc.failed and len(rsc.active_on) == 1:
        return False
    return c.influence or not rsc.active_on
