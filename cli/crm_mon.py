"""`crm_mon`: the state of the cluster, once or again and again.

Never changes anything, never schedules.  Facts: cli.md section 5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from cli.command_line import CommandError, CommandLine, help_text
from cli.exits import Exit
from cli.status.mon_options import ABOUT, NOTES, OPTIONS, MonRequest, read_request
from cli.streams import run_tool

TOOL = "crm_mon"
CLEAR = "\x1b[H\x1b[2J"


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Run the command; the exit status."""
    try:
        request = read_request(argv)
        if isinstance(request, CommandLine):
            return _help(request, out)
    except CommandError as e:
        err.write(f"{TOOL}: {e}\n")
        return e.code
    if request.output_to is None:
        return show(request, out, err, env, stdin)
    try:
        with open(request.output_to, "w", encoding="utf-8") as target:
            return show(request, target, err, env, stdin)
    except OSError as e:
        err.write(f"{TOOL}: {request.output_to}: cannot write ({e.strerror})\n")
        return Exit.CANTCREAT


def _help(line: CommandLine, out: TextIO) -> int:
    if line.has("version"):
        from cli.version import version_text

        out.write(version_text())
    else:
        out.write(help_text(ABOUT, OPTIONS, TOOL, NOTES))
    return Exit.OK


def show(
    request: MonRequest, out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Show the status, once or until interrupted."""
    once = request.once or request.simple or request.file is not None or "CIB_file" in env
    if once:
        return _show_once(request, out, err, env, stdin)
    while True:
        if out.isatty():
            out.write(CLEAR)
        code = _show_once(request, out, err, env, stdin)
        out.flush()
        if code not in (Exit.OK, Exit.DISCONNECT):
            return code
        time.sleep(request.interval_s)


def _show_once(
    request: MonRequest, out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    from cli.status.diagnostics import wants_diagnostics
    from cli.status.reading import read_cib
    from cli.status.view import resolved, view

    try:
        read = read_cib(request.file, env, stdin)
    except CommandError as e:
        return _refuse(request, e, out, err)
    for note in read.notes:
        err.write(note + "\n")
    log = (lambda line: err.write(line + "\n")) if wants_diagnostics(env) else None
    status = view(read, log)
    wanted = resolved(request.show, request.node, request.resource, status)
    if request.simple:
        from cli.status.nagios import simple_line

        line, code = simple_line(status)
        out.write(line + "\n")
        return code
    if request.output_as in ("xml", "json"):
        from cli.result import write_result
        from cli.status.xml_sections import status_elements

        elements = status_elements(status, wanted)
        write_result(out, request.output_as, TOOL, request.argv, elements, Exit.OK)
    elif request.output_as == "html":
        from cli.status.html import page

        out.write(page(status, wanted, request.title))
    else:
        from cli.status.text import monitor_text

        out.write(monitor_text(status, wanted))
    return Exit.OK


def _refuse(request: MonRequest, problem: CommandError, out: TextIO, err: TextIO) -> int:
    if request.simple:
        out.write(f"CLUSTER CRIT: {problem}\n")
        return 2
    if request.output_as in ("xml", "json"):
        from cli.result import write_result

        write_result(
            out, request.output_as, TOOL, request.argv, (), problem.code, [f"{TOOL}: {problem}"]
        )
    else:
        err.write(f"{TOOL}: {problem}\n")
    return problem.code


def run() -> int:
    """Entry point of the installed command."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
