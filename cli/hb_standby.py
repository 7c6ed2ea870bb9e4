"""`hb_standby [all|foreign|local|failback]`: give resources to the other node.

As Heartbeat's tool of that name, with its texts and exit statuses (heartbeat-v1.md section 15).
Where no daemon listens the original blocks for ever; this one says so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from cli.command_line import CommandError, Option, Takes, help_text, parse
from cli.streams import run_tool

TOOL = "hb_standby"
SUMMARY = "Give resources of haresources to the other node"
WORDS = ("all", "foreign", "local", "failback")
OPTIONS = (
    Option("wait", "w", Takes.VALUE, "SECONDS", "Return when it is done (ours; status 1: not yet)"),
    Option("help", "h", Takes.NOTHING, "", "Show this text"),
    Option("version", "V", Takes.NOTHING, "", "Show the version"),
)
NOTES = """\
all        everything this node holds (without a word: this)
local      the groups whose first word in haresources is this node
foreign    all other groups; failback means the same

Examples:

Work on this node, with its resources on the other one:
        # hb_standby all

Give back what was taken over, and wait for it:
        # hb_standby --wait=60 failback
"""
_POLL_S = 0.1


class Tool:
    """What hb_standby and hb_takeover share: one word, one request."""

    def __init__(self, name: str, op: str, summary: str, notes: str) -> None:
        self.name, self.op, self.summary, self.notes = name, op, summary, notes

    def main(
        self, argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
    ) -> int:
        """The command; what becomes of the request is told in the log.  0, or 1."""
        try:
            given = parse(OPTIONS, argv)
            wait_s = float(given.value("wait", "0") or 0)
        except (CommandError, ValueError) as problem:
            err.write(f"{self.name}: {problem}\n")
            return 1
        if given.has("help"):
            out.write(help_text(self.summary, OPTIONS, self.name, self.notes))
            return 0
        if given.has("version"):
            from cli.version import version_text

            out.write(version_text())
            return 0
        word = given.words[0] if given.words else "all"
        if len(given.words) > 1 or word not in WORDS:
            fault = "too many arguments" if len(given.words) > 1 else f"wrong resources({word})."
            out.write(f"{self.name}: {fault}\nusage:\n")
            err.write(f"{self.name} [{'|'.join(WORDS)}]\n")
            return 1
        return self._request(word, wait_s, err, env)

    def _request(self, word: str, wait_s: float, err: TextIO, env: Mapping[str, str]) -> int:
        from crmd.daemon import ipc
        from crmd.daemon.paths import Paths

        path = Paths.from_environment(env.get("PACEKEEPER_ROOT")).haresources_socket
        try:
            with ipc.Client(path, 10.0) as client:
                answer = client.call({"op": self.op, "which": word})
                if answer.get("ok") and wait_s > 0 and not self._wait(client, word, wait_s):
                    err.write(f"{self.name}: not done within {wait_s:g} s; see the log\n")
                    return 1
        except ipc.NotRunning:
            err.write(f"{self.name}: haresources is not run on this node now ({path})\n")
            return 1
        except ipc.IpcError as problem:
            err.write(f"{self.name}: {problem}\n")
            return 1
        if not answer.get("ok"):
            err.write(f"{self.name}: {answer.get('error')}\n")
            return 1
        return 0

    def _wait(self, client: Any, word: str, wait_s: float) -> bool:
        """Whether nothing moves any more, and the groups are where they were asked to be."""
        standby = {"failback": "foreign"}.get(word, word)
        takeover = {"failback": "local"}.get(word, word)
        halves = {"all": {"local", "foreign"}, "none": set()}
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            state = client.call({"op": "status"})
            held = halves.get(state["claim"], {state["claim"]})
            if self.op == "standby":
                done = not held & halves.get(standby, {standby})
            else:
                done = halves.get(takeover, {takeover}) <= held
            if state["settled"] and done:
                return True
            time.sleep(_POLL_S)
        return False


main = Tool(TOOL, "standby", SUMMARY, NOTES).main


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
