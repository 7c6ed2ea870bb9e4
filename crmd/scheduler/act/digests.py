"""Digests beyond the main one: the "secure" set without private parameters.

Source: scheduler-2-actions.md section 7.7.
"""

from __future__ import annotations

from crmd.scheduler.model import Cluster, HistoryEntry, Node, Resource
from crmd.scheduler.unpack.digests import digest, parameter_set
from crmd.scheduler.unpack.parameters import parameters

_NEW_SECURE = (3, 16, 0)


def is_special_fencing(name: str) -> bool:
    """Parameters of fence devices that the fencer keeps for itself."""
    return name.startswith("pcmk_") or name in ("provides", "stonith-timeout")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def has_new_secure_digest(feature_set: str) -> bool:
    """Whether that version's secure digest covers all parameters that are not private."""
    return _version(feature_set) >= _NEW_SECURE


def secure_digest_matches(
    cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry, task: str
) -> bool:
    """Whether the history's secure digest equals that of now."""
    recorded = entry.attrs.get("op-secure-digest")
    if recorded is None:
        return False
    private = set(entry.attrs.get("op-secure-params", "").split())
    if has_new_secure_digest(entry.attrs.get("crm_feature_set", cluster.feature_set)):
        table = dict(parameter_set(cluster, rsc, node, task, entry.interval_ms).all)
    else:
        table = {
            name: value
            for name, value in parameters(cluster, rsc, node).items()
            if not name.startswith("CRM_meta_") and name != "crm_feature_set"
        }
        if rsc.fence_device:
            table = {k: v for k, v in table.items() if not is_special_fencing(k)}
    return recorded == digest({k: v for k, v in table.items() if k not in private})
