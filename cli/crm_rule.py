"""`crm_rule`: is a rule of the configuration in effect, expired, or still to come?

Only rules with one date expression can be judged so.  Facts: cli.md section 6, the recorded cases.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool, tells_diagnostics

if TYPE_CHECKING:
    from lxml import etree

    from cib.dates import DateTime

_OPTIONS = (
    Option("check", "c", Takes.NOTHING, "", "Check whether a rule is in effect", "Modes"),
    Option("xml-text", "X", Takes.VALUE, "XML", "Take the rules from this XML (- stdin)", "Data"),
    Option("date", "d", Takes.VALUE, "DATE", "On this date instead of now", "Additional Options"),
    Option("rule", "r", Takes.VALUE, "ID", "Rule; may be given several times",
           "Additional Options"),
    *COMMON_OPTIONS,
)  # fmt: skip
_NOTES = """\
Examples:

Is the constraint that a move with a lifetime made still in effect?
        # crm_rule --check --rule cli-prefer-rule-web
"""


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cib.dates import DateError, local, parse_date

    if not line.has("check"):
        raise CommandError(Exit.USAGE, "No mode operation given")
    rules = line.values("rule")
    if not rules:
        raise CommandError(Exit.USAGE, "--check requires use of --rule=")
    now = local(time.time())
    date = line.value("date")
    if date is not None:
        try:
            now = parse_date(date, now)
        except DateError as problem:
            raise CommandError(Exit.DATAERR, f"Invalid date specified: '{date}'") from problem
    root = _input(line, reply, env, stdin)
    code = Exit.OK
    for name in rules:
        code = _check(root, name, now, reply)
    return code


def _input(
    line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO
) -> etree._Element:
    from lxml import etree

    from cib.document import DocumentError, parse, safe_parser
    from cli.attribute.store import Store

    text = line.value("xml-text")
    if text is None:
        return Store(env, stdin, "crm_rule").cib()
    name = "STDIN" if text == "-" else "given text"
    text = stdin.read() if text == "-" else text
    try:
        return parse(text)
    except DocumentError as problem:
        if tells_diagnostics(line, env):
            parser = safe_parser()
            try:
                etree.fromstring(text.encode(), parser)
            except etree.XMLSyntaxError as broken:
                _log_syntax(reply, text, broken)
        raise CommandError(Exit.DATAERR, f"Couldn't parse input from {name}") from problem


def _log_syntax(reply: Reply, text: str, broken: etree.XMLSyntaxError) -> None:
    """The parser's complaint in the form of libxml2: where, the line, a mark below it."""
    row, column = broken.position
    said = (broken.msg or "").rsplit(", line ", 1)[0]
    lines = text.splitlines() or [""]
    shown = lines[min(row, len(lines)) - 1]
    log = "pcmk__log_xmllib_err"
    reply.log(log, "error", f"XML Error: Entity: line {row}: parser error : {said}")
    reply.log(log, "error", f"XML Error: {shown}")
    reply.log(log, "error", f"XML Error: {' ' * max(column - 1, 0)}^")


def _check(root: etree._Element, name: str, now: DateTime, reply: Reply) -> Exit:
    code, text = judge(root, name, now)
    reply.add("rule-check", rule_id=name, rc=str(int(code)))
    if code in (Exit.NOSUCH, Exit.UNIMPLEMENT_FEATURE):
        reply.error(f"Could not determine whether rule {name} is in effect: {text}", named=False)
    else:
        reply.say(f"Rule {name} {text}\n")
    return code


def judge(root: etree._Element, name: str, now: DateTime) -> tuple[Exit, str]:
    """Status of a rule and the words for it; 105 and 3 where it cannot be judged."""
    rule = next((r for r in root.iter("rule") if r.get("id") == name), None)
    if rule is None:
        return Exit.NOSUCH, "Rule not found"
    expressions = list(rule.iter("date_expression"))
    if not expressions:
        return Exit.UNIMPLEMENT_FEATURE, "Rule does not have a date expression"
    if len(expressions) > 1:
        return Exit.UNIMPLEMENT_FEATURE, "Rule has more than one date expression"
    expression = expressions[0]
    if expression.get("operation") == "date_spec":
        spec = expression.find("date_spec")
        if spec is None or spec.get("years") is None or spec.get("moon") is not None:
            text = "Rule must either not use date_spec, or use date_spec with years= but not moon="
            return Exit.UNIMPLEMENT_FEATURE, text
        return _judge_spec(spec, now)
    return _judge_range(expression, now)


_EXPIRED = (Exit.EXPIRED, "is expired")
_NOT_YET = (Exit.NOT_YET_IN_EFFECT, "has not yet taken effect")


def _judge_spec(spec: etree._Element, now: DateTime) -> tuple[Exit, str]:
    from cib.rules import spec_contains

    if spec_contains(spec, now):
        return Exit.OK, "satisfies conditions"
    first, dash, last = spec.get("years", "").partition("-")
    year = now.civil[0]
    if first.strip().isdigit() and year < int(first):
        return _NOT_YET
    end = last if dash else first
    if end.strip().isdigit() and year > int(end):
        return _EXPIRED
    return Exit.INDETERMINATE, "does not satisfy conditions at this time"


def _judge_range(expression: etree._Element, now: DateTime) -> tuple[Exit, str]:
    from cib.dates import DateError, parse_date
    from cib.rules import date_passes, duration_of

    if date_passes(expression, now):
        return Exit.OK, "is still in effect"
    try:
        start_text = expression.get("start")
        start = None if start_text is None else parse_date(start_text, now)
        if start is not None and now.epoch_s <= start.epoch_s:
            return _NOT_YET
        duration = expression.find("duration")
        if duration is not None:
            duration_of(duration)
    except DateError as problem:
        return Exit.UNIMPLEMENT_FEATURE, f"Rule has an invalid date: {problem}"
    return _EXPIRED


TOOL = Tool("crm_rule", "Evaluate rules from the configuration", _OPTIONS, _NOTES, _run)

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
