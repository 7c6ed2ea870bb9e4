"""Which histories, failures and bans pass a filter by resource."""

from __future__ import annotations

from cli.status.model import ClusterStatus, History, ResourceStatus, Variant
from cli.status.show import Show


def wants_resource_id(name: str, status: ClusterStatus, show: Show) -> bool:
    """Whether `name` is, or is part of, a resource that was asked for.

    An exact instance that was asked for (`web:0`) also stands for its history (`web`); any part of
    a bundle stands for all of its parts.
    """
    if show.resources is None:
        return True
    return any(_reaches(resource, name, show, False) for resource in status.resources)


def wants_history(history: History, status: ClusterStatus, show: Show) -> bool:
    """Whether a resource's history is to be shown."""
    return wants_resource_id(history.resource, status, show)


def _reaches(resource: ResourceStatus, name: str, show: Show, inherited: bool) -> bool:
    wanted = inherited or show.wants_name(resource.id, resource.plain_id)
    if resource.variant is Variant.BUNDLE and not wanted:
        wanted = any(show.wants_name(part.id, part.plain_id) for part in resource.parts)
    if wanted and name in (resource.id, resource.plain_id):
        return True
    return any(_reaches(part, name, show, wanted) for part in resource.parts)
