"""`cl_status`: what the heartbeat layer of this node sees.

Sub-commands, texts and exit statuses of Heartbeat 3.0.6 (heartbeat-v1.md section 15, and the
program itself).  Answers come from heartbeatd and, for `rscstatus`, from haresourcesd.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from cli.command_line import CommandError, Option, Takes, help_text, parse
from cli.streams import run_tool

TOOL = "cl_status"
SUMMARY = "Look at the heartbeat layer of this node"
OPTIONS = (
    Option("verbose", "v", Takes.NOTHING, "", "Also types, states and links"),
    Option("human-readable", "m", Takes.NOTHING, "", "Whole sentences"),
    Option("ping", "p", Takes.NOTHING, "", "listnodes: only ping nodes; before a parameter's name"),
    Option("normal", "n", Takes.NOTHING, "", "listnodes: no ping nodes"),
    Option("help", "h", Takes.NOTHING, "", "Show this text"),
)
USAGE = """\
Usage: cl_status <sub-command> [<options>] [<parameters>]

Sub-commands:
clientstatus <node-name> <client-id> [<timeout>]
\tShow the status of heartbeat clients.
hblinkstatus <node-name> <link-name>
\tShow the status of a heartbeat link
hbstatus
\tIndicate if heartbeat is running on the local system.
\tOptions:
\t\t-v\tverbose: also add "listnodes -v" output
listnodes [<option>]
\tList the nodes in the cluster.
\tOptions:
\t\t-p\tlist only 'ping' type nodes
\t\t-n\tlist only 'normal' type nodes
\t\t-v\tverbose: also list type and status,
\t\t\tthen add "listhblinks -v" output
listhblinks <node-name>
\tList the network interfaces used as hearbeat links.
\tOptions:
\t\t-v\tverbose: list link status as well
nodestatus <node-name>
\tList the node status.
nodeweight <node-name>
\tList the node weight.
nodesite <node-name>
\tList the node site.
nodetype <node-name>
\tList the nodes of a given type.
rscstatus
\tShow the status of cluster resources.
hbparameter -p <parameter-name>
\tRetrieve the value of a cluster parameter.
\tAs for the valid parameter names, please refer to the man page.
"""
NOTES = f"""\
{USAGE}
Examples:

Does it run, and whom does it hear over which link?
        # cl_status hbstatus -v

What does this node hold: none, local, foreign, all, or is something moving?
        # cl_status rscstatus
"""
OK, NO, BAD, NOT_RUNNING, NO_LINK = 0, 1, 11, 12, 13
NOT_ASKED = ("node", "authkeys")
"""Parameters Heartbeat does not tell."""


class Refused(Exception):
    """The text is for standard error, with the exit status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Asked:
    """One call: what was said, and who answers."""

    words: tuple[str, ...]
    flags: frozenset[str]
    heartbeat: Any
    """A connected ipc.Client of heartbeatd."""
    state: Mapping[str, Any]
    """Its snapshot."""
    env: Mapping[str, str]

    def word(self, number: int, missing: str) -> str:
        if len(self.words) <= number:
            raise Refused(BAD, missing)
        return self.words[number]

    def node(self, missing: str = "Not enough parameters.") -> str:
        """The node named first."""
        return self.word(0, missing).lower()

    @property
    def peers(self) -> dict[str, Mapping[str, Any]]:
        return {entry["name"]: entry for entry in self.state["nodes"]}

    @property
    def pings(self) -> dict[str, str]:
        return {entry["name"]: entry["state"] for entry in self.state["pings"]}

    def nodes(self) -> list[str]:
        """All nodes that are no ping nodes."""
        return sorted({self.state["node"], *self.peers})

    def links(self, node: str) -> list[tuple[str, str]]:
        """(link, up or dead) of a node; we do not hear ourselves."""
        if node in self.pings:
            return [(node, "up" if self.pings[node] == "alive" else "dead")]
        if node == self.state["node"]:
            return [(name, "dead") for name in self.state["links"]]
        entry = self.peers.get(node)
        if entry is None:
            text = "ERROR: Cannot start heartbeat link interface walk.\nERROR: REASON: EINVAL"
            raise Refused(NO_LINK, text)
        return [(link["name"], "up" if link["up"] else "dead") for link in entry["links"]]

    def status(self, node: str) -> str:
        """Status word of a node.  Raises Refused for an unknown one."""
        if node == self.state["node"]:
            return str(self.state["status"])
        if node in self.pings:
            return "ping" if self.pings[node] == "alive" else "dead"
        if node not in self.peers:
            raise Refused(BAD, "Error. May be due to incorrect node name")
        entry = self.peers[node]
        return "dead" if entry["state"] != "alive" else str(entry["status"])


def hbstatus(asked: Asked, out: TextIO) -> int:
    if "v" not in asked.flags:
        out.write("Heartbeat is running on this machine.\n")
        return OK
    from cli.version import version_text

    runs_v1 = _haresources(asked.env) is not None
    manager = '"haresources"' if runs_v1 else "pacekeeper"
    version = version_text().splitlines()[0]
    out.write(f"version:\t{version}\nmanaged by:\t{manager}\n")
    return listnodes(asked, out)


def listnodes(asked: Asked, out: TextIO) -> int:
    names = [] if asked.flags & {"p"} else asked.nodes()
    names += [] if asked.flags & {"n"} else sorted(asked.pings)
    if "m" in asked.flags:
        out.write("The nodes are as follow:\n")
    for name in names:
        if "v" not in asked.flags:
            out.write(f"{name}\n")
            continue
        kind = "ping" if name in asked.pings else "normal"
        out.write(f"\n{name}\t{asked.status(name)}\t(nodetype: {kind})\n")
        out.writelines(f"\t{link}\t{status}\n" for link, status in asked.links(name))
    return OK


def nodestatus(asked: Asked, out: TextIO) -> int:
    node = asked.node()
    status = asked.status(node)
    out.write(f"The cluster node {node} is {status}\n" if "m" in asked.flags else f"{status}\n")
    return OK if status in ("active", "up", "ping") else NO


def nodetype(asked: Asked, out: TextIO) -> int:
    node = asked.node()
    asked.status(node)
    kind = "ping" if node in asked.pings else "normal"
    out.write(f"The node {node}'s type: {kind}\n" if "m" in asked.flags else f"{kind}\n")
    return OK


def nodeweight(asked: Asked, out: TextIO) -> int:
    asked.status(asked.node())
    out.write("100\n")
    return OK


def nodesite(asked: Asked, out: TextIO) -> int:
    asked.status(asked.node())
    out.write("\n")
    return OK


def listhblinks(asked: Asked, out: TextIO) -> int:
    for link, status in asked.links(asked.node("No enough parameter.")):
        out.write(f"\t{link}\t{status}\n" if "v" in asked.flags else f"\t{link}\n")
    return OK


def hblinkstatus(asked: Asked, out: TextIO) -> int:
    node = asked.node("No enough parameter.")
    link = asked.word(1, "No enough parameter.")
    status = dict(asked.links(node)).get(link)
    if status is None:
        raise Refused(NO_LINK, "ERROR: Cannot get heartbeat link status\nERROR: REASON: ")
    told = f"The node {node}'s heartbeat link {link} is {status}\n"
    out.write(told if "m" in asked.flags else f"{status}\n")
    return OK if status == "up" else NO


def clientstatus(asked: Asked, out: TextIO) -> int:
    node = asked.node()
    client = asked.word(1, "Not enough parameters.")
    asked.status(node)
    own = node == asked.state["node"]
    clients = asked.state["clients"] if own else asked.peers.get(node, {}).get("clients", ())
    is_online = client in clients
    out.write("online\n" if is_online else "offline\n")
    return OK if is_online else NO


def rscstatus(asked: Asked, out: TextIO) -> int:
    held = _haresources(asked.env)
    if held is None:
        raise Refused(NO, "ERROR: resources are not managed by haresources; see crm status")
    word = held["claim"] if held["settled"] else "transition"
    told = f"This node is holding {word} resources.\n"
    out.write(told if "m" in asked.flags else f"{word}\n")
    return OK


def hbparameter(asked: Asked, out: TextIO) -> int:
    name = asked.word(0, "ERROR: parameter name required")
    answer: Mapping[str, Any] = {}
    if name not in NOT_ASKED:
        asked.heartbeat.send({"op": "parameter", "name": name})
        while answer.get("event") != "parameter":
            answer = asked.heartbeat.receive()
    if answer.get("value") is None:
        text = f"ERROR: Cannot get parameter {name}'s value\nERROR: REASON: "
        raise Refused(NO, text)
    out.write(f"{answer['value']}\n")
    return OK


COMMANDS: Mapping[str, Callable[[Asked, TextIO], int]] = {
    "hbstatus": hbstatus,
    "listnodes": listnodes,
    "nodestatus": nodestatus,
    "nodetype": nodetype,
    "nodeweight": nodeweight,
    "nodesite": nodesite,
    "listhblinks": listhblinks,
    "hblinkstatus": hblinkstatus,
    "clientstatus": clientstatus,
    "rscstatus": rscstatus,
    "hbparameter": hbparameter,
    "parameter": hbparameter,
}


def _haresources(env: Mapping[str, str]) -> Mapping[str, Any] | None:
    """What haresourcesd says; None where it does not run."""
    from crmd.daemon import ipc
    from crmd.daemon.paths import Paths

    path = Paths.from_environment(env.get("PACEKEEPER_ROOT")).haresources_socket
    try:
        with ipc.Client(path, 5.0) as client:
            return client.call({"op": "status"})
    except ipc.IpcError:
        return None


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """The command."""
    from crmd.daemon import ipc
    from crmd.daemon.paths import Paths

    if not argv or argv[0] in ("-h", "--help"):
        out.write(help_text(SUMMARY, OPTIONS, TOOL, NOTES) if argv else USAGE)
        return OK
    command = COMMANDS.get(argv[0])
    if command is None:
        err.write(f"cl_status: ERROR: {argv[0]}: invalid sub-command.\n")
        return BAD
    try:
        given = parse(OPTIONS, argv[1:])
    except CommandError as problem:
        err.write(f"cl_status: ERROR: {problem}\n")
        return BAD
    flags = {option.short for option in OPTIONS if given.has(option.name)}
    path = Paths.from_environment(env.get("PACEKEEPER_ROOT")).heartbeat_socket
    try:
        with ipc.Client(path, 5.0) as heartbeat:
            asked = Asked(given.words, frozenset(flags), heartbeat, heartbeat.receive(), env)
            return command(asked, out)
    except ipc.NotRunning:
        if command is hbstatus:
            out.write("Heartbeat is stopped on this machine.\n")
            return NO
        err.write("cl_status: ERROR: Heartbeat does not run on this machine\n")
        return NOT_RUNNING
    except ipc.IpcError as problem:
        err.write(f"cl_status: ERROR: {problem}\n")
        return NOT_RUNNING
    except Refused as problem:
        text = str(problem)
        lines = text.splitlines()
        is_log = text.startswith("ERROR: ")
        err.writelines(f"cl_status: {line}\n" if is_log else f"{line}\n" for line in lines)
        return problem.code


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
