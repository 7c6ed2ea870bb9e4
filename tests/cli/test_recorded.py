import pytest

from tests.cli.recorded import normalise, read_ratchet, run_suite
from tests.shared_data import need

SUITES = sorted({key.partition(": ")[0] for key in read_ratchet()})


@pytest.mark.reference
@pytest.mark.parametrize("suite", SUITES)
def test_blocks_that_passed_once_still_pass(suite):
    need("cli-cases", f"{suite}.json")
    wanted = {key for key in read_ratchet() if key.startswith(f"{suite}: ")}
    blocks = run_suite(suite)
    failed = [b for b in blocks if b.key in wanted and not b.passes]
    assert [b.key for b in failed] == []
    assert wanted <= {b.key for b in blocks}


def test_blanking_leaves_what_matters():
    one = '<x version="1" a="b" validate-with="z"/>\nLast updated: today\n  indented  text\n'
    two = '<x version="2" a="b"/>\nLast updated: tomorrow\nindented text\n'
    assert normalise(one) == normalise(two)
    assert normalise('<x a="c"/>') != normalise('<x a="b"/>')
    assert normalise("a\nb") != normalise("b\na")
