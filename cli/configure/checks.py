"""What a person should look at before a change is committed, though its form is right.

Sentences only; nothing here refuses.  Facts: cli.md section 7.1 (semantic checks).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from lxml import etree

from cib import options
from cib.durations import parse_ms
from cli.configure.language import RESOURCES
from cli.configure.tree import ids


def check(root: etree._Element) -> list[str]:
    """Warnings about an edited configuration, in document order."""
    known = ids(root)
    return [
        *_properties(root),
        *_monitors(root),
        *_missing_resources(root, known),
        *_missing_nodes(root),
    ]


def _properties(root: etree._Element) -> Iterator[str]:
    """Unknown names in the cluster's own set; other sets belong to agents."""
    sets = root.iterfind("configuration/crm_config/cluster_property_set")
    for pair in (p for s in sets if s.get("id") == options.BOOTSTRAP_ID for p in s.iter("nvpair")):
        name = pair.get("name", "")
        if name not in options.BY_NAME and name not in options.NEW_NAMES:
            near = difflib.get_close_matches(name, [*options.BY_NAME, *options.NEW_NAMES], 1, 0.7)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield f"{options.BOOTSTRAP_ID}: unknown property '{name}'{hint}"


def _monitors(root: etree._Element) -> Iterator[str]:
    for resource in root.iterfind("configuration/resources//primitive"):
        seen: set[tuple[str, int]] = set()
        for op in resource.iterfind("operations/op"):
            interval = parse_ms(op.get("interval", "0")) or 0
            if op.get("name") != "monitor" or interval == 0:
                continue
            key = (op.get("role", ""), interval)
            if any(interval == other for _, other in seen):
                yield (
                    f"{resource.get('id')}: two monitors with the interval {op.get('interval')}; "
                    "the cluster cannot tell them apart, make one a second longer"
                )
            seen.add(key)


def _missing_resources(root: etree._Element, known: set[str]) -> Iterator[str]:
    for element in root.iterfind("configuration/constraints/*"):
        names = [element.get(key) for key in ("rsc", "with-rsc", "first", "then")]
        names += [reference.get("id") for reference in element.iter("resource_ref")]
        for name in names:
            if name is not None and name not in known:
                yield f"{element.get('id')}: resource {name} does not exist"
    agents = {e.get("id") for e in root.iterfind("configuration/resources//primitive")}
    for level in root.iterfind("configuration/fencing-topology/fencing-level"):
        for device in level.get("devices", "").split(","):
            if device.strip() not in agents:
                yield f"fencing_topology: resource {device.strip()} does not exist"


def _missing_nodes(root: etree._Element) -> Iterator[str]:
    nodes = {e.get("uname", "").lower() for e in root.iterfind("configuration/nodes/node")}
    if not nodes:
        return
    resources = {e.get("id", "").lower() for e in root.iter(*RESOURCES)}
    guests = {
        p.get("value", "").lower() for p in root.iter("nvpair") if p.get("name") == "remote-node"
    }
    for element in root.iterfind("configuration/constraints/rsc_location"):
        name = element.get("node")
        if name is not None and name.lower() not in nodes | resources | guests:
            yield f"{element.get('id')}: node {name} does not exist"
