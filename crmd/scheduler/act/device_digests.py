"""Digests of the devices that unfence nodes, listed on every fence operation.

Source: scheduler-2-actions.md section 11.3.
"""

from __future__ import annotations

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.parts import primitives
from crmd.scheduler.model import Node, Resource
from crmd.scheduler.unpack.digests import digest, has_new_secure_digest, is_special_fencing
from crmd.scheduler.unpack.parameters import parameters

_PRIVATE = frozenset({"passwd", "password", "user"})


def _unfencing_devices(plan: Plan) -> list[Resource]:
    """Fence devices with unfencing, the last found first."""
    found = []
    for top in plan.cluster.resources:
        for rsc in primitives(top):
            if rsc.fence_device and (
                rsc.meta.get("requires") == "unfencing" or rsc.meta.get("provides") == "unfencing"
            ):
                found.append(rsc)
    return found[::-1]


def add_device_digests(plan: Plan, act: Action, node: Node) -> bool:
    """List the devices' definitions on a new fence op; True if one changed for this node."""
    all_text = secure_text = ""
    changed = False
    known_all = node.attrs.get("#digests-all")
    known_secure = node.attrs.get("#digests-secure")
    covers_all = has_new_secure_digest(plan.cluster.feature_set)
    for rsc in _unfencing_devices(plan):
        table = {
            name: value
            for name, value in parameters(plan.cluster, rsc, node).items()
            if not name.startswith("CRM_meta_") and name != "crm_feature_set"
        }
        full = digest(table)
        secure = digest(
            {
                name: value
                for name, value in table.items()
                if name not in _PRIVATE and (covers_all or not is_special_fencing(name))
            }
        )
        entry_all = f"{rsc.id}:{rsc.type}:{full},"
        entry_secure = f"{rsc.id}:{rsc.type}:{secure},"
        if known_all is not None and entry_all not in known_all:
            if known_secure is not None and entry_secure in known_secure:
                plan.messages.append(
                    f"Only 'private' parameters to {rsc.id} for unfencing {node.name} changed"
                )
            else:
                if plan.sanitized:
                    plan.messages.append(
                        f"Parameters to {rsc.id} for unfencing {node.name} changed, "
                        f"try '{rsc.id}:{rsc.type}:{secure}'"
                    )
                plan.messages.append(
                    f"notice: Unfencing node {node.name} because the definition of {rsc.id} changed"
                )
                changed = True
        all_text += entry_all
        secure_text += entry_secure
    act.meta["digests-all"] = all_text
    act.meta["digests-secure"] = secure_text
    return changed
