"""The first half of a schema upgrade: what changed from the series 1 and 2 to series 3.

It works on a `configuration` element in place.  Facts: scheduler-1-assignment.md 28.2.
"""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from cib import scores
from cib.xmltree import Ids, remove, take

Note = Callable[[str], None]

_OPERATION_OPTIONS = frozenset(
    {
        "interval", "timeout", "start-delay", "interval-origin", "enabled", "role",
        "record-pending", "on-fail", "requires", "can_fail", "role_after_failure",
    }
)  # fmt: skip
_TO_RSC_DEFAULTS = {
    "default-resource-stickiness": "resource-stickiness",
    "is-managed-default": "is-managed",
}
_FAILURE_STICKINESS = ("default-resource-failure-stickiness", "resource-failure-stickiness")


def from_series_1_and_2(configuration: etree._Element, ids: Ids, note: Note) -> None:
    """Bring a configuration of series 1 or 2 into the form of series 3."""
    for node in configuration.iter("node"):
        if node.get("type") == "normal":
            node.set("type", "member")
    _hyphenate(configuration)
    _move_defaults(configuration, ids, note)
    _convert_failure_stickiness(configuration, ids, note)
    _convert_isolation(configuration, ids, note)
    for operation in list(configuration.iter("op")):
        _convert_operation(ids, operation)
    for colocation in configuration.iter("rsc_colocation"):
        if take(colocation, "score-attribute") is not None:
            note(
                f"rsc_colocation {colocation.get('id')}: score-attribute is not supported; dropped"
            )


def _hyphenate(configuration: etree._Element) -> None:
    for block in configuration.iter("cluster_property_set"):
        for nvpair in block.iterchildren("nvpair"):
            name = nvpair.get("name", "")
            if "_" in name:
                nvpair.set("name", name.replace("_", "-"))


def _default_block(configuration: etree._Element, ids: Ids, section: str) -> etree._Element:
    """The set of lowest precedence in `rsc_defaults` or `op_defaults`, made if missing."""
    holder = configuration.find(section)
    if holder is None:
        holder = etree.SubElement(configuration, section)
    ident = f"{section}-from-options"
    for block in holder.iterchildren("meta_attributes"):
        if block.get("id") == ident:
            return block
    block = etree.Element("meta_attributes", {"id": ids.unique(ident)})
    block.set("score", "-INFINITY")
    holder.insert(0, block)
    return block


def _add_default(
    configuration: etree._Element, ids: Ids, section: str, name: str, value: str
) -> None:
    block = _default_block(configuration, ids, section)
    pair = {"id": ids.unique(f"{section}-{name}"), "name": name, "value": value}
    etree.SubElement(block, "nvpair", pair)


def _move_defaults(configuration: etree._Element, ids: Ids, note: Note) -> None:
    for block in configuration.iter("cluster_property_set"):
        for nvpair in list(block.iterchildren("nvpair")):
            name, value = nvpair.get("name", ""), nvpair.get("value")
            if name in _TO_RSC_DEFAULTS:
                section, new_name = "rsc_defaults", _TO_RSC_DEFAULTS[name]
            elif name == "default-action-timeout":
                section, new_name = "op_defaults", "timeout"
            else:
                continue
            remove(nvpair)
            if value is not None:
                _add_default(configuration, ids, section, new_name, value)
                note(f"cluster option {name}: now {new_name} in {section}")


def _convert_failure_stickiness(configuration: etree._Element, ids: Ids, note: Note) -> None:
    for nvpair in list(configuration.iter("nvpair")):
        name = nvpair.get("name", "")
        block = nvpair.getparent()
        if name not in _FAILURE_STICKINESS or block is None:
            continue
        lowest = scores.parse(nvpair.get("value")) <= -scores.INFINITY
        if lowest and block.tag == "meta_attributes":
            nvpair.set("name", "migration-threshold")
            nvpair.set("value", "1")
            continue
        remove(nvpair)
        if lowest:
            _add_default(configuration, ids, "rsc_defaults", "migration-threshold", "1")
        else:
            note(f"{name}: no longer supported; dropped")


def _convert_isolation(configuration: etree._Element, ids: Ids, note: Note) -> None:
    for resource in configuration.iter("primitive", "group", "clone", "master", "template"):
        for block in resource.iterchildren("meta_attributes"):
            isolated = [
                p for p in block.iterchildren("nvpair") if p.get("name", "").startswith("isolation")
            ]
            if not isolated:
                continue
            note(f"{resource.tag} {resource.get('id')}: isolation is not supported; stopped")
            for nvpair in list(block.iterchildren("nvpair")):
                if nvpair in isolated or nvpair.get("name") == "target-role":
                    remove(nvpair)
            pair = {"name": "target-role", "value": "Stopped"}
            pair["id"] = ids.unique(f"{block.get('id', 'meta')}-target-role")
            etree.SubElement(block, "nvpair", pair)


def _convert_operation(ids: Ids, operation: etree._Element) -> None:
    for block in list(operation.iterchildren("instance_attributes")):
        moved = [p for p in block.iterchildren("nvpair") if p.get("name") in _OPERATION_OPTIONS]
        if not moved:
            continue
        meta = operation.find("meta_attributes")
        if meta is None:
            meta = etree.SubElement(operation, "meta_attributes")
            ident = f"{operation.get('id', 'op')}-meta_attributes"
            meta.set("id", ids.unique(ident))
        for nvpair in moved:
            remove(nvpair)
            meta.append(nvpair)
        if block.find("nvpair") is None and block.find("rule") is None:
            remove(block)
    _move_requires(ids, operation)


def _move_requires(ids: Ids, operation: etree._Element) -> None:
    """`requires` of an operation counts for start and promote only, as the resource's own."""
    found = [take(operation, "requires") or ""] if operation.get("requires") else []
    for block in operation.iterchildren("meta_attributes"):
        for nvpair in list(block.iterchildren("nvpair")):
            if nvpair.get("name") == "requires":
                found.append(nvpair.get("value", ""))
                remove(nvpair)
    operations = operation.getparent()
    resource = operations.getparent() if operations is not None else None
    if not found or resource is None or operation.get("name") not in ("start", "promote"):
        return
    meta = resource.find("meta_attributes")
    if meta is None:
        meta = etree.Element("meta_attributes")
        meta.set("id", ids.unique(f"{resource.get('id')}-meta_attributes"))
        resource.insert(0, meta)
    if all(p.get("name") != "requires" for p in meta.iterchildren("nvpair")):
        ident = ids.unique(f"{meta.get('id')}-requires")
        etree.SubElement(meta, "nvpair", {"id": ident, "name": "requires", "value": found[0]})
