"""Digests of parameter sets, and whether an operation ran with the parameters of now.

Facts: scheduler-1-assignment.md 24.1, 24.2; scheduler-2-actions.md 7.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from cib import scores
from cib.digest import parameters as recorded
from crmd.scheduler.model import Cluster, HistoryEntry, Node, Resource
from crmd.scheduler.unpack.operations import find_operation, operation_meta
from crmd.scheduler.unpack.parameters import parameters

_NEVER = frozenset(
    {"id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip"}
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
    return recorded(params)


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


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests of one operation on a node, computed once: the first entry met decides."""

    all: str
    restart: str | None
    """None when that entry has no restart digest."""
    secure: str
    operation_has_own: bool


def has_new_secure_digest(feature_set: str) -> bool:
    """Whether that version's secure digest covers all parameters that are not private (7.7)."""
    parts = tuple(scores.integer(part) for part in feature_set.split(".") if scores.is_number(part))
    return parts >= (3, 16, 0)


def is_special_fencing(name: str) -> bool:
    """Parameters of fence devices that the fencer keeps for itself."""
    return name.startswith("pcmk_") or name in ("provides", "stonith-timeout")


def digests(
    cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry, task: str | None = None
) -> Digests:
    """The digests of an operation; those computed first for the operation key are kept."""
    task = task or entry.task
    key = (rsc.index, node.index, f"{task}_{entry.interval_ms}")
    cached = cluster.digests.get(key)
    if isinstance(cached, Digests):
        return cached
    params = parameter_set(cluster, rsc, node, task, entry.interval_ms)
    restart = None
    if "op-restart-digest" in entry.attrs:
        restart = digest(restart_set(params.all, entry))
    secure = digest(_secure_set(cluster, rsc, node, entry, params.all))
    result = Digests(digest(params.all), restart, secure, params.operation_has_own)
    cluster.digests[key] = result
    return result


def _secure_set(
    cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry, params: Mapping[str, str]
) -> dict[str, str]:
    """The main set without private parameters (part 2, 7.7)."""
    private = set(entry.attrs.get("op-secure-params", "").split())
    if not has_new_secure_digest(entry.attrs.get("crm_feature_set", cluster.feature_set)):
        params = {
            name: value
            for name, value in parameters(cluster, rsc, node).items()
            if name not in _NEVER
            and not name.startswith("CRM_meta_")
            and not (rsc.fence_device and is_special_fencing(name))
        }
    return {name: value for name, value in params.items() if name not in private}


def compare(
    cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry, task: str | None = None
) -> Comparison:
    """Compare an entry's digests; `task` replaces the entry's (start for probes ...)."""
    now = digests(cluster, rsc, node, entry, task)
    restart = entry.attrs.get("op-restart-digest")
    if restart is not None and now.restart is not None and restart != now.restart:
        return Comparison.RESTART
    recorded = entry.attrs.get("op-digest")
    if recorded is None:
        return Comparison.UNKNOWN
    if recorded == now.all:
        return Comparison.MATCH
    if entry.interval_ms == 0 and now.operation_has_own:
        return Comparison.RESTART
    return Comparison.MISMATCH
