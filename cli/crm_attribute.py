"""`crm_attribute`: read and change options of the cluster and attributes of nodes.

Where they live and how they are changed is `cli.attribute`.  Facts: cli.md section 6, the
recorded cases.
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
    from cli.attribute.store import Ambiguous, Store, Wanted

_SELECT, _COMMANDS, _MORE = "Selecting attributes", "Commands", "Additional options"
_OPTIONS = (
    Option("id", "i", Takes.VALUE, "ID", "Only the pair of this XML id", _SELECT),
    Option("attr-id", "", Takes.VALUE, "ID", "The same", _SELECT),
    Option("name", "n", Takes.VALUE, "NAME", "Name of the attribute or option", _SELECT),
    Option("attr-name", "", Takes.VALUE, "NAME", "The same", _SELECT),
    Option("pattern", "P", Takes.VALUE, "PATTERN", "All attributes whose name matches", _SELECT),
    Option("promotion", "p", Takes.OPTIONAL, "RESOURCE",
           "The promotion score of a resource ($OCF_RESOURCE_INSTANCE)", _SELECT),
    Option("set-name", "s", Takes.VALUE, "ID", "Only the set of this XML id", _SELECT),
    Option("list-options", "", Takes.VALUE, "TYPE", "Show the options there are: cluster",
           _COMMANDS),
    Option("all", "", Takes.NOTHING, "", "With --list-options: advanced ones too", _COMMANDS),
    Option("delete", "D", Takes.NOTHING, "", "Delete", _COMMANDS),
    Option("query", "G", Takes.NOTHING, "", "Show the value", _COMMANDS),
    Option("update", "v", Takes.VALUE, "VALUE", "Set the value", _COMMANDS),
    Option("default", "d", Takes.VALUE, "VALUE", "With -G: if there is none", _MORE),
    Option("lifetime", "l", Takes.VALUE, "TIME", "forever, or reboot: until the node leaves",
           _MORE),
    Option("node", "N", Takes.VALUE, "NODE", "An attribute of this node", _MORE),
    Option("type", "t", Takes.VALUE, "SECTION",
           "crm_config, rsc_defaults, op_defaults, nodes, status", _MORE),
    Option("utilization", "z", Takes.NOTHING, "", "A utilization attribute of the node", _MORE),
    Option("score", "", Takes.NOTHING, "", "Let NAME++ and NAME+=N count", _MORE),
    Option("quiet", "q", Takes.NOTHING, "", "Only the value"),
    *COMMON_OPTIONS,
)  # fmt: skip
_NOTES = """\
Examples:

Add a node attribute:
        # crm_attribute --node myhost --name location --update office

Show an option of the cluster:
        # crm_attribute --name cluster-delay --query

Change it:
        # crm_attribute --name cluster-delay --update 10s
"""
_LIFETIMES = {"reboot": "status", "forever": "nodes"}


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.attribute.store import Ambiguous, Store, Wanted

    asked = line.value("list-options")
    if asked is not None:
        if asked != "cluster":
            raise CommandError(
                Exit.USAGE, f"Invalid --list-options value '{asked}'. Allowed values: cluster"
            )
        from cli.option_lists import cluster_options

        return cluster_options(reply, advanced=line.has("all"))
    name = _name(line, env)
    wanted = Wanted(
        name, line.value("pattern"), line.value("set-name"), line.value("id", line.value("attr-id"))
    )
    store = Store(env, stdin, "crm_attribute")
    command = _command(line, wanted)
    place = _place(line, store)
    try:
        if command == "query":
            return _query(line, reply, store, place, wanted)
        if command == "delete":
            return _delete(reply, store, place, wanted)
        return _update(line, reply, store, place, wanted)
    except Ambiguous as problem:
        raise _choose(problem, reply) from problem


class _Choice(CommandError):
    """Several match; `hint` lists them."""

    def __init__(self, problem: Ambiguous) -> None:
        super().__init__(Exit.MULTIPLE, str(problem))
        lines = [f"  Value: {value} \t(id={pair_id})" for value, pair_id in problem.pairs]
        self.listed = "\n".join([f"Multiple attributes match name={problem.name}", *lines])


def _choose(problem: Ambiguous, reply: Reply) -> CommandError:
    choice = _Choice(problem)
    reply.say(f"{choice.listed}\n")
    return choice


def _name(line: CommandLine, env: Mapping[str, str]) -> str | None:
    if not line.has("promotion"):
        return line.value("name", line.value("attr-name"))
    rsc = line.value("promotion") or (line.words[0] if line.words else "")
    rsc = rsc or env.get("OCF_RESOURCE_INSTANCE", "")
    if not rsc:
        raise CommandError(
            Exit.USAGE,
            "-p/--promotion must be called from an OCF resource agent or with a resource ID "
            "specified",
        )
    return f"master-{rsc}"


def _command(line: CommandLine, wanted: Wanted) -> str:
    given = [name for name, _ in line.options if name in ("delete", "query", "update")]
    command = given[-1] if given else "query"
    named = wanted.name is not None or wanted.pattern is not None
    if command == "delete" and not named and wanted.pair_id is None:
        raise CommandError(Exit.USAGE, "Error: must specify attribute name or pattern to delete")
    if command == "update" and not named:
        raise CommandError(Exit.USAGE, "Error: must specify attribute name or pattern to update")
    return command


def _place(line: CommandLine, store: Store) -> Place:
    from cli.attribute.place import SECTIONS, Place

    section = line.value("type")
    lifetime = line.value("lifetime")
    if lifetime is not None and lifetime not in _LIFETIMES:
        raise CommandError(Exit.USAGE, f"Invalid lifetime '{lifetime}'; want reboot or forever")
    if section == "tickets":
        raise CommandError(Exit.USAGE, "tickets: use crm_ticket --set-attr and --get-attr")
    if section is not None and section not in SECTIONS:
        raise CommandError(
            Exit.USAGE, f"Invalid value for -t/--type: {section}; want {', '.join(SECTIONS)}"
        )
    if line.has("promotion") and lifetime is None:
        lifetime = "reboot"
    about_node = line.has("node") or lifetime is not None or section in ("nodes", "status")
    if not about_node and not line.has("utilization"):
        return Place(section or "crm_config")
    if lifetime is not None:
        section = _LIFETIMES[lifetime]
    if section not in ("nodes", "status"):
        section = "nodes"
    name = line.value("node")
    node = store.node(None if name in (None, "auto", "localhost") else name)
    return Place(section, node, line.has("utilization"))


def _query(line: CommandLine, reply: Reply, store: Store, place: Place, wanted: Wanted) -> Exit:
    pairs = store.find(place, wanted)
    found = [(p.get("name", ""), p.get("value", "")) for p in pairs]
    default = line.value("default")
    if not found and default is not None and wanted.name is not None:
        found = [(wanted.name, default)]
    if not found:
        text = "Error performing operation: No such device or address"
        raise CommandError(Exit.NOSUCH, text)
    if len(found) > 1 and wanted.name is not None and wanted.pattern is None:
        from cli.attribute.store import Ambiguous

        raise Ambiguous(wanted.name, pairs)
    for name, value in found:
        if line.has("quiet"):
            reply.say(f"{value}\n")
        else:
            reply.say(f"scope={place.section}  name={name} value={value}\n")
        reply.add("attribute", name=name, value=value, scope=place.section)
    return Exit.OK


def _delete(reply: Reply, store: Store, place: Place, wanted: Wanted) -> Exit:
    pairs = store.find(place, wanted)
    if len(pairs) > 1 and wanted.pattern is None and wanted.name is not None:
        from cli.attribute.store import Ambiguous

        raise Ambiguous(wanted.name, pairs)
    for pair in pairs:
        store.delete(place, pair)
        # The reference does not look the id up where one is given, and its text says so.
        shown = "(null)" if wanted.pair_id is not None else pair.get("id")
        reply.say(f"Deleted {place.section} {place.noun}: id={shown} name={pair.get('name')}\n")
    return Exit.OK


def _update(line: CommandLine, reply: Reply, store: Store, place: Place, wanted: Wanted) -> Exit:
    from cli.attribute.store import ChangeDenied

    value = line.value("update") or ""
    if wanted.pattern is None:
        assert wanted.name is not None
        try:
            store.put(place, wanted.name, value, wanted)
        except ChangeDenied:
            where = f"section={place.section}, set={wanted.set_id or '<null>'}"
            text = f"Error setting {wanted.name}={value} ({where}): Permission denied"
            reply.error(text, named=False)
            raise
        return Exit.OK
    for pair in store.find(place, wanted):
        held = pair.getparent()
        from cli.attribute.store import Wanted as Only

        only = Only(None, None, None if held is None else held.get("id"), pair.get("id"))
        store.put(place, pair.get("name", ""), value, only)
    return Exit.OK


TOOL = Tool("crm_attribute", "Query and update cluster options and node attributes", _OPTIONS,
            _NOTES, _run, takes_words=True)  # fmt: skip

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
