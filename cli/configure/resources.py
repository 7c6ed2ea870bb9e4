"""Resources of the configuration language: primitive, template, group, clone, bundle.

What a collective holds is written as `<member id=.../>` here; the editor puts the resources
there.  Facts: cli.md section 7.1 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

from lxml import etree

from cli.configure.attributes import KEYWORDS, list_text, read_list, says_nothing, sets_text
from cli.configure.words import Words, is_pair, layout, pair, quoted

DEFAULT_PROVIDER = "heartbeat"
CLASSES = ("ocf", "lsb", "systemd", "service", "stonith", "upstart", "nagios", "heartbeat")
OP_ATTRIBUTES = (
    "name", "interval", "timeout", "role", "on-fail", "start-delay", "interval-origin",
    "record-pending", "enabled", "description", "requires",
)  # fmt: skip
_SETS = {"params": "instance_attributes", "meta": "meta_attributes", "utilization": "utilization"}
_CONTAINERS = ("docker", "podman", "rkt")


def agent_parts(text: str) -> tuple[str, str | None, str]:
    """Class, provider and type of `[CLASS:[PROVIDER:]]TYPE`; ocf:heartbeat is understood."""
    head, colon, rest = text.partition(":")
    if not colon:
        return "ocf", DEFAULT_PROVIDER, text
    if head == "ocf":
        provider, colon, kind = rest.partition(":")
        return ("ocf", provider, kind) if colon else ("ocf", DEFAULT_PROVIDER, rest)
    return (head, None, rest) if head in CLASSES else ("ocf", head, rest)


def agent_text(element: etree._Element) -> str:
    """The agent of a primitive, short where it can be."""
    template = element.get("template")
    if template is not None:
        return quoted(f"@{template}")
    kind, provider = element.get("class", ""), element.get("provider")
    name = element.get("type", "")
    if (kind, provider) == ("ocf", DEFAULT_PROVIDER) and ":" not in name:
        return quoted(name)
    return quoted(":".join(part for part in (kind, provider, name) if part))


def read_primitive(words: Words) -> etree._Element:
    """`primitive` or `rsc_template`."""
    element = etree.Element("template" if words.kind == "rsc_template" else "primitive")
    element.set("id", words.take("a resource id"))
    agent = words.take("an agent: [CLASS:[PROVIDER:]]TYPE or @TEMPLATE")
    if agent.startswith("@") and element.tag == "primitive":
        element.set("template", agent[1:])
    else:
        kind, provider, name = agent_parts(agent)
        values = (("class", kind), ("provider", provider), ("type", name))
        for key, value in values:
            if value is not None:
                element.set(key, value)
    _read_description(words, element)
    if words and (is_pair(words.peek()) or words.peek() == "rule"):
        read_list(words, element, "instance_attributes")
    while words:
        keyword = words.take("")
        if keyword in _SETS:
            read_list(words, element, _SETS[keyword])
        elif keyword == "operations":
            _read_operations(words, element)
        elif keyword == "op":
            _read_op(words, _operations(element))
        elif keyword.startswith("description="):
            element.set("description", keyword[12:])
        else:
            words.at -= 1
            raise words.problem("Expected params, meta, utilization, operations or op")
    return element


def _read_description(words: Words, element: etree._Element) -> None:
    value = words.option("description")
    if value is not None:
        element.set("description", value)


def _operations(element: etree._Element) -> etree._Element:
    found = element.find("operations")
    return etree.SubElement(element, "operations") if found is None else found


def _read_operations(words: Words, element: etree._Element) -> None:
    held = _operations(element)
    for option, attribute in (("$id-ref", "id-ref"), ("$id", "id")):
        value = words.option(option)
        if value is not None:
            held.set(attribute, value)
            return
    raise words.problem("Expected $id= or $id-ref=", at_end=not words)


def _read_op(words: Words, held: etree._Element) -> None:
    element = etree.SubElement(held, "op", {"name": words.take("the name of an operation")})
    others: dict[str, str] = {}
    while words and (is_pair(words.peek()) or words.peek().startswith("$id=")):
        name, _, value = words.take("").partition("=")
        if name == "$id":
            element.set("id", value)
        elif name in OP_ATTRIBUTES:
            element.set(name, value)
        else:
            others[name] = value
    if element.get("interval") is None:
        element.set("interval", "0s")
    if others:
        pairs = etree.SubElement(element, "instance_attributes")
        for name, value in others.items():
            etree.SubElement(pairs, "nvpair", {"name": name, "value": value})
    while words.peek() in ("op_params", "op_meta"):
        read_list(words, element, KEYWORDS[words.take("")])


def add_monitor(words: Words) -> tuple[str, etree._Element]:
    """`monitor RSC[:ROLE] INTERVAL[:TIMEOUT]`: the resource's id and the operation."""
    rsc, _, role = words.take("a resource id").partition(":")
    interval, _, timeout = words.take("INTERVAL[:TIMEOUT]").partition(":")
    words.end()
    element = etree.Element("op", {"name": "monitor"})
    for name, value in (("role", role), ("interval", interval), ("timeout", timeout)):
        if value:
            element.set(name, value)
    return rsc, element


def read_group(words: Words) -> etree._Element:
    """`group ID RSC... [params|meta|utilization LIST]`."""
    element = etree.Element("group", {"id": words.take("a group id")})
    members: list[str] = []
    while words and words.peek() not in _SETS and not is_pair(words.peek()):
        name = words.take("")
        if name in members:
            raise words.problem(
                f"child {name} listed more than once in group {element.get('id')}", at_end=True
            )
        members.append(name)
    if not members:
        raise words.problem("Expected the resources of the group", at_end=True)
    _read_sets(words, element)
    for name in members:
        etree.SubElement(element, "member", {"id": name})
    return element


def _read_sets(words: Words, element: etree._Element) -> None:
    while words:
        _read_description(words, element)
        if not words:
            break
        if words.peek() in _SETS:
            read_list(words, element, _SETS[words.take("")])
        elif words.peek() in ("operations", "op") or not is_pair(words.peek()):
            raise words.problem("Expected params or meta")
        else:
            read_list(words, element, "instance_attributes")


def read_clone(words: Words) -> etree._Element:
    """`clone ID RSC [meta LIST]`; `ms` makes it promotable, `master` the element of old."""
    tag = "master" if words.kind == "master" else "clone"
    element = etree.Element(tag, {"id": words.take("a clone id")})
    child = words.take("the resource to clone")
    _read_sets(words, element)
    if words.kind == "ms":
        pairs = element.find("meta_attributes")
        if pairs is None:
            pairs = etree.SubElement(element, "meta_attributes")
        if not any(p.get("name") == "promotable" for p in pairs.iterfind("nvpair")):
            etree.SubElement(pairs, "nvpair", {"name": "promotable", "value": "true"})
    etree.SubElement(element, "member", {"id": child})
    return element


def read_bundle(words: Words) -> etree._Element:
    """`bundle ID docker|podman|rkt A=V.. [network ..] [storage ..] [meta ..] [primitive RSC]`."""
    element = etree.Element("bundle", {"id": words.take("a bundle id")})
    _read_description(words, element)
    inside: etree._Element | None = None
    while words:
        keyword = words.take("")
        if keyword in _CONTAINERS or keyword in ("network", "storage"):
            inside = etree.SubElement(element, keyword, _pairs(words))
        elif keyword in ("port-mapping", "storage-mapping") and inside is not None:
            etree.SubElement(inside, keyword, _pairs(words))
        elif keyword in ("meta", "params"):
            read_list(words, element, _SETS[keyword])
        elif keyword == "primitive":
            etree.SubElement(element, "member", {"id": words.take("a primitive")})
        else:
            words.at -= 1
            raise words.problem("Expected docker, podman, rkt, network, storage, meta, primitive")
    if not any(element.find(tag) is not None for tag in _CONTAINERS):
        raise words.problem("Expected docker, podman or rkt", at_end=True)
    return element


def _pairs(words: Words) -> dict[str, str]:
    pairs = {}
    while words and is_pair(words.peek()):
        name, _, value = words.take("").partition("=")
        pairs[name] = value
    return pairs


# --- showing --------------------------------------------------------------------------------


def _description(element: etree._Element) -> str:
    value = element.get("description")
    return "" if value is None else f" {pair('description', value)}"


def primitive_text(element: etree._Element) -> str:
    """A primitive or template as words."""
    keyword = "rsc_template" if element.tag == "template" else "primitive"
    head = f"{keyword} {element.get('id')} {agent_text(element)}{_description(element)}"
    parts = [head, *sets_text(element, _SETS)]
    for held in element.iterfind("operations"):
        if says_nothing(held):
            continue
        if held.get("id-ref") is not None:
            parts.append(f"operations {pair('$id-ref', held.get('id-ref'))}")
        elif held.get("id") is not None:
            parts.append(f"operations {pair('$id', held.get('id'))}")
        for op in held.iterfind("op"):
            parts += _op_text(op)
    return layout(parts)


def _op_text(op: etree._Element) -> list[str]:
    words = ["op", quoted(op.get("name", ""))]
    words += [pair(str(k), str(v)) for k, v in op.attrib.items() if k not in ("id", "name")]
    owner = op.get("id", "")
    lines = [" ".join(words)]
    for keyword, tag in (
        ("op_params", "instance_attributes"),
        ("op_meta", "meta_attributes"),
    ):
        lines += [
            list_text(keyword, held, owner) for held in op.iterfind(tag) if not says_nothing(held)
        ]
    return lines


def group_text(element: etree._Element) -> str:
    """A group as words."""
    members = " ".join(m.get("id", "") for m in element.iterfind("member"))
    head = f"group {element.get('id')} {members}{_description(element)}"
    return layout([head, *sets_text(element, _SETS)])


def clone_text(element: etree._Element) -> str:
    """A clone, or an old master, as words."""
    child = element.find("member")
    name = "" if child is None else child.get("id", "")
    head = f"{element.tag} {element.get('id')} {name}{_description(element)}"
    return layout([head, *sets_text(element, _SETS)])


def bundle_text(element: etree._Element) -> str:
    """A bundle as words."""
    parts = [f"bundle {element.get('id')}{_description(element)}"]
    for child in element:
        if child.tag in (*_CONTAINERS, "network", "storage"):
            words = [str(child.tag), *_plain(child)]
            for mapping in child:
                words += [str(mapping.tag), *_plain(mapping)]
            parts.append(" ".join(words))
    parts += sets_text(element, {"params": "instance_attributes", "meta": "meta_attributes"})
    parts += [f"primitive {m.get('id')}" for m in element.iterfind("member")]
    return layout(parts)


def _plain(element: etree._Element) -> list[str]:
    return [pair(str(k), str(v)) for k, v in element.attrib.items() if k != "id"]
