"""From planned actions to the frozen actions of a transition, attributes included.

Source: scheduler-2-actions.md sections 13.6 and 13.7.
"""

from __future__ import annotations

from functools import lru_cache

from crmd.scheduler.act.action import Action, Plan
from crmd.scheduler.act.definition import interval_of
from crmd.scheduler.act.names import notify_key, op_key
from crmd.scheduler.graph import GraphBuilder, remote_maintenance_changes
from crmd.scheduler.model import Node, Resource, Variant
from crmd.scheduler.order.flags import ON_DC, PSEUDO
from crmd.scheduler.transition import Action as GraphAction
from crmd.scheduler.transition import ActionKind, ResourceRef, Synapse, Transition
from crmd.scheduler.unpack.activity import current_node
from crmd.scheduler.unpack.digests import address_is_replaced, connection_host
from crmd.scheduler.unpack.parameters import parameters

FEATURE_SET = "3.20.5"
_BEGAN = frozenset({"cancel", "stop", "demote", "migrate_from", "migrate_to"})
_HOST_NOW = frozenset({"stop", "stopped", "demote", "demoted"})
_HOST_NEXT = frozenset({"start", "running", "monitor", "promote", "promoted"})


def build_transition(plan: Plan, builder: GraphBuilder) -> Transition:
    """The transition with all synapses in writing order."""
    root = _root_attributes(plan)
    maker = _Maker(plan)
    synapses = []
    for number, (action, inputs) in enumerate(builder.synapses):
        priority = action.priority
        if action.rsc is not None:
            priority = max(priority, action.rsc.priority)
        synapses.append(
            Synapse(
                id=number,
                action=maker.make(action),
                inputs=tuple(first.id for first in inputs),
                priority=max(priority, 0),
            )
        )
    inside = {action.id for action, _ in builder.synapses}
    outside: dict[int, GraphAction] = {}
    for _, inputs in builder.synapses:
        for first in inputs:
            if first.id not in inside and first.id not in outside:
                outside[first.id] = maker.make(first)
    return Transition(root, tuple(synapses), tuple(outside.values()))


def _root_attributes(plan: Plan) -> tuple[tuple[str, str], ...]:
    raw = plan.cluster.options.raw
    fatal = plan.cluster.options.start_failure_is_fatal
    out = [
        ("cluster-delay", raw.get("cluster-delay", "60s")),
        ("fencing-timeout", raw.get("fencing-timeout", raw.get("stonith-timeout", "60s"))),
        ("failed-stop-offset", "INFINITY"),
        ("failed-start-offset", "INFINITY" if fatal else "1"),
        ("batch-limit", raw.get("batch-limit", "0")),
        ("transition_id", "1"),
    ]
    limit = raw.get("migration-limit", "-1")
    try:
        if int(limit) > 0:
            out.append(("migration-limit", limit))
    except ValueError:
        plan.warnings.append(f"option migration-limit: '{limit}' is not a number; no limit")
    rules = plan.cluster.attributes.recheck.at
    if rules is not None:
        plan.cluster.recheck(rules)
    if plan.cluster.recheck_by is not None:
        out.append(("recheck-by", str(plan.cluster.recheck_by)))
    return tuple(out)


class _Maker:
    """Equal pairs and references are made once: a large graph says the same things often."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._references: dict[int, ResourceRef] = {}

    def _reference(self, rsc: Resource) -> ResourceRef:
        found = self._references.get(rsc.index)
        if found is None:
            found = self._references[rsc.index] = _reference(rsc)
        return found

    def make(self, action: Action) -> GraphAction:
        kind, mode = _kind(action)
        key, internal_key = _keys(action)
        node = action.node
        with_node = node is not None and kind_has_node(action)
        if with_node:
            assert node is not None
            action.meta.setdefault("on_node", node.name)
            action.meta.setdefault("on_node_uuid", node.id)
        pseudo = bool(action.flags & PSEUDO)
        return GraphAction(
            id=action.id,
            kind=kind,
            operation=action.task,
            operation_key=key,
            internal_operation_key=internal_key,
            on_node=node.name if with_node and node is not None else None,
            on_node_uuid=node.id if with_node and node is not None else None,
            router_node=_router(action) if with_node else None,
            mode=mode,
            shutdown_lock=_shutdown_lock(action) if with_node else None,
            resource=None if pseudo or action.rsc is None else self._reference(action.rsc),
            attributes=self._attributes(action),
            downed=self._downed(action) if with_node else (),
            maintenance=self._maintenance(action),
        )

    # ---- attributes -------------------------------------------------------------------------

    def _attributes(self, action: Action) -> tuple[tuple[str, str], ...]:
        table: dict[str, str] = {"crm_feature_set": FEATURE_SET}
        rsc = action.rsc
        for name, value in action.extra.items():
            table.setdefault(name, value)
        if rsc is not None:
            if action.node is not None or rsc.variant is Variant.PRIMITIVE:
                if address_is_replaced(self.plan.cluster, rsc):
                    host = connection_host(rsc)
                    if host is not None:
                        table["addr"] = host.name
                own = parameters(self.plan.cluster, rsc, action.node)
                for name, value in own.items():
                    table.setdefault(name, value)
        for name, value in action.meta.items():
            attribute = meta_name(name)
            if attribute is not None:
                table.setdefault(attribute, value)
        if rsc is not None:
            _inherited(rsc, table)
            host = _physical_host(action)
            if host is not None:
                target = rsc.meta.get("container-attribute-target")
                if target is not None:
                    table["CRM_meta_container_attribute_target"] = target
                table["CRM_meta_physical_host"] = host.name
        if rsc is None and action.task not in ("stonith", "do_shutdown"):
            table.pop("crm_feature_set")
        once = self._pairs.setdefault
        return tuple([once(pair, pair) for pair in sorted(table.items())])

    # ---- nodes that go down -------------------------------------------------------------------

    def _downed(self, action: Action) -> tuple[str, ...]:
        node = action.node
        if node is None:
            return ()
        if action.task == "do_shutdown":
            return (node.id,)
        if action.task == "stonith":
            if action.meta.get("stonith_action") not in ("off", "reboot"):
                return ()
            return (node.id, *self._guests_on(node))
        rsc = action.rsc
        if action.task == "stop" and rsc is not None and rsc.is_remote_connection:
            migrating = any(
                entry.action.task == "migrate_from" and entry.action.rsc is rsc
                for entry in action.befores
            )
            return () if migrating else (rsc.id,)
        return ()

    def _guests_on(self, node: Node) -> list[str]:
        """Guest nodes hosted on a node."""
        found = []
        for rsc in node.running:
            if rsc.is_remote_connection and rsc.launcher is not None:
                guest = self.plan.cluster.node(rsc.id)
                if guest is not None:
                    found.append(guest.id)
        return found

    def _maintenance(self, action: Action) -> tuple[tuple[str, str], ...]:
        if action.task != "maintenance_nodes":
            return ()
        nodes = remote_maintenance_changes(self.plan.cluster.nodes)
        return tuple((n.id, "1" if n.maintenance else "0") for n in nodes)


@lru_cache(maxsize=4096)
def meta_name(name: str) -> str | None:
    """Attribute name under which a meta value is written; None: not written."""
    if "#" in name or ":" in name:
        return None
    return "CRM_meta_" + name.replace("-", "_")


def _kind(action: Action) -> tuple[ActionKind, str | None]:
    if action.flags & PSEUDO:
        return ActionKind.PSEUDO, None
    if action.task in ("stonith", "do_shutdown", "clear_failcount"):
        return ActionKind.CRM, None
    if action.task == "lrm_delete" or action.flags & ON_DC:
        return ActionKind.CRM, "cib"
    return ActionKind.RSC_OP, None


def kind_has_node(action: Action) -> bool:
    """Whether node attributes are written: not for pseudo-events, but for fencing."""
    return not action.flags & PSEUDO or action.task == "stonith"


def history_key(action: Action, *, for_dot: bool = False) -> str:
    """The key under the resource's history id."""
    rsc = action.rsc
    assert rsc is not None and rsc.history_id is not None
    if action.task in ("notify", "notified") and (for_dot or action.task == "notify"):
        if for_dot:
            kind = action.meta.get("notify_key_type", "")
            task = action.meta.get("notify_key_operation", "")
        else:
            kind = action.meta.get("notify_type", "")
            task = action.meta.get("notify_operation", "")
        return notify_key(rsc.history_id, kind, task)
    return op_key(rsc.history_id, action.cancel_task or action.task, interval_of(action))


def _keys(action: Action) -> tuple[str, str | None]:
    if action.rsc is None or action.rsc.history_id is None:
        return action.key, None
    return history_key(action), action.key


def _reference(rsc: Resource) -> ResourceRef:
    ident, long_id = rsc.id, None
    if rsc.removed and rsc.history_id is not None:
        ident, long_id = rsc.history_id, rsc.id
    elif not rsc.unique:
        ident = rsc.xml_id
        if rsc.history_id is not None and rsc.history_id != ident:
            long_id = rsc.history_id
        else:
            long_id = rsc.id
    return ResourceRef(ident, rsc.klass, rsc.type, rsc.provider, long_id)


def _router(action: Action) -> str | None:
    node = action.node
    if node is None or not node.is_remote_kind or action.task == "stonith":
        return None
    conn = node.conn
    if conn is None:
        return None
    began, ended = current_node(conn), conn.assigned
    if began is None:
        return ended.name if ended is not None else None
    if ended is None or began is ended:
        return began.name
    task = action.task
    if task == "notify":
        task = action.meta.get("notify_operation", task)
    if task in _BEGAN:
        migrating = conn.partial_tgt is not None and conn.launcher is None
        return ended.name if migrating else began.name
    return ended.name


def _shutdown_lock(action: Action) -> str | None:
    rsc, node = action.rsc, action.node
    if rsc is None or node is None or rsc.lock_node is not node:
        return None
    if node.shutdown and action.task != "stop":
        return None
    return str(rsc.lock_time)


def _inherited(rsc: Resource, table: dict[str, str]) -> None:
    """What a resource and its ancestors tell every action (13.6.2)."""
    at: Resource | None = rsc
    while at is not None:
        if at.variant is Variant.PRIMITIVE:
            number = at.meta.get("clone")
            if number is not None:
                table["CRM_meta_clone"] = number
            remote = at.meta.get("remote-node")
            if remote is not None:
                table["CRM_meta_remote_node"] = remote
            if at.launcher is not None:
                table["CRM_meta_container"] = at.launcher.id
            if at.replica is not None and at.replica.child is at and at.replica.address:
                table["pcmk_external_ip"] = at.replica.address
        elif at.variant is Variant.CLONE:
            _of_clone(at, table)
        at = at.parent


def _of_clone(clone: Resource, table: dict[str, str]) -> None:
    facts = clone.clone
    assert facts is not None
    table["CRM_meta_globally_unique"] = "true" if clone.unique else "false"
    table["CRM_meta_notify"] = "true" if clone.notify else "false"
    table["CRM_meta_clone_max"] = str(facts.max)
    table["CRM_meta_clone_node_max"] = str(facts.node_max)
    if clone.promotable:
        table["CRM_meta_promoted_max"] = table["CRM_meta_master_max"] = str(facts.promoted_max)
        table["CRM_meta_promoted_node_max"] = table["CRM_meta_master_node_max"] = str(
            facts.promoted_node_max
        )


def _physical_host(action: Action) -> Node | None:
    """The cluster node under a guest node (13.7)."""
    node = action.node
    if node is None or not node.is_guest or node.conn is None or node.conn.launcher is None:
        return None
    task = action.task
    if task in ("notify", "notified"):
        task = action.meta.get("notify_operation", "")
    container = node.conn.launcher
    if task in _HOST_NOW:
        return current_node(container)
    if task in _HOST_NEXT:
        return container.assigned
    return None
