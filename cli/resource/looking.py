"""Commands of `crm_resource` that only look: lists, places, definitions, operations.

Facts: cli.md section 4 and the recorded cases.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from cli.exits import Exit
from cli.resource.context import Context, named

if TYPE_CHECKING:
    from lxml import etree


def list_all(context: Context) -> Exit:
    """Every resource with its state, as `crm_mon` shows it."""
    from cli.status.listing import render
    from cli.status.show import Section, Show
    from cli.status.text import resources_section
    from cli.status.xml import resources_element

    show = Show(sections=frozenset({Section.RESOURCES}))
    if not context.reply.is_text:
        context.reply.put(resources_element(context.status, show))
        return Exit.OK
    section = resources_section(context.status, show, always=True)
    if section is not None:
        context.reply.say("".join(f"{line}\n" for line in render([section])))
    return Exit.OK


def list_raw(context: Context) -> Exit:
    """The id of every primitive instance, one a line."""
    from lxml import etree

    names = [p.id for top in context.status.resources for p in top.primitives()]
    if not names:
        context.reply.say("NO resources configured\n")
    for name in names:
        context.reply.say(name + "\n")
    if not context.reply.is_text:
        listed = etree.Element("resources")
        for name in names:
            etree.SubElement(listed, "resource").set("id", name)
        context.reply.put(listed)
    return Exit.OK


def locate(context: Context) -> Exit:
    """Where a resource runs."""
    from lxml import etree

    from cli.status.model import Role

    rsc = context.rsc_id
    context.resource()
    places: dict[str, bool] = {}
    for resource in named(context.status, rsc):
        parts = list(resource.primitives())
        for part in parts:
            for place in part.active:
                promoted = part.role is Role.PROMOTED and part.promotable
                places[place.node] = places.get(place.node, False) or promoted
    ordered = [(n.name, places[n.name]) for n in context.status.nodes if n.name in places]
    if not ordered:
        context.reply.say(f"resource {rsc} is NOT running\n")
    for node, promoted in ordered:
        word = " Promoted" if promoted else ""
        context.reply.say(f"resource {rsc} is running on: {node}{word}\n")
    if not context.reply.is_text:
        listed = etree.Element("nodes")
        listed.set("resource", rsc)
        for node, promoted in ordered:
            element = etree.SubElement(listed, "node")
            element.text = node
            if promoted:
                element.set("state", "promoted")
        context.reply.put(listed)
    return Exit.OK


def configured(context: Context, name: str) -> etree._Element | None:
    """The element that defines a resource; the instance number does not matter."""
    resources = context.cib.find("configuration/resources")
    if resources is None:
        return None
    plain = name.rsplit(":", 1)[0]
    for element in resources.iter("primitive", "group", "clone", "master", "bundle", "template"):
        if element.get("id") in (name, plain):
            return element
    return None


def query_xml(context: Context, expand: bool = True) -> Exit:
    """State and definition of a resource; templates filled in if `expand`."""
    from lxml import etree

    from cib.document import to_text
    from cli.status.listing import render
    from cli.status.show import Section, Show
    from cli.status.text_resources import resource_items
    from cli.status.xml import _resource_elements

    resource = context.resource()
    show = Show(sections=frozenset({Section.RESOURCES}))
    element = configured(context, context.rsc_id)
    if element is None:
        raise context.unknown(context.rsc_id)
    text = to_text(expanded(context, element) if expand else element)
    if context.reply.is_text:
        items = resource_items(resource, show, True)
        lines = [line.strip().removeprefix("* ") for line in render(items)]
        context.reply.say("".join(f"{line}\n" for line in lines))
        context.reply.say(f"Resource XML:\n{text}")
        return Exit.OK
    holder = etree.Element("resource_config")
    holder.extend(_resource_elements(resource, show, True))
    xml = etree.SubElement(holder, "xml")
    xml.text = etree.CDATA(text)
    context.reply.put(holder)
    return Exit.OK


def expanded(context: Context, element: etree._Element) -> etree._Element:
    """The definition with what its template says filled in where it says nothing itself."""
    name = element.get("template")
    if name is None:
        return element
    template = next((t for t in context.cib.iter("template") if t.get("id") == name), None)
    if template is None:
        return element
    whole = copy.deepcopy(element)
    whole.attrib.pop("template")
    for key in ("class", "provider", "type"):
        value = template.get(key)
        if value is not None and whole.get(key) is None:
            whole.set(key, value)
    for child in template:
        whole.append(copy.deepcopy(child))
    return whole


def operations(context: Context, every: bool) -> Exit:
    """Recorded operations: of active resources, or with `every` all of them."""
    from lxml import etree

    from cli.status.results import status_text

    wanted, node = context.option("resource"), context.node()
    if wanted is not None:
        context.resource()
    else:
        assert context.status is not None  # what is wrong with the CIB is told first
    listed = etree.Element("operations")
    for host, history in _histories(context, wanted):
        if node is not None and host != node.name:
            continue
        entries = list(history.iterfind("lrm_rsc_op"))
        for op in entries if every else _active(entries):
            _tell_operation(context, host, history, op, status_text, listed)
    if not context.reply.is_text:
        context.reply.put(listed)
    return Exit.OK


def _histories(context: Context, wanted: str | None) -> Iterator[tuple[str, etree._Element]]:
    """Node and history of every resource, in the order of the status section."""
    plain = None if wanted is None else wanted.rsplit(":", 1)[0]
    for state in context.cib.iterfind("status/node_state"):
        for history in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if plain is None or history.get("id", "").rsplit(":", 1)[0] == plain:
                yield state.get("uname", ""), history


def _active(entries: Sequence[etree._Element]) -> list[etree._Element]:
    """What is left of a history once what was stopped is gone: from the last start on."""
    ordered = sorted(entries, key=lambda op: int(op.get("call-id", "0")))
    started = stopped = -1
    for at, op in enumerate(ordered):
        if op.get("operation") == "start":
            started = at
        elif op.get("operation") == "stop":
            stopped = at
    return [] if stopped > started else ordered[max(started, 0) :]


def _tell_operation(
    context: Context,
    host: str,
    history: etree._Element,
    op: etree._Element,
    status_text: Callable[[int], str],
    listed: etree._Element,
) -> None:
    from lxml import etree

    rsc = history.get("id", "")
    parts = [history.get("class", ""), history.get("provider", ""), history.get("type", "")]
    key, call, rc = op.get("operation_key", op.get("id", "")), op.get("call-id"), op.get("rc-code")
    word, took = status_text(int(op.get("op-status", "-1"))), op.get("exec-time")
    shown = "" if took is None else f", exec={took}ms"
    agent = ":".join(part for part in parts if part)
    context.reply.say(
        f"{rsc}\t({agent}):\t Started: {key} (node={host}, call={call}, rc={rc}{shown}): {word}\n"
    )
    element = etree.SubElement(listed, "operation")
    values = (
        ("op", key),
        ("node", host),
        ("call", call),
        ("rc", rc),
        ("status", word),
        ("rsc", rsc),
        ("agent", ":".join(parts)),
        ("exec-time", took),
    )
    for name, value in values:
        if value is not None:
            element.set(name, value)
