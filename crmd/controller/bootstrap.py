"""What the first DC writes into a configuration that lacks it: nodes and cluster facts.

Returns a new document, or None where nothing is missing.  Source: cluster-behaviour.md 1.1.
"""

from __future__ import annotations

import copy

from lxml import etree

from crmd.controller.events import Settings
from crmd.replication.status import section
from crmd.replication.version import Tree, Version, set_version, version_of

SET_ID = "cib-bootstrap-options"


def bootstrapped(root: Tree, nodes: tuple[str, ...], settings: Settings) -> Tree | None:
    """The document with every configured node and the facts of this cluster, epoch raised."""
    new = copy.deepcopy(root)
    changed = False
    known = {n.get("uname") for n in section(new, "nodes")}
    taken = {n.get("id") for n in section(new, "nodes")}
    for name in sorted(nodes):
        if name not in known:
            entry = etree.SubElement(section(new, "nodes"), "node")
            entry.set("id", _free(name, taken))
            entry.set("uname", name)
            taken.add(entry.get("id"))
            changed = True
    facts = {
        "have-watchdog": "false",
        "dc-version": settings.version,
        "cluster-infrastructure": settings.cluster_stack,
    }
    if settings.cluster_name:
        facts["cluster-name"] = settings.cluster_name
    for name, value in facts.items():
        changed = _set_option(new, name, value) or changed
    if not changed:
        return None
    version = version_of(root)
    set_version(new, Version(version.admin_epoch, version.epoch + 1, 0))
    return new


def _free(name: str, taken: set[str | None]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}.{number}"
    return candidate


def _set_option(root: Tree, name: str, value: str) -> bool:
    config = section(root, "crm_config")
    block = None
    for found in config.iterfind("cluster_property_set"):
        if found.get("id") == SET_ID:
            block = found
    if block is None:
        block = etree.SubElement(config, "cluster_property_set")
        block.set("id", SET_ID)
    for pair in block:
        if pair.get("name") == name:
            if name == "have-watchdog" or pair.get("value") == value:
                return False
            pair.set("value", value)
            return True
    pair = etree.SubElement(block, "nvpair")
    pair.set("id", f"{SET_ID}-{name}")
    pair.set("name", name)
    pair.set("value", value)
    return True
