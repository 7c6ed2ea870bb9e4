import pytest
from hypothesis import given
from hypothesis import strategies as st

from cib.durations import interval_ms, parse_ms, readable, seconds_of, timeout_ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("10", 10_000), ("10s", 10_000), ("10 sec", 10_000), ("500ms", 500), ("500MSEC", 500),
        ("2m", 120_000), ("2min", 120_000), ("1h", 3_600_000), ("1hr", 3_600_000),
        ("2500us", 2), ("1.9s", 1_000), ("PT1M30S", 90_000), ("P40S", 40_000), ("P1D", 86_400_000),
        ("99999999999", 4_294_967_295),
    ],
)  # fmt: skip
def test_an_interval_in_every_unit(text, ms):
    assert parse_ms(text) == ms


@pytest.mark.parametrize("text", ["", "abc", "10x", "-5s", "P", "10 parsecs"])
def test_what_is_no_interval_is_refused_and_counts_as_none(text):
    assert parse_ms(text) is None
    assert interval_ms(text) == 0
    assert timeout_ms(text, 20_000) == 20_000


def test_milliseconds_become_seconds_with_halves_up():
    assert [seconds_of(ms) for ms in (0, 1, 999, 1000, 1499, 1500)] == [0, 1, 1, 1, 1, 2]


def test_readable_lengths():
    assert [readable(ms) for ms in (0, 250, 1500, 90_000, 7_200_000, 86_400_000)] == [
        "0s", "250ms", "1.500s", "1m30s", "2h", "1d",
    ]  # fmt: skip


@given(st.text(max_size=20))
def test_any_text_gives_an_interval_or_none(text):
    value = parse_ms(text)
    assert value is None or 0 <= value <= 4_294_967_295
