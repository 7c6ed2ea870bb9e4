"""Launchers, the registry, Heartbeat's script arguments, and Debian's ocf-tester on all of ours."""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from lxml import etree

from ocf import classes, install, resource_d
from ocf.calls import AgentRef
from ocf.classes import Missing, Program, PythonTarget, heartbeat_says_running
from ocf.environment import Places
from tests.ocf.hosts import TwoHosts, why_not

AGENTS = sorted(k for k in classes.PYTHON_AGENTS if k[0] == "ocf")


def python_for_all() -> str:
    """An interpreter that nobody may run; this one may be in a private home directory."""
    inside = Path(sys.executable).resolve()
    if all(p.stat().st_mode & 0o005 == 0o005 for p in inside.parents):
        return sys.executable
    return "/usr/bin/python3" if sys.version_info >= (3, 11) else sys.executable


@pytest.fixture(scope="module")
def tree():
    with tempfile.TemporaryDirectory() as name:  # ocf-tester calls the agents as nobody, too
        root = Path(name)
        root.chmod(0o755)
        install.install(root, root / "ha.d", python_for_all())
        yield root


def call(path: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(path), *argv],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(("klass", "provider", "name"), AGENTS)
def test_metadata_is_complete_and_valid_without_any_environment(tree, klass, provider, name):
    path = tree / "resource.d" / provider / name
    done = subprocess.run([str(path), "meta-data"], env={}, capture_output=True, check=True)
    root = etree.fromstring(done.stdout)
    assert root.get("name") == name and root.findtext("version") in ("1.0", "1.1")
    actions = {a.get("name") for a in root.iter("action")}
    assert {"start", "stop", "monitor", "meta-data"} <= actions
    assert all(a.get("timeout") for a in root.iter("action"))
    for parameter in root.iter("parameter"):
        order = [child.tag for child in parameter]
        assert order == ["longdesc", "shortdesc", "content"]


# ocf.md, annex A: name -> (required, unique), default
ANNEX = {
    "IPaddr2": (
        "ip nic cidr_netmask broadcast iflabel lvs_support lvs_ipv6_addrlabel "
        "lvs_ipv6_addrlabel_value mac clusterip_hash unique_clone_address arp_interval arp_count "
        "arp_count_refresh arp_bg arp_sender send_arp_opts flush_routes run_arping nodad "
        "noprefixroute preferred_lft network_namespace"
    ),
    "IPaddr": (
        "ip nic cidr_netmask broadcast iflabel lvs_support local_stop_script local_start_script "
        "ARP_INTERVAL_MS ARP_REPEAT ARP_BACKGROUND ARP_NETMASK"
    ),
    "Filesystem": (
        "device directory fstype options statusfile_prefix run_fsck fast_stop force_clones "
        "force_unmount"
    ),
    "SendArp": "ip nic background",
    "Delay": "startdelay stopdelay mondelay",
    "Dummy": "state fake",
    "Stateful": "state",
}
DEFAULTS = {
    ("IPaddr2", "arp_interval"): "200",
    ("IPaddr2", "preferred_lft"): "forever",
    ("IPaddr", "nic"): "eth0",
    ("IPaddr", "ARP_NETMASK"): "ffffffffffff",
    ("Filesystem", "run_fsck"): "auto",
    ("Filesystem", "force_unmount"): "true",
    ("Delay", "stopdelay"): "30",
    ("Dummy", "state"): "/run/resource-agents/Dummy-RESOURCE_ID.state",
}


@pytest.mark.parametrize("name", sorted(ANNEX))
def test_parameters_are_those_of_the_reference(tree, name):
    done = call(tree / "resource.d/heartbeat" / name, "meta-data")
    root = etree.fromstring(done.stdout.encode())
    assert [p.get("name") for p in root.iter("parameter")] == ANNEX[name].split()
    defaults = {p.get("name"): p.find("content").get("default") for p in root.iter("parameter")}
    for (agent, parameter), value in DEFAULTS.items():
        if agent == name:
            assert defaults[parameter] == value


def test_a_call_without_action_prints_the_usage_and_an_unknown_one_is_unimplemented(tree):
    dummy = tree / "resource.d/heartbeat/Dummy"
    assert call(dummy).returncode == 3 and "usage: Dummy" in call(dummy).stderr
    assert call(dummy, "dance").returncode == 3
    assert call(tree / "resource.d/heartbeat/Delay", "dance").returncode == 2


def test_our_agents_win_unless_the_system_is_asked_for(tree, tmp_path):
    ref = AgentRef("ocf", "Dummy", "heartbeat")
    ours = Places(ocf_roots=(tree,))
    assert classes.resolve(ref, ours) == PythonTarget("ocf.agents.dummy:Dummy")
    theirs = Places(ocf_roots=(tree,), use_system_agents=True)
    assert classes.resolve(ref, theirs) == Program(tree / "resource.d/heartbeat/Dummy")
    nothing = Places(ocf_roots=(tmp_path,), use_system_agents=True)
    assert classes.resolve(ref, nothing) == PythonTarget("ocf.agents.dummy:Dummy")


def test_a_script_in_resource_d_wins_over_ours_and_init_d_comes_last(tree, tmp_path):
    places = Places(resource_d=tmp_path / "resource.d", init_d=tmp_path / "init.d")
    ref = AgentRef("heartbeat", "drbddisk")
    assert classes.resolve(ref, places) == PythonTarget("ocf.agents.drbddisk:script")
    for directory in ("init.d", "resource.d"):
        script = tmp_path / directory / "drbddisk"
        script.parent.mkdir()
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
    assert classes.resolve(ref, places) == Program(tmp_path / "resource.d/drbddisk")
    (tmp_path / "init.d/httpd").symlink_to("drbddisk")
    found = classes.resolve(AgentRef("heartbeat", "httpd"), places)
    assert found == Program(tmp_path / "init.d/httpd")
    assert isinstance(classes.resolve(AgentRef("heartbeat", "none"), places), Missing)


def test_agents_are_listed_with_ours_and_without_hidden_ones(tree):
    (tree / "resource.d/heartbeat/.hidden").write_text("")
    names = classes.list_agents("ocf", "heartbeat", Places(ocf_roots=(tree,)))
    assert names == sorted(p for k, v, p in AGENTS if v == "heartbeat")


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("running", True),
        ("INFO:  Running OK", True),
        ("OK", True),
        ("Not Running", False),
        ("nOT running", False),
        ("not running, but OK otherwise", False),
        ("INFO:  Resource is stopped", False),
        ("", False),
    ],
)
def test_the_text_of_status_decides(text, runs):
    assert heartbeat_says_running(text) is runs


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("10.0.0.9", {"ip": "10.0.0.9"}),
        ("10.0.0.9/24/eth0", {"ip": "10.0.0.9", "cidr_netmask": "24", "nic": "eth0"}),
        ("10.0.0.9/24/eth0:3", {"ip": "10.0.0.9", "cidr_netmask": "24", "nic": "eth0"}),
        (
            "10.0.0.9/24/10.0.0.255",
            {"ip": "10.0.0.9", "cidr_netmask": "24", "broadcast": "10.0.0.255"},
        ),
        (
            "10.0.0.9/24/eth0/10.0.0.255",
            {
                "ip": "10.0.0.9",
                "cidr_netmask": "24",
                "nic": "eth0",
                "broadcast": "10.0.0.255",
            },
        ),
    ],
)
def test_the_address_word_of_haresources_is_taken_apart(word, expected):
    assert resource_d.address_parameters([word]) == expected


def test_a_script_prints_the_line_that_heartbeat_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", {"HA_RSCTMP": str(tmp_path)})

    def say(*argv: str) -> tuple[int, str]:
        out = io.StringIO()
        with redirect_stdout(out):
            code = resource_d.delay(argv)
        return code, out.getvalue()

    assert say("0", "0", "status") == (7, "INFO:  Resource is stopped\n")
    assert say("0", "0", "start") == (0, "INFO:  Success\n")
    assert say("0", "0", "status") == (0, "INFO:  Running OK\n")
    assert say("0", "0", "stop") == (0, "INFO:  Success\n")
    assert say("x", "start") == (2, "ERROR:  Illegal argument\n")


# -- the stock compliance test

TESTED = {
    ("heartbeat", "Dummy"): {},
    ("heartbeat", "Stateful"): {},
    ("heartbeat", "Delay"): {"startdelay": "0", "stopdelay": "0", "mondelay": "0"},
    ("heartbeat", "IPaddr2"): {"ip": "10.99.0.50"},
    ("heartbeat", "IPaddr"): {"ip": "10.99.0.51"},
    ("heartbeat", "SendArp"): {"ip": "10.99.0.52", "nic": "eth0"},
    ("heartbeat", "Filesystem"): {"device": "none", "fstype": "tmpfs"},
    ("heartbeat", "drbddisk"): {"drbd_resource": "data"},
    ("pacemaker", "Dummy"): {},
    ("pacemaker", "Stateful"): {},
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    if why_not():
        pytest.skip(why_not())
    with TwoHosts(tmp_path_factory.mktemp("rsctmp")).up() as pair:
        yield pair


@pytest.mark.interop
@pytest.mark.skipif(not shutil.which("ocf-tester"), reason="Debian's resource-agents is missing")
@pytest.mark.parametrize("agent", sorted(TESTED), ids="-".join)
def test_ocf_tester_finds_no_more_than_with_the_reference(tree, hosts, tmp_path, agent):
    provider, name = agent
    ours = tree / "resource.d" / provider / name
    theirs = Path("/usr/lib/ocf/resource.d") / provider / name
    found = ocf_tester(ours, hosts, tmp_path / "ours", agent)
    expected = ocf_tester(theirs, hosts, tmp_path / "theirs", agent) if theirs.exists() else []
    assert [line for line in found if line not in expected] == []


def ocf_tester(path: Path, hosts: TwoHosts, tmp_path: Path, agent: tuple[str, str]) -> list[str]:
    """Complaints of ocf-tester about one agent; it runs on host a, in private mounts."""
    provider, name = agent
    params = dict(TESTED[agent])
    if name == "Filesystem":
        params["directory"] = str(tmp_path / "mnt")
    fake = tmp_path / "bin/drbdadm"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        f'#!/bin/sh\ncase "$1" in role) cat {tmp_path}/role 2>/dev/null || echo Secondary;;\n'
        f"primary) echo Primary > {tmp_path}/role;; secondary) echo Secondary > {tmp_path}/role;;"
        "\nesac\n"
    )
    fake.chmod(0o755)
    words = [w for k, v in params.items() for w in ("-o", f"{k}={v}")]
    inside = ["unshare", "--mount", "--propagation", "private"]
    inside += ["nsenter", f"--net=/run/netns/{hosts.a}"]
    done = subprocess.run(
        [*inside, "ocf-tester", "-n", "test", *words, str(path)],
        env={
            "PATH": f"{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RESOURCE_PROVIDER": provider,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    complaints = [line for line in done.stdout.splitlines() if line.startswith("* rc=")]
    assert (done.returncode == 0) == ("passed all tests" in done.stdout) == (not complaints)
    return complaints
