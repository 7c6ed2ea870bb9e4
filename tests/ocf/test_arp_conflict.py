"""What of the ARP on the wire is a claim of our addresses."""

import random

from ocf.announce import announcement, arp_frame
from ocf.arp_conflict import AGAIN_S, OVER_S, Alarm, Claim, ConflictWatch, claim_of, probe

OURS, THEIRS = bytes.fromhex("0200000000aa"), bytes.fromhex("0200000000bb")
VIP = "10.99.0.100"
CLAIM = Claim(VIP, "02:00:00:00:00:bb", "eth0")
ALARM = Alarm(VIP, "02:00:00:00:00:bb", "eth0")


def watch() -> ConflictWatch:
    return ConflictWatch(frozenset({(VIP, "eth0")}), frozenset({OURS.hex(":")}))


def test_announcements_answers_and_questions_are_claims_probes_are_not():
    for number in (0, 1):
        assert claim_of(announcement(THEIRS, VIP, number), "eth0") == CLAIM
    question = arp_frame(1, THEIRS, bytes([10, 99, 0, 100]), bytes([10, 99, 0, 9]), bytes(6))
    assert claim_of(question, "eth0") == CLAIM
    assert claim_of(probe(THEIRS, VIP), "eth0") is None


def test_only_our_addresses_from_foreign_machines_on_the_same_network_alarm():
    w = watch()
    assert w.claimed(Claim("10.99.0.9", CLAIM.mac, "eth0"), 1.0) == []
    assert w.claimed(Claim(VIP, OURS.hex(":"), "eth0"), 1.0) == []
    assert w.claimed(Claim(VIP, CLAIM.mac, "eth1"), 1.0) == []
    assert w.claimed(CLAIM, 1.0) == [ALARM]


def test_an_alarm_is_told_once_a_minute_and_its_end_once():
    w = watch()
    assert w.claimed(CLAIM, 1.0) == [ALARM]
    assert w.claimed(CLAIM, 30.0) == [] and w.going_on() == [ALARM]
    assert w.claimed(CLAIM, 1.0 + AGAIN_S) == [ALARM]
    assert w.tick(60.0 + OVER_S) == []
    over = Alarm(VIP, ALARM.mac, "eth0", is_over=True)
    assert w.tick(61.0 + OVER_S) == [over] and w.tick(200.0) == [] and w.going_on() == []


def test_an_address_given_up_ends_its_conflict():
    w = watch()
    w.claimed(CLAIM, 1.0)
    w.held = frozenset()
    assert [alarm.is_over for alarm in w.tick(2.0)] == [True]


def test_no_bytes_raise_and_memory_is_bounded():
    rng = random.Random(1)
    good = announcement(THEIRS, VIP, 1)
    for _ in range(3000):
        torn = bytearray(good[: rng.randrange(len(good) + 1)])
        for _ in range(rng.randrange(4)):
            if torn:
                torn[rng.randrange(len(torn))] = rng.randrange(256)
        claim_of(bytes(torn), "eth0")
    w = watch()
    for number in range(1000):
        w.claimed(Claim(VIP, f"02:00:00:00:{number // 256:02x}:{number % 256:02x}", "eth0"), 1.0)
    assert len(w.conflicts) == 64
