"""Second reading of the status section: which node's histories are read when, and whose they are.

One operation's meaning is in `results`; what follows for the resource in `activity`.
Facts: scheduler-1-assignment.md 12.1 - 12.8.
"""

from __future__ import annotations

from lxml import etree

from cib import durations
from cib.lexical import base_name, parse_integer
from crmd.scheduler.model import Cluster, Node, Resource, ResourceHistory, Role
from crmd.scheduler.requests import ActionRequest
from crmd.scheduler.sorting import merge_sort
from crmd.scheduler.unpack import activity, instances, node_state, outcome, removed
from crmd.scheduler.unpack.entries import compare_entries, parse_histories
from crmd.scheduler.unpack.fencing import request_action
from crmd.scheduler.unpack.nodes import find_node


def read_histories(cluster: Cluster, status: etree._Element | None) -> None:
    """All passes over the node states (12.1)."""
    states = [
        state
        for state in (() if status is None else status.iterchildren("node_state"))
        if state.get("id") is not None and state.get("uname") is not None
    ]
    for state in states:
        _parse(cluster, state)
    while _read_pass(cluster, states, everything=False):
        pass
    _read_pass(cluster, states, everything=cluster.options.fencing_enabled)
    for container in cluster.containers_to_stop:
        current = activity.current_node(container)
        if current is not None:
            request_action(cluster, container, current, "stop")
    for node in cluster.nodes:
        if node.is_remote_kind:
            if node.shutdown and node.conn is not None:
                node.conn.next_role = Role.STOPPED
            if not node.unpacked:
                node_state.decide_remote_online(node)


def _parse(cluster: Cluster, state: etree._Element) -> Node | None:
    """The node of a state, with its histories parsed; None while there is no such node."""
    node = find_node(cluster, state.get("id"), state.get("uname"))
    if node is not None and node.index not in cluster.histories:
        cluster.histories[node.index] = parse_histories(state, node)
    return node


def _read_pass(cluster: Cluster, states: list[etree._Element], everything: bool) -> bool:
    """Read every node whose turn it is; whether there was any.

    Nodes may come into being on the way, by histories of removed connections.
    """
    read_any = False
    for state in states:
        node = _parse(cluster, state)
        if node is None or node.unpacked or not (everything or _is_due(cluster, node)):
            continue
        if node.is_remote_kind:
            node_state.decide_remote_online(node)
            node_state.read_remote_state(cluster, node, state)
        node.unpacked = True
        read_any = True
        _read_node(cluster, node)
    return read_any


def _is_due(cluster: Cluster, node: Node) -> bool:
    conn, options = node.conn, cluster.options
    if node.is_guest and conn is not None and conn.launcher is not None:
        return conn.orig_role is Role.STARTED and conn.launcher.orig_role is Role.STARTED
    if node.is_remote_kind:
        return conn is not None and (options.shutdown_lock or conn.orig_role is Role.STARTED)
    return options.fencing_enabled or options.shutdown_lock or node.online


def _read_node(cluster: Cluster, node: Node) -> None:
    launched = False
    for history in cluster.histories.get(node.index, ()):
        if not history.entries and not cluster.options.shutdown_lock:
            continue
        rsc = find_resource(cluster, history.id, node)
        if rsc is None:
            if not history.entries:
                continue
            rsc = removed.add_removed(cluster, history, node)
            launched = launched or rsc.removed_launched
        history.resource = rsc
        if cluster.options.shutdown_lock:
            _read_lock(cluster, history, rsc, node)
        if not history.entries:
            continue
        history.ordered = merge_sort(history.entries[::-1], compare_entries)
        outcome.read_resource(cluster, rsc, node, history)
    if launched:
        removed.link_launchers(cluster)


def _read_lock(cluster: Cluster, history: ResourceHistory, rsc: Resource, node: Node) -> None:
    """A shutdown lock recorded in history (12.4)."""
    locked_at = parse_integer(history.attrs.get("shutdown-lock"), 0)
    if locked_at == 0:
        return
    limit = durations.seconds_of(cluster.options.shutdown_lock_limit_ms)
    if limit > 0 and int(cluster.now) > locked_at + limit:
        cluster.requests.append(ActionRequest(2, rsc, "lrm_delete", node, managed=rsc.managed))
        return
    rsc.lock_node, rsc.lock_time = node, locked_at


def find_resource(cluster: Cluster, history_id: str, node: Node) -> Resource | None:
    """Which resource a history entry belongs to (12.3); None: it is a removed one."""
    found = cluster.by_id.get(history_id) or cluster.by_history_id.get(history_id)
    if found is None:
        first = cluster.by_id.get(f"{base_name(history_id)}:0")
        if first is not None and not first.unique:
            found = first
    elif not found.is_primitive:
        return None
    if found is None:
        return None
    top = found.top
    if top.clone is not None and not top.unique:
        found = instances.instance_for_history(cluster, found, top, base_name(history_id), node)
    if found is None:
        return None
    if history_id not in (found.id, found.history_id):
        found.history_id = history_id
        cluster.by_history_id.setdefault(history_id, found)
    return found
