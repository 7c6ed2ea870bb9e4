"""Notifications of clones: the points around each phase, and each instance's actions.

Points are made with the clone's actions; instances' actions while the graph is written, or when
a stop is implied by fencing.
Source: scheduler-2-actions.md sections 10.7, 11.4.2 and 13.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.scheduler.act.action import Action, Plan, relate
from crmd.scheduler.act.create import action as make
from crmd.scheduler.act.names import notify_key
from crmd.scheduler.act.parts import primitives
from crmd.scheduler.model import INFINITY, Node, Resource, Role
from crmd.scheduler.order.flags import F2T, OPTIONAL, ORD, PSEUDO, RUNNABLE
from crmd.scheduler.unpack.activity import current_node

Entry = tuple[Resource, Node | None]


@dataclass(slots=True, eq=False)
class Points:
    """The four notification points of one task of a clone."""

    task: str
    pre: Action | None = None
    pre_done: Action | None = None
    post: Action | None = None
    post_done: Action | None = None


@dataclass(slots=True)
class Situation:
    """Who is in which state, and what each will do."""

    inactive: list[Entry] = field(default_factory=list)
    active: list[Entry] = field(default_factory=list)
    unpromoted: list[Entry] = field(default_factory=list)
    promoted: list[Entry] = field(default_factory=list)
    start: list[Entry] = field(default_factory=list)
    stop: list[Entry] = field(default_factory=list)
    promote: list[Entry] = field(default_factory=list)
    demote: list[Entry] = field(default_factory=list)

    def of(self, task: str) -> list[Entry]:
        """The entries of the resources that perform this task."""
        return {
            "start": self.start,
            "stop": self.stop,
            "promote": self.promote,
            "demote": self.demote,
        }.get(task, [])


# ---- points (10.7) ------------------------------------------------------------------------------


def make_points(
    plan: Plan, rsc: Resource, task: str, action: Action | None, complete: Action | None
) -> Points:
    """The points around `action` (before) and `complete` (after)."""
    points = Points(task)
    if action is not None:
        optional = bool(action.flags & OPTIONAL)
        points.pre = _point(plan, rsc, "pre", action.task, "notify", optional)
        points.pre_done = _point(plan, rsc, "confirmed-pre", action.task, "notified", optional)
        for point in (points.pre, points.pre_done):
            point.flags |= RUNNABLE
            point.meta["notify_type"] = "pre"
            point.meta["notify_operation"] = task
        relate(points.pre, points.pre_done, ORD)
        relate(points.pre_done, action, ORD)
    if complete is not None:
        optional = bool(complete.flags & OPTIONAL)
        done = complete.task
        points.post = _point(plan, rsc, "post", done, "notify", optional)
        points.post_done = _point(plan, rsc, "confirmed-post", done, "notified", optional)
        for point in (points.post, points.post_done):
            point.priority = INFINITY
            if complete.flags & RUNNABLE:
                point.flags |= RUNNABLE
            else:
                point.flags &= ~RUNNABLE
            point.meta["notify_type"] = "post"
            point.meta["notify_operation"] = task
        relate(complete, points.post, F2T)
        relate(points.post, points.post_done, F2T)
        if action is not None:
            relate(points.pre_done, points.post, ORD)
    return points


def _point(
    plan: Plan, rsc: Resource, kind: str, key_task: str, task: str, optional: bool
) -> Action:
    act = make(plan, rsc, notify_key(rsc.id, kind, key_task), task, None, optional=optional)
    act.flags |= PSEUDO
    act.meta["notify_key_type"] = kind
    act.meta["notify_key_operation"] = key_task
    return act


def points_of(plan: Plan, clone: Resource, task: str) -> Points | None:
    """The points of one task, if they were made."""
    found = plan.points.get((clone.index, task))
    assert found is None or isinstance(found, Points)
    return found


def start_stop_points(
    plan: Plan, clone: Resource, start: Action, started: Action, stop: Action, stopped: Action
) -> None:
    """Points around starts, then around stops."""
    if not clone.notify or (clone.index, "start") in plan.points:
        return
    of_start = make_points(plan, clone, "start", start, started)
    plan.points[clone.index, "start"] = of_start
    of_stop = make_points(plan, clone, "stop", stop, stopped)
    plan.points[clone.index, "stop"] = of_stop
    relate(of_stop.post_done, of_start.pre, ORD)


def promotion_points(
    plan: Plan, clone: Resource, task: str, action: Action, complete: Action
) -> None:
    """Points around promotions or demotions."""
    if clone.notify and (clone.index, task) not in plan.points:
        plan.points[clone.index, task] = make_points(plan, clone, task, action, complete)


def order_points(plan: Plan, clone: Resource) -> None:
    """Which phases' notifications come before which."""
    promote = points_of(plan, clone, "promote")
    if promote is None:
        return
    start, stop = points_of(plan, clone, "start"), points_of(plan, clone, "stop")
    demote = points_of(plan, clone, "demote")
    assert start is not None and stop is not None and demote is not None
    relate(stop.post_done, promote.pre, ORD)
    relate(start.post_done, promote.pre, ORD)
    relate(demote.post_done, promote.pre, ORD)
    relate(demote.post_done, start.pre, ORD)
    relate(demote.post_done, stop.pre, ORD)


# ---- who is told what (13.5) --------------------------------------------------------------------


def collect(plan: Plan, clone: Resource) -> Situation:
    """State and coming actions of all primitives of the clone."""
    situation = Situation()
    for rsc in primitives(clone):
        _collect_state(rsc, situation)
        for act in plan.newest_first(rsc):
            if act.flags & OPTIONAL or act.node is None:
                continue
            runnable = act.flags & RUNNABLE
            if not runnable and not (act.task == "stop" and act.node.unclean):
                continue
            situation.of(act.task).append((rsc, act.node))
    return situation


def _collect_state(rsc: Resource, situation: Situation) -> None:
    entry = (rsc, current_node(rsc) if rsc.active_on else None)
    if rsc.active_on:
        entry = (rsc, rsc.active_on[0])
    match rsc.orig_role:
        case Role.STOPPED:
            situation.inactive.append(entry)
        case Role.STARTED:
            situation.active.append(entry)
        case Role.UNPROMOTED:
            situation.unpromoted.append(entry)
            situation.active.append(entry)
        case Role.PROMOTED:
            situation.promoted.append(entry)
            situation.active.append(entry)
        case _:
            pass


def _names(entries: list[Entry]) -> tuple[str, str]:
    """(resource names, node names) of a list, one entry per resource."""
    ids: list[str] = []
    nodes: list[str] = []
    last: str | None = None
    ordered = sorted(entries, key=lambda e: (e[0].id, e[1].id if e[1] is not None else ""))
    for rsc, node in ordered:
        if rsc.id == last:
            continue
        last = rsc.id
        ids.append(rsc.id)
        if node is not None:
            nodes.append(node.name)
    return " ".join(ids) or " ", " ".join(nodes) or " "


def variables(plan: Plan, clone: Resource, situation: Situation) -> dict[str, str]:
    """What every action of the clone's instances is told (13.5.2)."""
    out: dict[str, str] = {}
    for task in ("stop", "start", "demote", "promote"):
        out[f"notify_{task}_resource"], out[f"notify_{task}_uname"] = _names(situation.of(task))
    for name, entries in (
        ("active", situation.active),
        ("unpromoted", situation.unpromoted),
        ("promoted", situation.promoted),
    ):
        out[f"notify_{name}_resource"], out[f"notify_{name}_uname"] = _names(entries)
    for old, new in (("slave", "unpromoted"), ("master", "promoted")):
        for tail in ("resource", "uname"):
            out[f"notify_{old}_{tail}"] = out[f"notify_{new}_{tail}"]
    out["notify_inactive_resource"] = _names(situation.inactive)[0]
    nodes = plan.cluster.nodes
    out["notify_available_uname"] = (
        " ".join(n.name for n in nodes if n.index in clone.scores) or " "
    )
    out["notify_all_uname"] = " ".join(n.name for n in nodes) or " "
    if clone.meta.get("container-attribute-target", "").lower() == "host":
        out["notify_all_hosts"] = " ".join(_host(n).name for n in nodes) or " "
    return out


def _host(node: Node) -> Node:
    if node.is_guest and node.conn is not None and node.conn.launcher is not None:
        launcher = node.conn.launcher
        if launcher.active_on:
            return launcher.active_on[0]
    return node


def create_notifications(plan: Plan, clone: Resource) -> None:
    """Notify actions of all instances, while the clone's graph is made (13.5)."""
    situation: Situation | None = None
    for task in ("start", "stop", "promote", "demote"):
        points = points_of(plan, clone, task)
        if points is None:
            continue
        situation = collect(plan, clone)
        told = variables(plan, clone, situation)
        busy = bool(situation.of(task))
        if busy:
            for point in (points.pre, points.pre_done, points.post, points.post_done):
                if point is not None:
                    point.flags &= ~OPTIONAL
        for rsc in primitives(clone):
            _tell_actions(plan, rsc, told)
            if busy or task == "stop":
                _create_for(plan, rsc, points, told)


def _tell_actions(plan: Plan, rsc: Resource, told: dict[str, str]) -> None:
    for act in plan.newest_first(rsc):
        if act.flags & OPTIONAL or act.node is None:
            continue
        if act.task in ("start", "stop", "promote", "demote"):
            act.meta.update(told)


def _create_for(plan: Plan, rsc: Resource, points: Points, told: dict[str, str]) -> None:
    task = points.task
    if task in ("stop", "demote"):
        if rsc.orig_role is Role.STOPPED:
            return
        stop = plan.newest(rsc, "stop")
        for node in rsc.active_on[:]:
            if stop is not None and stop.flags & PSEUDO and (node.unclean or node.remote_reset):
                continue
            _notify(plan, rsc, points, "pre", node, told)
            if task == "demote" or stop is None or stop.flags & OPTIONAL:
                _notify(plan, rsc, points, "post", node, told)
        return
    if rsc.next_role is Role.STOPPED:
        return
    start = plan.newest(rsc, "start")
    if start is not None and start.node is not None and start.node.is_remote_kind:
        conn = start.node.conn
        if conn is not None:
            conn_start = plan.newest(conn, "start")
            if conn_start is not None and not conn_start.flags & RUNNABLE:
                return
    if rsc.assigned is None:
        return
    if task == "promote" or start is None or start.flags & OPTIONAL:
        _notify(plan, rsc, points, "pre", rsc.assigned, told)
    _notify(plan, rsc, points, "post", rsc.assigned, told)


def _notify(
    plan: Plan, rsc: Resource, points: Points, kind: str, node: Node, told: dict[str, str]
) -> None:
    point = points.pre if kind == "pre" else points.post
    done = points.pre_done if kind == "pre" else points.post_done
    _create_notify(plan, rsc, points.task, kind, node, point, done, told)
    if kind == "post" and points.post_done is not None:
        for act in plan.newest_first(rsc):
            if act.meta.get("interval", "0") != "0" and act.task != "cancel":
                relate(points.post_done, act, ORD)


def _create_notify(
    plan: Plan,
    rsc: Resource,
    task: str,
    kind: str,
    node: Node,
    point: Action | None,
    done: Action | None,
    told: dict[str, str],
) -> None:
    if point is None or done is None or not node.online or not point.flags & RUNNABLE:
        return
    act = make(
        plan,
        rsc,
        notify_key(rsc.id, kind, task),
        "notify",
        node,
        optional=bool(point.flags & OPTIONAL),
    )
    for name, value in point.meta.items():
        act.meta.setdefault(name, value)
    act.meta.update(told)
    if kind == "post":
        act.priority = INFINITY
    relate(point, act, ORD)
    relate(act, done, ORD)


def notify_of_fencing(plan: Plan, rsc: Resource, stop: Action, fence: Action, target: Node) -> None:
    """Tell all instances that one of them was stopped by fencing its node (11.4.2)."""
    points = make_points(plan, rsc, "stop", None, fence)
    told = {
        "notify_stop_resource": rsc.id,
        "notify_stop_uname": target.name,
    }
    for inst in primitives(rsc.top):
        _tell_actions(plan, inst, told)
        _create_for(plan, inst, points, told)
