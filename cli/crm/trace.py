"""`crm resource trace` and `untrace`: have an agent write down what it does.

The agents' own library watches for the parameters `trace_ra` and `trace_dir` of an operation.
Facts: cli.md section 7 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lxml import etree

from cli.command_line import CommandError
from cli.configure.ids import give_ids
from cli.crm.levels import UsageError, want
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.shell import Shell

DIRECTORY = "/var/lib/heartbeat/trace_ra"
_NAMES = ("trace_ra", "trace_dir")


def _primitive(shell: Shell, rsc: str) -> etree._Element:
    from cli.crm.resource import context
    from cli.resource.looking import configured

    found = context(shell)
    element = configured(found, rsc)
    if element is None:
        raise found.unknown(rsc)
    if element.tag != "primitive":
        raise UsageError(f"{rsc} is a {element.tag}; trace the primitives in it")
    return copy.deepcopy(element)


def _write(shell: Shell, element: etree._Element) -> None:
    from cli.crm.resource import context

    place = f"//primitive[@id='{element.get('id')}']"
    context(shell).change("replace", xpath=place, element=element)


def _operation(op: str, interval: str | None) -> tuple[str, str]:
    if op == "probe":
        return "monitor", "0"
    return op, interval if interval is not None else "0s"


def trace(shell: Shell, args: Sequence[str]) -> int:
    """`trace RSC [OP [INTERVAL [DIR]]]`: without OP, all operations."""
    want(args, 1, 4)
    rsc, op = args[0], args[1] if len(args) > 1 else None
    directory = args[3] if len(args) > 3 else DIRECTORY
    element = _primitive(shell, rsc)
    held = element.find("operations")
    if held is None:
        held = etree.SubElement(element, "operations")
    chosen = []
    if op is None:
        chosen = list(held.iterfind("op"))
    else:
        name, interval = _operation(op, args[2] if len(args) > 2 else None)
        chosen = [o for o in held.iterfind("op") if _is(o, name, interval)]
        if not chosen:
            chosen = [etree.SubElement(held, "op", {"name": name, "interval": interval})]
    for each in chosen:
        pairs = each.find("instance_attributes")
        if pairs is None:
            pairs = etree.SubElement(each, "instance_attributes")
        for key, value in zip(_NAMES, ("1", directory), strict=True):
            if not any(p.get("name") == key for p in pairs):
                etree.SubElement(pairs, "nvpair", {"name": key, "value": value})
    give_ids(element, set())
    _write(shell, element)
    kind = element.get("type", "agent")
    about = "" if op is None else f":{_operation(op, None)[0]}"
    shell.info(f"Trace for {rsc}{about} is written to {directory}/{kind}")
    if op in ("start", "stop"):
        shell.info(f"Trace set, restart {rsc} to trace the {op} operation")
    else:
        shell.info(f"Trace set, restart {rsc} to trace non-monitor operations")
    return 0


def _is(op: etree._Element, name: str, interval: str) -> bool:
    """Whether an operation is meant."""
    from cib.durations import parse_ms

    if op.get("name") != name:
        return False
    return (parse_ms(op.get("interval", "0")) or 0) == (parse_ms(interval) or 0)


def untrace(shell: Shell, args: Sequence[str]) -> int:
    """`untrace RSC [OP [INTERVAL]]`."""
    want(args, 1, 3)
    rsc, op = args[0], args[1] if len(args) > 1 else None
    element = _primitive(shell, rsc)
    found = False
    for each in list(element.iterfind("operations/op")):
        interval = args[2] if len(args) > 2 else None
        if op is not None and not _is(each, *_operation(op, interval)):
            continue
        found = _clean(each) or found
    if not found:
        raise CommandError(Exit.NOSUCH, f"{rsc} is not traced")
    _write(shell, element)
    about = "" if op is None else f" for operation {_operation(op, None)[0]}"
    shell.info(f"Stop tracing {rsc}{about}")
    return 0


def _clean(op: etree._Element) -> bool:
    found = False
    for pairs in list(op.iterfind("instance_attributes")):
        for pair in [p for p in pairs if p.get("name") in _NAMES]:
            pairs.remove(pair)
            found = True
        if len(pairs) == 0:
            op.remove(pairs)
    holder = op.getparent()
    made_for_it = op.get("timeout") is None and op.get("name") != "monitor"
    probe = op.get("name") == "monitor" and op.get("interval") == "0"
    if found and holder is not None and len(op) == 0 and (made_for_it or probe):
        holder.remove(op)
    return found
