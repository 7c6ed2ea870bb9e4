"""`crm_standby`: empty a node, and let it work again.

A front for the node attribute `standby`.  Facts: cli.md section 6.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool

_OPTIONS = (
    Option("query", "G", Takes.NOTHING, "", "Show whether the node is in standby", "Commands"),
    Option("update", "v", Takes.VALUE, "VALUE", "on or off", "Commands"),
    Option("delete", "D", Takes.NOTHING, "", "Forget the setting", "Commands"),
    Option("node", "N", Takes.VALUE, "NODE", "Node (default: this one)", "Additional Options"),
    Option("lifetime", "l", Takes.VALUE, "TIME", "forever (default), or reboot",
           "Additional Options"),
    Option("id", "i", Takes.VALUE, "ID", "Only the pair of this XML id", "Additional Options"),
    Option("quiet", "q", Takes.NOTHING, "", "Only the value"),
    *COMMON_OPTIONS,
)  # fmt: skip
_NOTES = """\
Examples:

Move everything away from a node:
        # crm_standby --node node1 --update on

Let it work again:
        # crm_standby --node node1 --delete
"""
_TRUE = {"on": "on", "true": "on", "yes": "on", "1": "on"}
_FALSE = {"off": "off", "false": "off", "no": "off", "0": "off"}


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.attribute.place import Place
    from cli.attribute.store import Store, Wanted

    store = Store(env, stdin, "crm_standby")
    node = store.node(line.value("node"))
    lifetime = line.value("lifetime")
    if lifetime not in (None, "reboot", "forever"):
        raise CommandError(Exit.USAGE, f"Invalid lifetime '{lifetime}'; want reboot or forever")
    sections = ["status"] if lifetime == "reboot" else ["nodes"]
    given = [name for name, _ in line.options if name in ("query", "update", "delete")]
    command = given[-1] if given else "query"
    if lifetime is None and command != "update":
        sections = ["nodes", "status"]
    wanted = Wanted("standby", pair_id=line.value("id"))
    if command == "update":
        word = (line.value("update") or "").lower()
        value = {**_TRUE, **_FALSE}.get(word)
        if value is None:
            raise CommandError(Exit.USAGE, f"'{word}': want on or off")
        store.put(Place(sections[0], node), "standby", value, wanted)
        return Exit.OK
    if command == "delete":
        for section in sections:
            for pair in store.find(Place(section, node), wanted):
                store.delete(Place(section, node), pair)
                about = f"id={pair.get('id')} name=standby"
                reply.say(f"Deleted {section} attribute: {about}\n")
        return Exit.OK
    scope, value = sections[-1], "off"
    for section in sections:
        for pair in store.find(Place(section, node), wanted):
            if value == "off":
                scope, value = section, pair.get("value", "")
    text = f"{value}\n" if line.has("quiet") else f"scope={scope}  name=standby value={value}\n"
    reply.say(text)
    reply.add("attribute", name="standby", value=value, scope=scope)
    return Exit.OK


TOOL = Tool("crm_standby", "Query, enable, or disable standby mode for a node", _OPTIONS, _NOTES,
            _run)  # fmt: skip

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
