"""From the scheduler's unpacked state to what a person wants to know.

Only reads; the snapshot stays true when the scheduler goes on changing its working set.
Facts: scheduler-2-actions.md section 17, cli.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key

from cib import scores
from cib.lexical import compare_names
from cli.status import model as m
from cli.status.results import exit_text
from cli.status.survey_history import connectivity, failures, histories
from crmd.scheduler import model as s

_name_key = cmp_to_key(compare_names)

_HIDDEN_ATTRIBUTES = ("fail-count-", "last-failure-", "shutdown", "terminate", "standby", "#")


def survey(cluster: s.Cluster, *, with_history: bool = False) -> m.ClusterStatus:
    """The status of an unpacked (not yet scheduled) cluster.

    `with_history`: operation histories, fail counts and failures too.
    """
    masked = _masked_probes(cluster)
    cib = cluster.cib
    dc = next((node for node in cluster.nodes if node.is_dc), None)
    return m.ClusterStatus(
        nodes=tuple(_node(node, cluster) for node in cluster.nodes),
        resources=tuple(_resource(r, cluster, masked) for r in cluster.resources),
        options=_options(cluster.options),
        stack=cluster.options.raw.get("cluster-infrastructure"),
        dc=dc.name if dc else None,
        dc_id=dc.id if dc else None,
        dc_version=cluster.options.raw.get("dc-version"),
        quorate=cluster.quorate,
        updated_at=int(cluster.now),
        last_change=cib.get("cib-last-written"),
        change_user=cib.get("update-user"),
        change_client=cib.get("update-client"),
        change_origin=cib.get("update-origin"),
        histories=histories(cluster) if with_history else (),
        failures=failures(cluster) if with_history else (),
        tickets=tuple(_ticket(ticket) for _, ticket in sorted(cluster.tickets.items())),
        tags=tuple((name, tuple(ids)) for name, ids in cluster.tags.items()),
    )


def _options(options: s.Options) -> m.Options:
    return m.Options(
        fencing_enabled=options.fencing_enabled,
        fencing_timeout_ms=options.fencing_timeout_ms,
        symmetric=options.symmetric,
        no_quorum_policy=options.no_quorum_policy.value,
        maintenance_mode=options.maintenance_mode,
        stop_all=options.stop_all,
        priority_fencing_delay_ms=options.priority_fencing_delay_ms,
    )


# --- nodes ---------------------------------------------------------------------------------


def _node(node: s.Node, cluster: s.Cluster) -> m.NodeStatus:
    kind, container, host = m.NodeKind.MEMBER, None, None
    if node.is_guest:
        assert node.conn is not None and node.conn.launcher is not None
        kind, container = m.NodeKind.GUEST, node.conn.launcher.id
        places = node.conn.launcher.active_on
        host = places[0].name if places else None
    elif node.is_remote_kind:
        kind = m.NodeKind.REMOTE
    feature_set = node.attrs.get("#feature-set")
    if feature_set is None and kind is m.NodeKind.MEMBER and node.online:
        feature_set = "<3.15.1"
    return m.NodeStatus(
        id=node.id,
        name=node.name,
        kind=kind,
        online=node.online,
        unclean=node.unclean,
        pending=node.pending,
        standby=node.standby,
        standby_onfail=node.fail_standby,
        maintenance=node.maintenance,
        shutdown=node.shutdown,
        expected_up=node.expected_up,
        is_dc=node.is_dc,
        health=_health(node, cluster.options),
        feature_set=feature_set,
        running=tuple(r.id for r in node.running),
        resources_running=len(node.running),
        container=container,
        host=host,
        attributes=tuple(
            (name, node.attrs[name])
            for name in sorted(node.attrs)
            if not name.startswith(_HIDDEN_ATTRIBUTES)
        ),
        connectivity=connectivity(node),
    )


def _health(node: s.Node, options: s.Options) -> int:
    """-1 red, 0 yellow, 1 green: the worst of the node's health attributes.

    Observed: the words red and yellow mean themselves whatever their scores; anything else is red
    up to the score of red and yellow up to the score of yellow, which counts only where it differs
    from that of green.
    """
    if options.health_strategy == "none":
        return 1
    values = (value for name, value in node.attrs.items() if name.startswith("#health"))
    return min((_colour(value.lower(), options.health) for value in values), default=1)


def _colour(value: str, limits: dict[str, int]) -> int:
    if value in ("red", "yellow"):
        return -1 if value == "red" else 0
    score = limits["green"] if value == "green" else scores.parse(value, 0)
    if score <= limits["red"]:
        return -1
    return 0 if limits["yellow"] != limits["green"] and score <= limits["yellow"] else 1


# --- resources -----------------------------------------------------------------------------


Masked = dict[str, list[m.MaskedProbe]]


def _masked_probes(cluster: s.Cluster) -> Masked:
    """Masked probes by the name that their keys have; those without a node are never shown."""
    out: Masked = {}
    for failure in cluster.failures:
        attrs = failure.entry.attrs
        key, node = attrs.get("operation_key") or attrs.get("id", ""), attrs.get("on_node")
        if failure.masked_probe and node is not None:
            probe = m.MaskedProbe(node, exit_text(failure.entry.rc))
            out.setdefault(key.removesuffix("_monitor_0"), []).append(probe)
    return out


def _active(node: s.Node) -> m.Active:
    return m.Active(node.name, node.id, node.online, node.unclean)


def _resource(r: s.Resource, cluster: s.Cluster, masked: Masked) -> m.ResourceStatus:
    agent = ":".join(part for part in (r.klass, r.provider, r.type) if part)
    current = current_node(r)
    children: Iterable[s.Resource] = r.children if r.variant is not s.Variant.BUNDLE else ()
    facts = r.bundle_facts
    allowed: list[s.Node] = []
    if r.variant is s.Variant.CLONE:
        if r.scores:
            allowed = [cluster.nodes_by_index[index] for index in r.scores]
        else:
            allowed = list(r.known_on.values())
    return m.ResourceStatus(
        variant=m.Variant[r.variant.name],
        id=r.id,
        plain_id=r.xml_id,
        unique=r.unique,
        agent=agent if r.is_primitive else "",
        role=m.Role(int(r.orig_role)),
        managed=r.managed,
        maintenance=r.maintenance,
        blocked=r.blocked,
        failed=r.failed,
        removed=r.removed,
        failure_ignored=r.ignore_failure,
        internal=r.meta.get("internal_rsc", "").lower() == "true",
        promotable=r.top.promotable,
        target_role=r.meta.get("target-role"),
        description=r.element.get("description") if r.element is not None else None,
        active=tuple(_active(node) for node in r.active_on),
        current=_active(current) if current is not None else None,
        pending_task=r.pending_task,
        pending_node=_active(r.pending_node) if r.pending_node is not None else None,
        locked_to=_active(r.lock_node) if r.lock_node is not None else None,
        masked=tuple(masked.get(r.xml_id, ())),
        children=tuple(_resource(child, cluster, masked) for child in children),
        replicas=tuple(_replica(x, cluster, masked) for x in (facts.replicas if facts else ())),
        allowed=tuple(sorted((node.name for node in allowed), key=_name_key)),
        instances_max=r.clone.max if r.clone is not None else 0,
        image=facts.image if facts else "",
        container_type=facts.kind if facts else "",
    )


def _replica(replica: s.Replica, cluster: s.Cluster, masked: Masked) -> m.ReplicaStatus:
    def part(r: s.Resource | None) -> m.ResourceStatus | None:
        return None if r is None else _resource(r, cluster, masked)

    return m.ReplicaStatus(
        number=replica.offset,
        ip=part(replica.ip),
        child=part(replica.child),
        container=_resource(replica.container, cluster, masked),
        remote=part(replica.remote),
        address=replica.address,
    )


def current_node(r: s.Resource) -> s.Node | None:
    """The place that counts among those where a resource is active (part 1, 0.6)."""
    candidate: s.Node | None = None
    for node in r.active_on:
        if r.partial_src is not None:
            if node is r.partial_src:
                candidate = node
        elif not r.needs_fencing:
            if node.online and not node.unclean:
                if candidate is None or not candidate.online or candidate.unclean:
                    candidate = node
        if candidate is None:
            candidate = node
    return candidate


# --- tickets, bans ---------------------------------------------------------------------------


def _ticket(ticket: s.Ticket) -> m.Ticket:
    hidden = ("granted", "standby", "last-granted")
    return m.Ticket(
        id=ticket.id,
        granted=ticket.granted,
        standby=ticket.standby,
        last_granted=ticket.last_granted if ticket.last_granted > 0 else None,
        attributes=tuple((k, v) for k, v in sorted(ticket.attrs.items()) if k not in hidden),
    )


def bans(cluster: s.Cluster) -> Iterable[m.Ban]:
    """Negative location constraints; the constraints must have been read."""
    for location in reversed(cluster.locations):
        for index, score in location.scores.items():
            if score < 0:
                promoted = location.role is s.Role.PROMOTED
                yield m.Ban(
                    id=location.id,
                    resource=location.resource.id,
                    node=cluster.nodes_by_index[index].name,
                    score=score,
                    promoted_only=promoted,
                )
