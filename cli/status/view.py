"""From a CIB to the snapshot that is shown, without scheduling anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cli.status.diagnostics import diagnostics
from cli.status.model import ClusterStatus, FenceEvent
from cli.status.reading import CibRead
from cli.status.show import Show
from cli.status.survey import bans, survey
from crmd.scheduler.unpack import unpack_constraints, unpack_status


def view(read: CibRead, log: Callable[[str], object] | None = None) -> ClusterStatus:
    """What the CIB and, where there is one, the running cluster say.

    `log` receives the libraries' messages, one line each.
    """
    cluster = unpack_status(read.root, time.time())
    if log is not None:
        for line in diagnostics(cluster):
            log(line)
    status = survey(cluster, with_history=True)
    unpack_constraints(cluster)
    status = replace(status, bans=tuple(bans(cluster)))
    live = read.live
    if live:
        status = replace(
            status,
            dc=live.get("dc") or None,
            stack=status.stack or str(live.get("stack", "pacekeeper")),
            quorate=bool(live.get("quorum", status.quorate)),
            fencing=tuple(_fence_event(event) for event in live.get("fencing", ())),
        )
        if status.dc_id is None and status.dc is not None:
            node = status.node(status.dc)
            status = replace(status, dc_id=node.id if node is not None else None)
    return status


def _fence_event(event: Mapping[str, Any]) -> FenceEvent:
    at = event.get("at")
    return FenceEvent(
        target=str(event.get("target", "")),
        action=str(event.get("action", "")),
        state=str(event.get("state", "")),
        origin=str(event.get("origin") or ""),
        delegate=event.get("delegate") or None,
        at=int(at) if isinstance(at, int | float) else None,
        error=str(event.get("error") or ""),
    )


def resolved(show: Show, node: str | None, resource: str | None, status: ClusterStatus) -> Show:
    """The request with its filters as names; tags stand for what they list.

    A filter that names nothing known lets nothing through.
    """
    if node is not None:
        show = replace(show, nodes=_node_names(node, status))
    if resource is not None:
        show = replace(show, resources=_resource_ids(resource, status))
    return show


def _node_names(wanted: str, status: ClusterStatus) -> frozenset[str]:
    names = dict(status.tags).get(wanted, ()) if status.node(wanted) is None else (wanted,)
    chosen = {name.lower() for name in names}
    return frozenset(
        node.name.lower()
        for node in status.nodes
        if node.name.lower() in chosen or node.id.lower() in chosen
    )


def _resource_ids(wanted: str, status: ClusterStatus) -> frozenset[str]:
    tagged = dict(status.tags).get(wanted, ())
    return frozenset((wanted, *tagged))
