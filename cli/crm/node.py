"""The level `node`: standby, maintenance, attributes, fencing.  Facts: cli.md sections 6 and 7."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cli.attribute.place import Place
from cli.attribute.store import Store, Wanted
from cli.command_line import CommandError
from cli.crm.levels import Command, Level, UsageError, want
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.shell import Shell

CLIENT = "crm node"
_LIFETIMES = {"reboot": "status", "forever": "nodes"}


def _store(shell: Shell) -> Store:
    return Store(shell.env, shell.stdin, CLIENT)


def _done(shell: Shell) -> int:
    if not shell.wait:
        return 0
    from cli.crm.resource import tool

    return tool(shell, "--wait")


def _show(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    store = _store(shell)
    cib = store.cib()
    only = store.node(args[0], cib).name if args else None
    states = {s.get("uname"): s for s in cib.iterfind("status/node_state")}
    for element in cib.iterfind("configuration/nodes/node"):
        name = element.get("uname", "")
        if only not in (None, name):
            continue
        state = states.get(name)
        offline = state is not None and not _is_member(state.get("crmd"), state.get("in_ccm"))
        kind = element.get("type") or "member"
        shell.out.write(f"{name}({element.get('id')}): {kind}{'(offline)' if offline else ''}\n")
        pairs = [
            f"{p.get('name')}={p.get('value')}"
            for p in element.iterfind("instance_attributes/nvpair")
        ]
        if pairs:
            shell.out.write(f"\t{' '.join(pairs)}\n")
    return 0


def _is_member(crmd: str | None, in_ccm: str | None) -> bool:
    """By the words of a node_state: old ones are `online` and `true`, new ones moments."""
    return crmd not in (None, "offline", "0") and in_ccm not in (None, "false", "0")


def _set(shell: Shell, name: str | None, attribute: str, value: str, section: str) -> int:
    store = _store(shell)
    place = Place(section, store.node(name))
    store.put(place, attribute, value)
    return _done(shell)


def _standby(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 2)
    words = list(args)
    section = "nodes"
    if words and words[-1] in _LIFETIMES:
        section = _LIFETIMES[words.pop()]
    elif len(words) == 2:
        raise UsageError(f"lifetime '{words[1]}': want reboot or forever")
    return _set(shell, words[0] if words else None, "standby", "on", section)


def _online(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    store = _store(shell)
    node = store.node(args[0] if args else None)
    for pair in store.find(Place("status", node), Wanted("standby")):
        store.delete(Place("status", node), pair)
    store.put(Place("nodes", node), "standby", "off")
    return _done(shell)


def _maintenance(value: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        want(args, 0, 1)
        return _set(shell, args[0] if args else None, "maintenance", value, "nodes")

    return run


def _values(section: str, utilization: bool = False) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        want(args, 3, 4)
        node, verb, name = args[:3]
        store = _store(shell)
        place = Place(section, store.node(node), utilization)
        if verb == "set":
            want(args, 4, 4)
            store.put(place, name, args[3])
            return _done(shell)
        want(args, 3, 3)
        pairs = store.find(place, Wanted(name))
        if verb == "show":
            if not pairs:
                raise CommandError(Exit.NOSUCH, f"attribute '{name}' of {node} is not set")
            for pair in pairs:
                shell.out.write(f"scope={section}  name={name} value={pair.get('value')}\n")
            return 0
        if verb not in ("delete", "del"):
            raise UsageError(f"'{verb}': want set, show or delete")
        for pair in pairs:
            store.delete(place, pair)
            shell.out.write(f"Deleted {section} attribute: id={pair.get('id')} name={name}\n")
        return _done(shell) if pairs else 0

    return run


def _live(shell: Shell) -> Store:
    store = _store(shell)
    if not store.is_live:
        text = "needs the running cluster; CIB_file or CIB_shadow is set"
        raise CommandError(Exit.UNAVAILABLE, f"{shell.where}: {text}")
    return store


def _fence(shell: Shell, args: Sequence[str]) -> int:
    from cli.source import ask_cluster

    want(args, 1, 2)
    action = args[1] if len(args) > 1 else "reboot"
    if action not in ("reboot", "off", "on"):
        raise UsageError(f"'{action}': want reboot, off or on")
    node = _live(shell).node(args[0])
    if not shell.confirm(f"Fencing {node.name} cuts its power ({action}). Do it?"):
        raise CommandError(
            Exit.UNSAFE, f"{node.name} not fenced: 'crm -F node fence {node.name}' does it unasked"
        )
    ask_cluster(shell.env, {"op": "fence", "node": node.name, "action": action}, 300.0)
    shell.info(f"{node.name} was fenced ({action})")
    return 0


def _clearstate(shell: Shell, args: Sequence[str]) -> int:
    from cli.source import ask_cluster

    want(args, 1, 2)
    node = _live(shell).node(args[0])
    question = (
        f"Are you certain that {node.name} is powered off? If it is not, its resources "
        "will run twice and data can be lost. Go on?"
    )
    if not shell.confirm(question):
        raise CommandError(
            Exit.UNSAFE,
            f"state of {node.name} kept: be certain that it is down, then use "
            f"'crm -F node clearstate {node.name}'",
        )
    ask_cluster(shell.env, {"op": "confirm", "node": node.name})
    shell.info(f"{node.name} counts as down")
    return 0


def _delete(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 1)
    store = _store(shell)
    cib = store.cib()
    node = store.node(args[0], cib)
    if store.is_live:
        from cli.source import ask_cluster

        members = ask_cluster(shell.env, {"op": "status"}).get("members", [])
        if node.name in members:
            raise CommandError(
                Exit.UNSAFE, f"{node.name} is a member of the cluster; stop it there first"
            )
    if not shell.confirm(f"Delete node {node.name} and its history?"):
        if shell.is_interactive:
            return 1
        if store.is_live:
            raise CommandError(Exit.UNSAFE, f"not deleted: 'crm -F node delete {node.name}'")
    for section, tag in (("nodes", "node"), ("status", "node_state")):
        place = "configuration/nodes" if section == "nodes" else "status"
        if any(e.get("uname") == node.name for e in cib.iterfind(f"{place}/{tag}")):
            store.change("delete", xpath=f"/cib/{place}/{tag}[@uname='{node.name}']")
    shell.info(f"node {node.name} deleted")
    return 0


def _server(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    for element in _store(shell).cib().iterfind("configuration/nodes/node"):
        if not args or element.get("uname") == args[0]:
            shell.out.write(f"{element.get('uname')}\n")
    return 0


_NODE = ("node",)
_SETTING = ("node", "set|show|delete")

LEVEL = Level(
    "node",
    "nodes: standby, maintenance, attributes, fencing",
    (
        Command("show", _show, "[NODE]", "Nodes and their attributes", "crm node show",
                ("list",), (), _NODE),
        Command("status", _show, "[NODE]", "The same as show", "crm node status", (), (), _NODE),
        Command("standby", _standby, "[NODE] [reboot|forever]",
                "Move everything away from a node, and keep it away", "crm node standby node1",
                (), (), ("node", "reboot|forever")),
        Command("online", _online, "[NODE]", "The end of standby", "crm node online node1",
                (), (), _NODE),
        Command("maintenance", _maintenance("true"), "[NODE]",
                "Hands off all resources of a node", "crm node maintenance node1", (), (), _NODE),
        Command("ready", _maintenance("off"), "[NODE]", "The end of maintenance",
                "crm node ready node1", (), (), _NODE),
        Command("fence", _fence, "NODE [reboot|off|on]", "Cut the power of a node",
                "crm node fence node2", (), (), ("node", "reboot|off|on")),
        Command("clearstate", _clearstate, "NODE", "Vouch that a node is down",
                "crm node clearstate node2", (), (), _NODE),
        Command("delete", _delete, "NODE", "Forget a node that left for good",
                "crm node delete node3", (), (), _NODE),
        Command("attribute", _values("nodes"), "NODE set|show|delete NAME [VALUE]",
                "An attribute kept for ever", "crm node attribute node1 set rack 7",
                (), (), _SETTING),
        Command("utilization", _values("nodes", True), "NODE set|show|delete NAME [VALUE]",
                "How much capacity it offers", "crm node utilization node1 set memory 16384",
                (), (), _SETTING),
        Command("status-attr", _values("status"), "NODE set|show|delete NAME [VALUE]",
                "An attribute kept until it leaves", "crm node status-attr node1 show pingd",
                (), (), _SETTING),
        Command("server", _server, "[NODE]", "Names of the nodes", "crm node server"),
    ),
)  # fmt: skip
