"""`--get-parameter`, `--set-parameter`, `--delete-parameter`: values of a resource.

Instance attributes by default; `--meta` and `--utilization` choose another set, `--element` the
XML attributes of the definition itself.  Facts: cli.md section 4 and the recorded cases.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.exits import Exit
from cli.resource.context import Context, Refused
from cli.resource.looking import configured
from cli.status.diagnostics import wants_diagnostics

if TYPE_CHECKING:
    from lxml import etree

_SETS = {"meta": "meta_attributes", "utilization": "utilization"}


def set_tag(context: Context) -> str:
    """Name of the set element that the options choose."""
    for option, tag in _SETS.items():
        if context.has(option):
            return tag
    return "instance_attributes"


def _definition(context: Context, name: str) -> etree._Element:
    element = configured(context, name)
    if element is None:
        raise context.unknown(name)
    return element


def get(context: Context) -> Exit:
    """Print a value; 105 where it is not set."""
    name = context.option("get-parameter") or ""
    rsc = context.rsc_id
    if wants_diagnostics(context.env):
        context.resource()
    element = _definition(context, rsc)
    if context.has("element"):
        value = element.get(name)
        if value is None:
            context.reply.error(f"Attribute '{name}' not found for '{rsc}'", named=False)
            return Exit.OK
    else:
        value = _value(context, element, name)
        if value is None:
            raise Refused(Exit.NOSUCH, f"Attribute '{name}' not found for '{rsc}'")
    context.reply.say(value + "\n")
    context.reply.add("attribute", name=name, value=value)
    return Exit.OK


def _value(context: Context, element: etree._Element, name: str) -> str | None:
    tag = set_tag(context)
    holder: etree._Element | None = element
    while holder is not None and holder.tag != "resources":
        for pair in _pairs(holder, tag, name):
            return pair.get("value")
        holder = holder.getparent() if tag == "meta_attributes" else None
    return None


def _pairs(element: etree._Element, tag: str, name: str) -> list[etree._Element]:
    chosen = []
    for pairs in element.iterfind(tag):
        chosen += [p for p in pairs.iterfind("nvpair") if p.get("name") == name]
    return chosen


def _chosen(context: Context, pairs: list[etree._Element], name: str) -> etree._Element | None:
    pair_id = context.option("nvpair")
    set_id = context.option("set-name")
    if pair_id is not None:
        pairs = [p for p in pairs if p.get("id") == pair_id]
    if set_id is not None:
        pairs = [p for p in pairs if _set_id(p) == set_id]
    if len(pairs) > 1:
        listed = "\n".join(f"  Value: {p.get('value')} \t(id={p.get('id')})" for p in pairs)
        raise Refused(
            Exit.MULTIPLE,
            f"Multiple attributes match name={name}",
            f"{listed}\nchoose one with --nvpair ID or --set-name ID",
        )
    return pairs[0] if pairs else None


def _set_id(pair: etree._Element) -> str:
    parent = pair.getparent()
    return "" if parent is None else parent.get("id", "")


def put(context: Context) -> Exit:
    """Set a value."""
    name, value = context.option("set-parameter") or "", context.option("parameter-value")
    if value is None:
        raise CommandError(Exit.USAGE, "You need to supply a value with the -v option")
    rsc = context.rsc_id
    context.resource()
    if context.has("element"):
        element = copy.deepcopy(_definition(context, rsc))
        element.set(name, value)
        _replace(context, element)
        context.reply.say(f"Set attribute: name={name} value={value}\n")
        return Exit.OK
    settings: list[etree._Element] = []
    for target in _targets(context, rsc, name):
        pair = _chosen(context, _pairs(target, set_tag(context), name), name)
        settings.append(_write(context, target, name, value, pair))
    if not context.reply.is_text:
        listed = etree_element("resource-settings")
        listed.extend(settings)
        context.reply.put(listed)
    return Exit.OK


def etree_element(tag: str, **attributes: str) -> etree._Element:
    """An element, with lxml loaded only now."""
    from lxml import etree

    return etree.Element(tag, attributes)


def _replace(context: Context, element: etree._Element) -> None:
    """Put a definition in the place of the old one; counted as a change in any case."""
    place = f"//{element.tag}[@id='{element.get('id')}']"
    present = context.cib.xpath(place)
    context.change("replace", xpath=place, element=element)
    if isinstance(present, list) and present and _same(present[0], element):
        context.change("bump")


def _same(one: object, other: etree._Element) -> bool:
    from lxml import etree

    assert isinstance(one, etree._Element)
    return etree.tostring(one, method="c14n") == etree.tostring(other, method="c14n")


def _targets(context: Context, rsc: str, name: str) -> list[etree._Element]:
    """What an update changes: the resource, what in it has a value of its own, and with
    --recursive what is colocated with it."""
    first = _target(context, rsc, name, "update")
    tag = set_tag(context)
    found = []
    if first.tag == "group" and tag == "meta_attributes" and not context.has("force"):
        found = [c for c in first.iterfind("primitive") if _pairs(c, tag, name)]
    found.append(first)
    if context.has("recursive"):
        from cli.resource.relations import dependents

        for other in dependents(context.cib, first.get("id", "")):
            element = configured(context, other)
            if element is not None and element not in found:
                found.append(element)
    return found


def set_meta(context: Context, rsc: str, name: str, value: str) -> None:
    """Set a meta-attribute of a resource, without a word."""
    element = _definition(context, rsc)
    pairs = _pairs(element, "meta_attributes", name)
    pair_id = pairs[0].get("id", "") if pairs else None
    context.change(
        "modify",
        "resources",
        _with_pair(element, "meta_attributes", name, value, pair_id, None),
        allow_create=True,
    )


def remove_meta(context: Context, rsc: str, name: str) -> None:
    """Remove a meta-attribute of a resource, without a word."""
    for pair in _pairs(_definition(context, rsc), "meta_attributes", name):
        context.change("delete", xpath=f"//nvpair[@id='{pair.get('id')}']")


def _target(context: Context, rsc: str, name: str, doing: str) -> etree._Element:
    """The element whose value is meant: for meta-attributes of what a clone holds, the clone."""
    element = _definition(context, rsc)
    tag = set_tag(context)
    if tag != "meta_attributes" or context.has("force"):
        return element
    parent = element.getparent()
    if parent is not None and parent.tag in ("clone", "master", "bundle"):
        own, outer = _pairs(element, tag, name), _pairs(parent, tag, name)
        if own and outer:
            _say_multiple(context, [*own, *outer], name)
        if not _pairs(element, tag, name):
            if doing == "update" or _pairs(parent, tag, name):
                context.reply.say(
                    f"Performing {doing} of '{name}' on '{parent.get('id')}', "
                    f"the parent of '{element.get('id')}'\n"
                )
                return parent
    if element.tag in ("clone", "master", "bundle"):
        for child in element.iterfind("primitive"):
            if _pairs(child, tag, name):
                both = [*_pairs(child, tag, name), *_pairs(element, tag, name)]
                _say_multiple(context, both, name)
                context.reply.say(
                    f"A value for '{name}' already exists in child '{child.get('id')}', "
                    f"performing {doing} on that instead of '{element.get('id')}'\n"
                )
                return child
    return element


def _say_multiple(context: Context, pairs: list[etree._Element], name: str) -> None:
    if len(pairs) < 2:
        return
    context.reply.say(f"Multiple attributes match name={name}\n")
    for pair in pairs:
        context.reply.say(f"  Value: {pair.get('value')} \t(id={pair.get('id')})\n")
    context.reply.say("\n")


def _write(
    context: Context,
    element: etree._Element,
    name: str,
    value: str,
    pair: etree._Element | None,
) -> etree._Element:
    """Set one value; the setting as documents show it."""
    from lxml import etree

    tag, rsc = set_tag(context), element.get("id", "")
    set_id = context.option("set-name") or _first_set_id(element, tag) or f"{rsc}-{tag}"
    pair_id = context.option("nvpair") or f"{set_id}-{name}"
    if pair is not None:
        set_id, pair_id = _set_id(pair), pair.get("id", "")
    change = _with_pair(element, tag, name, value, pair_id, set_id)
    context.change("modify", "resources", change, allow_create=True)
    shown = "" if pair is not None else f" set={set_id}"
    context.reply.say(f"Set '{rsc}' option: id={pair_id}{shown} name={name} value={value}\n")
    held = etree.Element(str(element.tag), {"id": rsc})
    pairs = etree.SubElement(held, tag, {"id": set_id})
    made = etree.SubElement(pairs, "nvpair")
    for key, text in (("id", pair_id), ("value", value), ("name", name)):
        made.set(key, text)
    return held


def _first_set_id(element: etree._Element, tag: str) -> str | None:
    found = element.find(tag)
    return None if found is None else found.get("id")


def _bare(element: etree._Element, values: dict[str, str]) -> etree._Element:
    from lxml import etree

    bare = etree.Element(element.tag)
    bare.set("id", element.get("id", ""))
    for key, value in values.items():
        bare.set(key, value)
    return bare


def _with_pair(
    element: etree._Element,
    tag: str,
    name: str,
    value: str,
    pair_id: str | None,
    set_id: str | None,
) -> etree._Element:
    from lxml import etree

    rsc = element.get("id", "")
    set_id = set_id or _first_set_id(element, tag) or f"{rsc}-{tag}"
    change = _bare(element, {})
    pairs = etree.SubElement(change, tag)
    pairs.set("id", set_id)
    pair = etree.SubElement(pairs, "nvpair")
    for key, text in (("id", pair_id or f"{set_id}-{name}"), ("name", name), ("value", value)):
        pair.set(key, text)
    return change


def remove(context: Context) -> Exit:
    """Delete a value; nothing happens where it is not set."""
    name, rsc = context.option("delete-parameter") or "", context.rsc_id
    context.resource()
    if context.has("element"):
        changed = copy.deepcopy(_definition(context, rsc))
        if changed.get(name) is not None:
            changed.attrib.pop(name)
        _replace(context, changed)
        context.reply.say(f"Deleted attribute: {name}\n")
        return Exit.OK
    element = _target(context, rsc, name, "delete")
    pair = _chosen(context, _pairs(element, set_tag(context), name), name)
    if pair is not None:
        pair_id = pair.get("id", "")
        context.change("delete", xpath=f"//nvpair[@id='{pair_id}']")
        context.reply.say(f"Deleted '{element.get('id')}' option: id={pair_id} name={name}\n")
    return Exit.OK
