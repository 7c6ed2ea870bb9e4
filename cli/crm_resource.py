"""`crm_resource`: look at resources, move them, change them, clean up after them.

Sorts out words and calls `cli.resource`; nothing is decided here.  Facts: cli.md section 4.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes, parse
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply, help_or_version
from cli.streams import run_tool
from cli.tool import refuse_words

if TYPE_CHECKING:
    from cli.resource.context import Context

TOOL = "crm_resource"
SUMMARY = "Perform tasks related to cluster resources"
NOTES = """\
Examples:

List all configured resources:
        # crm_resource --list

Move 'web' to a specific node, wait until it runs there, and leave no constraint behind:
        # crm_resource -r web --move --node node2 --wait --autoclear

Allow (but not force) 'web' to move back to its original location:
        # crm_resource -r web --clear

Tell why 'web' runs where it does, or not at all:
        # crm_resource -r web --why

Forget the failures of 'web' and have it probed again:
        # crm_resource -r web --cleanup
"""

_QUERIES, _COMMANDS, _LOCATION = "Queries", "Commands", "Resource location"
_MORE = "Additional Options"


def _q(name: str, short: str, text: str, takes: Takes = Takes.NOTHING, value: str = "") -> Option:
    return Option(name, short, takes, value, text, _QUERIES)


def _c(name: str, short: str, text: str, takes: Takes = Takes.NOTHING, value: str = "") -> Option:
    return Option(name, short, takes, value, text, _COMMANDS)


def _l(name: str, short: str, text: str, takes: Takes = Takes.NOTHING, value: str = "") -> Option:
    return Option(name, short, takes, value, text, _LOCATION)


def _m(name: str, short: str, text: str, takes: Takes = Takes.NOTHING, value: str = "") -> Option:
    return Option(name, short, takes, value, text, _MORE)


OPTIONS = (
    _q("list", "L", "List all cluster resources with status"),
    _q("list-raw", "l", "List ids of all instances, one a line"),
    _q("list-operations", "O", "List active resource operations (-r and -N filter)"),
    _q("list-all-operations", "o", "List all resource operations (-r and -N filter)"),
    _q("query-xml", "q", "Show state and XML of a resource, template filled in"),
    _q("query-xml-raw", "w", "Show state and XML of a resource as configured"),
    _q("get-parameter", "g", "Show a parameter (--meta, --utilization, --element)", Takes.VALUE,
       "PARAM"),
    _q("locate", "W", "Show the nodes that run a resource"),
    _q("constraints", "a", "Show location and colocation constraints of a resource"),
    _q("stack", "A", "The same, followed from resource to resource"),
    _q("why", "Y", "Show why resources run, or do not (-r and -N filter)"),
    _q("list-options", "", "Show meta-attributes (primitive) or parameters of fencing devices",
       Takes.VALUE, "TYPE"),
    _q("list-standards", "", "List the classes of agents"),
    _q("list-ocf-providers", "", "List the providers of OCF agents"),
    _q("list-agents", "", "List the agents of a class, or of one provider", Takes.VALUE,
       "STD[:PROV]"),
    _q("list-ocf-alternatives", "", "List the providers of one OCF agent", Takes.VALUE, "AGENT"),
    _q("show-metadata", "", "Show what an agent says of itself", Takes.VALUE, "CLASS:PROV:AGENT"),
    _q("digests", "", "Show the hashes of a resource's parameters on a node (-r -N)"),
    _c("validate", "", "Have the agent check the parameters", Takes.OPTIONAL, "LEVEL"),
    _c("cleanup", "C", "Forget failures of a resource, or of all"),
    _c("refresh", "R", "Forget all history of a resource, or of all"),
    _c("set-parameter", "p", "Set a parameter (needs -v)", Takes.VALUE, "PARAM"),
    _c("delete-parameter", "d", "Delete a parameter", Takes.VALUE, "PARAM"),
    _l("move", "M", "Move to the node of -N, or away from the present one"),
    _l("ban", "B", "Keep off the node of -N, or off the present one"),
    _l("clear", "U", "Remove what --move and --ban made"),
    _l("expired", "e", "With --clear: only constraints whose time is over"),
    _l("lifetime", "u", "With --move and --ban: for how long", Takes.VALUE, "ISO8601"),
    _l("promoted", "", "With --move, --ban, --clear: the promoted role only"),
    _l("master", "", "The old name of --promoted"),
    _l("autoclear", "", "With --move --wait: remove the constraint when done (ours)"),
    _c("delete", "D", "Delete a resource (needs -t)"),
    _c("restart", "", "Stop it, wait, start it, wait"),
    _c("force-start", "", "Run the agent's start here and now, past the cluster"),
    _c("force-stop", "", "Run the agent's stop here and now"),
    _c("force-demote", "", "Run the agent's demote here and now"),
    _c("force-promote", "", "Run the agent's promote here and now"),
    _c("force-check", "", "Run the agent's monitor here and now", Takes.OPTIONAL, "LEVEL"),
    _c("wait", "", "Wait until the cluster is idle"),
    _m("resource", "r", "Resource id", Takes.VALUE, "ID"),
    _m("node", "N", "Node name", Takes.VALUE, "NODE"),
    _m("class", "", "Class of an agent, with --validate and --force-*", Takes.VALUE, "CLASS"),
    _m("provider", "", "Provider of an agent", Takes.VALUE, "PROVIDER"),
    _m("agent", "", "Type of an agent", Takes.VALUE, "TYPE"),
    _m("option", "", "A parameter of the agent; may be given several times", Takes.VALUE,
       "NAME=VALUE"),
    _m("all", "", "With --list-options: advanced ones too"),
    _m("resource-type", "t", "Resource XML element, with -D", Takes.VALUE, "ELEMENT"),
    _m("parameter-value", "v", "Value, with -p", Takes.VALUE, "VALUE"),
    _m("meta", "m", "A meta-attribute is meant"),
    _m("utilization", "z", "A utilization attribute is meant"),
    _m("element", "", "An attribute of the XML element is meant"),
    _m("set-name", "s", "Id of the set", Takes.VALUE, "ID"),
    _m("nvpair", "i", "Id of the name/value pair", Takes.VALUE, "ID"),
    _m("operation", "n", "With --cleanup: only this operation", Takes.VALUE, "OPERATION"),
    _m("interval", "I", "With --cleanup: only this interval", Takes.VALUE, "N"),
    _m("timeout", "T", "With --wait and --restart: how long at most", Takes.VALUE, "N"),
    _m("recursive", "", "With -p target-role: also what is colocated; with -a: follow"),
    _m("force", "f", "Do it even where it looks pointless"),
    Option("quiet", "Q", Takes.NOTHING, "", "Say less"),
    *COMMON_OPTIONS,
)  # fmt: skip

_NAMES = (
    "list", "list-raw", "list-operations", "list-all-operations", "query-xml", "query-xml-raw",
    "get-parameter", "locate", "constraints", "stack", "why", "cleanup", "refresh",
    "set-parameter", "delete-parameter", "move", "ban", "clear", "delete", "restart", "wait",
    "list-options", "list-standards", "list-ocf-providers", "list-agents", "list-ocf-alternatives",
    "show-metadata", "digests", "validate", "force-start", "force-stop", "force-demote",
    "force-promote", "force-check",
)  # fmt: skip


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Run the command; the exit status."""
    reply = Reply(TOOL, argv, out, err)
    try:
        line = parse(OPTIONS, argv)
        reply.configure(line)
        asked = help_or_version(line, TOOL, SUMMARY, OPTIONS, NOTES)
        if asked is not None:
            out.write(asked)
            return Exit.OK
        return reply.end(_run(line, reply, env, stdin))
    except CommandError as problem:
        reply.error(str(problem))
        hint = getattr(problem, "hint", "")
        if hint:
            reply.hint(hint)
        return reply.end(problem.code)


_WITH_WORDS = ("digests", "validate")
_DESCRIBED = ("validate", "force-start", "force-stop", "force-demote", "force-promote",
              "force-check")  # fmt: skip


def _command(line: CommandLine) -> str:
    given = [name for name, _ in line.options if name in _NAMES]
    command = given[-1] if given else "list"
    if line.words and command not in _WITH_WORDS and not command.startswith("force-"):
        refuse_words(line)
    if any(line.has(name) for name in ("class", "agent", "provider")):
        about = "--class, --agent, and --provider"
        if line.has("resource"):
            raise CommandError(Exit.USAGE, f"{about} cannot be used with -r/--resource")
        if command not in _DESCRIBED:
            raise CommandError(
                Exit.USAGE, f"{about} can only be used with --validate and --force-*"
            )
    if "move" in given and "wait" in given:  # ours: move, then wait
        given = ["move"]
    return given[-1] if given else "list"


def _options(line: CommandLine, reply: Reply) -> Exit:
    from cli import option_lists

    known = {
        "primitive": option_lists.primitive_options,
        "fencing": option_lists.fencing_options,
    }
    wanted = line.value("list-options") or ""
    if wanted not in known:
        raise CommandError(Exit.USAGE, "Error parsing option --list-options")
    return known[wanted](reply, advanced=line.has("all"))


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.resource import agent, looking, moving, parameters, relations, upkeep, why
    from cli.resource.context import Context as Session

    command = _command(line)
    if command == "list-options":
        return _options(line, reply)
    if line.has("master"):
        options = (*line.options, ("promoted", None))
        line = CommandLine(options, line.words)
    context = Session(line, reply, env, stdin)
    commands: dict[str, Callable[[Context], Exit]] = {
        "list": looking.list_all,
        "list-raw": looking.list_raw,
        "list-operations": lambda c: looking.operations(c, every=False),
        "list-all-operations": lambda c: looking.operations(c, every=True),
        "query-xml": looking.query_xml,
        "query-xml-raw": lambda c: looking.query_xml(c, expand=False),
        "get-parameter": parameters.get,
        "locate": looking.locate,
        "constraints": lambda c: relations.constraints(c, recursive=False),
        "stack": lambda c: relations.constraints(c, recursive=True),
        "why": why.why,
        "cleanup": lambda c: upkeep.cleanup(c, failures_only=True),
        "refresh": lambda c: upkeep.cleanup(c, failures_only=False),
        "set-parameter": parameters.put,
        "delete-parameter": parameters.remove,
        "move": moving.move,
        "ban": moving.ban,
        "clear": moving.clear,
        "delete": upkeep.delete,
        "restart": upkeep.restart,
        "wait": upkeep.wait,
        "list-standards": agent.standards,
        "list-ocf-providers": agent.providers,
        "list-agents": agent.list_agents,
        "list-ocf-alternatives": agent.alternatives,
        "show-metadata": agent.metadata,
        "digests": _digests,
    }
    if command in agent.FORCED:
        return agent.forced(context, command)
    return commands[command](context)


def _digests(context: Context) -> Exit:
    from cli.resource.digests import digests

    return digests(context)


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
