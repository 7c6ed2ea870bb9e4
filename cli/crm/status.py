"""`crm status`: what `crm_mon -1` shows, and what should not stay as it is.

The words of the shell stand for options of `crm_mon`; anything that begins with a dash is passed
on.  The standing warnings below the status are ours.  Facts: cli.md sections 7 and 9.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.status.reading import CibRead
    from cli.status.warnings import Warning

WORDS: Mapping[str, tuple[str, ...]] = {
    "full": ("--inactive", "--failcounts", "--timing-details", "--tickets", "--neg-locations",
             "--show-node-attributes", "--show-detail"),
    "bynode": ("--group-by-node",),
    "inactive": ("--inactive",),
    "ops": ("--operations",),
    "timing": ("--timing-details",),
    "failcounts": ("--failcounts",),
    "verbose": ("--verbose",),
    "quiet": ("--quiet",),
    "html": ("--output-as=html",),
    "xml": ("--output-as=xml",),
    "json": ("--output-as=json",),
    "simple": ("--simple-status",),
    "tickets": ("--tickets",),
    "noheaders": ("--hide-headers",),
    "detail": ("--show-detail",),
    "brief": ("--brief",),
}  # fmt: skip
"""What each word of `crm status` means to `crm_mon`."""


def status(
    words: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Show the status; the exit status is that of `crm_mon`."""
    from cli.status.mon_options import read_request

    try:
        request = read_request(_options(words))
        if isinstance(request, CommandLine):
            from cli import crm_mon

            return crm_mon.main(["--help"], out, err, env, stdin)
    except CommandError as e:
        err.write(f"crm status: {e}\n")
        return e.code
    if request.simple or request.output_as in ("xml", "html") or request.output_to is not None:
        from cli import crm_mon

        return crm_mon.main(["--one-shot", *_options(words)], out, err, env, stdin)
    from cli.status.reading import read_cib
    from cli.status.view import resolved, view
    from cli.status.warnings import standing_warnings

    try:
        read = read_cib(request.file, env, stdin)
    except CommandError as e:
        err.write(f"crm status: {e}\n")
        return e.code
    snapshot = view(read)
    wanted = resolved(request.show, request.node, request.resource, snapshot)
    warnings = standing_warnings(snapshot, read.root, _reported(read))
    if request.output_as == "json":
        from cli.result import write_result
        from cli.status.xml_sections import status_elements
        from cli.status.xml_warnings import warnings_element

        elements = [*status_elements(snapshot, wanted), warnings_element(warnings)]
        write_result(out, "json", "crm", ["status", *words], elements, Exit.OK)
        return Exit.OK
    from cli.status.text import monitor_text

    for note in read.notes:
        err.write(note + "\n")
    out.write(monitor_text(snapshot, wanted))
    out.write(warnings_text(warnings))
    return Exit.OK


def _options(words: Sequence[str]) -> list[str]:
    options: list[str] = []
    for word in words:
        if word.startswith("-"):
            options.append(word)
        elif word in WORDS:
            options += WORDS[word]
        else:
            near = difflib.get_close_matches(word, WORDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"want {', '.join(WORDS)}"
            raise CommandError(Exit.USAGE, f"no such word '{word}'; {hint}")
    return options


def _reported(read: CibRead) -> list[Mapping[str, str]]:
    reported = read.live.get("warnings", [])
    return [item for item in reported if isinstance(item, dict)]


def warnings_text(warnings: Sequence[Warning]) -> str:
    """The section below the status; empty without warnings."""
    if not warnings:
        return ""
    lines = ["", "Warnings:"]
    for warning in warnings:
        lines += [f"  * {warning.id}: {warning.text}", f"    {warning.advice}"]
    return "\n".join(lines) + "\n"
