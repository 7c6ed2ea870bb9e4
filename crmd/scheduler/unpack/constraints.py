"""The `constraints` section, in document order.

Facts: scheduler-1-assignment.md 16.1, 16.2.  Orders are only passed on (part 2, section 5).
"""

from __future__ import annotations

from lxml import etree

from crmd.scheduler.model import Cluster
from crmd.scheduler.requests import OrderElement
from crmd.scheduler.unpack import colocations, locations, tickets
from crmd.scheduler.unpack.references import expand


def read_constraints(cluster: Cluster) -> None:
    """Read every constraint that has an id."""
    section = cluster.attributes.section("constraints")
    for element in () if section is None else section.iterchildren(etree.Element):
        if element.get("id") is None:
            cluster.warnings.append(f"a constraint '{element.tag}' without id is ignored")
            continue
        expanded = expand(cluster, element)
        if expanded is None:
            continue
        match element.tag:
            case "rsc_location":
                locations.read_location(cluster, expanded)
            case "rsc_colocation":
                colocations.read_colocation(cluster, expanded)
            case "rsc_ticket":
                tickets.read_ticket_constraint(cluster, expanded)
            case "rsc_order":
                cluster.requests.append(OrderElement(4, expanded))
            case _:
                cluster.warnings.append(
                    f"constraint {element.get('id')}: unknown kind '{element.tag}'; ignored"
                )
