"""`hb_delnode NODE...`: take dead nodes out of the running cluster.

As Heartbeat's tool of that name (heartbeat-v1.md section 15): the nodes must be dead, all others
alive.
"""

from __future__ import annotations

import sys

from cli.hb_addnode import OPTIONS, NodeTool
from cli.streams import run_tool

__all__ = ["OPTIONS", "main", "run"]

TOOL = "hb_delnode"
SUMMARY = "Take dead nodes out of the running cluster"
NOTES = """\
Refused unless the nodes are dead and all others are alive.  All running nodes remember it over a
restart; take the node out of the node lines of ha.cf on all nodes as well.

Examples:

Forget a node that was given away:
        # hb_delnode node3
"""

main = NodeTool(TOOL, "delnode", SUMMARY, NOTES).main


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
