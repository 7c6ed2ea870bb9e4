"""Every recorded scheduler case at every level, against the ratchet."""

import pytest

from tests.reference.cases import find_cases
from tests.reference.levels import suite
from tests.reference.scheduler import RATCHET_FILES, ratchet, run_all


@pytest.fixture(scope="module")
def grades():
    cases = find_cases()
    if suite() is None or not cases:
        pytest.skip("no reference data: no folder shared/ beside the repository")
    return {grade.name: grade for grade in run_all(cases, workers=2)}


@pytest.mark.reference
@pytest.mark.timeout(600)
@pytest.mark.parametrize("level", RATCHET_FILES)
def test_no_case_that_passed_a_level_is_lost(grades, level):
    wanted = ratchet(level) & set(grades)
    lost = sorted(key for key in wanted if not grades[key].levels[level])
    assert not lost, f"{level}: {len(lost)} lost: " + ", ".join(lost[:20])


@pytest.mark.reference
def test_no_case_ends_in_an_exception(grades):
    failed = {key: grade.error for key, grade in grades.items() if grade.error}
    assert not failed, next(iter(failed.values()))
