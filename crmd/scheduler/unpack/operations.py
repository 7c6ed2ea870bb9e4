"""Configured operations: finding an `<op>`, its meta table, and what follows from a failure.

It does not look at results (`results`, `failures`).  Facts: scheduler-1-assignment.md 13.1 - 13.3,
scheduler-2-actions.md 3.4.
"""

from __future__ import annotations

from lxml import etree

from cib import durations
from cib.lexical import parse_boolean, parse_role
from crmd.scheduler.model import Cluster, Node, OnFail, OperationConfig, Resource, Role
from crmd.scheduler.unpack.parameters import agent, parameters

DEFAULT_TIMEOUT_MS = 20_000
MAX_MS = 2**32 - 1


def read_operations(cluster: Cluster, element: etree._Element | None) -> list[OperationConfig]:
    """The `<op>` elements of a resource's effective XML, references resolved."""
    found: list[OperationConfig] = []
    block = None if element is None else element.find("operations")
    if block is None:
        return found
    references = cluster.attributes.references
    resolved = references.resolve(block)
    if resolved is None:
        return found
    for child in resolved.iterchildren("op"):
        op = references.resolve(child)
        if op is None:
            continue
        attrs = {str(k): str(v) for k, v in op.attrib.items()}
        enabled = parse_boolean(attrs.get("enabled", "true"))
        found.append(
            OperationConfig(
                name=attrs.get("name", ""),
                interval_ms=durations.interval_ms(attrs.get("interval")),
                enabled=enabled is not False,
                role=parse_role(attrs.get("role")) or Role.UNKNOWN,
                attrs=attrs,
                element=op,
            )
        )
    return found


def find_operation(
    rsc: Resource, task: str, interval_ms: int, include_disabled: bool = True
) -> OperationConfig | None:
    """The first `<op>` of that name and interval (13.1).

    migrate_to and migrate_from fall back to `migrate`, notifications to `notify`, interval 0.
    """
    for op in rsc.operations:
        if op.name == task and op.interval_ms == interval_ms and (include_disabled or op.enabled):
            return op
    if task in ("migrate_to", "migrate_from"):
        return find_operation(rsc, "migrate", 0, include_disabled)
    return None


def operation_meta(cluster: Cluster, rsc: Resource, task: str, interval_ms: int) -> dict[str, str]:
    """The normalized meta table of an operation; a cached dict, not to be changed.

    Contains `timeout` (ms) always, `interval` (ms) for recurring ones, and `on-fail` only when
    it is a value that the task may have.
    """
    owner = rsc.index if rsc.element is None else id(rsc.element)
    key = (owner, task, interval_ms)
    cached = cluster.operation_meta.get(key)
    if cached is None:
        cached = cluster.operation_meta[key] = _unpack_meta(cluster, rsc, task, interval_ms)
    return cached


def _unpack_meta(cluster: Cluster, rsc: Resource, task: str, interval_ms: int) -> dict[str, str]:
    config = find_operation(rsc, task, interval_ms)
    given = cluster.attributes.given(agent=agent(rsc), operation=(task, interval_ms))
    meta: dict[str, str] = {}
    if config is not None:
        cluster.attributes.merge(config.element, "meta_attributes", meta, given)
        meta.update(config.attrs)
    is_probe = task == "monitor" and interval_ms == 0
    if is_probe and "timeout" not in meta:
        shortest = _shortest_monitor(rsc)
        if shortest is not None and "timeout" in shortest.attrs:
            meta["timeout"] = shortest.attrs["timeout"]
    defaults = cluster.attributes.section("op_defaults")
    cluster.attributes.merge(defaults, "meta_attributes", meta, given)
    meta.pop("id", None)
    meta.pop("interval", None)
    if interval_ms > 0:
        meta["interval"] = str(interval_ms)
    if rsc.fence_device and (task == "start" or is_probe):
        own = parameters(cluster, rsc, None).get("pcmk_monitor_timeout")
        if own is not None:
            meta["timeout"] = own
    timeout = durations.parse_ms(meta.get("timeout", ""))
    meta["timeout"] = str(min(timeout, MAX_MS) if timeout else DEFAULT_TIMEOUT_MS)
    _correct_on_fail(rsc, task, interval_ms, meta)
    return meta


def _shortest_monitor(rsc: Resource) -> OperationConfig | None:
    """The enabled recurring monitor with the smallest interval."""
    best = None
    for op in rsc.operations:
        if op.name == "monitor" and op.interval_ms > 0 and op.enabled:
            if best is None or op.interval_ms < best.interval_ms:
                best = op
    return best


def _correct_on_fail(rsc: Resource, task: str, interval_ms: int, meta: dict[str, str]) -> None:
    """Remove values a task may not have; a demote inherits from monitors of role Promoted."""
    value = meta.get("on-fail", "").lower()
    if task == "stop" and value in ("standby", "demote", "stop"):
        del meta["on-fail"]
        return
    if task == "demote" and not value:
        for op in rsc.operations:
            theirs = op.attrs.get("on-fail")
            if (
                op.name == "monitor"
                and op.interval_ms > 0
                and op.enabled
                and op.role is Role.PROMOTED
                and theirs is not None
                and theirs.lower() != "demote"
            ):
                meta["on-fail"] = theirs
        return
    if task == "lrm_delete":
        meta["on-fail"] = "ignore"
        return
    if value == "demote":
        promoted = parse_role(meta.get("role")) is Role.PROMOTED
        if task != "promote" and not (task == "monitor" and interval_ms > 0 and promoted):
            del meta["on-fail"]


def failure_strategy(cluster: Cluster, rsc: Resource, task: str, interval_ms: int) -> OnFail:
    """What a failure of the operation leads to (13.2)."""
    value = operation_meta(cluster, rsc, task, interval_ms).get("on-fail", "").lower()
    fencing = cluster.options.fencing_enabled
    connection = is_connection_of_remote_node(cluster, rsc)
    special = connection and task != "start" and not (task == "monitor" and interval_ms == 0)
    if special and not rsc.managed:
        value = ""
    match value:
        case "block":
            return OnFail.BLOCK
        case "fence":
            return OnFail.FENCE if fencing else OnFail.STOP
        case "standby":
            return OnFail.STANDBY
        case "ignore" | "nothing":
            return OnFail.IGNORE
        case "migrate":
            return OnFail.BAN
        case "stop":
            return OnFail.STOP
        case "restart":
            return OnFail.RESTART
        case "demote":
            return OnFail.DEMOTE
        case "restart-container" if rsc.launcher is not None:
            return OnFail.RESTART_CONTAINER
        case _:
            pass
    if rsc.launcher is not None:
        return OnFail.RESTART_CONTAINER
    if special:
        return OnFail.RESET_REMOTE if rsc.managed else OnFail.STOP
    if task == "stop":
        return OnFail.FENCE if fencing else OnFail.BLOCK
    return OnFail.RESTART


def role_after_failure(rsc: Resource, task: str, strategy: OnFail) -> Role:
    """The role to be in after a failure (13.3)."""
    if strategy is OnFail.STOP:
        return Role.STOPPED
    if strategy is OnFail.RESET_REMOTE and rsc.remote_reconnect_ms:
        return Role.STOPPED
    return Role.UNPROMOTED if task == "promote" else Role.STARTED


def connection_node(cluster: Cluster, rsc: Resource) -> Node | None:
    """The node that a connection resource connects to."""
    return cluster.node(rsc.id) if rsc.is_remote_connection else None


def is_connection_of_remote_node(cluster: Cluster, rsc: Resource) -> bool:
    """A connection whose node is a remote node proper, not a guest."""
    node = connection_node(cluster, rsc)
    return node is not None and node.is_remote
