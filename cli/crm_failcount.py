"""`crm_failcount`: how often a resource failed on a node, and how to forget it.

Facts: cli.md section 6; the counting is `cli.attribute.failcount`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool

_MORE = "Additional Options"
_OPTIONS = (
    Option("query", "G", Takes.NOTHING, "", "Show the fail count", "Commands"),
    Option("delete", "D", Takes.NOTHING, "", "Forget the failures", "Commands"),
    Option("resource", "r", Takes.VALUE, "RESOURCE", "Resource (needed)", _MORE),
    Option("operation", "n", Takes.VALUE, "OPERATION", "Only failures of this operation", _MORE),
    Option("interval", "I", Takes.VALUE, "TIME", "With -n: its interval", _MORE),
    Option("node", "N", Takes.VALUE, "NODE", "Node (default: this one)", _MORE),
    Option("quiet", "q", Takes.NOTHING, "", "Only the value"),
    *COMMON_OPTIONS,
)
_NOTES = """\
Examples:

How often did web fail on node1?
        # crm_failcount --query --resource web --node node1

Forget it:
        # crm_failcount --delete --resource web --node node1
"""


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cib.durations import parse_ms
    from cli.attribute import failcount
    from cli.attribute.store import Store

    rsc = line.value("resource")
    if not rsc:
        raise CommandError(Exit.USAGE, "resource name required; use -r")
    operation, interval_ms = line.value("operation"), None
    if line.value("interval") is not None:
        if operation is None:
            raise CommandError(Exit.USAGE, "interval specified without operation; use -n")
        interval_ms = parse_ms(line.value("interval") or "")
        if interval_ms is None:
            raise CommandError(Exit.USAGE, f"Invalid interval: {line.value('interval')}")
    node = line.value("node")
    if line.has("delete"):
        said = io.StringIO()
        failcount.delete(env, stdin, said, rsc, node, operation, interval_ms)
        reply.say(said.getvalue())
        return Exit.OK
    if not line.has("query"):
        raise CommandError(Exit.USAGE, "Must specify a command: --query or --delete")
    value = failcount.count(Store(env, stdin, "crm_failcount"), rsc, node, operation, interval_ms)
    name = f"fail-count-{rsc}"
    reply.say(f"{value}\n" if line.has("quiet") else f"scope=status  name={name} value={value}\n")
    reply.add("attribute", name=name, value=value, scope="status")
    return Exit.OK


TOOL = Tool("crm_failcount", "Query or delete resource fail counts", _OPTIONS, _NOTES, _run)

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
