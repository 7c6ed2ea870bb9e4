"""IPaddr2, IPaddr and SendArp on real interfaces, with a peer that listens."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocf import announce
from tests.ocf.hosts import TwoHosts, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

VIP = "10.99.0.100"
VIP6 = "fd99::100"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with TwoHosts(tmp_path_factory.mktemp("rsctmp")).up() as pair:
        yield pair


@pytest.fixture
def clean(hosts):
    yield hosts
    for module, ip in (("ipaddr2", VIP), ("ipaddr2", VIP6), ("ipaddr", VIP)):
        hosts.agent(module, "stop", ip=ip)


def codes(hosts, module, actions, **params):
    return [hosts.agent(module, a, **params).returncode for a in actions.split()]


def arps(frames):
    return [f for _, f in frames if f[12:14] == b"\x08\x06" and f[28:32] == socket.inet_aton(VIP)]


CYCLE = "monitor start start monitor stop stop monitor"


def test_an_address_comes_with_the_prefix_and_broadcast_of_its_network_and_goes(clean):
    assert codes(clean, "ipaddr2", "monitor start start monitor", ip=VIP) == [7, 0, 0, 0]
    assert clean.addresses(VIP) == [(24, "eth0")]
    assert codes(clean, "ipaddr2", "stop stop monitor", ip=VIP) == [0, 0, 7]
    assert clean.addresses(VIP) == [] and clean.addresses("10.99.0.1") == [(24, "eth0")]


def test_nic_mask_and_label_are_obeyed(clean):
    given = {"ip": "10.55.0.7", "nic": "eth0", "cidr_netmask": "255.255.0.0", "iflabel": "web"}
    assert codes(clean, "ipaddr2", "start monitor", **given) == [0, 0]
    assert clean.addresses("10.55.0.7") == [(16, "eth0:web")]
    assert codes(clean, "ipaddr2", "monitor", **{**given, "cidr_netmask": "24"}) == [7]
    assert codes(clean, "ipaddr2", "stop", **given) == [0]
    assert clean.addresses("10.55.0.7") == []


def test_the_peer_sees_the_first_announcement_at_once_and_then_four_more_pairs(clean):
    with clean.listening() as frames:
        began = time.monotonic()
        assert clean.agent("ipaddr2", "start", ip=VIP).returncode == 0
        returned = time.monotonic()
        time.sleep(1.2)
    seen = arps(frames)
    assert len(seen) == 10
    first = next(when for when, f in frames if f in seen)
    assert first < returned and first - began < 2
    request, reply = seen[0], seen[1]
    assert request[:6] == reply[:6] == b"\xff" * 6
    assert (request[21], reply[21]) == (1, 2)
    assert request[38:42] == socket.inet_aton(VIP) and request[32:38] == bytes(6)
    assert reply[22:28] == reply[32:38] == reply[6:12]


def test_stop_ends_the_announcements(clean):
    assert clean.agent("ipaddr2", "start", ip=VIP, arp_count="500").returncode == 0
    with clean.listening() as frames:
        assert clean.agent("ipaddr2", "stop", ip=VIP).returncode == 0
        stopped = time.monotonic()
        time.sleep(0.4)
    assert [when for when, f in frames if f in arps(frames) and when > stopped + 0.05] == []


def test_an_ipv6_address_is_announced_to_all_nodes(clean):
    with clean.listening() as frames:
        assert codes(clean, "ipaddr2", "start monitor", ip=VIP6, nodad="true") == [0, 0]
        time.sleep(0.2)
    adverts = [f for _, f in frames if f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 136]
    assert adverts and adverts[0][58] & 0x20 and adverts[0][58] & 0x40 == 0
    assert adverts[0][62:78] == socket.inet_pton(socket.AF_INET6, VIP6)
    assert codes(clean, "ipaddr2", "stop monitor", ip=VIP6, nodad="true") == [0, 7]


def test_duplicate_address_detection_lets_start_fail_and_leaves_nothing(clean):
    answer = clean.agent("ipaddr2", "start", ip="fd99::2", nic="eth0", cidr_netmask="64")
    assert answer.returncode == 1 and "another host has it" in answer.stderr
    assert clean.addresses("fd99::2") == []


def test_an_arp_probe_finds_another_host_with_the_address(clean):
    answer = clean.agent("ipaddr2", "start", ip="10.99.0.2", run_arping="true")
    assert answer.returncode == 1 and "answers for it" in answer.stderr
    assert clean.addresses("10.99.0.2") == []


@pytest.mark.parametrize(
    ("params", "start", "probe", "stop"),
    [
        ({}, 6, 7, 0),
        ({"ip": "10.99.0.300"}, 6, 7, 0),
        ({"ip": "192.0.2.9"}, 1, 7, 0),
        ({"ip": VIP, "nic": "eth9"}, 6, 7, 0),
        ({"ip": VIP, "cidr_netmask": "255.0.255.0"}, 6, 7, 0),
        ({"ip": VIP, "cidr_netmask": "33"}, 6, 7, 0),
        ({"ip": VIP, "broadcast": "nonsense"}, 6, 7, 0),
        ({"ip": VIP, "arp_count": "x"}, 6, 7, 0),
        ({"ip": VIP, "iflabel": "much-too-long-label"}, 6, 7, 0),
        ({"ip": VIP6, "lvs_support": "true"}, 6, 7, 0),
        ({"ip": VIP, "CRM_meta_clone_max": "2"}, 5, 7, 0),
    ],
)
def test_bad_parameters_fail_the_start_and_never_the_stop(clean, params, start, probe, stop):
    assert codes(clean, "ipaddr2", "start monitor stop", **params) == [start, probe, stop]


def test_a_stop_finds_the_address_even_when_its_route_is_gone(clean):
    alone = {"ip": "10.77.0.1", "nic": "eth0", "cidr_netmask": "24", "noprefixroute": "true"}
    assert codes(clean, "ipaddr2", "start", **alone) == [0]
    assert codes(clean, "ipaddr2", "stop", ip="10.77.0.1") == [0]
    assert clean.addresses("10.77.0.1") == []


def test_the_legacy_agent_uses_the_first_free_alias(clean):
    assert codes(clean, "ipaddr", "monitor start start monitor", ip=VIP) == [7, 0, 0, 0]
    assert clean.addresses(VIP) == [(24, "eth0:0")]
    second = "10.99.0.101"
    assert codes(clean, "ipaddr", "start", ip=second) == [0]
    assert clean.addresses(second) == [(24, "eth0:1")]
    assert codes(clean, "ipaddr", "stop", ip=second) == [0]
    assert codes(clean, "ipaddr", "stop monitor", ip=VIP) == [0, 7]


def test_the_legacy_agent_does_not_see_an_address_without_alias(clean):
    assert codes(clean, "ipaddr2", "start", ip=VIP) == [0]
    assert codes(clean, "ipaddr", "monitor", ip=VIP) == [7]


@pytest.mark.parametrize(
    ("params", "start"),
    [
        ({}, 6),
        ({"ip": "name"}, 6),
        ({"ip": "10.99.0.300"}, 1),
        ({"ip": VIP, "nic": "eth9"}, 1),
        ({"ip": "192.0.2.9"}, 1),
        ({"ip": VIP, "ARP_REPEAT": "0"}, 2),
    ],
)
def test_the_legacy_agents_codes_are_the_references(clean, params, start):
    assert codes(clean, "ipaddr", "start stop", **params) == [start, 0]


def test_sendarp_announces_without_owning_the_address(clean):
    given = {"ip": VIP, "nic": "eth0"}
    with clean.listening() as frames:
        assert codes(clean, "sendarp", CYCLE, **given) == [7, 0, 0, 0, 0, 0, 7]
    assert len(arps(frames)) >= 2 and clean.addresses(VIP) == []
    assert codes(clean, "sendarp", "start stop", ip=VIP, nic="eth9") == [0, 0]
    assert codes(clean, "sendarp", "start", ip=VIP) == [6]


def test_a_full_pyroute2_still_loads_after_our_short_cut():
    code = (
        "import sys; from ocf import netlink; netlink.preload()\n"
        "assert len([m for m in sys.modules if m.startswith('pyroute2')]) < 40\n"
        "import pyroute2; assert pyroute2.IPRoute and pyroute2.NetNS"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_announcement_frames_to_the_byte():
    mac = bytes.fromhex("020000000001")
    assert announce.announcement(mac, "10.0.0.9", 0).hex() == (
        "ffffffffffff020000000001080600010800060400010200000000010a0000090000000000000a000009"
    )
    assert announce.announcement(mac, "10.0.0.9", 1).hex() == (
        "ffffffffffff020000000001080600010800060400020200000000010a0000090200000000010a000009"
    )
