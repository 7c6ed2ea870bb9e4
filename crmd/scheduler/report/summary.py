"""The transition summary: one line per resource or node that changes.

It decides which line and which reason; headings and bullets belong to the printer.
Source: scheduler-2-actions.md section 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.names import op_key
from crmd.scheduler.model import Node, Resource, Role, Variant
from crmd.scheduler.order.flags import OPTIONAL, RUNNABLE
from crmd.scheduler.unpack.activity import current_node

_ROLE_NAMES = {
    Role.UNKNOWN: "Unknown",
    Role.STOPPED: "Stopped",
    Role.STARTED: "Started",
    Role.UNPROMOTED: "Unpromoted",
    Role.PROMOTED: "Promoted",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line: what happens to a resource (or, with `whole`, a finished sentence)."""

    word: str = ""
    id: str = ""
    details: str = ""
    reason: str = ""
    whole: str = ""


def summarize(plan: Plan) -> list[Change]:
    """All changes in printing order.  May give a node to actions that have none (3.2)."""
    changes = list(_node_changes(plan))
    for rsc in plan.cluster.resources:
        if rsc.removed and not rsc.active_on:
            continue
        changes.extend(_resource_changes(plan, rsc))
    return changes


def layout(changes: list[Change]) -> tuple[str, ...]:
    """The lines, in the column widths of a second printing (18.1)."""
    id_width = details_width = 5
    for change in changes:
        if change.whole:
            continue
        if len(change.id) > id_width:
            id_width = len(change.id) + 2
        details_width = max(details_width, len(change.details))
    lines = []
    for change in changes:
        if change.whole:
            lines.append(change.whole)
            continue
        line = f"{change.word:<8}   {change.id:<{id_width}}   ( {change.details:>{details_width}} )"
        lines.append(f"{line}  {change.reason}" if change.reason else line)
    return tuple(lines)


def _node_changes(plan: Plan) -> Iterator[Change]:
    for action in reversed(plan.actions):
        if action.rsc is not None or action.flags & OPTIONAL or action.reason is None:
            continue
        node = action.node
        if action.task == "stonith" and node is not None:
            name = node.name
            if node.is_guest and node.conn is not None and node.conn.launcher is not None:
                name += f" (resource: {node.conn.launcher.id})"
            kind = action.meta.get("stonith_action", "")
            yield Change(whole=f"Fence ({kind}) {name} '{action.reason}'")
        elif action.task == "do_shutdown" and node is not None:
            yield Change(whole=f"Shutdown {node.name}")


def _resource_changes(plan: Plan, rsc: Resource) -> Iterator[Change]:
    if rsc.variant is Variant.PRIMITIVE:
        yield from _primitive_changes(plan, rsc)
    elif rsc.bundle_facts is not None:
        for replica in rsc.bundle_facts.replicas:
            for part in (replica.ip, replica.container, replica.remote, replica.child):
                if part is not None:
                    yield from _resource_changes(plan, part)
    else:
        for child in rsc.children:
            yield from _resource_changes(plan, child)


@dataclass(slots=True)
class _Look:
    """What section 18.3 looks at."""

    plan: Plan
    rsc: Resource
    current: Node | None
    target: Node | None
    start: Action | None
    stop: Action | None
    promote: Action | None
    demote: Action | None

    @property
    def moving(self) -> bool:
        return (
            self.current is not None and self.target is not None and self.current is not self.target
        )

    def line(
        self,
        word: str,
        origin: Node | None,
        destination: Node | None,
        action: Action | None,
        source: Action | None = None,
    ) -> Change:
        return Change(
            word,
            self.rsc.id,
            _details(self.rsc, origin, destination),
            _reason(action, source or action),
        )


def _find(plan: Plan, rsc: Resource, task: str, node: Node | None) -> Action | None:
    found = plan.find(rsc, op_key(rsc.id, task), node)
    return found[0] if found else None


def _primitive_changes(plan: Plan, rsc: Resource) -> Iterator[Change]:
    if rsc.active_on and rsc.orig_role is Role.STOPPED:
        rsc.orig_role = Role.STARTED
    current, target = current_node(rsc), rsc.assigned
    if not rsc.managed or (current is None and target is None):
        return
    start = _find(plan, rsc, "start", target)
    runnable = start is not None and start.flags & RUNNABLE
    stop = _find(plan, rsc, "stop", current if runnable else None)
    if stop is None and rsc.stop_unexpected:
        stop = _find(plan, rsc, "stop", None)
    look = _Look(
        plan,
        rsc,
        current,
        target,
        start,
        stop,
        _find(plan, rsc, "promote", target),
        _find(plan, rsc, "demote", target),
    )
    if rsc.orig_role is rsc.next_role:
        change = _same_role(look)
        if change is not None:
            yield change
        return
    yield from _other_role(look)


def _needed(action: Action | None) -> bool:
    return action is not None and not action.flags & OPTIONAL


def _same_role(look: _Look) -> Change | None:
    """Table A."""
    rsc, start, stop = look.rsc, look.start, look.stop
    current, target = look.current, look.target
    migrate = _find(look.plan, rsc, "migrate_from", target)
    if migrate is not None and migrate.flags & RUNNABLE and current is not None:
        return look.line("Migrate", current, target, start)
    if rsc.reload:
        return look.line("Reload", current, target, start)
    if start is None or start.flags & OPTIONAL:
        if _needed(look.demote) and _needed(look.promote):
            return look.line("Re-promote", current, target, look.promote, look.demote)
        return None
    if not start.flags & RUNNABLE:
        source = start if stop is None or stop.reason is None else stop
        return look.line("Stop", current, None, stop, source)
    if look.moving:
        return look.line("Recover" if rsc.failed else "Move", current, target, stop)
    if rsc.failed:
        return look.line("Recover", current, None, stop)
    return look.line("Restart", current, target, start)


def _other_role(look: _Look) -> Iterator[Change]:
    """Table B."""
    rsc, start, stop = look.rsc, look.start, look.stop
    current, target = look.current, look.target
    if stop is not None and (
        rsc.next_role is Role.STOPPED or (start is not None and not start.flags & RUNNABLE)
    ):
        for node in rsc.active_on:
            there = _find(look.plan, rsc, "stop", node)
            source = there if there is not None and there.reason is not None else start
            yield look.line("Stop", node, None, there, source)
    elif stop is not None and rsc.failed and rsc.stop_if_failed:
        yield look.line("Recover", current, target, stop, start)
    elif look.moving:
        yield look.line("Move", current, target, stop)
    elif rsc.reload:
        yield look.line("Reload", current, target, start)
    elif _needed(stop):
        yield look.line("Restart", current, target, start)
    elif rsc.orig_role is Role.PROMOTED:
        yield look.line("Demote", current, target, look.demote)
    elif rsc.next_role is Role.PROMOTED:
        yield look.line("Promote", current, target, look.promote)
    elif rsc.orig_role is Role.STOPPED and rsc.next_role > Role.STOPPED:
        yield look.line("Start", current, target, start)


def _details(rsc: Resource, origin: Node | None, destination: Node | None) -> str:
    now, then = _ROLE_NAMES[rsc.orig_role], _ROLE_NAMES[rsc.next_role]
    roles = rsc.orig_role > Role.STARTED or rsc.next_role > Role.UNPROMOTED
    same_role = rsc.orig_role is rsc.next_role
    o = origin.name if origin is not None else ""
    d = destination.name if destination is not None else ""
    if origin is None:
        return f"{now} -> {then} {d}" if roles else d
    if destination is None:
        return f"{now} {o}" if roles else o
    if same_role and origin is destination:
        return f"{now} {o}" if roles else o
    if same_role:
        return f"{o} -> {d} {now}" if roles else f"{o} -> {d}"
    if origin is destination:
        return f"{now} -> {then} {o}"
    return f"{now} {o} -> {then} {d}"


def _reason(action: Action | None, source: Action | None) -> str:
    blocked = action is not None and not action.flags & RUNNABLE
    if source is not None and source.reason is not None:
        return f"due to {source.reason} (blocked)" if blocked else f"due to {source.reason}"
    return "blocked" if blocked else ""
