"""Fail counts of a resource on a node: what `crm_failcount` and `crm resource failcount` do.

Facts: cli.md section 6; scheduler-1-assignment.md section 14 (names of the attributes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TextIO

from cli.attribute.place import Place
from cli.attribute.store import Store, Wanted
from cli.exits import Exit
from cli.source import ask_cluster

CLIENT = "crm_failcount"
INFINITY = "INFINITY"


def pattern(rsc: str, operation: str | None = None, interval_ms: int | None = None) -> str:
    """Matches the names of the fail counts of a resource, or of one of its operations."""
    name = re.escape(rsc)
    if operation is None:
        return rf"^fail-count-{name}(#.+_\d+)?$"
    interval = r"\d+" if interval_ms is None else str(interval_ms)
    return rf"^fail-count-{name}#{re.escape(operation)}_{interval}$"


def total(values: list[str]) -> str:
    """Sum of fail counts; INFINITY where one of them is."""
    amounts = [v.removeprefix("+") for v in values]
    if INFINITY in amounts:
        return INFINITY
    return str(sum(int(v) for v in amounts if v.isdigit()))


def count(
    store: Store, rsc: str, node: str | None, operation: str | None, interval_ms: int | None
) -> str:
    """How often a resource failed on a node; raises CommandError (105: no such node)."""
    place = Place("status", store.node(node))
    pairs = store.find(place, Wanted(pattern=pattern(rsc, operation, interval_ms)))
    return total([pair.get("value", "") for pair in pairs])


def show(env: Mapping[str, str], stdin: TextIO, out: TextIO, rsc: str, node: str) -> int:
    """Print the fail count."""
    value = count(Store(env, stdin, CLIENT), rsc, node, None, None)
    out.write(f"scope=status  name=fail-count-{rsc} value={value}\n")
    return Exit.OK


def put(env: Mapping[str, str], stdin: TextIO, rsc: str, node: str, value: str) -> int:
    """Set the fail count of the resource as a whole, whatever failed; 0 forgets it."""
    from cli.command_line import CommandError

    if not (value.isdigit() or value.removeprefix("+") == INFINITY):
        raise CommandError(Exit.USAGE, f"fail count '{value}': want a number or INFINITY")
    store = Store(env, stdin, CLIENT)
    place = Place("status", store.node(node))
    for pair in store.find(place, Wanted(pattern=pattern(rsc))):
        store.delete(place, pair)
    store.put(place, f"fail-count-{rsc}#monitor_10000", value)
    return Exit.OK


def delete(
    env: Mapping[str, str],
    stdin: TextIO,
    out: TextIO,
    rsc: str,
    node: str | None,
    operation: str | None = None,
    interval_ms: int | None = None,
) -> int:
    """Forget the failures: of the running cluster as a cleanup, in a file the counts alone."""
    store = Store(env, stdin, CLIENT)
    where = store.node(node)
    if store.is_live:
        payload: dict[str, object] = {"op": "cleanup", "rsc": rsc, "node": where.name}
        if operation is not None:
            payload["operation"] = operation
            payload["interval_ms"] = interval_ms or 0
        ask_cluster(env, payload)
        out.write(f"Cleaned up {rsc} on {where.name}\n")
        return Exit.OK
    place = Place("status", where)
    for pair in store.find(place, Wanted(pattern=pattern(rsc, operation, interval_ms))):
        store.delete(place, pair)
    return Exit.OK
