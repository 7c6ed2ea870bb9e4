"""`--move`, `--ban` and `--clear`: constraints that people put on a resource by hand.

Facts: cli.md section 4, the recorded cases, and the installed tool asked with files.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.exits import Exit
from cli.resource.context import PERFORMING, Context, Refused, named
from cli.resource.placement import (
    expired,
    made_by_tools,
    preference,
    prohibition,
)

if TYPE_CHECKING:
    from lxml import etree

    from cli.status.model import ClusterStatus

_WARNING = (
    "WARNING: Creating rsc_location constraint 'cli-ban-{rsc}-on-{node}' with a score of -INFINITY "
    "for resource {rsc} on {node}.\n"
    "\tThis will prevent {rsc} from running on {node} until the constraint is removed using the "
    "clear option or by editing the CIB with an appropriate tool.\n"
    "\tThis will be the case even if {node} is the last node in the cluster"
)


def active_nodes(status: ClusterStatus, name: str, promoted_only: bool = False) -> list[str]:
    """Names of the nodes where a resource is active, each once, in node order.

    Of a collective those where any of its primitives is.
    """
    from cli.status.model import Role

    names = {
        place.node
        for resource in named(status, name)
        for part in resource.primitives()
        if not promoted_only or part.role is Role.PROMOTED
        for place in part.active
    }
    return [node.name for node in status.nodes if node.name in names]


def move(context: Context) -> Exit:
    """Make the resource run on a node, or anywhere but where it runs now."""
    _checked_id(context)
    node = context.node()
    if node is None:
        return _ban_present_place(context)
    rsc, promoted = context.rsc_id, context.has("promoted")
    here = active_nodes(context.status, rsc, promoted)
    if here == [node.name]:
        if not context.has("force"):
            raise CommandError(Exit.EXISTS, PERFORMING + Exit.EXISTS.words)
    until = _until(context)
    _remove(context, made_by_tools(context.cib, rsc, node.name))
    _remove(context, [e for e in made_by_tools(context.cib, rsc) if _is_preference(e)])
    _put(context, preference(rsc, node.name, promoted, until))
    if context.has("wait"):
        from cli.resource.upkeep import wait

        wait(context)
        return _clear_when_there(context, node.name)
    return Exit.OK


def _is_preference(element: etree._Element) -> bool:
    return element.get("id", "").startswith("cli-prefer-")


def _clear_when_there(context: Context, node: str) -> Exit:
    context.__dict__.pop("cib", None)
    context.__dict__.pop("status", None)
    here = active_nodes(context.status, context.rsc_id, context.has("promoted"))
    if node not in here:
        where = ", ".join(here) or "nowhere"
        text = f"Resource '{context.rsc_id}' did not move to '{node}' (active on: {where})"
        hint = f"'crm_resource --why -r {context.rsc_id}' tells the reason"
        if context.has("autoclear"):
            _remove(context, made_by_tools(context.cib, context.rsc_id))
        raise Refused(Exit.UNSATISFIED, text, hint)
    if context.has("autoclear"):
        _remove(context, made_by_tools(context.cib, context.rsc_id))
    return Exit.OK


def ban(context: Context) -> Exit:
    """Keep the resource off a node; by default off the one where it runs."""
    _checked_id(context)
    node = context.node()
    if node is None:
        return _ban_present_place(context)
    _ban(context, node.name, context.has("promoted"))
    return Exit.OK


def _ban_present_place(context: Context) -> Exit:
    rsc = context.rsc_id
    here = active_nodes(context.status, rsc)
    promoted = active_nodes(context.status, rsc, promoted_only=True)
    if len(here) != 1 and len(promoted) == 1:
        here = promoted
    if len(here) != 1:
        raise Refused(
            Exit.USAGE,
            f"Resource '{rsc}' not moved: active in {len(here)} locations.",
            f"To prevent '{rsc}' from running on a specific location, specify a node.",
        )
    _ban(context, here[0], context.has("promoted"))
    return Exit.OK


def _ban(context: Context, node: str, promoted: bool) -> None:
    rsc, until = context.rsc_id, _until(context)
    if not context.has("quiet"):
        context.reply.say(_WARNING.format(rsc=rsc, node=node) + "\n")
    _put(context, prohibition(rsc, node, promoted, until))


def clear(context: Context) -> Exit:
    """Remove what `--move` and `--ban` made."""
    if context.has("expired"):
        found = expired(context.cib, time.time(), context.option("resource"))
    else:
        _checked_id(context)
        node = context.node()
        found = made_by_tools(context.cib, context.rsc_id, node.name if node else None)
    names = [element.get("id", "") for element in found]
    _remove(context, found)
    for name in names:
        context.reply.say(f"Removing constraint: {name}\n")
    return Exit.OK


def _checked_id(context: Context) -> None:
    resource = context.resource()
    if ":" in context.rsc_id and resource.id == context.rsc_id != resource.plain_id:
        raise Refused(
            Exit.INVALID_PARAM, f"Cannot operate on clone resource instance '{context.rsc_id}'"
        )


def _until(context: Context) -> str | None:
    text = context.option("lifetime")
    if text is None:
        return None
    from cib.dates import DateError, local, parse_duration

    try:
        end = local(time.time()).plus(parse_duration(text))
    except DateError as problem:
        raise Refused(
            Exit.INVALID_PARAM,
            f"Invalid duration specified: {text}",
            f"{problem}\nAn ISO 8601 duration is wanted, such as PT1H for an hour",
        ) from problem
    context.reply.say(f"Migration will take effect until: {end}\n")
    return str(end)


def _remove(context: Context, elements: list[etree._Element]) -> None:
    for element in elements:
        name = element.get("id", "")
        context.change("delete", xpath=f"//rsc_location[@id='{name}']")


def _put(context: Context, element: etree._Element) -> None:
    name = element.get("id", "")
    _remove(context, [e for e in context.cib.iter("rsc_location") if e.get("id") == name])
    context.change("create", section="constraints", element=element)
