"""What a node remembers of its resources, and how the CIB's part about it differs from that.

The node's memory is the truth: after a join the DC corrects the CIB from it.
Source: reliability.md I8, scheduler-2-actions.md 16.4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from crmd.replication.status import find_node_state
from crmd.replication.version import Tree
from crmd.transition.results import Context
from ocf.calls import AgentCall, AgentResult, ExecStatus

Entries = OrderedDict[str, dict[str, Any]]


@dataclass(slots=True)
class Held:
    """What is remembered of one resource: its history, and whether it runs here."""

    rsc: dict[str, str]
    entries: Entries = field(default_factory=OrderedDict)
    is_active: bool = False
    call: AgentCall | None = None
    """The newest call with its parameters, from which a stop can be made."""


def started_by(held: Held) -> int:
    """Number of the call that brought the resource up; 0 if it was found running."""
    calls = [
        int(e["call-id"])
        for e in held.entries.values()
        if e["operation"] in ("start", "migrate_from", "promote")
    ]
    return max(calls, default=0)


def is_active_after(result: AgentResult, context: Context, before: bool) -> bool:
    """Whether the resource runs here after this result, to be on the safe side."""
    succeeded = result.status is ExecStatus.DONE and result.rc == 0
    if context.operation == "stop":
        return not succeeded
    if context.operation == "monitor":
        if result.status is ExecStatus.DONE and result.rc in (5, 7):
            return False
        return before or (succeeded or result.rc in (8, 9, 190, 191))
    if context.operation in ("notify", "migrate_to"):
        return before
    return True


def differences(
    root: Tree, node: str, known: Mapping[str, Held], pending: Set[str]
) -> tuple[list[Any], list[dict[str, Any]]]:
    """How the CIB differs from what `node` knows of itself.

    Entries of the CIB that are not the node's, as changes that drop them; and the node's that the
    CIB lacks, as reports.  `pending`: keys of calls not ended, whose entries may stand.
    """
    drops: list[Any] = []
    shown: dict[str, dict[str, dict[str, str]]] = {}
    state = find_node_state(root, node)
    for resource in () if state is None else state.iterfind("lrm/lrm_resources/lrm_resource"):
        rsc = resource.get("id", "")
        if rsc not in known:
            drops.append(["drop_rsc", node, rsc])
            continue
        shown[rsc] = {}
        for op in resource:
            op_id = op.get("id", "")
            shown[rsc][op_id] = {str(k): str(v) for k, v in op.attrib.items()}
            if op_id not in known[rsc].entries:
                if op.get("op-status") != "-1" or op.get("transition-key") not in pending:
                    drops.append(["drop_op", node, rsc, op_id])
    return drops, _missing(known, shown, pending)


def _missing(
    known: Mapping[str, Held],
    shown: Mapping[str, Mapping[str, Mapping[str, str]]],
    pending: Set[str],
) -> list[dict[str, Any]]:
    out: list[tuple[int, dict[str, Any]]] = []
    for rsc, held in sorted(known.items()):
        grouped: dict[str, list[dict[str, Any]]] = {}
        for op_id, entry in held.entries.items():
            there = shown.get(rsc, {}).get(op_id, {})
            if is_same_entry(entry, there) or there.get("transition-key", "") in pending:
                continue
            name = f"{entry['transition-magic']} {entry['call-id']} {entry['last-rc-change']}"
            grouped.setdefault(name, []).append(entry)
        for made in grouped.values():
            entry = made[0]
            body = {
                "kind": "op",
                "key": entry["transition-key"],
                "rsc": held.rsc,
                "operation": entry["operation"],
                "entries": made,
                "rc": int(entry["rc-code"]),
                "status": int(entry["op-status"]),
                "interval": int(entry["interval"]),
                "changed": int(entry["last-rc-change"]),
                "reason": entry["exit-reason"],
            }
            out.append((int(entry["call-id"]), body))
    return [body for _, body in sorted(out, key=lambda item: item[0])]


def is_same_entry(entry: Mapping[str, Any], there: Mapping[str, str]) -> bool:
    """Whether the CIB shows this very result."""
    names = ("transition-magic", "call-id", "last-rc-change")
    return all(str(entry.get(n)) == there.get(n) for n in names)
