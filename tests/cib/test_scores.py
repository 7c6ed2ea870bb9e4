from hypothesis import given
from hypothesis import strategies as st

from cib.scores import INFINITY, HealthScores, add, parse, parse_or_none, to_text

SCORES = st.integers(-INFINITY, INFINITY)


def test_minus_infinity_beats_infinity():
    assert add(-1_000_000, 1_000_000) == -1_000_000
    assert add(1_000_000, -5) == 1_000_000


def test_saturation_is_sticky_so_addition_is_not_associative():
    assert add(add(600_000, 600_000), -600_000) == 1_000_000
    assert add(add(600_000, -600_000), 600_000) == 600_000


def test_infinity_words_are_case_sensitive():
    assert parse("INFINITY") == parse("+INFINITY") == 1_000_000
    assert parse("-INFINITY") == -1_000_000
    assert parse_or_none("infinity") is None


def test_a_number_may_be_followed_by_anything():
    assert parse("12abc") == 12
    assert parse("1.9") == 1
    assert parse("  -7") == -7
    assert parse("99999999999999999999") == 1_000_000


def test_no_digits_means_the_default():
    assert parse("", 5) == 5
    assert parse(None, 6) == 6
    assert parse("- 3", 7) == 7


def test_health_words_mean_the_present_health_scores():
    health = HealthScores(red=-1_000_000, yellow=-10, green=3)
    assert [parse(w, 0, health) for w in ("RED", "yellow", "Green")] == [-1_000_000, -10, 3]


@given(SCORES, SCORES)
def test_addition_commutes_and_stays_in_bounds(a, b):
    assert add(a, b) == add(b, a)
    assert -INFINITY <= add(a, b) <= INFINITY


@given(SCORES)
def test_zero_is_neutral_and_text_goes_back_and_forth(a):
    assert add(a, 0) == a
    assert parse(to_text(a)) == a
    assert to_text(a) == (
        "INFINITY" if a == 1_000_000 else "-INFINITY" if a == -1_000_000 else str(a)
    )


@given(st.text(max_size=30))
def test_any_text_gives_a_score_or_none(text):
    score = parse_or_none(text)
    assert score is None or -INFINITY <= score <= INFINITY
