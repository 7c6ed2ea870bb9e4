"""`crmadmin`: ask the controller: who is the DC, in which state is a node, which nodes are there.

Facts: cli.md section 6 and the recorded cases.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool, refuse_words

if TYPE_CHECKING:
    from lxml import etree

_COMMANDS, _MORE = "Commands", "Additional Options"
_OPTIONS = (
    Option("status", "S", Takes.VALUE, "NODE", "Show the state of a node's controller", _COMMANDS),
    Option("pacemakerd", "P", Takes.NOTHING, "", "Show the state of this node's daemons",
           _COMMANDS),
    Option("dc_lookup", "D", Takes.NOTHING, "", "Show which node is the DC", _COMMANDS),
    Option("nodes", "N", Takes.OPTIONAL, "TYPES", "List nodes: all, cluster, guest, remote",
           _COMMANDS),
    Option("timeout", "t", Takes.VALUE, "TIME", "How long to wait for an answer", _MORE),
    Option("bash-export", "B", Takes.NOTHING, "", "With -N: as export NAME=ID", _MORE),
    Option("ipc-name", "i", Takes.VALUE, "NAME", "Accepted", _MORE),
    Option("quiet", "q", Takes.NOTHING, "", "Only the essential word"),
    *COMMON_OPTIONS,
)  # fmt: skip
_NOTES = """\
Examples:

Which node decides?
        # crmadmin --dc_lookup

All nodes of the cluster proper:
        # crmadmin --nodes=cluster
"""
_KINDS = ("all", "cluster", "guest", "remote")


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    given = [n for n, _ in line.options if n in ("status", "pacemakerd", "dc_lookup", "nodes")]
    if not given:
        raise CommandError(Exit.USAGE, "Must specify a command option")
    command = given[-1]
    words = list(line.words)
    if command == "nodes":
        kinds = line.value("nodes") or (words.pop(0) if words else "all")
        if words:
            refuse_words(line)
        return _nodes(kinds, line, reply, env, stdin)
    if words:
        refuse_words(line)
    return _ask(command, line, reply, env)


def _nodes(
    kinds: str, line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO
) -> Exit:
    from lxml import etree

    from cli.attribute.store import Store

    wanted = kinds.split(",")
    for kind in wanted:
        if kind not in _KINDS:
            raise CommandError(Exit.USAGE, f"Invalid value for --nodes: {kind}")
    listed = etree.Element("nodes")
    for kind, name, name_id in nodes(Store(env, stdin, "crmadmin").cib()):
        if "all" not in wanted and kind not in wanted:
            continue
        if line.has("bash-export"):
            reply.say(f"export {name}={name_id}\n")
        elif line.has("quiet"):
            reply.say(f"{name}\n")
        else:
            reply.say(f"{kind} node: {name} ({name_id})\n")
        made = etree.SubElement(listed, "node")
        for key, value in (("type", kind), ("name", name), ("id", name_id)):
            made.set(key, value)
    if not reply.is_text:
        reply.put(listed)
    return Exit.OK


def nodes(cib: etree._Element) -> Iterator[tuple[str, str, str]]:
    """Kind, name and id of every node: of the cluster, guests, remote ones."""
    for element in cib.iterfind("configuration/nodes/node"):
        if element.get("type", "member") in ("member", "normal"):
            yield "cluster", element.get("uname", ""), element.get("id", "")
    resources = cib.find("configuration/resources")
    if resources is None:
        return
    for primitive in resources.iter("primitive"):
        for pair in primitive.iterfind("meta_attributes/nvpair"):
            if pair.get("name") == "remote-node":
                value = pair.get("value", "")
                yield "guest", value, value
    for primitive in resources.iter("primitive"):
        if (primitive.get("class"), primitive.get("provider"), primitive.get("type")) == (
            "ocf", "pacemaker", "remote",
        ):  # fmt: skip
            name = primitive.get("id", "")
            yield "remote", name, name


def _ask(command: str, line: CommandLine, reply: Reply, env: Mapping[str, str]) -> Exit:
    from cib.durations import parse_ms
    from cli.source import ask_cluster

    timeout = parse_ms(line.value("timeout") or "30s")
    if timeout is None:
        raise CommandError(Exit.USAGE, f"Invalid value for --timeout: {line.value('timeout')}")
    state = ask_cluster(env, {"op": "status"}, timeout / 1000)
    if command == "dc_lookup":
        dc = state.get("dc")
        if not dc:
            raise CommandError(Exit.NO_DC, "DC is not yet elected")
        reply.say(f"{dc}\n" if line.has("quiet") else f"Designated Controller is: {dc}\n")
        reply.add("dc", node_name=str(dc))
        return Exit.OK
    if command == "pacemakerd":
        reply.say(f"{'running' if line.has('quiet') else 'Status of pacekeeperd: running'}\n")
        reply.add("pacemakerd", state="running", node=str(state.get("node", "")))
        return Exit.OK
    node = line.value("status") or ""
    members = [str(m) for m in state.get("members", [])]
    if node not in members:
        names = ", ".join(members)
        raise CommandError(Exit.NOHOST, f"'{node}' is no member of the cluster; members: {names}")
    word = _fsm_word(node, state)
    reply.say(f"{word}\n" if line.has("quiet") else f"Status of crmd@{node}: {word} (ok)\n")
    reply.add("crmd", node_name=node, state=word, result="ok")
    return Exit.OK


def _fsm_word(node: str, state: Mapping[str, object]) -> str:
    """The state in the words of the reference's state machine."""
    if state.get("dc") is None:
        return "S_ELECTION"
    if node != state.get("dc"):
        return "S_NOT_DC"
    return "S_IDLE" if state.get("transition") in (None, "idle") else "S_TRANSITION_ENGINE"


TOOL = Tool("crmadmin", "Query and manage the controller", _OPTIONS, _NOTES, _run, takes_words=True)

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
