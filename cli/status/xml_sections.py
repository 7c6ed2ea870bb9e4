"""Summary, attributes, histories, failures, tickets and bans as XML (crm_mon).

Facts: cli.md section 5 and the recorded cases.
"""

from __future__ import annotations

from lxml import etree

from cli.status.clock import local_time
from cli.status.filters import wants_history, wants_resource_id
from cli.status.model import ClusterStatus
from cli.status.results import exit_text, status_text
from cli.status.show import FENCING, SUMMARY, Section, Show
from cli.status.xml import (
    Element,
    boolean,
    element,
    nodes_element,
    operation_element,
    resources_element,
)


def status_elements(status: ClusterStatus, show: Show) -> list[Element]:
    """The wanted sections in their order."""
    wanted = show.sections
    out: list[Element | None] = []
    if wanted & SUMMARY:
        out.append(_summary(status, show))
    if Section.NODES in wanted:
        out.append(nodes_element(status, show))
    if Section.RESOURCES in wanted:
        out.append(resources_element(status, show))
    if Section.ATTRIBUTES in wanted:
        out.append(_attributes(status, show))
    if Section.OPERATIONS in wanted or Section.FAILCOUNTS in wanted:
        out.append(_histories(status, show))
    if Section.FAILURES in wanted:
        out.append(_failures(status, show))
    if wanted & FENCING:
        out.append(_fencing(status, show))
    if Section.TICKETS in wanted:
        out.append(_tickets(status))
    if Section.BANS in wanted:
        out.append(_bans(status, show))
    return [e for e in out if e is not None]


def _summary(status: ClusterStatus, show: Show) -> Element:
    out = etree.Element("summary")
    if Section.STACK in show.sections:
        out.append(element("stack", type=status.stack or "unknown"))
    if Section.DC in show.sections:
        if status.dc is None:
            out.append(element("current_dc", present="false"))
        else:
            out.append(
                element(
                    "current_dc",
                    present="true",
                    version=status.dc_version or "",
                    name=status.dc,
                    id=status.dc_id,
                    with_quorum=boolean(status.quorate),
                    mixed_version=boolean(status.mixed_version),
                )
            )
    if Section.TIMES in show.sections:
        out.append(element("last_update", time=local_time(status.updated_at)))
        out.append(
            element(
                "last_change",
                time=status.last_change or "",
                user=status.change_user or "",
                client=status.change_client or "",
                origin=status.change_origin or "",
            )
        )
    if Section.COUNTS in show.sections:
        total, disabled, blocked = status.counts()
        out.append(element("nodes_configured", number=str(len(status.nodes))))
        out.append(
            element(
                "resources_configured",
                number=str(total),
                disabled=str(disabled),
                blocked=str(blocked),
            )
        )
    if Section.OPTIONS in show.sections:
        out.append(_options(status))
    return out


def _options(status: ClusterStatus) -> Element:
    options = status.options
    return element(
        "cluster_options",
        fencing__enabled=boolean(options.fencing_enabled),
        fencing__timeout__ms=str(options.fencing_timeout_ms),
        symmetric__cluster=boolean(options.symmetric),
        no__quorum__policy=options.no_quorum_policy,
        maintenance__mode=boolean(options.maintenance_mode),
        stop__all__resources=boolean(options.stop_all),
        priority__fencing__delay__ms=str(options.priority_fencing_delay_ms),
        stonith__enabled=boolean(options.fencing_enabled),
        stonith__timeout__ms=str(options.fencing_timeout_ms),
    )


def _attributes(status: ClusterStatus, show: Show) -> Element | None:
    out = etree.Element("node_attributes")
    for node in status.nodes:
        if not (node.online and node.attributes and show.wants_node(node.name)):
            continue
        e = element("node", name=node.name)
        expected = dict(node.connectivity)
        for name, value in node.attributes:
            full = expected.get(name)
            e.append(
                element(
                    "attribute",
                    name=name,
                    value=value,
                    expected=str(full) if full is not None else None,
                )
            )
        out.append(e)
    return out if len(out) else None


def _histories(status: ClusterStatus, show: Show) -> Element:
    out = etree.Element("node_history")
    nodes: dict[str, Element] = {}
    for history in status.histories:
        node = status.node(history.node)
        if node is None or not node.online or not show.wants_node(history.node):
            continue
        full = Section.OPERATIONS in show.sections
        if not wants_history(history, status, show):
            continue
        if not (history.operations if full else history.fail_count):
            continue
        if history.node not in nodes:
            nodes[history.node] = etree.SubElement(out, "node", {"name": history.node})
        entry = element(
            "resource_history",
            id=history.resource,
            orphan=boolean(history.removed),
            removed=boolean(history.removed),
            migration__threshold=(None if history.removed else str(history.migration_threshold)),
            fail__count=str(history.fail_count) if history.fail_count else None,
            last__failure=(
                local_time(history.last_failure)
                if history.fail_count and history.last_failure
                else None
            ),
        )
        nodes[history.node].append(entry)
        if full:
            for op in history.operations:
                moment = local_time(op.changed_at) if op.changed_at else None
                entry.append(operation_element(op, moment))
    return out


def _failures(status: ClusterStatus, show: Show) -> Element | None:
    out = etree.Element("failures")
    for failure in status.failures:
        op = failure.operation
        if not show.wants_node(failure.node) or not show.wants_name(failure.resource):
            continue
        out.append(
            element(
                "failure",
                op_key=op.key,
                node=failure.node,
                exitstatus=exit_text(op.rc),
                exitreason=op.exit_reason or "",
                exitcode=str(op.rc),
                call=str(op.call),
                status=status_text(op.status),
                last__rc__change=local_time(op.changed_at) if op.changed_at else None,
                queued=str(op.queue_ms or 0),
                exec_=str(op.exec_ms or 0),
                interval=str(op.interval_ms),
                task=op.task,
            )
        )
    return out if len(out) else None


def _fencing(status: ClusterStatus, show: Show) -> Element | None:
    out = element("fence_history", status="0")
    for event in reversed(status.fencing):
        if not show.wants_node(event.target):
            continue
        out.append(
            element(
                "fence_event",
                action=event.action,
                target=event.target,
                origin=event.origin,
                status=event.state,
                delegate=event.delegate,
                completed=local_time(event.at) if event.at is not None else None,
                exit__reason=event.error or None,
            )
        )
    return out if len(out) else None


def _tickets(status: ClusterStatus) -> Element | None:
    out = etree.Element("tickets")
    for ticket in status.tickets:
        moment = local_time(ticket.last_granted) if ticket.last_granted else None
        e = element(
            "ticket",
            id=ticket.id,
            status="granted" if ticket.granted else "revoked",
            standby=boolean(ticket.standby),
            last__granted=moment,
        )
        for name, value in ticket.attributes:
            if name not in ("status",):
                e.set(name, value)
        out.append(e)
    return out if len(out) else None


def _bans(status: ClusterStatus, show: Show) -> Element | None:
    out = etree.Element("bans")
    for ban in status.bans:
        if not ban.id.startswith(show.ban_prefix):
            continue
        if not wants_resource_id(ban.resource, status, show):
            continue
        out.append(
            element(
                "ban",
                id=ban.id,
                resource=ban.resource,
                node=ban.node,
                weight=str(ban.score),
                promoted__only=boolean(ban.promoted_only),
                master_only=boolean(ban.promoted_only),
            )
        )
    return out if len(out) else None
