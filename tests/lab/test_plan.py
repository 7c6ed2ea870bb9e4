import struct

import pytest

from cli.lab.client import Observer, Silence, checksum, echo_request, is_answer
from cli.lab.plan import LabError, nodes_of_ha_cf, plan


def test_addresses_follow_the_handbook(tmp_path):
    made = plan("x", ["mysql-master", "mysql-backup"], tmp_path)
    assert [n.service_address for n in made.nodes] == ["172.16.1.151", "172.16.1.152"]
    assert made.node("mysql-backup").heartbeat_address == "10.0.10.2"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a", "a"], "must differ"),
        (["client"], "'client' is taken"),
        (["../x"], "not a usable name"),
        ([], "0 nodes"),
        ([f"n{i}" for i in range(17)], "17 nodes"),
    ],
)
def test_unusable_names_are_refused(tmp_path, names, text):
    with pytest.raises(LabError, match=text):
        plan("x", names, tmp_path)


def test_node_names_come_from_ha_cf_in_order():
    assert nodes_of_ha_cf("keepalive 2\nnode b a # first\n#node x\nnode a c\n") == ["b", "a", "c"]


def test_an_echo_request_has_a_valid_checksum():
    assert checksum(echo_request(7, 65537)) == 0
    assert struct.unpack_from("!HH", echo_request(7, 65537), 4) == (7, 1)


def test_only_replies_to_our_own_requests_count():
    header = b"\x45" + bytes(19)
    reply = bytes([0, 0]) + echo_request(7, 1)[2:]
    assert is_answer(header + reply, 7)
    assert not is_answer(header + reply, 8)
    assert not is_answer(header + echo_request(7, 1), 7)
    assert not is_answer(b"", 7) and not is_answer(header, 7)


def test_a_silence_is_from_the_last_answer_to_the_next_one():
    seen = Observer()
    seen.set_addresses(["a"])
    seen.turn(1.0)
    assert seen.answered("a", 1.0) is True
    seen.turn(1.005)
    assert seen.answered("a", 1.049) is None
    assert seen.answered("b", 1.1) is False
    seen.turn(1.025)
    assert seen.answered("a", 2.049) == Silence("a", 1.049, 2.049, pytest.approx(0.02))


def test_a_silence_while_the_client_itself_stood_still_is_not_counted():
    seen = Observer()
    seen.set_addresses(["a"])
    seen.turn(1.0)
    seen.answered("a", 1.0)
    seen.turn(1.06)
    assert seen.answered("a", 1.06) is None
