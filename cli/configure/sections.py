"""Everything of the language that is neither resource nor constraint.

Nodes, properties, defaults, tags, fencing topology, access rights, alerts.
Facts: cli.md section 7.1 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

from lxml import etree

from cli.configure.attributes import list_words, read_into, read_list, sets_text
from cli.configure.words import Words, layout, pair, quoted

OPTION_SETS = {
    "property": ("cluster_property_set", "cib-bootstrap-options"),
    "rsc_defaults": ("meta_attributes", "rsc-options"),
    "op_defaults": ("meta_attributes", "op-options"),
}
"""Keyword -> element, and the id that is meant where none is said."""
RIGHTS = ("read", "write", "deny")
SELECTIONS = ("nodes", "fencing", "resources", "attributes")
_NODE_SETS = {"attributes": "instance_attributes", "utilization": "utilization"}
_TYPES = ("member", "normal", "ping", "remote")


def read_node(words: Words) -> etree._Element:
    """`node [ID:] NAME[:TYPE] [attributes LIST] [utilization LIST]`."""
    element = etree.Element("node")
    name_id = words.option("$id")
    name = words.take("a node name")
    if name.endswith(":") and len(name) > 1:
        name_id, name = name[:-1], words.take("a node name")
    head, colon, kind = name.rpartition(":")
    if colon and kind in _TYPES:
        name = head
    else:
        kind = ""
    element.set("uname", name)
    element.set("id", name_id or name)
    if kind:
        element.set("type", kind)
    value = words.option("description")
    if value is not None:
        element.set("description", value)
    while words:
        keyword = words.accept(*_NODE_SETS)
        if keyword is None:
            raise words.problem("Expected attributes or utilization")
        read_list(words, element, _NODE_SETS[keyword])
    return element


def node_text(element: etree._Element) -> str:
    """A node as words."""
    name, name_id = element.get("uname", ""), element.get("id", "")
    kind = element.get("type")
    shown = f"{name}:{kind}" if kind else name
    head = f"node {name_id}: {shown}" if name_id != name else f"node {shown}"
    if element.get("description") is not None:
        head += f" {pair('description', element.get('description'))}"
    return layout([head, *sets_text(element, _NODE_SETS)])


def read_options(words: Words) -> etree._Element:
    """`property [SET:] LIST`, `rsc_defaults ...`, `op_defaults ...`."""
    tag, name = OPTION_SETS[words.kind]
    element = etree.Element(tag, {"id": name})
    word = words.peek()
    if word.endswith(":") and len(word) > 1 and not word[:-1].lstrip("+-").isdigit():
        element.set("id", words.take("")[:-1])
    read_into(words, element)
    words.end()
    return element


def options_text(keyword: str, element: etree._Element) -> str:
    """A set of properties or defaults as words, one a line."""
    owner = element.get("id", "")
    bare = [word for word in list_words(element, owner) if not word.startswith("$id=")]
    return layout([f"{keyword} {quoted(owner)}:", *bare])


def read_tag(words: Words) -> etree._Element:
    """`tag ID[:] OBJECT...`."""
    name = words.take("an id").removesuffix(":")
    element = etree.Element("tag", {"id": name})
    words.accept(":")
    while words:
        etree.SubElement(element, "obj_ref", {"id": words.take("")})
    if not len(element):
        raise words.problem("Expected objects", at_end=True)
    return element


def tag_text(element: etree._Element) -> str:
    """A tag as words."""
    return " ".join(["tag", element.get("id", ""), *(r.get("id", "") for r in element)])


# --- fencing topology -----------------------------------------------------------------------


def read_topology(words: Words, nodes: list[str]) -> etree._Element:
    """`fencing_topology [TARGET:] DEV[,DEV]... ...`; without a target: all of `nodes`."""
    element = etree.Element("fencing-topology")
    targets: list[dict[str, str]] = [{"target": node} for node in nodes]
    index = 0
    while words:
        word = words.take("")
        if word.endswith(":") and len(word) > 1:
            targets, index = [_target(word[:-1])], 0
            continue
        if not targets:
            words.at -= 1
            raise words.problem("Expected NODE: (no node is configured)")
        index += 1
        for target in targets:
            level = etree.SubElement(element, "fencing-level", target)
            level.set("index", str(index))
            level.set("devices", word)
    if not len(element):
        raise words.problem("Expected devices", at_end=True)
    return element


def _target(word: str) -> dict[str, str]:
    kind, colon, rest = word.partition(":")
    if colon and kind == "pattern":
        return {"target-pattern": rest}
    if colon and kind == "attr":
        name, _, value = rest.partition("=")
        return {"target-attribute": name, "target-value": value}
    return {"target": word}


def topology_text(element: etree._Element) -> str:
    """The fencing topology as words."""
    lines: dict[str, list[str]] = {}
    for level in element.iterfind("fencing-level"):
        target = level.get("target", "")
        if level.get("target-pattern") is not None:
            target = f"pattern:{level.get('target-pattern')}"
        elif level.get("target-attribute") is not None:
            target = f"attr:{level.get('target-attribute')}={level.get('target-value')}"
        lines.setdefault(target, []).append(quoted(level.get("devices", "")))
    shown = [" ".join([quoted(f"{target}:"), *devices]) for target, devices in lines.items()]
    return layout(["fencing_topology", *shown])


# --- access rights --------------------------------------------------------------------------


def read_role(words: Words) -> etree._Element:
    """`role ID RIGHT SPEC ...`; SPEC is xpath:, ref:, tag: or type: with attribute:."""
    element = etree.Element("acl_role", {"id": words.take("an id")})
    value = words.option("description")
    if value is not None:
        element.set("description", value)
    while words:
        right = words.accept(*RIGHTS)
        if right is None:
            raise words.problem("Expected read, write or deny")
        rule = etree.SubElement(element, "acl_permission", {"kind": right})
        while words and words.peek() not in RIGHTS:
            _read_target(words, rule)
        if len(rule.attrib) == 1:
            raise words.problem("Expected xpath:, ref: or type:", at_end=not words)
    return element


_TARGETS = {
    "xpath": "xpath", "ref": "reference", "reference": "reference", "tag": "object-type",
    "type": "object-type", "attr": "attribute", "attribute": "attribute", "id": "id",
    "description": "description",
}  # fmt: skip


def _read_target(words: Words, rule: etree._Element) -> None:
    word = words.take("")
    kind, colon, value = word.partition(":")
    if kind.startswith("description="):
        rule.set("description", word[12:])
    elif colon and kind in _TARGETS:
        rule.set(_TARGETS[kind], value)
    elif word.startswith("/"):
        rule.set("xpath", word)
    else:
        words.at -= 1
        raise words.problem("Expected xpath:, ref: or type:")


def role_text(element: etree._Element) -> str:
    """A role as words."""
    shown = {"xpath": "xpath", "reference": "ref", "object-type": "type", "attribute": "attribute"}
    head = f"role {element.get('id')}"
    if element.get("description") is not None:
        head += f" {pair('description', element.get('description'))}"
    lines = [head]
    for rule in element.iterfind("acl_permission"):
        words = [rule.get("kind", "")]
        words += [quoted(f"{w}:{rule.get(k)}") for k, w in shown.items() if rule.get(k) is not None]
        if rule.get("description") is not None:
            words.append(pair("description", rule.get("description")))
        lines.append(" ".join(words))
    return layout(lines)


def read_target(words: Words) -> etree._Element:
    """`acl_target ID ROLE...`, `acl_group ID ROLE...`."""
    element = etree.Element(words.kind, {"id": words.take("a user")})
    while words:
        etree.SubElement(element, "role", {"id": words.take("")})
    return element


def target_text(element: etree._Element) -> str:
    """The roles of a user or group as words."""
    names = [role.get("id", "") for role in element.iterfind("role")]
    return " ".join([str(element.tag), quoted(element.get("id", "")), *names])


# --- alerts ---------------------------------------------------------------------------------


def read_alert(words: Words) -> etree._Element:
    """`alert ID PATH [attributes ..] [meta ..] [select ..] to RECIPIENT ...`."""
    element = etree.Element("alert", {"id": words.take("an id"), "path": words.take("a path")})
    value = words.option("description")
    if value is not None:
        element.set("description", value)
    target = element
    while words:
        keyword = words.take("")
        if keyword == "to":
            words.accept("{")
            value = words.take("a recipient")
            target = etree.SubElement(element, "recipient", {"value": value})
            for option, name in (("$id", "id"), ("description", "description")):
                given = words.option(option)
                if given is not None:
                    target.set(name, given)
        elif keyword in ("attributes", "meta"):
            tag = "meta_attributes" if keyword == "meta" else "instance_attributes"
            read_list(words, target, tag)
        elif keyword == "select" and target is element:
            _read_selection(words, etree.SubElement(element, "select"))
        elif keyword != "}":
            words.at -= 1
            raise words.problem("Expected attributes, meta, select or to")
    return element


def _read_selection(words: Words, element: etree._Element) -> None:
    while words.peek() in SELECTIONS and words.peek(1)[:1] != "$" and "=" not in words.peek(1):
        made = etree.SubElement(element, f"select_{words.take('')}")
        if words.accept("{"):
            while words and not words.accept("}"):
                etree.SubElement(made, "attribute", {"name": words.take("")})


def alert_text(element: etree._Element) -> str:
    """An alert as words."""
    sets = {"attributes": "instance_attributes", "meta": "meta_attributes"}
    head = f"alert {element.get('id')} {quoted(element.get('path', ''))}"
    if element.get("description") is not None:
        head += f" {pair('description', element.get('description'))}"
    lines = [head, *sets_text(element, sets)]
    for selection in element.iterfind("select"):
        words = ["select"]
        for chosen in selection:
            words.append(str(chosen.tag).removeprefix("select_"))
            names = [quoted(a.get("name", "")) for a in chosen]
            words += ["{", *names, "}"] if names else []
        lines.append(" ".join(words))
    for recipient in element.iterfind("recipient"):
        lines.append(_recipient_text(element, recipient, sets))
    return layout(lines)


def _recipient_text(alert: etree._Element, recipient: etree._Element, sets: dict[str, str]) -> str:
    from cli.configure.ids import is_automatic

    words = ["to", quoted(recipient.get("value", ""))]
    if not is_automatic(recipient, alert.get("id", "")):
        words.append(pair("$id", recipient.get("id")))
    if recipient.get("description") is not None:
        words.append(pair("description", recipient.get("description")))
    return " ".join([*words, *sets_text(recipient, sets)])
