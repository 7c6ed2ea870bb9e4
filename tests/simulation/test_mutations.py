"""The simulation bites: sabotages of our code are found within few seeds."""

import pytest

from tests.simulation.mutations import MASKED, MUTATIONS, found_after

pytestmark = pytest.mark.simulation
FEW = 12
RARE = (
    "leaves_monitors_running_over_a_stop",
    "never_repeats_a_report",
    "takes_failed_fencing_for_success",
)
"""Found within 100 seeds; `python -m tests.simulation.mutations --limit 100` shows them."""


@pytest.mark.parametrize("name", sorted(MUTATIONS.keys() - MASKED.keys() - set(RARE)))
def test_a_sabotage_is_found(name):
    assert found_after(name, FEW) is not None
