"""`crm_verify`: is a configuration well-formed, valid, and free of common mistakes?

Checks the form (`cib.schema`), then the meaning (`cli.verify_checks`, the scheduler).  Facts:
cli.md section 6 and the recorded cases.  Status 0: fine (warnings are shown with -V), 78: not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes, parse
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply, help_or_version, read_text
from cli.source import open_source, parse_cib, write_in_one_step
from cli.streams import run_tool

if TYPE_CHECKING:
    from lxml import etree

    from cli.verify_checks import Finding

TOOL = "crm_verify"
SUMMARY = "Check a configuration for errors"
NOTES = """\
Examples:

Check the running cluster's configuration, with details:
        # crm_verify --live-check --verbose

Check a file:
        # crm_verify --xml-file saved.xml
"""

_FROM = "Data sources"
OPTIONS = (
    Option("live-check", "L", Takes.NOTHING, "", "Check that of the running cluster", _FROM),
    Option("xml-file", "x", Takes.VALUE, "FILE", "Check that in this file", _FROM),
    Option("xml-pipe", "p", Takes.NOTHING, "", "Check that on standard input", _FROM),
    Option("xml-text", "X", Takes.VALUE, "XML", "Check this text", _FROM),
    Option("save-xml", "S", Takes.VALUE, "FILE", "Save what was checked", "Additional options"),
    Option("quiet", "q", Takes.NOTHING, "", "Say nothing, only the status", "Additional options"),
    *COMMON_OPTIONS,
)


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
        return reply.end(_run(line, reply, env, stdin))
    except CommandError as problem:
        reply.error(str(problem))
        return reply.end(problem.code)


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    root = _input(line, env, stdin)
    if line.has("save-xml"):
        from cib import document

        write_in_one_step(Path(line.value("save-xml") or ""), document.to_bytes(root))
    findings = _findings(root)
    invalid = any(finding.is_error for finding in findings)
    verbose = line.has("verbose")
    if verbose and not _fences_unseen_nodes(root):
        reply.log("unpack_config", "warning", "Blind faith: not fencing unseen nodes")
    if line.has("quiet") and reply.is_text:
        return Exit.CONFIG if invalid else Exit.OK
    if invalid or verbose:
        for finding in findings:
            if verbose or not reply.is_text:
                reply.error(str(finding), named=False)
    if not invalid:
        return Exit.OK
    if verbose or not reply.is_text:
        reply.error("error: CIB did not pass schema validation", named=False)
        reply.error("Configuration invalid", named=False)
    else:
        reply.error("Configuration invalid (-V may provide more detail)", named=False)
    return Exit.CONFIG


def _input(line: CommandLine, env: Mapping[str, str], stdin: TextIO) -> etree._Element:
    if line.words:
        raise CommandError(Exit.USAGE, f"non-option argument {line.words[0]}")
    text = line.value("xml-text")
    if text is not None:
        return parse_cib(text, "--xml-text")
    if line.has("xml-pipe"):
        return parse_cib(stdin.read(), "standard input")
    name = line.value("xml-file")
    if name is not None:
        return parse_cib(read_text(name), name)
    if not line.has("live-check"):
        raise CommandError(
            Exit.USAGE, "No configuration source specified. Use --help for usage information."
        )
    from cib.operations import Call, Request

    answer = open_source(env, stdin).perform(Request(Call.QUERY))
    if answer.rc is not Exit.OK or answer.xml is None:
        raise CommandError(answer.rc, answer.error or answer.rc.words)
    return parse_cib(answer.xml, "the running cluster")


def _findings(root: etree._Element) -> list[Finding]:
    """Everything wrong with a CIB; what is malformed is not looked at any further."""
    from cib import dates, schema, upgrade
    from cib.refs import References
    from cib.rules import RuleInput
    from cli.verify_checks import Finding, check

    try:
        newest = upgrade.upgrade(root).root
    except upgrade.UpgradeError as problem:
        return [Finding(str(problem), True)]
    examined = root if (upgrade.schema_version(root) or (4, 0)) >= (3, 0) else newest
    found = [Finding(str(problem), problem.fatal) for problem in schema.validate(examined)]
    if any(finding.is_error for finding in found):
        return found
    now = time.time()
    found += check(newest, RuleInput(dates.local(now), References(newest)))
    return found + _scheduler_findings(root, now, known=found)


def _fences_unseen_nodes(root: etree._Element) -> bool:
    from cib import dates, options
    from cib.rules import RuleInput

    configured = options.unpack(root, RuleInput(dates.local(time.time())))
    return configured.is_true("fencing-enabled") and configured.is_true("startup-fencing")


def _scheduler_findings(root: etree._Element, now: float, known: list[Finding]) -> list[Finding]:
    """What the scheduler stumbles over, unless a check has said it already."""
    from cib import document
    from cli.verify_checks import Finding
    from crmd.scheduler import schedule

    if any(finding.is_error for finding in known):
        return []
    decision = schedule(document.to_bytes(root), now)
    return [Finding(text, False) for text in decision.warnings]


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
