"""Summary, attributes, operations, failures, tickets and bans as text (crm_mon).

Facts: cli.md section 5, scheduler-2-actions.md section 17.8; wording checked against crm_mon.
"""

from __future__ import annotations

from cib.durations import readable
from cli.status.clock import local_time
from cli.status.filters import wants_history, wants_resource_id
from cli.status.listing import Listing
from cli.status.model import (
    ClusterStatus,
    Failure,
    FenceEvent,
    History,
    NodeStatus,
    Operation,
)
from cli.status.results import exit_text, status_text
from cli.status.show import Section, Show
from cli.status.text_nodes import node_title

_QUORUM_WORDS = {
    "stop": "Stop ALL resources",
    "freeze": "Freeze resources",
    "ignore": "Ignore",
    "demote": "Demote promotable resources and stop all other resources",
    "fence": "Fence nodes in the partition",
    "suicide": "Fence nodes in the partition",
}


def summary_section(status: ClusterStatus, show: Show) -> Listing | None:
    """`Cluster Summary`: who decides, since when, how much there is."""
    items: list[str | Listing] = []
    if Section.STACK in show.sections:
        items.append(f"Stack: {status.stack or 'unknown'}")
    if Section.DC in show.sections:
        items.append(_dc_line(status, show))
    if Section.TIMES in show.sections:
        items.append(f"Last updated: {local_time(status.updated_at)}")
        items.append(f"Last change:  {_last_change(status)}")
    if Section.COUNTS in show.sections:
        count = len(status.nodes)
        items.append(f"{count} node{'' if count == 1 else 's'} configured")
        items.append(_resource_counts(status))
    if Section.OPTIONS in show.sections:
        items += _option_lines(status)
    return Listing("Cluster Summary", items) if items else None


def _dc_line(status: ClusterStatus, show: Show) -> str:
    if status.dc is None:
        return "Current DC: NONE"
    name = status.dc
    if show.details and status.dc_id not in (None, status.dc):
        name += f" ({status.dc_id})"
    mixed = "MIXED-" if status.mixed_version else ""
    quorum = "with" if status.quorate else "WITHOUT"
    version = status.dc_version or "unknown"
    return f"Current DC: {name} ({mixed}version {version}) - partition {quorum} quorum"


def _last_change(status: ClusterStatus) -> str:
    text = status.last_change or ""
    for word, value in (
        ("by", status.change_user),
        ("via", status.change_client),
        ("on", status.change_origin),
    ):
        if value:
            text += f" {word} {value}"
    return text


def _resource_counts(status: ClusterStatus) -> str:
    total, disabled, blocked = status.counts()
    text = f"{total} resource instance{'' if total == 1 else 's'} configured"
    notes = []
    if disabled:
        notes.append(f"{disabled} DISABLED")
    if blocked:
        notes.append(f"{blocked} BLOCKED from further action due to failure")
    return f"{text} ({', '.join(notes)})" if notes else text


def _option_lines(status: ClusterStatus) -> list[str]:
    options = status.options
    lines = [
        f"Fencing of failed nodes {'enabled' if options.fencing_enabled else 'disabled'}",
        f"Cluster is {'symmetric' if options.symmetric else 'asymmetric'}",
        f"No quorum policy: {_QUORUM_WORDS.get(options.no_quorum_policy, 'Stop ALL resources')}",
    ]
    if options.maintenance_mode:
        lines.append(
            "Resource management: DISABLED (the cluster will not attempt to start, stop, or "
            "recover services)"
        )
    if options.stop_all:
        lines.append("Resource management: STOPPED")
    return lines


def attributes_section(status: ClusterStatus, show: Show) -> Listing | None:
    """`Node Attributes` of nodes that are online."""
    items: list[str | Listing] = []
    for node in status.nodes:
        if not (node.online and node.attributes and show.wants_node(node.name)):
            continue
        lines: list[str | Listing] = []
        for name, value in node.attributes:
            line = f"{name:<32}\t: {value:<10}"
            expected = dict(node.connectivity).get(name)
            if expected is not None:
                line += _connectivity_note(value, expected)
            lines.append(line)
        items.append(Listing(node_title(node, show), lines))
    return Listing("Node Attributes", items) if items else None


def _connectivity_note(value: str, expected: int) -> str:
    try:
        score = int(value)
    except ValueError:
        score = 0
    if score <= 0:
        return "\t: Connectivity is lost"
    if score < expected:
        return f"\t: Connectivity is degraded (Expected={expected})"
    return ""


def operations_section(status: ClusterStatus, show: Show) -> Listing | None:
    """`Operations` (the history), or `Migration Summary` (only fail counts)."""
    full = Section.OPERATIONS in show.sections
    items: list[str | Listing] = []
    for node in _history_nodes(status, show):
        lines: list[str | Listing] = []
        for history in status.histories:
            if history.node != node.name or not wants_history(history, status, show):
                continue
            if full and history.operations:
                operations: list[str | Listing] = [
                    _operation_line(op, show) for op in history.operations
                ]
                lines.append(Listing(_history_title(history), operations))
            elif not full and history.fail_count:
                lines.append(_history_title(history))
        if lines:
            items.append(Listing(node_title(node, show), lines))
    title = "Operations" if full else "Migration Summary"
    return Listing(title, items) if items or not full else None


def _history_nodes(status: ClusterStatus, show: Show) -> list[NodeStatus]:
    """Online nodes with history, in the order of the status section."""
    names = dict.fromkeys(history.node for history in status.histories)
    nodes = [status.node(name) for name in names]
    return [n for n in nodes if n is not None and n.online and show.wants_node(n.name)]


def _history_title(history: History) -> str:
    text = f"{history.resource}:"
    if history.removed:
        return f"{text} removed"
    text += f" migration-threshold={history.migration_threshold}"
    if history.fail_count:
        text += f" fail-count={history.fail_count}"
        if history.last_failure:
            text += f" last-failure='{local_time(history.last_failure)}'"
    return text


def _operation_line(op: Operation, show: Show) -> str:
    task = "probe" if op.task == "monitor" and op.interval_ms == 0 else op.task
    parts = []
    if op.interval_ms:
        parts.append(f'interval="{op.interval_ms}ms"')
    if show.timing:
        if op.changed_at:
            parts.append(f'last-rc-change="{local_time(op.changed_at)}"')
        if op.exec_ms is not None:
            parts.append(f'exec-time="{op.exec_ms}ms"')
        if op.queue_ms is not None:
            parts.append(f'queue-time="{op.queue_ms}ms"')
        parts.append(f"rc={op.rc} ({exit_text(op.rc)})")
    return f"({op.call}) {task}" + (f": {' '.join(parts)}" if parts else "")


def failures_section(status: ClusterStatus, show: Show) -> Listing | None:
    """`Failed Resource Actions`."""
    items: list[str | Listing] = [
        _failure_line(failure, show)
        for failure in status.failures
        if show.wants_node(failure.node) and show.wants_name(failure.resource)
    ]
    return Listing("Failed Resource Actions", items) if items else None


def _failure_line(failure: Failure, show: Show) -> str:
    op = failure.operation
    if show.details:
        line = (
            f"{op.key} on {failure.node} '{exit_text(op.rc)}' ({op.rc}): call={op.call}, "
            f"status='{status_text(op.status)}'"
        )
        if op.exit_reason:
            line += f", exitreason='{op.exit_reason}'"
        if op.changed_at:
            line += f", last-rc-change='{local_time(op.changed_at)}'"
        if op.queue_ms is not None:
            line += f", queued={op.queue_ms}ms"
        if op.exec_ms is not None:
            line += f", exec={op.exec_ms}ms"
        return line
    if op.task == "monitor":
        what = f"{readable(op.interval_ms)}-interval monitor" if op.interval_ms else "probe"
    else:
        what = op.task
    line = f"{failure.resource} {what} on {failure.node}"
    if op.status == -1:
        return f"{line} pending"
    if op.status == 0:
        line += f" returned '{exit_text(op.rc)}'"
    else:
        line += f" could not be executed ({status_text(op.status)})"
    if op.exit_reason:
        line += f" ({op.exit_reason})"
    if op.changed_at:
        line += f" at {local_time(op.changed_at)}"
    if op.exec_ms:
        line += f" after {readable(op.exec_ms)}"
    return line


_FENCING_TITLES = (
    (Section.FENCING_FAILED, "failed", "Failed Fencing Actions"),
    (Section.FENCING_PENDING, "pending", "Pending Fencing Actions"),
    (Section.FENCING_SUCCEEDED, "success", "Fencing History"),
)


def fencing_sections(status: ClusterStatus, show: Show) -> list[Listing]:
    """What was fenced, what could not be, and what is under way; newest first."""
    out = []
    for section, state, title in _FENCING_TITLES:
        items: list[str | Listing] = [
            _fence_line(event)
            for event in reversed(status.fencing)
            if event.state == state and show.wants_node(event.target)
        ]
        if section in show.sections and items:
            out.append(Listing(title, items))
    return out


def _fence_line(event: FenceEvent) -> str:
    word = "successful" if event.state == "success" else event.state
    reason = f" ({event.error})" if event.error else ""
    line = f"{event.action} of {event.target} {word}{reason}: "
    if event.state != "pending":
        line += f"delegate={event.delegate or ''}, "
    line += f"origin={event.origin}"
    if event.at is not None and event.state != "pending":
        when = "completed" if event.state == "success" else "last-failed"
        line += f", {when}='{local_time(event.at)}'"
    return line


def tickets_section(status: ClusterStatus, show: Show) -> Listing | None:
    """`Tickets` and whether they are granted."""
    items: list[str | Listing] = []
    for ticket in status.tickets:
        line = f"{ticket.id}: {'granted' if ticket.granted else 'revoked'}"
        if ticket.standby:
            line += " [standby]"
        if ticket.last_granted:
            line += f' last-granted="{local_time(ticket.last_granted)}"'
        items.append(line)
    return Listing("Tickets", items) if items else None


def bans_section(status: ClusterStatus, show: Show) -> Listing | None:
    """`Negative Location Constraints`."""
    items: list[str | Listing] = []
    for ban in status.bans:
        if not ban.id.startswith(show.ban_prefix):
            continue
        if not wants_resource_id(ban.resource, status, show):
            continue
        role = "in Promoted role " if ban.promoted_only else ""
        node = status.node(ban.node)
        where = node_title(node, show).removeprefix("Node: ") if node else ban.node
        items.append(f"{ban.id}\tprevents {ban.resource} from running {role}on {where}")
    return Listing("Negative Location Constraints", items) if items else None
