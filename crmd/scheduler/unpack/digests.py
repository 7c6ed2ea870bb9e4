"""Digests of parameter sets, and whether an operation ran with the parameters of now.

Facts: scheduler-1-assignment.md 24.1, 24.2; scheduler-2-actions.md 7.7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from crmd.scheduler.model import Cluster, HistoryEntry, Node, Resource
from crmd.scheduler.unpack.operations import find_operation, operation_meta
from crmd.scheduler.unpack.parameters import parameters

_NEVER = frozenset(
    {"id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip"}
)
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\n": "&#10;",
        "\t": "&#9;",
        "\r": "&#13;",
    }
)


class Comparison(Enum):
    """Outcome of comparing an entry's digests with those of now (24.2)."""

    MATCH = "match"
    MISMATCH = "mismatch"
    RESTART = "restart"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """The parameters that count for an operation on a node, and whether the `<op>` adds any."""

    all: Mapping[str, str]
    operation_has_own: bool


def digest(params: Mapping[str, str]) -> str:
    """MD5 of the `parameters` element with these attributes, sorted by name (24.1)."""
    pairs = "".join(
        f' {name}="{value.translate(_ESCAPES)}"' for name, value in sorted(params.items())
    )
    return hashlib.md5(f" <parameters{pairs}/>\n".encode(), usedforsecurity=False).hexdigest()


def address_is_replaced(cluster: Cluster, rsc: Resource) -> bool:
    """A bundle connection whose address stands for its container's node (`#uname`)."""
    return rsc.nesting_allowed and parameters(cluster, rsc, None).get("addr") == "#uname"


def connection_host(connection: Resource) -> Node | None:
    """The node whose name replaces `#uname`: where the container will be, else where it is."""
    container = connection.launcher
    if container is None:
        return None
    if container.assigned is not None:
        return container.assigned
    return container.active_on[0] if container.active_on else None


def parameter_set(
    cluster: Cluster, rsc: Resource, node: Node, task: str, interval_ms: int
) -> ParameterSet:
    """The main set of an operation (24.1)."""
    table: dict[str, str] = {}
    if address_is_replaced(cluster, rsc):
        host = connection_host(rsc)
        if host is not None:
            table["addr"] = host.name
    for name, value in parameters(cluster, rsc, node).items():
        table.setdefault(name, value)
    own: dict[str, str] = {}
    config = find_operation(rsc, task, interval_ms)
    if config is not None:
        given = cluster.attributes.given(node_attributes=node.attrs)
        cluster.attributes.merge(config.element, "instance_attributes", own, given)
        for name, value in own.items():
            table.setdefault(name, value)
    table = {
        name: value
        for name, value in table.items()
        if name not in _NEVER and not name.startswith("CRM_meta_")
    }
    if interval_ms:
        table["CRM_meta_timeout"] = operation_meta(cluster, rsc, task, interval_ms)["timeout"]
    return ParameterSet(table, bool(own))


def restart_set(params: Mapping[str, str], entry: HistoryEntry) -> dict[str, str]:
    """The main set restricted to what `op-force-restart` lists, if it does."""
    listed = entry.attrs.get("op-force-restart")
    if listed is None:
        return dict(params)
    names = set(listed.split())
    return {name: value for name, value in params.items() if name in names}


def compare(
    cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry, task: str | None = None
) -> Comparison:
    """Compare an entry's digests; `task` replaces the entry's (start for probes ...).

    The first result for a resource, node and operation key is kept.
    """
    task = task or entry.task
    key = (rsc.index, node.index, f"{task}_{entry.interval_ms}")
    cached = cluster.digests.get(key)
    if isinstance(cached, Comparison):
        return cached
    result = _compare(cluster, rsc, node, entry, task)
    cluster.digests[key] = result
    return result


def _compare(
    cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry, task: str
) -> Comparison:
    params = parameter_set(cluster, rsc, node, task, entry.interval_ms)
    restart = entry.attrs.get("op-restart-digest")
    if restart is not None and restart != digest(restart_set(params.all, entry)):
        return Comparison.RESTART
    recorded = entry.attrs.get("op-digest")
    if recorded is None:
        return Comparison.UNKNOWN
    if recorded == digest(params.all):
        return Comparison.MATCH
    if entry.interval_ms == 0 and params.operation_has_own:
        return Comparison.RESTART
    return Comparison.MISMATCH
