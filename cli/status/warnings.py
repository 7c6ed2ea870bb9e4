"""Standing warnings: what is not broken yet and should not stay as it is (ours).

Pure: reads a snapshot and the configuration it came from.  Shown under `crm status` only, never in
`crm_mon`'s compatible output.  Facts: cli.md section 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from cib import scores
from cib.durations import interval_ms
from cib.lexical import is_true
from cli.status.model import ClusterStatus, NodeKind, NodeStatus, ResourceStatus

INFINITY = 1_000_000
NAMES_SHOWN = 5
"""More names than this are counted, not listed."""


@dataclass(frozen=True, slots=True)
class Warning:
    """One standing warning; `id` is stable, for metrics and for `crm advise ID`."""

    id: str
    text: str
    advice: str


def standing_warnings(
    status: ClusterStatus, cib: etree._Element, live: Sequence[Mapping[str, Any]] = ()
) -> list[Warning]:
    """All warnings, gravest first; `live` are those that the running cluster reported itself."""
    found = [
        *_fencing(status, cib),
        *_blocked(status),
        *_fail_counts(status),
        *_quorum(status),
        *_leftover_moves(cib),
        *_maintenance(status),
        *_standby(status),
        *_removed(status),
        *_failback(cib),
        *_monitors(cib),
    ]
    known = {warning.id for warning in found}
    for reported in live:
        name = str(reported.get("id", ""))
        if name and name not in known:
            text, advice = str(reported.get("text", "")), str(reported.get("advice", ""))
            found.insert(0, Warning(name, text, advice))
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _primitives(status: ClusterStatus) -> Iterator[ResourceStatus]:
    for resource in status.resources:
        yield from resource.primitives()


def _fencing(status: ClusterStatus, cib: etree._Element) -> Iterator[Warning]:
    devices = [p for p in cib.iterfind(".//primitive") if p.get("class") == "stonith"]
    if not status.options.fencing_enabled:
        yield Warning(
            "fencing-disabled",
            "fencing is disabled: a node that is cut off may go on using shared data",
            "configure a fencing device, then 'crm configure property fencing-enabled=true'",
        )
    elif not devices:
        yield Warning(
            "fencing-missing",
            "fencing is enabled, but no fencing device is configured: nothing will start",
            "configure a device ('crm ra list stonith'), or for a test cluster without shared data "
            "'crm configure property fencing-enabled=false'",
        )
    active = [r for r in _primitives(status) if r.agent.startswith("stonith:")]
    yield from _fencing_events(status)
    failed = sorted(r.id for r in active if r.failed)
    if failed:
        yield Warning(
            "fencing-failing",
            f"fencing device failed: {_listed(failed)}",
            f"look at 'crm resource trace {failed[0]}', repair it, then "
            f"'crm resource cleanup {failed[0]}'",
        )
    unmonitored = sorted(d.get("id", "") for d in devices if not _has_monitor(d))
    if unmonitored:
        yield Warning(
            "fencing-unmonitored",
            f"fencing device without monitor: {_listed(unmonitored)}; a fault shows only when it "
            "is needed",
            "add 'op monitor interval=60s'",
        )


def _fencing_events(status: ClusterStatus) -> Iterator[Warning]:
    """The newest event of each node: it is failed or still pending."""
    newest = {event.target: event for event in status.fencing}
    for target, event in sorted(newest.items()):
        if event.state == "failed":
            reason = f": {event.error}" if event.error else ""
            yield Warning(
                "fencing-failed",
                f"fencing of {target} failed{reason}; its services stay where they are",
                f"repair the device and 'crm node fence {target}', or, only if it is surely off, "
                f"'crm node clearstate {target}'",
            )
        elif event.state == "pending":
            yield Warning(
                "fencing-pending",
                f"fencing of {target} is under way",
                "services move when it is confirmed; see 'crm_mon -1m'",
            )


def _blocked(status: ClusterStatus) -> Iterator[Warning]:
    blocked = sorted(r.shown_id for r in _primitives(status) if r.blocked)
    if blocked:
        yield Warning(
            "blocked",
            f"blocked after a failure that the cluster cannot recover from: {_listed(blocked)}",
            f"stop it by hand if it still runs, then 'crm resource cleanup {blocked[0]}'",
        )


def _fail_counts(status: ClusterStatus) -> Iterator[Warning]:
    for history in status.histories:
        count, threshold = history.fail_count, history.migration_threshold
        if not count or history.removed:
            continue
        shown = "INFINITY" if count >= INFINITY else str(count)
        if 0 < threshold <= count:
            text = (
                f"{history.resource} may not run on {history.node} any more: fail count {shown} "
                f"has reached migration-threshold {scores.to_text(threshold)}"
            )
        elif 0 < threshold < INFINITY and threshold - count == 1:
            text = (
                f"{history.resource} moves away from {history.node} at the next failure: fail "
                f"count {shown}, migration-threshold {threshold}"
            )
        else:
            continue
        yield Warning(
            "fail-count",
            text,
            f"repair the cause, then 'crm resource cleanup {history.resource} {history.node}'",
        )


def _quorum(status: ClusterStatus) -> Iterator[Warning]:
    members = [node for node in status.nodes if node.kind is NodeKind.MEMBER]
    online = [node for node in members if node.online]
    needed = len(members) // 2 + 1
    if not status.quorate and online and status.options.no_quorum_policy != "ignore":
        yield Warning(
            "quorum-lost",
            f"no quorum: {len(online)} of {len(members)} nodes online, {needed} needed",
            "bring nodes back; until then no-quorum-policy="
            f"{status.options.no_quorum_policy} is in force",
        )
    elif len(members) > 2 and len(online) == needed and len(online) < len(members):
        down = [node.name for node in members if not node.online]
        yield Warning(
            "quorum-margin",
            f"the loss of one more node stops services: {len(online)} of {len(members)} nodes "
            "online",
            f"bring back {_listed(down)}",
        )


def _leftover_moves(cib: etree._Element) -> Iterator[Warning]:
    for constraint in cib.iterfind("configuration/constraints/rsc_location"):
        name, resource = constraint.get("id", ""), constraint.get("rsc", "")
        if not name.startswith(("cli-prefer-", "cli-ban-")):
            continue
        expression = constraint.find("rule/expression")
        node = constraint.get("node")
        if node is None and expression is not None:
            node = expression.get("value")
        verb = "ties" if name.startswith("cli-prefer-") else "keeps"
        where = f"to {node}" if verb == "ties" else f"off {node}"
        yield Warning(
            "move-left-over",
            f"constraint {name} from an earlier move or ban still {verb} {resource} {where}",
            f"'crm resource clear {resource}' when it is no longer wanted",
        )


def _maintenance(status: ClusterStatus) -> Iterator[Warning]:
    if status.options.maintenance_mode:
        yield Warning(
            "maintenance-mode",
            "maintenance mode: nothing is started, stopped or recovered",
            "'crm configure property maintenance-mode=false' when the work is done",
        )
        return
    nodes = [node.name for node in _members(status) if node.maintenance]
    if nodes:
        yield Warning(
            "maintenance-node",
            f"node in maintenance: {_listed(nodes)}; nothing is recovered there",
            f"'crm node ready {nodes[0]}' when the work is done",
        )
    in_maintenance = set(nodes)
    unmanaged = sorted(
        r.shown_id
        for r in _primitives(status)
        if not r.managed
        and not r.blocked
        and not any(place.node in in_maintenance for place in r.active)
    )
    if unmanaged:
        yield Warning(
            "unmanaged",
            f"not managed by the cluster: {_listed(list(dict.fromkeys(unmanaged)))}",
            f"'crm resource manage {unmanaged[0]}' when the work is done",
        )


def _members(status: ClusterStatus) -> list[NodeStatus]:
    return [node for node in status.nodes if node.kind is NodeKind.MEMBER]


def _standby(status: ClusterStatus) -> Iterator[Warning]:
    for node in _members(status):
        if node.standby_onfail:
            yield Warning(
                "standby-on-fail",
                f"node {node.name} is in standby because a resource failed there (on-fail=standby)",
                "repair the cause, then clean up the failed resource",
            )
        elif node.standby and not node.pending:
            yield Warning(
                "standby",
                f"node {node.name} is in standby and runs no services",
                f"'crm node online {node.name}' when it may serve again",
            )


def _removed(status: ClusterStatus) -> Iterator[Warning]:
    removed = sorted(r.shown_id for r in _primitives(status) if r.removed and r.active)
    if removed:
        yield Warning(
            "removed-resource",
            f"active, but no longer configured: {_listed(removed)}",
            f"'crm resource cleanup {removed[0]}', or configure it again",
        )


def _failback(cib: etree._Element) -> Iterator[Warning]:
    """Stickiness 0 and a preferred node: services move back as soon as that node returns."""
    default = _meta(cib.find("configuration/rsc_defaults"), "resource-stickiness") or "0"
    preferred: dict[str, str] = {}
    for constraint in cib.iterfind("configuration/constraints/rsc_location"):
        name, score = constraint.get("id", ""), scores.parse(constraint.get("score"), 0)
        node, resource = constraint.get("node"), constraint.get("rsc")
        if not name.startswith("cli-") and node and resource and score > 0:
            preferred.setdefault(resource, node)
    for element in cib.iterfind("configuration/resources/*"):
        resource = element.get("id", "")
        if resource not in preferred or element.tag == "clone":
            continue
        own = _meta(element, "resource-stickiness")
        members = [_meta(member, "resource-stickiness") for member in element.iter("primitive")]
        values = [value for value in (own, *members) if value is not None] or [default]
        if all(scores.parse(value, 0) == 0 for value in values):
            yield Warning(
                "failback",
                f"{resource} prefers {preferred[resource]} and has stickiness 0: it moves back, "
                "with an interruption, as soon as that node returns",
                f"'crm resource meta {resource} set resource-stickiness 100' keeps it where it is",
            )


def _meta(element: etree._Element | None, name: str) -> str | None:
    if element is None:
        return None
    for pair in element.iterfind("meta_attributes/nvpair"):
        if pair.get("name") == name:
            return pair.get("value")
    return None


def _monitors(cib: etree._Element) -> Iterator[Warning]:
    missing = sorted(
        primitive.get("id", "")
        for primitive in cib.iterfind("configuration/resources//primitive")
        if primitive.get("class") != "stonith"
        and primitive.get("template") is None
        and primitive.getparent() is not None
        and not _has_monitor(primitive)
    )
    if missing:
        yield Warning(
            "monitor-missing",
            f"without a recurring monitor: {_listed(missing)}; a failure goes unnoticed",
            f"'crm configure monitor {missing[0]} 30s:20s'",
        )


def _has_monitor(primitive: etree._Element) -> bool:
    return any(
        op.get("name") == "monitor"
        and interval_ms(op.get("interval")) > 0
        and (op.get("enabled") is None or is_true(op.get("enabled")))
        for op in primitive.iterfind("operations/op")
    )
