"""Changes of the status section as small values, and the one function that applies them.

The DC is the only author of such changes; every replica applies the same list to the same document
and gets the same bytes, without a difference computed over the whole document.  It does not decide
what to write (`crmd.transition.history`, `crmd.attributes`, the controller do).
Shape of the section: scheduler-1-assignment.md sections 11, 12 and 14.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lxml import etree

from crmd.replication.version import Tree

Change = Sequence[Any]
"""One of (words first, JSON only):

- `["root", {attribute: value}]`: attributes of `<cib>` (have-quorum, dc-uuid)
- `["node", uname, {attribute: value or null}]`: attributes of the node's `node_state`
- `["attr", uname, name, value or null]`: a transient node attribute
- `["drop_attrs", uname]`: all transient attributes
- `["put", uname, {lrm_resource attributes}, {lrm_rsc_op attributes}]`: one operation of history
- `["drop_op", uname, rsc, op id]`, `["drop_rsc", uname, rsc]`, `["drop_lrm", uname]`
"""


def apply_changes(root: Tree, changes: Iterable[Change]) -> None:
    """Apply a list of changes to a `<cib>` in place. Raises ValueError on an unknown word."""
    for change in changes:
        match list(change):
            case ["root", dict() as attributes]:
                _set_all(root, attributes)
            case ["node", str() as uname, dict() as attributes]:
                _set_all(node_state(root, uname), attributes)
            case ["attr", str() as uname, str() as name, value]:
                _set_attribute(node_state(root, uname), name, value)
            case ["drop_attrs", str() as uname]:
                _drop_child(node_state(root, uname), "transient_attributes")
            case ["put", str() as uname, dict() as rsc, dict() as op]:
                _put_operation(node_state(root, uname), rsc, op)
            case ["drop_op", str() as uname, str() as rsc, str() as op_id]:
                _drop_operation(root, uname, rsc, op_id)
            case ["drop_rsc", str() as uname, str() as rsc]:
                _drop_resource(root, uname, rsc)
            case ["drop_lrm", str() as uname]:
                _drop_child(node_state(root, uname), "lrm")
            case _:
                raise ValueError(f"status change {change!r} is not known")


# --- reading --------------------------------------------------------------------------------


def section(root: Tree, name: str) -> Tree:
    """A direct child of `<cib>` or of `<configuration>`, made if missing."""
    parent = root if name in ("status", "configuration") else section(root, "configuration")
    found = parent.find(name)
    return found if found is not None else etree.SubElement(parent, name)


def node_id(root: Tree, uname: str) -> str:
    """The id of a node in the configuration; its name if it has no entry there."""
    for node in section(root, "nodes"):
        if node.get("uname") == uname:
            return node.get("id", uname)
    return uname


def find_node_state(root: Tree, uname: str) -> Tree | None:
    """The node's `node_state`, if any."""
    for state in section(root, "status"):
        if state.tag == "node_state" and state.get("uname") == uname:
            return state
    return None


def node_state(root: Tree, uname: str) -> Tree:
    """The node's `node_state`, made if missing."""
    found = find_node_state(root, uname)
    if found is None:
        found = etree.SubElement(section(root, "status"), "node_state")
        found.set("id", node_id(root, uname))
        found.set("uname", uname)
    return found


def find_resource(root: Tree, uname: str, rsc: str) -> Tree | None:
    """The `lrm_resource` of a resource on a node, if any."""
    state = find_node_state(root, uname)
    holder = None if state is None else state.find("lrm/lrm_resources")
    if holder is not None:
        for entry in holder:
            if entry.get("id") == rsc:
                return entry
    return None


def find_operation(root: Tree, uname: str, rsc: str, op_id: str) -> Tree | None:
    """One `lrm_rsc_op`, if any."""
    resource = find_resource(root, uname, rsc)
    if resource is not None:
        for entry in resource:
            if entry.get("id") == op_id:
                return entry
    return None


def transient_attributes(root: Tree, uname: str) -> dict[str, str]:
    """Names and values of a node's transient attributes."""
    state = find_node_state(root, uname)
    if state is None:
        return {}
    pairs = state.iterfind("transient_attributes/instance_attributes/nvpair")
    return {p.get("name", ""): p.get("value", "") for p in pairs}


# --- writing --------------------------------------------------------------------------------


def _set_all(element: Tree, attributes: Mapping[str, Any]) -> None:
    for name in sorted(attributes):
        value = attributes[name]
        if value is None:
            if name in element.attrib:
                del element.attrib[name]
        else:
            element.set(name, str(value))


def _child(parent: Tree, tag: str, **attributes: str) -> Tree:
    found = parent.find(tag)
    if found is None:
        found = etree.SubElement(parent, tag)
        for name, value in attributes.items():
            found.set(name, value)
    return found


def _drop_child(parent: Tree, tag: str) -> None:
    for found in parent.findall(tag):
        parent.remove(found)


def _set_attribute(state: Tree, name: str, value: str | None) -> None:
    node = state.get("id", "")
    if value is None:
        for pair in state.findall("transient_attributes/instance_attributes/nvpair"):
            if pair.get("name") == name:
                parent = pair.getparent()
                assert parent is not None
                parent.remove(pair)
        return
    holder = _child(state, "transient_attributes", id=node)
    block = _child(holder, "instance_attributes", id=f"status-{node}")
    for pair in block:
        if pair.get("name") == name:
            pair.set("value", value)
            return
    pair = etree.SubElement(block, "nvpair")
    pair.set("id", xml_id(f"status-{node}-{name}"))
    pair.set("name", name)
    pair.set("value", value)


def xml_id(text: str) -> str:
    """An XML id made of `text`: whatever is not allowed in one becomes a dot."""
    kept = "".join(c if c.isalnum() or c in "-_." else "." for c in text)
    return kept if kept[:1].isalpha() or kept[:1] == "_" else f"_{kept}"


def _put_operation(state: Tree, rsc: Mapping[str, Any], op: Mapping[str, Any]) -> None:
    lrm = _child(state, "lrm", id=state.get("id", ""))
    holder = _child(lrm, "lrm_resources")
    resource = None
    for entry in holder:
        if entry.get("id") == rsc["id"]:
            resource = entry
            break
    if resource is None:
        resource = etree.SubElement(holder, "lrm_resource")
    for name, value in rsc.items():
        resource.set(name, str(value))
    for entry in resource:
        if entry.get("id") == op["id"]:
            entry.attrib.clear()
            break
    else:
        entry = etree.SubElement(resource, "lrm_rsc_op")
    for name, value in op.items():
        entry.set(name, str(value))


def _drop_operation(root: Tree, uname: str, rsc: str, op_id: str) -> None:
    resource = find_resource(root, uname, rsc)
    found = find_operation(root, uname, rsc, op_id)
    if resource is not None and found is not None:
        resource.remove(found)


def _drop_resource(root: Tree, uname: str, rsc: str) -> None:
    found = find_resource(root, uname, rsc)
    if found is not None:
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)
