"""Run the whole scheduler on a recorded case, in this process."""

from __future__ import annotations

from cib.dates import local, parse_date
from crmd.scheduler import pipeline
from tests.reference.cases import Case

NO_CLOCK = 1_735_689_600.0
"""The time for cases that do not depend on it: 2025-01-01."""


def case_time(case: Case, cib: bytes) -> float:
    """Seconds since the epoch that count as now for a case."""
    for option, value in zip(case.arguments, case.arguments[1:], strict=False):
        if option == "-t":
            return float(parse_date(value, local(NO_CLOCK)).epoch_s)
    return pipeline.effective_now(pipeline.parse(cib), NO_CLOCK)


def schedule_case(case: Case) -> pipeline.Run:
    """The plan and decision of a case, as the simulator makes them."""
    cib = case.xml.read_bytes()
    return pipeline.run(cib, case_time(case, cib), record_scores=True, sanitized=True)
