"""`crm_node`: names, ids and membership of nodes; forgetting one.

Facts: cli.md section 6 and the installed tool's help.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool

if TYPE_CHECKING:
    from cli.attribute.store import Store

_COMMANDS = "Commands"
_OPTIONS = (
    Option("cluster-id", "i", Takes.NOTHING, "", "Show the id of this node", _COMMANDS),
    Option("list", "l", Takes.NOTHING, "", "Show all members, past and present", _COMMANDS),
    Option("name", "n", Takes.NOTHING, "", "Show the name of this node", _COMMANDS),
    Option("partition", "p", Takes.NOTHING, "", "Show the members of this partition", _COMMANDS),
    Option("quorum", "q", Takes.NOTHING, "", "Show 1 if the partition has quorum, 0 if not",
           _COMMANDS),
    Option("name-for-id", "N", Takes.VALUE, "ID", "Show the name of the node with this id",
           _COMMANDS),
    Option("remove", "R", Takes.VALUE, "NAME", "Forget a node that left for good", _COMMANDS),
    Option("force", "f", Takes.NOTHING, "", "With -R: without being asked", "Additional Options"),
    Option("quiet", "Q", Takes.NOTHING, "", "Say less"),
    *COMMON_OPTIONS,
)  # fmt: skip
_NOTES = """\
Examples:

Which node is this?
        # crm_node --name

Does this partition have quorum?
        # crm_node --quorum
"""
_NAMES = ("cluster-id", "list", "name", "partition", "quorum", "name-for-id", "remove")


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.attribute.store import Store

    given = [name for name, _ in line.options if name in _NAMES]
    if not given:
        raise CommandError(Exit.USAGE, "Must specify a command option; --help lists them")
    command = given[-1]
    if command == "name" and env.get("OCF_RESKEY_CRM_meta_on_node"):
        return _node(reply, "name", env["OCF_RESKEY_CRM_meta_on_node"])
    store = Store(env, stdin, "crm_node")
    if command == "name-for-id":
        return _name_for_id(line.value("name-for-id") or "", reply, store)
    if command == "remove":
        return _remove(line, reply, store)
    state = _state(env, store)
    match command:
        case "cluster-id":
            return _node(reply, "id", store.node(str(state["node"])).id)
        case "name":
            return _node(reply, "name", str(state["node"]))
        case "quorum":
            has_quorum = bool(state["quorum"])
            reply.say(f"{int(has_quorum)}\n")
            reply.add("cluster-info", quorum="true" if has_quorum else "false")
        case "partition":
            members = " ".join(str(m) for m in state["members"])
            reply.say(f"{members}\n")
            _list(reply, [(store.node(str(m)).id, str(m), "member") for m in state["members"]])
        case _:
            _all(reply, store, [str(m) for m in state["members"]])
    return Exit.OK


def _state(env: Mapping[str, str], store: Store) -> Mapping[str, Any]:
    """Membership: of the cluster, or as the status section of a file tells it."""
    if store.is_live:
        from cli.source import ask_cluster

        return ask_cluster(env, {"op": "status"})
    cib = store.cib()
    members = [
        s.get("uname", "")
        for s in cib.iterfind("status/node_state")
        if s.get("crmd") not in (None, "offline", "0")
    ]
    return {
        "node": store.local_node(),
        "members": members,
        "quorum": cib.get("have-quorum") in ("1", "true"),
    }


def _node(reply: Reply, kind: str, value: str) -> Exit:
    reply.say(f"{value}\n")
    reply.add("node-info", **{"nodeid" if kind == "id" else "uname": value})
    return Exit.OK


def _all(reply: Reply, store: Store, members: list[str]) -> None:
    rows = []
    for element in store.cib().iterfind("configuration/nodes/node"):
        name = element.get("uname", "")
        state = "member" if name in members else "lost"
        reply.say(f"{element.get('id')} {name} {state}\n")
        rows.append((element.get("id", ""), name, state))
    _list(reply, rows)


def _list(reply: Reply, rows: list[tuple[str, str, str]]) -> None:
    if reply.is_text:
        return
    from lxml import etree

    listed = etree.Element("nodes")
    for name_id, name, state in rows:
        etree.SubElement(listed, "node", {"id": name_id, "name": name, "state": state})
    reply.put(listed)


def _name_for_id(name_id: str, reply: Reply, store: Store) -> Exit:
    for element in store.cib().iterfind("configuration/nodes/node"):
        if element.get("id") == name_id:
            return _node(reply, "name", element.get("uname", ""))
    raise CommandError(Exit.NOSUCH, f"no node has the id '{name_id}'")


def _remove(line: CommandLine, reply: Reply, store: Store) -> Exit:
    node = store.node(line.value("remove"))
    if not line.has("force"):
        raise CommandError(
            Exit.USAGE,
            f"-R deletes node {node.name} and its history from the configuration; "
            "--force is required",
        )
    if store.is_live:
        from cli.source import ask_cluster

        if node.name in ask_cluster(store.env, {"op": "status"}).get("members", []):
            raise CommandError(
                Exit.UNSAFE, f"{node.name} is a member of the cluster; stop it there first"
            )
    store.change("delete", xpath=f"/cib/configuration/nodes/node[@id='{node.id}']")
    if any(s.get("id") == node.id for s in store.cib().iterfind("status/node_state")):
        store.change("delete", xpath=f"/cib/status/node_state[@id='{node.id}']")
    reply.say(f"Removed node {node.name}\n")
    return Exit.OK


TOOL = Tool("crm_node", "Display low-level node information", _OPTIONS, _NOTES, _run)

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
