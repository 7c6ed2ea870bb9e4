"""Actions on remote and guest nodes need their connection.

Source: scheduler-2-actions.md section 11.1.
"""

from __future__ import annotations

from enum import Enum

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.fencing import fence_node
from crmd.scheduler.act.names import op_key
from crmd.scheduler.model import Node, Resource, Role
from crmd.scheduler.order.flags import BLOCK, F2T, GUESTOK, ORD, PSEUDO, T2F
from crmd.scheduler.order.relations import (
    order_action_key,
    order_key_action,
)
from crmd.scheduler.unpack.activity import current_node
from crmd.scheduler.unpack.node_state import is_shutting_down


class RemoteState(Enum):
    """What is known about a remote node's connection (11.1.2)."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    RESTING = "resting"
    FAILED = "failed"
    STOPPED = "stopped"


def remote_state(plan: Plan, node: Node) -> RemoteState:
    """State of a remote node by its connection resource."""
    conn = node.conn
    if conn is None:
        return RemoteState.UNKNOWN
    host = current_node(conn)
    if conn.next_role is Role.STOPPED or conn.assigned is None:
        if host is not None and host.unclean:
            return RemoteState.FAILED
        if not conn.failed:
            return RemoteState.STOPPED
        if (
            conn.next_role is Role.STOPPED
            and conn.remote_reconnect_ms
            and node.remote_fenced
            and not is_shutting_down(node)
        ):
            return RemoteState.UNKNOWN
        return RemoteState.FAILED
    if host is None:
        return RemoteState.UNKNOWN
    if host.unclean or not host.online:
        return RemoteState.RESTING
    if len(conn.active_on) > 1 and conn.partial_src is not None and conn.partial_tgt is not None:
        return RemoteState.RESTING
    return RemoteState.ALIVE


def order_remote_connections(plan: Plan) -> None:
    """Phase 13: everything on a remote node happens while its connection is up."""
    if not any(node.is_remote_kind for node in plan.cluster.nodes):
        return
    for act in reversed(plan.actions[:]):
        rsc = act.rsc
        if rsc is None:
            continue
        if rsc.is_remote_connection and act.task == "clear_failcount":
            order_action_key(plan, act, rsc, op_key(rsc.id, "start"), ORD)
            continue
        node = act.node
        if node is None or not node.is_remote_kind or act.flags & PSEUDO:
            continue
        conn = node.conn
        if conn is None:
            continue
        if act.task == "start":
            for other in plan.newest_first(rsc):
                if other.task == "stop" and other.node is not None and other.node is not node:
                    order_key_action(plan, conn, op_key(conn.id, "start"), other, ORD)
        if conn.launcher is not None:
            _order_on_guest(plan, act, node, conn, conn.launcher)
        else:
            _order_on_remote(plan, act, node, conn)


def _after_start(plan: Plan, rsc: Resource, act: Action, extra: int = 0) -> None:
    order_key_action(plan, rsc, op_key(rsc.id, "start"), act, GUESTOK | BLOCK | extra)


def _before_stop(plan: Plan, act: Action, rsc: Resource, extra: int = 0) -> None:
    order_action_key(plan, act, rsc, op_key(rsc.id, "stop"), GUESTOK | extra)


def _task(act: Action) -> str:
    return "stop" if act.task in ("migrate_to", "migrate_from") else act.task


def _is_recurring(act: Action) -> bool:
    return not act.key.endswith("_0")


def _order_on_guest(
    plan: Plan, act: Action, node: Node, conn: Resource, container: Resource
) -> None:
    if container.failed:
        fence_node(plan, node, "container failed")
    task = _task(act)
    if task in ("start", "promote"):
        _after_start(plan, container, act, F2T)
        _after_start(plan, conn, act)
    elif task in ("stop", "demote"):
        if not container.failed:
            _before_stop(plan, act, conn)
    elif not _is_recurring(act):
        _after_start(plan, conn, act)
    elif task == "monitor":
        _after_start(plan, conn, act, F2T)


def _order_on_remote(plan: Plan, act: Action, node: Node, conn: Resource) -> None:
    state = remote_state(plan, node)
    task = _task(act)
    if task in ("start", "promote"):
        _after_start(plan, conn, act, F2T if state is RemoteState.FAILED else 0)
    elif task == "stop":
        if state is RemoteState.ALIVE:
            _before_stop(plan, act, conn, T2F)
        elif state is RemoteState.FAILED:
            fence_node(plan, node, "resources are active but connection is unrecoverable")
        elif conn.next_role is Role.STOPPED:
            _before_stop(plan, act, conn, T2F)
        else:
            _after_start(plan, conn, act)
    elif task == "demote":
        if state in (RemoteState.RESTING, RemoteState.UNKNOWN):
            _after_start(plan, conn, act)
    elif _is_recurring(act):
        _after_start(plan, conn, act, F2T)
    else:
        if task == "monitor" and state is RemoteState.FAILED:
            fence_node(
                plan,
                node,
                "resources are in unknown state and connection is unrecoverable",
            )
        if current_node(conn) is not None and state is RemoteState.STOPPED:
            _before_stop(plan, act, conn, BLOCK)
        else:
            _after_start(plan, conn, act)
