"""`iso8601`: read dates, durations and periods as rules and lifetimes are read.

Facts: cli.md section 6, the recorded `dates` cases; the language is `cib.dates`.
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
    from cib.dates import DateError, DateTime, Duration

_COMMANDS, _MODIFIERS = "Commands", "Output modifiers"
_OPTIONS = (
    Option("now", "n", Takes.NOTHING, "", "Show the present date and time", _COMMANDS),
    Option("date", "d", Takes.VALUE, "DATE", "Read a date and time", _COMMANDS),
    Option("period", "p", Takes.VALUE, "PERIOD", "Read a period: start/end, start/duration",
           _COMMANDS),
    Option("duration", "D", Takes.VALUE, "DURATION", "Read a duration; with -d or -n, add it",
           _COMMANDS),
    Option("expected", "E", Takes.VALUE, "TEXT", "Status 1 if the result is not this text",
           _COMMANDS),
    Option("seconds", "s", Takes.NOTHING, "", "Show seconds since the year 0", _MODIFIERS),
    Option("epoch", "S", Takes.NOTHING, "", "Show seconds since 1970", _MODIFIERS),
    Option("local", "L", Takes.NOTHING, "", "Show local time", _MODIFIERS),
    Option("ordinal", "O", Takes.NOTHING, "", "Show the day of the year", _MODIFIERS),
    Option("week", "W", Takes.NOTHING, "", "Show week and day of the week", _MODIFIERS),
    *COMMON_OPTIONS,
)  # fmt: skip
_NOTES = """\
Examples:

When does a lifetime of one month end?
        # iso8601 --now --duration P1M

Which date is the first day of week 1?
        # iso8601 --date 2026-W01-1
"""
_SECONDS_TO_1970 = 62_167_219_200


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cib.dates import DateError, local, parse_date, parse_duration, parse_period

    now = local(time.time())
    moment: DateTime | None = None
    duration: Duration | None = None
    what, value = "", ""
    try:
        if line.has("now"):
            moment = now
            _tell(reply, "now", "Current date/time", _text(now, line))
        elif line.value("date") is not None:
            what, value = "date/time", line.value("date") or ""
            moment = parse_date(value, now)
            _tell(reply, "date", "Date", _text(moment, line))
        if line.value("duration") is not None:
            what, value = "duration", line.value("duration") or ""
            duration = parse_duration(value)
            _tell(reply, "duration", "Duration", _duration_text(duration))
        if line.value("period") is not None:
            what, value = "interval", line.value("period") or ""
            period = parse_period(value, now)
            start, end = _text(period.start, line), _text(period.end, line)
            reply.say(f"Period: {start} to {end}\n")
            _element(reply, "period", "", start=start, end=end)
    except DateError as problem:
        raise _invalid(problem, what, value, line, reply, env) from problem
    if moment is not None and duration is not None:
        moment = moment.plus(duration)
        _tell(reply, "duration_ends", "Duration ends at", _text(moment, line, keep_offset=True))
    expected = line.value("expected")
    if expected is not None and moment is not None and _text(moment, line) != expected:
        return Exit.ERROR
    if not reply.has_content:
        raise CommandError(Exit.USAGE, "Must specify at least one of -n, -d, -D, -p")
    return Exit.OK


def _invalid(
    problem: DateError,
    what: str,
    value: str,
    line: CommandLine,
    reply: Reply,
    env: Mapping[str, str],
) -> CommandError:
    if tells_diagnostics(line, env):
        reply.log(problem.function, "error", str(problem))
    return CommandError(Exit.INVALID_PARAM, f"Invalid {what} specified: {value}")


def _tell(reply: Reply, tag: str, label: str, text: str) -> None:
    reply.say(f"{label}: {text}\n")
    _element(reply, tag, text)


def _element(reply: Reply, tag: str, text: str, **attributes: str) -> None:
    if reply.is_text:
        return
    from lxml import etree

    element = etree.Element(tag, attributes)
    element.text = text or None
    reply.put(element)


def _text(moment: DateTime, line: CommandLine, *, keep_offset: bool = False) -> str:
    """A moment as the modifiers ask for; in UTC unless told otherwise."""
    from cib.dates import local

    if line.has("seconds"):
        return str(moment.epoch_s + _SECONDS_TO_1970)
    if line.has("epoch"):
        return str(moment.epoch_s)
    if line.has("local"):
        moment = moment.at_offset(local(moment.epoch_s).offset_s)
    elif not keep_offset:
        moment = moment.at_offset(0)
    if line.has("ordinal"):
        year, day = moment.ordinal
        return f"{year:04d}-{day:03d} {moment.clock_text()}"
    if line.has("week"):
        week = moment.iso_week
        return f"{week.year:04d}-W{week.week:02d}-{week.weekday} {moment.clock_text()}"
    return str(moment)


def _duration_text(duration: Duration) -> str:
    """`1 year  2 months  3 days 14706 seconds (4 hours 5 minutes 6 seconds)`."""
    text = ""
    for amount, unit in (
        (duration.years, "year"),
        (duration.months, "month"),
        (duration.days, "day"),
    ):
        if amount:
            text += f"{amount:2d} {unit}{'' if amount == 1 else 's'} "
    seconds = duration.seconds
    if seconds or not text:
        text += f"{seconds} second{'' if abs(seconds) == 1 else 's'}"
    if abs(seconds) >= 60:
        parts = []
        hours, rest = divmod(abs(seconds), 3600)
        for amount, unit in ((hours, "hour"), (rest // 60, "minute"), (rest % 60, "second")):
            if amount:
                parts.append(f"{amount} {unit}{'' if amount == 1 else 's'}")
        text += f" ({' '.join(parts)})"
    return text


TOOL = Tool("iso8601", "Display and parse ISO 8601 dates and times", _OPTIONS, _NOTES, _run)
main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
