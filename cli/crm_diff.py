"""`crm_diff`: make a patch from two XML documents, or apply one.

Facts: cli.md section 6 and its recorded cases.  Status 0: the same; 1: they differ, or the patch
does not fit.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes, parse
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply, help_or_version, read_text
from cli.streams import run_tool

if TYPE_CHECKING:
    from lxml import etree

TOOL = "crm_diff"
SUMMARY = "Compare two configurations (XML) to make a patch, or apply such a patch"
NOTES = """\
Examples:

What changed between two saved configurations? Status 0: nothing, 1: this:
        # crm_diff --original old.xml --new new.xml --cib

Apply a patch to a file:
        # crm_diff --original old.xml --patch change.xml
"""

OPTIONS = (
    Option("original", "o", Takes.VALUE, "FILE", "XML is in this file", "Original XML"),
    Option("original-string", "O", Takes.VALUE, "STRING", "XML is this text", "Original XML"),
    Option("new", "n", Takes.VALUE, "FILE", "Compare with this file", "Operation"),
    Option("new-string", "N", Takes.VALUE, "STRING", "Compare with this text", "Operation"),
    Option("patch", "p", Takes.VALUE, "FILE", "Apply the patch in this file", "Operation"),
    Option("cib", "c", Takes.NOTHING, "", "Treat both as CIBs (with digest and versions)",
           "Additional Options"),
    Option("no-version", "u", Takes.NOTHING, "", "Leave the versions out", "Additional Options"),
    *COMMON_OPTIONS,
)  # fmt: skip


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Run the command; the exit status."""
    reply = Reply(TOOL, argv, out, err)
    try:
        line = parse(OPTIONS, argv)
        reply.configure(line)
        asked = help_or_version(line, TOOL, SUMMARY, OPTIONS, NOTES)
        if asked is not None:
            out.write(asked)
            return Exit.OK
        return reply.end(_run(line, reply))
    except CommandError as problem:
        reply.error(str(problem))
        return reply.end(problem.code)


def _run(line: CommandLine, reply: Reply) -> Exit:
    if line.has("cib") and line.has("no-version"):
        raise CommandError(Exit.USAGE, "-u/--no-version incompatible with -c/--cib")
    if line.has("patch") and line.has("no-version"):
        reply.error("Warning: -u/--no-version ignored with -p/--patch", named=False)
    original = _document(line, "original", "original-string", "original XML (-o or -O)")
    if line.has("patch"):
        return _apply(_parse(read_text(line.value("patch") or ""), "patch"), original, line, reply)
    new = _document(line, "new", "new-string", "second XML (-n or -N) or a patch (-p)")
    return _make(original, new, line, reply)


def _document(line: CommandLine, file: str, string: str, what: str) -> etree._Element:
    text = line.value(string)
    name = line.value(file)
    if text is None and name is None:
        raise CommandError(Exit.USAGE, f"Could not parse: no {what} given")
    return _parse(text if text is not None else read_text(name or ""), name or f"--{string}")


def _parse(text: str, name: str) -> etree._Element:
    from cib import document

    try:
        return document.parse(text, name)
    except document.DocumentError as problem:
        raise CommandError(Exit.DATAERR, str(problem)) from problem


def _make(original: etree._Element, new: etree._Element, line: CommandLine, reply: Reply) -> Exit:
    from cib import document, patch

    as_cib = line.has("cib")
    try:
        diff = patch.make(
            original,
            new,
            with_digest=as_cib,
            track_order=not as_cib,
            with_version=not line.has("no-version"),
        )
    except patch.PatchError as problem:
        raise CommandError(Exit.ERROR, str(problem)) from problem
    if diff is None:
        return Exit.OK
    reply.show("patchset", document.to_text(diff))
    return Exit.ERROR


def _apply(diff: etree._Element, original: etree._Element, line: CommandLine, reply: Reply) -> Exit:
    from cib import document, patch

    try:
        result = patch.apply(diff, original, check_version=line.has("cib"))
    except patch.PatchError as problem:
        reply.error("Could not apply patch: Application of update diff failed")
        if line.has("verbose"):
            reply.hint(str(problem))
        return Exit.ERROR
    reply.show("updated", document.to_text(result))
    return Exit.OK


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
