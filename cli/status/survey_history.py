"""Operation histories, fail counts and failures for the status.

Reads the histories that the scheduler unpacked, or the status section where it did not.
Facts: scheduler-2-actions.md section 17.8, cli.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cib import scores
from cli.status import model as m
from crmd.scheduler import model as s

if TYPE_CHECKING:
    from lxml import etree

_UNSHOWN_TASKS = ("notify",)


def histories(cluster: s.Cluster) -> tuple[m.History, ...]:
    """Histories by node and resource, in the order of the status section."""
    return tuple(_histories(cluster))


def _histories(cluster: s.Cluster) -> Iterator[m.History]:
    for state in cluster.cib.iterfind("status/node_state"):
        node = cluster.nodes_by_id.get(state.get("id", "").lower())
        if node is None:
            node = cluster.node(state.get("uname"))
        if node is None:
            continue
        for entry in state.iterfind("lrm/lrm_resources/lrm_resource"):
            name = entry.get("id", "")
            resource = find_resource(cluster, name)
            operations = [
                operation
                for operation in map(_read_operation, entry.iterchildren("lrm_rsc_op"))
                if _is_shown(operation)
            ]
            operations.sort(key=lambda operation: operation.call)
            count, last = _fail_count(node, name)
            yield m.History(
                node=node.name,
                resource=name,
                removed=resource is None or resource.removed,
                migration_threshold=resource.ban_after if resource is not None else 0,
                operations=tuple(operations),
                fail_count=count,
                last_failure=last,
            )


def find_resource(cluster: s.Cluster, name: str) -> s.Resource | None:
    """The resource that a history of that name is about (any instance of a clone)."""
    return (
        cluster.by_id.get(name) or cluster.by_history_id.get(name) or cluster.by_id.get(f"{name}:0")
    )


def _is_shown(operation: m.Operation) -> bool:
    if operation.task in _UNSHOWN_TASKS or operation.status == -1:
        return False
    return not (operation.task == "monitor" and not operation.interval_ms and operation.rc == 7)


def _fail_count(node: s.Node, name: str) -> tuple[int, int | None]:
    total, last = 0, 0
    for key, value in node.attrs.items():
        kind, separator, rest = key.partition(f"-{name}#")
        if not separator or not rest:
            continue
        if kind == "fail-count":
            total = scores.add(total, scores.parse(value, 0))
        elif kind == "last-failure":
            last = max(last, int(value) if value.isdigit() else 0)
    return total, last or None


def _read_operation(element: etree._Element) -> m.Operation:
    return operation_of({str(k): str(v) for k, v in element.attrib.items()})


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def operation_of(attrs: dict[str, str]) -> m.Operation:
    """One history entry from its attributes."""
    task = attrs.get("operation", "")
    interval_ms = _number(attrs.get("interval")) or 0
    return m.Operation(
        id=attrs.get("id", ""),
        key=attrs.get("operation_key") or attrs.get("id", ""),
        task=task,
        call=_number(attrs.get("call-id")) or 0,
        rc=_number(attrs.get("rc-code")) or 0,
        status=_number(attrs.get("op-status")) or 0,
        interval_ms=interval_ms,
        changed_at=_number(attrs.get("last-rc-change")),
        exec_ms=_number(attrs.get("exec-time")),
        queue_ms=_number(attrs.get("queue-time")),
        exit_reason=attrs.get("exit-reason") or None,
    )


def failures(cluster: s.Cluster) -> tuple[m.Failure, ...]:
    """Failed operations on record; probes that only say "cannot run here" are left out."""
    return tuple(
        m.Failure(
            node=failure.node.name,
            operation=operation_of(failure.entry.attrs),
            resource=failure.resource.display_id,
        )
        for failure in cluster.failures
        if not _is_maskable(failure.entry)
    )


def _is_maskable(entry: s.HistoryEntry) -> bool:
    """A probe whose result says only that the resource cannot run there (part 1, 12.9)."""
    return entry.is_probe and (entry.rc in (2, 5) or entry.status == 7)


def connectivity(node: s.Node) -> tuple[tuple[str, int], ...]:
    """Attributes owned by ping resources that run on the node, and their full value."""
    out = []
    for resource in node.running:
        if resource.type not in ("ping", "pingd") or resource.element is None:
            continue
        parameters = {
            pair.get("name", ""): pair.get("value", "")
            for pair in resource.element.iterfind("instance_attributes/nvpair")
        }
        hosts = len(parameters.get("host_list", "").split())
        multiplier = _number(parameters.get("multiplier")) or 1
        out.append((parameters.get("name", "pingd"), hosts * multiplier))
    return tuple(out)
