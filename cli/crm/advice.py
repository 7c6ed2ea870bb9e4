"""Operations that an agent advises, added to a primitive as it is entered.

Only what the primitive does not have itself; monitors only where it has none at all.
Facts: cli.md section 7.1 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lxml import etree

from cli import agents
from cli.command_line import CommandError
from cli.configure import tree
from cli.configure.ids import free_id

if TYPE_CHECKING:
    from cli.crm.editor import Editor

_SHOWN = ("timeout", "interval", "role")
_WANTED = ("monitor", "start", "stop", "promote", "demote")


def add_advised_operations(session: Editor, name: str, env: Mapping[str, str]) -> None:
    """Complete the operations of a primitive; nothing happens where the agent is unknown."""
    from ocf.calls import AgentRef

    element = tree.find_resource(session.tree, name)
    if element is None or element.get("type") is None:
        return
    agent = AgentRef(element.get("class", ""), element.get("type", ""), element.get("provider"))
    try:
        data = agents.metadata(env, agent)
    except CommandError:  # not installed here: nothing is known
        return
    held = element.find("operations")
    if held is None:
        held = etree.SubElement(element, "operations")
    present = {op.get("name") for op in held.iterfind("op")}
    taken = tree.ids(session.tree)
    advised = [a for a in data.actions if a.name in _WANTED]
    for op in held.iterfind("op"):
        _complete(op, advised)
    for action in sorted(advised, key=lambda a: _WANTED.index(a.name)):
        if action.name in present:
            continue
        made = etree.SubElement(held, "op", {"name": action.name})
        for key in _SHOWN:
            value = action.attributes.get(key)
            if value is not None:
                made.set(key, value)
        if made.get("interval") is None:
            made.set("interval", "0s")
        owner = held.get("id") or name
        made.set("id", free_id(f"{owner}-{action.name}-{made.get('interval')}", taken))


def _complete(op: etree._Element, advised: list[agents.Advised]) -> None:
    """An operation without a timeout gets the advised one; times have units."""
    if op.get("interval") == "0":
        op.set("interval", "0s")
    if op.get("timeout") is not None:
        return
    for action in advised:
        if action.name == op.get("name") and "timeout" in action.attributes:
            op.set("timeout", action.attributes["timeout"])
            return


def interleave(session: Editor, name: str) -> None:
    """A clone of a primitive is interleaved unless it says otherwise: fewer restarts."""
    element = tree.find_resource(session.tree, name)
    if element is None or element.tag != "clone" or element.find("primitive") is None:
        return
    pairs = list(element.iterfind("meta_attributes/nvpair"))
    if any(pair.get("name") == "interleave" for pair in pairs):
        return
    held = element.find("meta_attributes")
    if held is None:
        held = etree.Element("meta_attributes", {"id": f"{name}-meta_attributes"})
        element.insert(0, held)
    made = etree.SubElement(held, "nvpair", {"id": f"{held.get('id')}-interleave"})
    made.set("name", "interleave")
    made.set("value", "true")
