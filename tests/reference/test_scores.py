"""Recorded cases whose score lines agree stay so."""

from __future__ import annotations

import pytest

from tests.reference import scores
from tests.shared_data import SHARED

RATCHET = scores.RATCHET.read_text().split()


@pytest.mark.reference
@pytest.mark.skipif(SHARED is None, reason="no reference data: no folder shared/ beside the repo")
def test_score_lines_of_listed_cases_agree_with_the_reference() -> None:
    suite_of = {name: suite for suite in scores.SUITES for name in scores.case_names(suite)}
    missing = [name for name in RATCHET if name not in suite_of]
    assert not missing, "listed cases without reference data"
    results = scores.run((suite_of[name], name) for name in RATCHET)
    assert [f"{name}:\n{problem}" for name, problem, _ in results if problem] == []


def test_the_list_of_passing_cases_is_sorted_and_has_no_duplicates() -> None:
    assert sorted(set(RATCHET)) == RATCHET
