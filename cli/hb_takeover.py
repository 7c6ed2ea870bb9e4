"""`hb_takeover [all|foreign|local|failback]`: have the other node give resources to this one.

As Heartbeat's tool of that name (heartbeat-v1.md section 15).  `failback` moves this node's own
groups here; the original moves everything (18.24).
"""

from __future__ import annotations

import sys

from cli.hb_standby import OPTIONS, Tool
from cli.streams import run_tool

__all__ = ["OPTIONS", "main", "run"]

TOOL = "hb_takeover"
SUMMARY = "Take resources of haresources from the other node"
NOTES = """\
all        everything (without a word: this)
local      the groups whose first word in haresources is this node; failback means the same
foreign    all other groups

Examples:

Bring this node's own groups home after a repair:
        # hb_takeover local

Empty the other node before it is switched off, and wait for it:
        # hb_takeover --wait=60 all
"""

main = Tool(TOOL, "takeover", SUMMARY, NOTES).main


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
