"""`crm_simulate`: what would the cluster do?

Reads a CIB from a file, standard input or the live cluster, and shows what the scheduler decides
and what the cluster would look like afterwards.  Changes nothing but the files it is told to
write.  Facts: scheduler-2-actions.md section 16, cli.md section 6.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, help_text
from cli.exits import Exit
from cli.simulator.options import NOTES, OPTIONS, SUMMARY, Request, read_request
from cli.streams import run_tool

if TYPE_CHECKING:
    from lxml import etree

TOOL = "crm_simulate"


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Run the command; the exit status."""
    try:
        request = read_request(argv)
        if isinstance(request, CommandLine):
            return _help(request, out)
        return _run(request, out, err, env, stdin)
    except CommandError as e:
        if str(e):
            err.write(f"{TOOL}: {e}\n")
        return e.code


def _help(line: CommandLine, out: TextIO) -> int:
    if line.has("version"):
        from cli.version import version_text

        out.write(version_text())
    else:
        out.write(help_text(SUMMARY, OPTIONS, TOOL, NOTES))
    return Exit.OK


def _run(request: Request, out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO) -> int:
    if request.profile is not None:
        from cli.simulator.profile import profile

        return profile(request.profile, request.repeat, out, err)
    from cli.simulator.inputs import read_input
    from cli.status.diagnostics import wants_diagnostics

    def say(line: str) -> None:
        err.write(line + "\n")

    read = read_input(request, env, stdin, say)
    log = say if wants_diagnostics(env) else None
    if request.in_place and request.save_output is None:
        from cli.simulator.inputs import place_of

        request = replace(request, save_output=place_of(request, env, stdin))
    for note in read.notes:
        say(note)
    if request.output_to in (None, "-"):
        return _report(request, read.root, out, err, log)
    assert request.output_to is not None
    try:
        with open(request.output_to, "w", encoding="utf-8") as target:
            return _report(request, read.root, target, err, log)
    except OSError as e:
        raise CommandError(
            Exit.CANTCREAT, f"{request.output_to}: cannot write ({e.strerror})"
        ) from e


def _report(
    request: Request,
    root: etree._Element,
    out: TextIO,
    err: TextIO,
    log: Callable[[str], object] | None,
) -> int:
    from cli.simulator.inputs import write_file
    from cli.simulator.session import Session

    if request.output_as == "text":
        from cli.simulator.text_report import TextReport

        text = TextReport(out, request.quiet)
        session = Session(request, root, text, write_file, time.time(), log=log)
        code = session.run()
    else:
        from cli.result import write_result
        from cli.simulator.xml_report import XmlReport

        collected = XmlReport(request.quiet)
        session = Session(request, root, collected, write_file, time.time(), log=log)
        code = session.run()
        write_result(out, request.output_as, TOOL, request.argv, collected.elements, code)
    out.flush()
    for line in session.errors:
        err.write(line + "\n")
    return code


def run() -> int:
    """Entry point of the installed command."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
