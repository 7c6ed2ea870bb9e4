"""The same calls to ours and to Debian's agents, each on a host of its own: equal exit codes.

Only codes are compared, after the same sequence of calls; wording is free.  Source: ocf.md 14.3.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ocf.hosts import REPO, TwoHosts, why_not

SYSTEM = Path("/usr/lib/ocf/resource.d/heartbeat")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
    pytest.mark.skipif(not SYSTEM.is_dir(), reason="Debian's resource-agents is missing"),
]

VIP = "10.99.0.100"
SEQUENCE = [
    "validate-all",
    "monitor",
    "start",
    "start",
    "monitor",
    "stop",
    "stop",
    "monitor",
    "dance",
]

CASES = [
    ("IPaddr2", {"ip": VIP}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "nic": "eth0", "cidr_netmask": "32"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "nic": "eth0", "cidr_netmask": "255.255.255.0"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "broadcast": "+", "iflabel": "web"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "noprefixroute": "true"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "lvs_support": "true"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "arp_bg": "false", "arp_count": "1"}, SEQUENCE),
    ("IPaddr2", {"ip": "fd99::77", "nodad": "true", "arp_count": "1"}, SEQUENCE),
    ("IPaddr2", {"ip": "127.0.0.9"}, SEQUENCE),
    ("IPaddr2", {}, SEQUENCE),
    ("IPaddr2", {"ip": "192.0.2.9"}, SEQUENCE),
    ("IPaddr2", {"ip": "192.0.2.9", "nic": "eth0", "cidr_netmask": "24"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "nic": "eth9"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "cidr_netmask": "33"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "cidr_netmask": "255.0.255.0"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "arp_count": "0"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "arp_interval": "x"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "arp_sender": "pigeon"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "iflabel": "much-too-long-label"}, SEQUENCE),
    ("IPaddr2", {"ip": "fd99::78", "lvs_support": "true"}, SEQUENCE),
    ("IPaddr2", {"ip": VIP, "lvs_ipv6_addrlabel": "true"}, SEQUENCE),
    ("IPaddr", {"ip": VIP}, SEQUENCE),
    ("IPaddr", {"ip": VIP, "nic": "eth0", "cidr_netmask": "24"}, SEQUENCE),
    ("IPaddr", {"ip": VIP, "cidr_netmask": "255.255.255.0"}, SEQUENCE),
    ("IPaddr", {}, SEQUENCE),
    ("IPaddr", {"ip": "name"}, SEQUENCE),
    ("IPaddr", {"ip": "10.99.0.300"}, SEQUENCE),
    ("IPaddr", {"ip": "192.0.2.9"}, SEQUENCE),
    ("IPaddr", {"ip": VIP, "nic": "eth9"}, SEQUENCE),
    ("IPaddr", {"ip": VIP, "ARP_REPEAT": "0"}, SEQUENCE),
    ("SendArp", {"ip": VIP, "nic": "eth0"}, SEQUENCE),
    ("SendArp", {"ip": VIP}, SEQUENCE),
    ("SendArp", {"ip": VIP, "nic": "eth9"}, SEQUENCE),
    ("Delay", {"startdelay": "0", "stopdelay": "0", "mondelay": "0"}, SEQUENCE),
    ("Delay", {"startdelay": "x"}, SEQUENCE),
    ("Dummy", {}, [*SEQUENCE, "reload", "migrate_to", "migrate_from", "migrate_to"]),
    ("Dummy", {"state": "/nonexistent/state"}, SEQUENCE),
    ("Stateful", {}, [*SEQUENCE, "start", "promote", "monitor", "stop", "demote", "stop"]),
    ("Filesystem", {"device": "none", "directory": "DIR", "fstype": "tmpfs"}, SEQUENCE),
    ("Filesystem", {"directory": "DIR", "fstype": "tmpfs"}, SEQUENCE),
    ("Filesystem", {"device": "none", "fstype": "tmpfs"}, SEQUENCE),
    ("Filesystem", {"device": "/dev/no", "directory": "DIR", "fstype": "ext3"}, SEQUENCE),
    ("Filesystem", {"device": "/tmp", "directory": "DIR", "fstype": "none", "options": "bind"},
     SEQUENCE),
    ("Filesystem", {"device": "none", "directory": "DIR", "fstype": "tmpfs",
                    "CRM_meta_clone_max": "2"}, SEQUENCE),
]  # fmt: skip


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with TwoHosts(tmp_path_factory.mktemp("rsctmp")).up() as pair:
        yield pair


class Rig:
    """One side: agents in the namespaces of host a and in private mounts of its own."""

    def __init__(self, hosts: TwoHosts, directory: Path, argv: list[str]) -> None:
        self.hosts, self.directory, self.argv = hosts, directory, argv
        directory.mkdir()

    def codes(self, name: str, params: dict[str, str], sequence: list[str]) -> list[int]:
        """Exit codes of the calls, all in one private mount namespace."""
        mount_point = self.directory / "mnt"
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPO),
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RESOURCE_INSTANCE": "parity",
            "OCF_RESOURCE_TYPE": name,
            "OCF_RESOURCE_PROVIDER": "heartbeat",
            "HA_RSCTMP": str(self.directory),
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            **{f"OCF_RESKEY_{k}": v.replace("DIR", str(mount_point)) for k, v in params.items()},
        }
        loop = 'for a in $ACTIONS; do [ $a = - ] && a=; "$@" $a >/dev/null 2>&1; echo $?; done'
        inside = ["nsenter", f"--net=/run/netns/{self.hosts.a}", "unshare", "--mount"]
        inside += ["--propagation", "private"]
        done = subprocess.run(
            [*inside, "sh", "-c", loop, "sh", *self.argv],
            env={**env, "ACTIONS": " ".join(a or "-" for a in sequence)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize(
    ("name", "params", "sequence"),
    CASES,
    ids=[f"{n}-{'-'.join(f'{k}={v}' for k, v in p.items()) or 'nothing'}" for n, p, _ in CASES],
)
def test_exit_codes_are_those_of_the_reference(hosts, tmp_path, name, params, sequence):
    module = f"ocf.agents.{name.lower()}"
    ours = Rig(hosts, tmp_path / "ours", [sys.executable, "-m", module])
    theirs = Rig(hosts, tmp_path / "theirs", [str(SYSTEM / name)])
    expected = theirs.codes(name, params, sequence)
    found = ours.codes(name, params, sequence)
    differences = [
        (action, our_code, their_code)
        for action, our_code, their_code in zip(sequence, found, expected, strict=True)
        if our_code != their_code and not is_wanted(action, our_code, their_code)
    ]
    assert differences == []


def is_wanted(action: str, ours: int, theirs: int) -> bool:
    """Where we follow the rules of ocf.md section 5 although the reference breaks them.

    Rule 3: parameters that make no sense do not fail a stop.  Rule 4: a probe of such a resource
    says not running.  Rule 6: an unknown action is 3 (Delay: 2), whatever else is wrong.
    """
    match action:
        case "stop":
            return ours == 0 and theirs in (2, 5, 6)
        case "monitor":
            return ours == 7 and theirs in (2, 5, 6)
        case "dance":
            return ours == 3 and theirs in (1, 6)
    return False
