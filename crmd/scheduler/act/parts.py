"""The parts of resources."""

from __future__ import annotations

from collections.abc import Iterator

from crmd.scheduler.model import Resource, Variant


def primitives(rsc: Resource) -> Iterator[Resource]:
    """Primitives of a resource, depth first in the order of the children."""
    if rsc.variant is Variant.PRIMITIVE:
        yield rsc
    else:
        for child in rsc.children:
            yield from primitives(child)


def any_managed(resources: list[Resource]) -> bool:
    """Whether at least one resource, or part of one, is managed."""
    return any(r.managed or any_managed(r.children) for r in resources)
