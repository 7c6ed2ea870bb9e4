import datetime
import json
import shlex
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cib.dates import (
    DateError,
    DateTime,
    Duration,
    from_civil,
    parse_date,
    parse_duration,
    parse_period,
)
from tests.shared_data import need

NOW = from_civil(2026, 11, 25, 3 * 3600)
EPOCHS = st.integers(-60_000_000_000, 250_000_000_000)


def text_of(date, form):
    if form == "week":
        year, week, day = date.iso_week
        return f"{year:04d}-W{week:02d}-{day} {date.clock_text()}"
    return str(date)


@given(st.dates(), st.integers(0, 86_399))
def test_calendar_agrees_with_the_standard_library(day, second):
    date = from_civil(day.year, day.month, day.day, second)
    assert date.civil == (day.year, day.month, day.day)
    assert date.ordinal[1] == day.timetuple().tm_yday
    assert date.iso_week == tuple(day.isocalendar()) or day.isocalendar()[0] > 9999
    midnight = datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
    assert date.epoch_s == midnight.timestamp() + second


@given(EPOCHS, st.sampled_from([0, 3600, -9000, 50_400]))
def test_a_printed_date_parses_to_the_same_instant(epoch, offset):
    date = DateTime(epoch, offset)
    assert parse_date(str(date), NOW).epoch_s == epoch
    year, yearday = date.ordinal
    assert parse_date(f"{year:04d}-{yearday:03d}T{date.clock_text()}", NOW).epoch_s == epoch
    if date.iso_week.year >= 1:
        assert parse_date(text_of(date, "week"), NOW).epoch_s == epoch


@given(EPOCHS, st.integers(-5000, 5000), st.integers(-(10**7), 10**7))
def test_days_and_seconds_add_exactly(epoch, days, seconds):
    moved = DateTime(epoch).plus(Duration(days=days, seconds=seconds))
    assert moved.epoch_s == epoch + days * 86_400 + seconds


def test_months_keep_the_day_and_stop_at_the_end_of_the_month():
    start = from_civil(2009, 1, 31)
    assert start.plus(Duration(months=2)).civil == (2009, 3, 31)
    assert start.plus(Duration(months=3)).civil == (2009, 4, 30)
    assert start.plus(Duration(months=-13)).civil == (2007, 12, 31)


def test_years_keep_the_day_of_the_year_as_the_reference_does():
    assert from_civil(2019, 3, 1).plus(Duration(years=1)).civil == (2020, 2, 29)
    assert from_civil(2020, 12, 31).plus(Duration(years=1)).civil == (2021, 12, 31)


@pytest.mark.parametrize(
    "text",
    ["", "2019", "201902", "2019-366", "2019-02-30", "2019-00-01", "2006-W54-1", "2006-W01-8",
     "garbage", "2019-01-01T10:60Z", "2019-01-01T10:30:60Z", "0000-01-01"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text):
    with pytest.raises(DateError):
        parse_date(text, NOW)


def test_a_time_alone_is_today_and_without_offset_on_the_local_clock():
    berlin = DateTime(NOW.epoch_s, 3600)
    assert parse_date("12:00Z", berlin) == from_civil(2026, 11, 25, 12 * 3600)
    assert parse_date("T12:00", berlin).epoch_s == from_civil(2026, 11, 25, 11 * 3600).epoch_s
    assert parse_date("2019-07-01", berlin) == from_civil(2019, 7, 1)


def test_a_duration_sums_its_parts():
    assert parse_duration("P1Y2M3W4DT5H6M7S") == Duration(1, 2, 25, 18_367)
    assert parse_duration("P-1M") == Duration(months=-1)
    assert parse_duration("P5H") == Duration(seconds=18_000)


@pytest.mark.parametrize("text", ["P", "P1", "1Y", "P1.5D", "p1y", "P1x", "P99999999999S"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(DateError):
        parse_duration(text)


def test_a_period_may_be_given_by_one_end():
    assert parse_period("P1M/2019-03-31", NOW).start.civil == (2019, 2, 28)
    assert parse_period("2019-01-01/P1M", NOW).end.civil == (2019, 2, 1)
    assert parse_period("P1D", NOW).start == NOW


@given(st.text("0123456789-:TZPWYMDHS/+ .", max_size=25))
def test_any_text_is_a_date_or_a_date_error(text):
    for parser in (parse_date, parse_period):
        try:
            parser(text, NOW)
        except DateError as problem:
            assert str(problem)
    try:
        parse_duration(text)
    except DateError as problem:
        assert str(problem)


def recorded_commands(members):
    for member in members:
        if member["kind"] == "test":
            yield member["name"], shlex.split(member["cmd"])
        else:
            yield from recorded_commands(member["members"])


def recorded_blocks(text):
    for part in text.split("=#=#=#= Begin test: ")[1:]:
        name, _, rest = part.partition(" =#=#=#=\n")
        yield name, rest.partition("=#=#=#= End test")[0]


@pytest.mark.reference
def test_recorded_dates_and_errors_of_the_reference_tool():
    folder = need("cli-cases")
    commands = list(recorded_commands(json.loads((folder / "dates.json").read_text())["members"]))
    blocks = list(recorded_blocks((folder / "dates.exp").read_text()))
    checked = 0
    for (name, argv), (block_name, output) in zip(commands, blocks, strict=True):
        assert name == block_name
        if "-p" in argv:
            with pytest.raises(DateError) as caught:
                parse_period(argv[argv.index("-p") + 1], NOW)
            expected = output.splitlines()[0]
            assert f"{caught.value.function} \terror: {caught.value}" == expected, name
            checked += 1
        elif "--output-as=xml" not in argv:
            date = parse_date(argv[argv.index("-d") + 1], NOW)
            form = "week" if "-W" in argv else "calendar"
            shown = str(date.epoch_s) if "-S" in argv else text_of(date.at_offset(0), form)
            assert output.splitlines()[0] == f"Date: {shown}", name
            if "-D" in argv:
                end = date.plus(parse_duration(argv[argv.index("-D") + 1]))
                assert output.splitlines()[2] == f"Duration ends at: {end}", name
            checked += 1
    assert checked > 50


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("iso8601") is None, reason="Debian's iso8601 is not installed")
@settings(max_examples=30, deadline=None)
@given(
    st.integers(1971, 2100), st.integers(1, 365), st.integers(-3, 3), st.integers(-30, 30),
    st.integers(-400, 400), st.integers(-90_000, 90_000),
)  # fmt: skip
def test_sums_agree_with_the_installed_iso8601(year, yearday, years, months, days, seconds):
    start, length = f"{year:04d}-{yearday:03d} 00:00:00Z", f"P{years}Y{months}M{days}DT{seconds}S"
    ours = parse_date(start, NOW).plus(parse_duration(length))
    said = subprocess.run(
        ["iso8601", "-d", start, "-D", length], capture_output=True, text=True, check=False
    )
    assert said.stdout.splitlines()[-1].partition(": ")[2] == str(ours), (start, length)
