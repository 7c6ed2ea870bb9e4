"""`hb_addnode NODE...` and, with hb_delnode.py, `hb_delnode NODE...`: change the list of nodes.

As Heartbeat's tools of those names: usage on standard output and exit status 1 without a node,
nothing is printed when it worked.  The originals write into a pipe and exit 0 whatever becomes of
it; these say why a change is refused, and exit 1.  Facts: heartbeat-v1.md section 15.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from cli.command_line import CommandError, Option, Takes, help_text, parse
from cli.streams import run_tool

TOOL = "hb_addnode"
SUMMARY = "Add nodes to the running cluster"
OPTIONS = (
    Option("check", "c", Takes.NOTHING, "", "Only say whether it would be done (ours)"),
    Option("help", "h", Takes.NOTHING, "", "Show this text"),
    Option("version", "V", Takes.NOTHING, "", "Show the version"),
)
NOTES = """\
All running nodes add them, and remember it over a restart.  Write the new node into the node lines
of ha.cf on all nodes as well; it needs the same authkeys and haresources.

Examples:

Let a third node in:
        # hb_addnode node3
"""


class NodeTool:
    """What hb_addnode and hb_delnode share: names of nodes, one request."""

    def __init__(self, name: str, op: str, summary: str, notes: str) -> None:
        self.name, self.op, self.summary, self.notes = name, op, summary, notes

    def main(
        self, argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
    ) -> int:
        """The command: 0, or 1."""
        usage = f"usage: {self.name} <node> <node> ...\n"
        try:
            given = parse(OPTIONS, argv)
        except CommandError as problem:
            err.write(f"{self.name}: {problem}\n")
            return 1
        if given.has("version"):
            from cli.version import version_text

            out.write(version_text())
            return 0
        if given.has("help"):
            out.write(usage + "\n" + help_text(self.summary, OPTIONS, self.name, self.notes))
            return 0
        if not given.words:
            out.write(usage)
            return 1
        return self._request(given.words, given.has("check"), err, env)

    def _request(
        self, names: Sequence[str], check: bool, err: TextIO, env: Mapping[str, str]
    ) -> int:
        from crmd.daemon import ipc
        from crmd.daemon.paths import Paths

        path = Paths.from_environment(env.get("PACEKEEPER_ROOT")).heartbeat_socket
        try:
            with ipc.Client(path, 5.0) as client:
                asked: dict[str, object] = {"op": self.op, "nodes": list(names)}
                client.send({**asked, "check": True} if check else asked)
                frame = client.receive()
                while frame.get("event") not in ("changed", "refused"):
                    frame = client.receive()
        except ipc.NotRunning:
            err.write(f"{self.name}: Heartbeat does not run on this machine ({path})\n")
            return 1
        except ipc.IpcError as problem:
            err.write(f"{self.name}: {problem}\n")
            return 1
        if frame["event"] == "refused":
            err.write(f"{self.name}: {frame['reason']}; nothing is changed\n")
            return 1
        return 0


main = NodeTool(TOOL, "addnode", SUMMARY, NOTES).main


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
