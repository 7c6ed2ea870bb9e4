"""`attrd_updater`: transient attributes of nodes, as agents set them.

Dampening is accepted and not waited for: the cluster sees a value at once.  Facts: cli.md
section 6.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool

if TYPE_CHECKING:
    from cli.attribute.place import Place
    from cli.attribute.store import Store

_COMMANDS, _MORE = "Commands", "Additional Options"
_OPTIONS = (
    Option("name", "n", Takes.VALUE, "NAME", "Name of the attribute", "Required Arguments"),
    Option("update", "U", Takes.VALUE, "VALUE", "Set the value", _COMMANDS),
    Option("update-both", "B", Takes.VALUE, "VALUE", "Set value and dampening", _COMMANDS),
    Option("update-delay", "Y", Takes.NOTHING, "", "Set the dampening", _COMMANDS),
    Option("query", "Q", Takes.NOTHING, "", "Show the value", _COMMANDS),
    Option("delete", "D", Takes.NOTHING, "", "Delete the attribute", _COMMANDS),
    Option("refresh", "R", Takes.NOTHING, "", "Accepted: values are always written", _COMMANDS),
    Option("delay", "d", Takes.VALUE, "SECONDS", "Dampening (accepted)", _MORE),
    Option("set", "s", Takes.VALUE, "SET", "Accepted", _MORE),
    Option("pattern", "P", Takes.VALUE, "PATTERN", "All attributes whose name matches", _MORE),
    Option("node", "N", Takes.VALUE, "NODE", "Node (default: this one)", _MORE),
    Option("all", "A", Takes.NOTHING, "", "With -Q: on all nodes", _MORE),
    Option("lifetime", "l", Takes.VALUE, "SECTION", "Accepted", _MORE),
    Option("private", "p", Takes.NOTHING, "", "Accepted", _MORE),
    Option("wait", "W", Takes.VALUE, "UNTIL", "Accepted: no, local, cluster", _MORE),
    Option("quiet", "q", Takes.NOTHING, "", "Say less"),
    *COMMON_OPTIONS,
)
_NOTES = """\
Examples:

Set an attribute of this node, until it leaves the cluster:
        # attrd_updater --name pingd --update 1000

Show it for all nodes:
        # attrd_updater --name pingd --query --all
"""


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.attribute.place import Place
    from cli.attribute.store import Store, Wanted

    if line.has("refresh"):
        return Exit.OK
    name, pattern = line.value("name"), line.value("pattern")
    if name is None and pattern is None:
        raise CommandError(Exit.USAGE, "Command requires --name or --pattern argument")
    store = Store(env, stdin, "attrd_updater")
    if line.has("query"):
        return _query(name, pattern, line, reply, store)
    node = store.node(line.value("node"))
    place = Place("status", node)
    if line.has("update-delay"):
        return Exit.OK
    if line.has("delete"):
        for pair in store.find(place, Wanted(name, pattern)):
            store.delete(place, pair)
        return Exit.OK
    value = line.value("update", line.value("update-both"))
    if value is None:
        raise CommandError(Exit.USAGE, "Must specify a command: -U, -B, -Y, -Q, -D or -R")
    if name is not None and pattern is None:
        store.put(place, name, _counted(value, place, name, store), None)
        return Exit.OK
    for pair in store.find(place, Wanted(None, pattern)):
        store.put(place, pair.get("name", ""), value)
    return Exit.OK


def _counted(value: str, place: Place, name: str, store: Store) -> str:
    """`value++` and `value+=N` count up from the present value."""
    from cli.attribute.store import Wanted

    if value != "value++" and not value.startswith("value+="):
        return value
    from cib.scores import add, parse, to_text

    present = store.find(place, Wanted(name))
    amount = parse("1" if value == "value++" else value[7:])
    start = parse(present[0].get("value", "0")) if present else 0
    return to_text(add(start, amount))


def _query(
    name: str | None, pattern: str | None, line: CommandLine, reply: Reply, store: Store
) -> Exit:
    from cli.attribute.place import Place, find_node, node_names
    from cli.attribute.store import Wanted

    cib = store.cib()
    names = node_names(cib) if line.has("all") else [store.node(line.value("node"), cib).name]
    found = False
    for host in names:
        node = find_node(cib, host)
        if node is None:
            continue
        for pair in store.find(Place("status", node), Wanted(name, pattern)):
            found = True
            value, shown = pair.get("value", ""), pair.get("name", "")
            reply.say(f'name="{shown}" host="{host}" value="{value}"\n')
            reply.add("attribute", name=shown, value=value, host=host)
    if not found:
        where = "on any node" if line.has("all") else f"on {names[0]}"
        raise CommandError(Exit.NOSUCH, f"attribute '{name or pattern}' is not set {where}")
    return Exit.OK


TOOL = Tool("attrd_updater", "Query and update transient node attributes", _OPTIONS, _NOTES, _run)

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
