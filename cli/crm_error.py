"""`crm_error`: what a number means that a tool or a log shows.

Exit statuses are `cli.exits`, the negative series and the legacy series `cli.return_codes`.
Facts: cli.md section 3 and the recorded `error_codes` cases.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit, describe
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool

_OPTIONS = (
    Option("name", "n", Takes.NOTHING, "", "Show the name too"),
    Option("list", "l", Takes.NOTHING, "", "Show all known ones (default without a number)"),
    Option("exit", "X", Takes.NOTHING, "", "Numbers are exit statuses"),
    Option("rc", "r", Takes.NOTHING, "", "Numbers are return codes (negative series and errno)"),
    *COMMON_OPTIONS,
)
_NOTES = """\
Examples:

What does exit status 105 mean?
        # crm_error --exit 105

The same for a negative return code, with its name (-- ends the options):
        # crm_error --rc --name -- -1005
"""


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.return_codes import legacy_codes, return_codes

    names: dict[int, tuple[str, str]]
    if line.has("exit"):
        names = {int(e): (e.symbol, e.words) for e in Exit}
    else:
        names = return_codes() if line.has("rc") else legacy_codes()
    listing = line.has("list") or not line.words
    numbers = sorted(names) if listing else [_number(word) for word in line.words]
    width = max((len(name) for name, _ in names.values()), default=0)
    for number in numbers:
        name, words = names.get(number, _unknown(number, line))
        text = words
        if line.has("name"):
            text = f"{name:<{width + 1}} {words}" if listing else f"{name} - {words}"
        reply.say(f"{number:5d}: {text}\n" if listing else f"{text}\n")
        shown = {"name": name} if line.has("name") else {}
        reply.add("result-code", code=str(number), **shown, description=words)
    return Exit.OK


def _number(word: str) -> int:
    try:
        return int(word)
    except ValueError as problem:
        raise CommandError(Exit.USAGE, f"'{word}' is no number") from problem


def _unknown(number: int, line: CommandLine) -> tuple[str, str]:
    if line.has("exit"):
        return "CRM_EX_UNKNOWN", describe(number)
    return "Unknown", f"Unknown error {number}"


TOOL = Tool("crm_error", "Display name or description of an error code", _OPTIONS, _NOTES, _run,
            takes_words=True)  # fmt: skip
main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
