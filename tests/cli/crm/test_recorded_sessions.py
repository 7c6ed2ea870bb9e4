import pytest

from tests.cli.crm.recorded_sessions import CASES, read_ratchet, run_case
from tests.shared_data import need


@pytest.mark.reference
@pytest.mark.parametrize("name", CASES)
def test_blocks_of_sessions_that_passed_once_still_pass(name):
    need("cli-cases", "crm-shell", f"{name}.json")
    wanted = {key for key in read_ratchet() if key.split(" ")[0] == name}
    passed = {block.key for block in run_case(name) if block.passes}
    assert sorted(wanted - passed) == []
