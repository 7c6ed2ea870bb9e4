"""What clients may ask."""

import pytest

from crmd.controller.requests import BadRequest, check


def test_a_well_formed_request_is_named():
    assert check({"op": "cleanup", "rsc": "vip", "failures_only": False}) == "cleanup"


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({}, "op None: want one of attribute, cib, "),
        ({"op": "reboot"}, "op 'reboot': want one of attribute, cib, "),
        ({"op": "fence"}, "fence: member 'node' is missing"),
        ({"op": "fence", "node": 3}, "fence: node=3 has the wrong type"),
        ({"op": "status", "colour": "red"}, "status: member 'colour' is not known"),
    ],
)
def test_a_malformed_request_is_refused_by_member(payload, text):
    with pytest.raises(BadRequest) as error:
        check(payload)
    assert str(error.value).startswith(text)
