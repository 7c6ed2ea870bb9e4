"""The status as XML elements (crm_mon and crm_simulate with --output-as=xml).

Attribute names and their order are those of the recorded cases.  Facts: cli.md sections 2 and 5.
"""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from cli.status.model import (
    ClusterStatus,
    NodeKind,
    NodeStatus,
    Operation,
    ResourceStatus,
    Role,
    Variant,
)
from cli.status.results import exit_text
from cli.status.show import Show
from cli.status.text_resources import PENDING_WORDS

Element = etree._Element


def boolean(value: bool) -> str:
    """`true` or `false`."""
    return "true" if value else "false"


def element(tag: str, **attributes: str | None) -> Element:
    """An element with those attributes that are not None, in the order given.

    `__` in a name stands for a hyphen; a trailing `_` is dropped (`class_`).
    """
    e = etree.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            e.set(name.rstrip("_").replace("__", "-"), value)
    return e


def nodes_element(status: ClusterStatus, show: Show) -> Element:
    """`<nodes>`; with the resources of each where they are grouped so."""
    out = etree.Element("nodes")
    by_id = {part.id: part for r in status.resources for part in r.primitives()}
    for node in status.nodes:
        if not show.wants_node(node.name):
            continue
        e = node_element(node)
        out.append(e)
        if show.by_node:
            for name in node.running:
                part = by_id.get(name)
                if part is not None and show.wants_name(part.id, part.plain_id):
                    e.append(primitive_element(part, show))
    return out


def node_element(node: NodeStatus) -> Element:
    """One `<node>`."""
    return element(
        "node",
        name=node.name,
        id=node.id,
        online=boolean(node.online),
        standby=boolean(node.standby),
        standby_onfail=boolean(node.standby_onfail),
        maintenance=boolean(node.maintenance),
        pending=boolean(node.pending),
        unclean=boolean(node.unclean),
        health=node.health_word,
        feature_set=node.feature_set,
        shutdown=boolean(node.shutdown),
        expected_up=boolean(node.expected_up),
        is_dc=boolean(node.is_dc),
        resources_running=str(node.resources_running),
        type="member" if node.kind is NodeKind.MEMBER else "remote",
        id_as_resource=node.container,
    )


# --- resources -------------------------------------------------------------------------------


def resources_element(status: ClusterStatus, show: Show) -> Element:
    """`<resources>` with those that are asked for."""
    out = etree.Element("resources")
    for resource in status.resources:
        if resource.internal or (resource.removed and not resource.is_active()):
            continue
        if not show.inactive and not resource.is_active():
            continue
        if show.by_node and resource.is_active(every=True):
            continue
        out.extend(_resource_elements(resource, show, wanted=False))
    return out


def _is_named(r: ResourceStatus, show: Show) -> bool:
    return show.wants_name(r.id, r.plain_id)


def _is_on_wanted_node(r: ResourceStatus, show: Show) -> bool:
    places = [place for part in r.primitives() for place in part.active]
    return not places or any(show.wants_node(place.node) for place in places)


def _resource_elements(r: ResourceStatus, show: Show, wanted: bool) -> list[Element]:
    """One element, or none where nothing of the resource is asked for."""
    wanted = wanted or _is_named(r, show)
    if not _is_on_wanted_node(r, show):
        return []
    if r.variant is Variant.PRIMITIVE:
        return [primitive_element(r, show)] if wanted else []
    if r.variant is Variant.BUNDLE:
        return _bundle_elements(r, show, wanted)
    children = [e for child in r.children for e in _resource_elements(child, show, wanted)]
    if not children and not wanted:
        return []
    out = _clone_element(r) if r.variant is Variant.CLONE else _group_element(r)
    out.extend(children)
    return [out]


def _group_element(r: ResourceStatus) -> Element:
    return element(
        "group",
        id=r.id,
        number_resources=str(len(r.children)),
        maintenance=boolean(r.maintenance),
        managed=boolean(r.managed),
        disabled=boolean(r.disabled),
        description=r.description,
    )


def _clone_element(r: ResourceStatus) -> Element:
    return element(
        "clone",
        id=r.id,
        multi_state=boolean(r.promotable),
        unique=boolean(r.unique),
        maintenance=boolean(r.maintenance),
        managed=boolean(r.managed),
        disabled=boolean(r.disabled),
        failed=boolean(r.failed),
        failure_ignored=boolean(r.failure_ignored),
        target_role=r.target_role,
        description=r.description,
    )


def _bundle_elements(r: ResourceStatus, show: Show, wanted: bool) -> list[Element]:
    out = element(
        "bundle",
        id=r.id,
        type=r.container_type,
        image=r.image,
        unique=boolean(r.unique),
        maintenance=boolean(r.maintenance),
        managed=boolean(r.managed),
        failed=boolean(r.failed),
        description=r.description,
    )
    for replica in r.replicas:
        if not _is_on_wanted_node(replica.container, show):
            continue
        parts = [part for part in replica.parts if wanted or _is_named(part, show)]
        if parts:
            e = element("replica", id=str(replica.number))
            e.extend([primitive_element(part, show) for part in parts])
            out.append(e)
    return [out] if len(out) or wanted else []


def primitive_element(r: ResourceStatus, show: Show) -> Element:
    """One `<resource>`."""
    role = Role.UNPROMOTED if r.role is Role.STARTED and r.promotable else r.role
    pending = None
    if show.pending and r.pending_task is not None:
        pending = "Monitoring" if r.pending_task == "monitor" else PENDING_WORDS.get(r.pending_task)
    out = element(
        "resource",
        id=r.shown_id,
        resource_agent=r.agent,
        role=role.word,
        target_role=r.target_role,
        active=boolean(r.is_active()),
        orphaned=boolean(r.removed),
        removed=boolean(r.removed),
        blocked=boolean(r.blocked),
        maintenance=boolean(r.maintenance),
        managed=boolean(r.managed),
        failed=boolean(r.failed),
        failure_ignored=boolean(r.failure_ignored),
        nodes_running_on=str(len(r.active)),
        pending=pending,
        locked_to=None if r.locked_to is None else r.locked_to.node,
        description=r.description if show.description else None,
    )
    for place in r.active:
        out.append(element("node", name=place.node, id=place.node_id, cached=boolean(place.online)))
    return out


# --- operations --------------------------------------------------------------------------------


def operation_element(op: Operation, moment: str | None) -> Element:
    """One `<operation_history>`; `moment` is when the result last changed, in words."""
    return element(
        "operation_history",
        call=str(op.call),
        task="probe" if op.task == "monitor" and not op.interval_ms else op.task,
        rc=str(op.rc),
        rc_text=exit_text(op.rc),
        interval=f"{op.interval_ms}ms" if op.interval_ms else None,
        last__rc__change=moment,
        exec__time=f"{op.exec_ms}ms" if op.exec_ms is not None else None,
        queue__time=f"{op.queue_ms}ms" if op.queue_ms is not None else None,
    )


def extend(parent: Element, children: Iterable[Element]) -> Element:
    """`parent` with more children."""
    parent.extend(list(children))
    return parent
