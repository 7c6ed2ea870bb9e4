"""Operation histories, fail counts and failures for the status.

Reads the histories that the scheduler unpacked, or the status section where it did not.
Facts: scheduler-2-actions.md section 17.8, cli.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cli.status import model as m
from crmd.scheduler import model as s
from crmd.scheduler.unpack.failcounts import fail_count

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
            count, last = _fail_count(cluster, resource, node)
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


def _fail_count(
    cluster: s.Cluster, resource: s.Resource | None, node: s.Node
) -> tuple[int, int | None]:
    """Fail count that is still in effect, and when the last failure was."""
    if resource is None or not resource.is_primitive:
        return 0, None
    count, last = fail_count(cluster, resource, node)
    return count, last or None


def _read_operation(element: etree._Element) -> m.Operation:
    return operation_of({str(k): str(v) for k, v in element.attrib.items()})


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def operation_of(attrs: Mapping[str, str]) -> m.Operation:
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
    """Failed operations on record, each operation of a node once.

    Probes that only say "cannot run here" are left out.
    """
    out: dict[tuple[str, str], m.Failure] = {}
    for failure in cluster.failures:
        if not _is_maskable(failure.entry):
            operation = operation_of(failure.entry.attrs)
            shown = m.Failure(failure.node.name, operation, failure.resource.display_id)
            out.setdefault((failure.node.name, operation.key), shown)
    return tuple(out.values())


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
