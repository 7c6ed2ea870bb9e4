"""ISO 8601 dates, durations and periods, as the rules of a CIB use them.

A `DateTime` is an instant plus the offset of the clock it is shown on; calendar arithmetic
happens on that clock.  Nothing here reads a clock: the present is an argument (`local` reads the
time zone database only).

Facts: scheduler-1-assignment.md 5.3, cli.md section 2 ("Time") and the recorded cases of the
reference's `iso8601` tool, further observed on its release 2.1.5: adding years keeps the *day
of the year* (2019-03-01 + 1 year = 2020-02-29), adding months keeps the day of the month and
cuts it at the month's end.
Texts after a complete date or time that mean nothing are ignored, as there.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import NamedTuple

from cib import scores

DAY_S = 86_400
_EPOCH_DAY = 719_162
"""Days from 0001-01-01 to 1970-01-01."""
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_INT_MAX = 2_147_483_647
_MAX_YEAR = 99_999


class DateError(ValueError):
    """A text is no date, duration or period; `function` is the reference's name of the parser."""

    def __init__(self, function: str, text: str) -> None:
        super().__init__(text)
        self.function = function


class IsoWeek(NamedTuple):
    """Year of the ISO week, week 1-53, day 1 (Monday) to 7."""

    year: int
    week: int
    weekday: int


def is_leap(year: int) -> bool:
    """Whether a Gregorian year has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_year(year: int) -> int:
    """365 or 366."""
    return 366 if is_leap(year) else 365


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return 29 if month == 2 and is_leap(year) else _MONTH_DAYS[month - 1]


def _day_number(year: int, yearday: int) -> int:
    """Days since 1970-01-01 of a day of a year."""
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400 + yearday - 1 - _EPOCH_DAY


def _year_of(day_number: int) -> tuple[int, int]:
    """(year, day of the year) of a count of days since 1970-01-01."""
    days = day_number + _EPOCH_DAY
    year = days * 400 // 146_097 + 1
    while _day_number(year, 1) > day_number:
        year -= 1
    while _day_number(year + 1, 1) <= day_number:
        year += 1
    return year, day_number - _day_number(year, 1) + 1


def _month_of(year: int, yearday: int) -> tuple[int, int]:
    month = 1
    while yearday > days_in_month(year, month):
        yearday -= days_in_month(year, month)
        month += 1
    return month, yearday


def _yearday(year: int, month: int, day: int) -> int:
    return sum(days_in_month(year, m) for m in range(1, month)) + day


@dataclass(frozen=True, slots=True)
class Duration:
    """Years and months as long as the calendar makes them, then days, then seconds."""

    years: int = 0
    months: int = 0
    days: int = 0
    seconds: int = 0

    def whole_seconds(self) -> int:
        """Seconds, where a calendar is not at hand: 365 days a year, 30 days a month."""
        return (self.years * 365 + self.months * 30 + self.days) * DAY_S + self.seconds

    def negative(self) -> Duration:
        """The same length in the other direction."""
        return Duration(-self.years, -self.months, -self.days, -self.seconds)


@dataclass(frozen=True, slots=True, order=True)
class DateTime:
    """An instant: seconds since the epoch, and the offset of its clock, seconds east of UTC."""

    epoch_s: int
    offset_s: int = 0

    @property
    def local_day(self) -> int:
        """Days since 1970-01-01 on this clock."""
        return (self.epoch_s + self.offset_s) // DAY_S

    @property
    def time_of_day(self) -> tuple[int, int, int]:
        """Hour, minute, second on this clock."""
        rest = (self.epoch_s + self.offset_s) % DAY_S
        return rest // 3600, rest % 3600 // 60, rest % 60

    @property
    def ordinal(self) -> tuple[int, int]:
        """Year, and day of the year from 1."""
        return _year_of(self.local_day)

    @property
    def civil(self) -> tuple[int, int, int]:
        """Year, month, day of the month."""
        year, yearday = self.ordinal
        return (year, *_month_of(year, yearday))

    @property
    def iso_week(self) -> IsoWeek:
        """Week date: the week belongs to the year that has its Thursday."""
        day = self.local_day
        weekday = (day + 3) % 7 + 1
        year, yearday = _year_of(day + 4 - weekday)
        return IsoWeek(year, (yearday - 1) // 7 + 1, weekday)

    def plus(self, duration: Duration) -> DateTime:
        """This instant and a duration: years first, then months, days, seconds."""
        year, yearday = self.ordinal
        if duration.years:
            year += duration.years
            yearday = min(yearday, days_in_year(year))
        if duration.months:
            month, day = _month_of(year, yearday)
            total = year * 12 + month - 1 + duration.months
            year, month = total // 12, total % 12 + 1
            yearday = _yearday(year, month, min(day, days_in_month(year, month)))
        second_of_day = (self.epoch_s + self.offset_s) % DAY_S
        local = (_day_number(year, yearday) + duration.days) * DAY_S + second_of_day
        return DateTime(local - self.offset_s + duration.seconds, self.offset_s)

    def at_offset(self, offset_s: int) -> DateTime:
        """The same instant on another clock."""
        return DateTime(self.epoch_s, offset_s)

    def clock_text(self) -> str:
        """`00:30:00Z` or `02:30:00 +02:00`."""
        hour, minute, second = self.time_of_day
        return f"{hour:02d}:{minute:02d}:{second:02d}{self.offset_text()}"

    def offset_text(self) -> str:
        """`Z`, or ` +02:00` with its leading space."""
        if self.offset_s == 0:
            return "Z"
        minutes = abs(self.offset_s) // 60
        return f" {'-' if self.offset_s < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"

    def __str__(self) -> str:
        year, month, day = self.civil
        return f"{year:04d}-{month:02d}-{day:02d} {self.clock_text()}"


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, both ends included."""

    start: DateTime
    end: DateTime


def from_civil(year: int, month: int, day: int, second_of_day: int = 0, offset_s: int = 0,
               ) -> DateTime:  # fmt: skip
    """The instant of a calendar date and time on a clock; the values must be valid."""
    local = _day_number(year, _yearday(year, month, day)) * DAY_S + second_of_day
    return DateTime(local - offset_s, offset_s)


def local(epoch_s: float) -> DateTime:
    """An instant on the clock of this machine's time zone."""
    whole = int(epoch_s // 1)
    shown = datetime.datetime.fromtimestamp(whole, datetime.UTC).astimezone()
    offset = shown.utcoffset()
    return DateTime(whole, int(offset.total_seconds()) if offset else 0)


_CALENDAR = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?![0-9])")
_DASHED = re.compile(
    r"([+-]?[0-9]{1,9})-(?:W([0-9]{1,2})-([0-9]{1,2})|([0-9]{1,3})(?:-([0-9]{1,2}))?)"
)
_LOOKS_LIKE_TIME = re.compile(r"T|[0-9]{1,2}:")


def parse_date(text: str, now: DateTime) -> DateTime:
    """The instant that `text` names.

    Calendar (`2019-09-24`, `20190924`), ordinal (`2019-267`) and week dates (`2019-W39-2`), then
    a `T` or blanks and a time, then `Z` or an offset; `epoch` and `now`.  A time alone means
    today, a date alone midnight UTC; a time without an offset is on the clock of `now`.
    Raises DateError.
    """
    if not text.strip():
        raise DateError("parse_date", "No ISO 8601 date/time specification given")
    if text.startswith("epoch"):
        return DateTime(0)
    if text == "now":
        return now
    if text[0] == "T" or _LOOKS_LIKE_TIME.match(text):
        midnight = (now.epoch_s + now.offset_s) // DAY_S
        return _with_time(midnight, text.removeprefix("T"), now)
    day, rest = _parse_day(text)
    if rest[:1] in ("T", " ", "\t"):
        rest = rest[1:].lstrip()
        if rest and rest[0] != "/":
            return _with_time(day, rest, now)
    return DateTime(day * DAY_S)


def _bad_date(text: str, why: str) -> DateError:
    return DateError(
        "parse_date", f"'{text}' is not a valid ISO 8601 date/time specification because {why}"
    )


def _check_year(text: str, year: int) -> None:
    if not 1 <= year <= _MAX_YEAR:
        raise _bad_date(text, f"'{year % 2**32}' is not a valid year")


def _parse_day(text: str) -> tuple[int, str]:
    """Days since the epoch, and what follows the date."""
    found = _CALENDAR.match(text)
    if found is not None:
        year, month, day = int(found[1]), int(found[2]), int(found[3])
        return _calendar_day(text, year, month, day), text[found.end() :]
    found = _DASHED.match(text)
    if found is None:
        raise _bad_date(text, "it has no year, month and day")
    year = int(found[1])
    _check_year(text, year)
    rest = text[found.end() :]
    if found[2] is not None:
        return _week_day(text, year, int(found[2]), int(found[3])), rest
    if found[5] is not None and len(found[4]) < 3:
        return _calendar_day(text, year, int(found[4]), int(found[5])), rest
    yearday = int(found[4])
    if not 1 <= yearday <= days_in_year(year):
        raise _bad_date(text, f"'{yearday}' is not a valid day of year {year}")
    return _day_number(year, yearday), rest


def _calendar_day(text: str, year: int, month: int, day: int) -> int:
    _check_year(text, year)
    if not 1 <= month <= 12:
        raise _bad_date(text, f"'{month}' is not a valid month")
    if not 1 <= day <= days_in_month(year, month):
        raise _bad_date(text, f"'{day}' is not a valid day of the month")
    return _day_number(year, _yearday(year, month, day))


def _week_day(text: str, year: int, week: int, weekday: int) -> int:
    fourth = _day_number(year, 4)
    monday = fourth - (fourth + 3) % 7
    next_fourth = _day_number(year + 1, 4)
    weeks = (next_fourth - (next_fourth + 3) % 7 - monday) // 7
    if not 1 <= week <= weeks:
        raise _bad_date(text, f"'{week}' is not a valid week")
    if not 1 <= weekday <= 7:
        raise _bad_date(text, f"'{weekday}' is not a valid day of the week")
    return monday + (week - 1) * 7 + weekday - 1


_HMS = re.compile(r"([0-9]{1,2})(?::?([0-9]{1,2})(?::?([0-9]{1,2})(?:[.,][0-9]*)?)?)?")
_OFFSET = re.compile(r"[ \t]*(?:([Zz])|([+-])(.*))", re.DOTALL)


def _with_time(day: int, text: str, now: DateTime) -> DateTime:
    second, rest = _parse_hms(text)
    found = _OFFSET.match(rest)
    if found is None:
        offset = now.offset_s
    elif found[1]:
        offset = 0
    else:
        offset = _parse_hms(found[3], offset=True)[0] * (-1 if found[2] == "-" else 1)
    return DateTime(day * DAY_S + second - offset, offset)


def _parse_hms(text: str, *, offset: bool = False) -> tuple[int, str]:
    """Seconds after midnight (`24:00:00` is a whole day), and what follows."""
    found = _HMS.match(text)
    what = f"{text} is not a valid ISO 8601 time specification because"
    if found is None:
        raise DateError("parse_hms", f"{what} it does not begin with an hour")
    hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    if hour > 24 or (hour == 24 and (minute or second or offset)):
        raise DateError("parse_hms", f"{what} {hour} is not a valid hour")
    if minute > 59:
        raise DateError("parse_hms", f"{what} {minute} is not a valid minute")
    if second > 59:
        raise DateError("parse_hms", f"{what} {second} is not a valid second")
    return hour * 3600 + minute * 60 + second, text[found.end() :]


_ELEMENT = re.compile(r"([+-]?[0-9]+)(.?)", re.DOTALL)


def parse_duration(text: str) -> Duration:
    """The duration that an ISO 8601 text (`P1Y2M3DT4H5M6S`, `P2W`) names; raises DateError.

    `T` is needed only to tell minutes from months; a unit may come twice and adds up.
    """
    if not text.startswith("P"):
        raise DateError(
            "crm_time_parse_duration", _bad_length(text, "it does not start with a 'P'")
        )
    body = re.split(r"[\s/]", text, maxsplit=1)[0]
    if body == "P":
        raise DateError("crm_time_parse_duration", _bad_length(text, "nothing follows 'P'"))
    total = {"Y": 0, "M": 0, "W": 0, "D": 0, "H": 0, "m": 0, "S": 0}
    in_time, at = False, 1
    while at < len(body):
        if body[at] == "T":
            in_time, at = True, at + 1
            continue
        found = _ELEMENT.match(body, at)
        if found is None:
            raise DateError("parse_duration_element", _bad_unit(text, f"'{body[at]}' is no number"))
        unit = "m" if in_time and found[2] == "M" else found[2]
        if unit not in total or found[2] == "m":
            raise DateError(
                "parse_duration_element", _bad_unit(text, f"'{found[2]}' is not a valid time unit")
            )
        total[unit] += scores.integer(found[1])
        if abs(total[unit]) > _INT_MAX:
            raise DateError("parse_duration_element", _bad_unit(text, f"'{found[1]}' is too large"))
        at = found.end()
    seconds = total["H"] * 3600 + total["m"] * 60 + total["S"]
    return Duration(total["Y"], total["M"], total["W"] * 7 + total["D"], seconds)


def _bad_length(text: str, why: str) -> str:
    return f"'{text}' is not a valid ISO 8601 time duration because {why}"


def _bad_unit(text: str, why: str) -> str:
    return f"'{text}' is not a valid ISO 8601 duration because {why}"


def parse_period(text: str, now: DateTime) -> Period:
    """The period named by `START/END`, `START/DURATION`, `DURATION/END` or `DURATION` (from now).

    Raises DateError.
    """
    if not text:
        raise DateError("parse_period", "No ISO 8601 time period given")
    tail = text.partition("/")[2] if "/" in text else None
    if text.startswith("P"):
        duration = parse_duration(text)
        if tail is None:
            return Period(now, now.plus(duration))
        if tail.startswith("P"):
            raise _bad_period(text, "it has two durations")
        end = parse_date(tail, now)
        return Period(end.plus(duration.negative()), end)
    start = parse_date(text, now)
    if tail is None:
        raise _bad_period(text, "it has no duration or ending time")
    if tail.startswith("P"):
        return Period(start, start.plus(parse_duration(tail)))
    return Period(start, parse_date(tail, now))


def _bad_period(text: str, why: str) -> DateError:
    return DateError("parse_period", f"'{text}' is not a valid ISO 8601 time period because {why}")
