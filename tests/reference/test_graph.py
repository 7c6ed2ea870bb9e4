"""Every recorded case that agreed once must go on agreeing: summary, dot and graph."""

import pytest

from tests.reference.cases import find_cases
from tests.reference.graph import LEVELS, read_ratchet, run_all


@pytest.mark.reference
def test_no_case_is_lost_at_any_level():
    cases = find_cases()
    if not cases:
        pytest.skip("no reference data: no folder shared/ beside the repository")
    verdicts = run_all(cases, jobs=2)
    lost = [
        f"{level} {v.name}: {v.error or v.detail[:2]}"
        for level in LEVELS
        for v in verdicts
        if v.name in read_ratchet(level) and not v.passed[level]
    ]
    assert not lost
    assert len(verdicts) == len(cases)
