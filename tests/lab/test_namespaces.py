"""The lab by itself: namespaces, cables, disk, faults, and that nothing stays behind."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.lab import main as crm_lab
from cli.lab.plan import REPOSITORY
from cli.lab.session import Lab, LabError

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("namespaces")]

ONLY_REAP = ["-"]


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return value


def traces(marker):
    """Whatever a lab could leave on the host: processes, mounts, loop devices, links."""
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if marker.encode() in words:
                processes.append(entry.name)
    loops = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            loops += [backing.read_text()] if marker in backing.read_text() else []
        except OSError:
            continue
    mounts = [m for m in Path("/proc/self/mountinfo").read_text().splitlines() if marker in m]
    return processes, mounts, loops


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Lab("quiet", tmp_path_factory.mktemp("labs")) as made:
        made.up(["n1", "n2", "n3"], daemon=ONLY_REAP, watch=["172.16.1.151"])
        yield made


PING = f"""
import socket, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from cli.lab.client import echo_request, is_answer
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(1)
s.connect((sys.argv[1], 0))
s.send(echo_request(7, 1))
while not is_answer(s.recv(999), 7):
    pass
"""


def ping(lab, source, target):
    """One ICMP echo (the program `ping` is not everywhere)."""
    return lab.output(source, sys.executable, "-c", PING, target)[0] == 0


def test_every_node_has_its_own_name_network_and_processes(lab):
    assert lab.output("n2", "uname", "-n") == (0, "n2\n")
    addresses = Path("/sys/class/net")
    assert "eth1" in lab.output("n2", "ls", "/sys/class/net")[1]
    assert not (addresses / "br-service").exists(), "no bridge on the host"
    pids = lab.output("n2", "ls", "/proc")[1].split()
    assert len([p for p in pids if p.isdigit()]) <= 3


def test_nodes_reach_each_other_on_both_networks_and_the_client_on_one(lab):
    assert ping(lab, "n1", "10.0.10.2") and ping(lab, "n1", "172.16.1.153")
    assert ping(lab, "client", "172.16.1.151")
    assert not ping(lab, "client", "10.0.10.1")


def test_nodes_cannot_write_the_hosts_programs(lab):
    status, text = lab.output("n1", "touch", "/usr/bin/x")
    assert status != 0 and "Read-only" in text


def test_standard_streams_and_exit_status_pass_through(lab):
    assert lab.output("n1", "sh", "-c", "echo out; echo err >&2; exit 7") == (7, "out\nerr\n")
    assert lab.output("n1", "no-such-program")[0] == 127


def test_one_direction_between_two_nodes_can_be_cut_and_healed(lab):
    sniff = "import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(1);"
    listen = sniff + "s.bind(('',9));print(s.recv(9))"
    send = sniff + "s.sendto(b'hello',('10.0.10.{}',9))"

    def heard(source, target, number):
        import threading

        got = []
        script = [sys.executable, "-c", listen]
        ear = threading.Thread(target=lambda: got.append(lab.output(target, *script)))
        ear.start()
        time.sleep(0.3)
        lab.output(source, sys.executable, "-c", send.format(number))
        ear.join()
        return "hello" in got[0][1]

    assert ping(lab, "n1", "10.0.10.2")  # neighbours known before the cut
    lab.ask({"op": "cut", "node": "n1", "peer": "n2", "networks": ["heartbeat"], "one_way": True})
    assert not heard("n1", "n2", 2)
    assert heard("n2", "n1", 1)
    assert ping(lab, "n1", "10.0.10.3") and ping(lab, "n1", "172.16.1.152")
    lab.ask({"op": "heal"})
    assert ping(lab, "n1", "10.0.10.2")


def test_a_pulled_cable_silences_one_network_only(lab):
    lab.ask({"op": "cut", "node": "n3", "networks": ["service"]})
    assert not ping(lab, "n1", "172.16.1.153")
    assert ping(lab, "n1", "10.0.10.3")
    lab.ask({"op": "heal"})
    wait_until(lambda: ping(lab, "n1", "172.16.1.153"))


def test_the_standin_for_drbd_allows_one_living_primary_only(lab):
    assert lab.output("n1", "drbdadm", "primary", "data")[0] == 0
    status, text = lab.output("n2", "drbdadm", "primary", "data")
    assert status == 11 and "STAND-IN" in text and "n1 is primary" in text
    assert lab.output("n2", "mount", "-t", "ext3", "/dev/drbd0", "/data")[0] in (0, 32)
    lab.output("n2", "umount", "/data")
    assert lab.output("n1", "mount", "-t", "ext3", "/dev/drbd0", "/data") == (0, "")
    assert lab.output("n1", "drbdadm", "secondary", "data")[0] == 11, "held open by the mount"
    assert lab.output("n1", "/etc/ha.d/resource.d/rsdata", "start")[0] == 0
    assert "is running" in lab.output("n1", "/etc/ha.d/resource.d/rsdata", "status")[1]
    lab.ask({"op": "kill", "node": "n1"})
    assert lab.output("n2", "drbdadm", "role", "data") == (0, "Secondary/Secondary\n")
    assert lab.output("n2", "drbdadm", "primary", "data")[0] == 0, "the other primary is dead"
    lab.ask({"op": "start", "node": "n1"})
    assert lab.output("n1", "drbdadm", "role", "data") == (0, "Secondary/Primary\n")
    assert lab.output("n2", "drbdadm", "secondary", "data")[0] == 0
    assert "is stopped" in lab.output("n1", "/etc/ha.d/resource.d/rsdata", "status")[1]


def test_a_killed_node_is_silent_at_once_and_the_client_measures_it(lab):
    log = lab.state / "client.log"
    before = len(lab.lines(log))
    wait_until(lambda: ping(lab, "client", "172.16.1.151"))
    time.sleep(0.2)
    killed = lab.ask({"op": "kill", "node": "n1"})["at"]
    time.sleep(0.3)
    assert not ping(lab, "client", "172.16.1.151")
    lab.ask({"op": "start", "node": "n1"})
    outage = wait_until(
        lambda: [
            line
            for line in lab.lines(log)[before:]
            if line["event"] == "client.outage" and line["last_answer"] >= killed - 0.05
        ]
    )[0]
    assert outage["outage_ms"] >= 300
    assert outage["node_index"] == 1


def test_a_paused_node_stays_but_does_nothing(lab):
    lab.ask({"op": "pause", "node": "n3"})
    states = {n["name"]: n["state"] for n in lab.ask({"op": "status"})["nodes"]}
    assert states["n3"] == "paused"
    lab.ask({"op": "resume", "node": "n3"})
    assert lab.output("n3", "true") == (0, "")


def test_fencing_answers_when_it_is_done(lab):
    assert lab.ask({"op": "fence", "node": "n3", "action": "off"})["state"] == "off"
    assert lab.ask({"op": "fence", "node": "n3", "action": "status"})["rc"] == 2
    assert lab.ask({"op": "fence", "action": "list"})["nodes"] == ["n1", "n2", "n3"]
    assert not ping(lab, "n1", "10.0.10.3")
    assert lab.ask({"op": "fence", "node": "n3", "action": "reboot"})["state"] == "on"


def test_reboot_inside_a_node_ends_that_node_only(lab):
    with pytest.raises(LabError):
        lab.output("nobody", "true")
    lab.output("n3", "reboot", "-nf")
    wait_until(lambda: lab.ask({"op": "status"})["nodes"][2]["state"] == "off")
    assert lab.output("n1", "true")[0] == 0
    lab.ask({"op": "start", "node": "n3"})


def test_bad_requests_get_one_line(lab):
    for request, text in [
        ({"op": "kill", "node": "x"}, "x: no such node"),
        ({"op": "start", "node": "n1"}, "n1 is running"),
        ({"op": "fly"}, "unknown request"),
        ({"op": "kill"}, "missing or wrong field 'node'"),
        ({"op": "watch", "addresses": ["x"]}, "not an IPv4 address"),
        ({"op": "cut", "node": "n1", "networks": ["moon"]}, "no such network"),
    ]:
        with pytest.raises(LabError, match=text):
            lab.ask(request)


def test_down_leaves_nothing_behind(tmp_path):
    lab = Lab("clean", tmp_path)
    lab.up(["n1", "n2"], daemon=ONLY_REAP)
    lab.output("n1", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & mount /dev/drbd0 /data -t ext3")
    assert traces(str(lab.state))[0], "the check sees a running lab"
    lab.down()
    assert traces(str(lab.state)) == ([], [], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_caller_that_ends_takes_its_lab_along(tmp_path, number):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom cli.lab.session import Lab\n"
        "lab = Lab('orphan', Path(sys.argv[1]))\n"
        "lab.up(['n1', 'n2'], daemon=['-'])\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert caller.stdout.readline() == b"up\n"
    lab = Lab("orphan", tmp_path)
    assert lab.is_running()
    caller.send_signal(number)
    caller.wait(10)
    wait_until(lambda: lab.server_pid() is None)
    assert traces(str(lab.state)) == ([], [], [])
    lab.sweep()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_killed_takes_everything_along(tmp_path):
    lab = Lab("struck", tmp_path)
    lab.up(["n1", "n2"], daemon=ONLY_REAP)
    os.kill(lab.server_pid(), signal.SIGKILL)
    wait_until(lambda: lab.server_pid() is None)
    assert wait_until(lambda: traces(str(lab.state)) == ([], [], []))
    lab.down()
    assert list(tmp_path.iterdir()) == []


def test_the_commands_bring_up_show_hurt_and_end_a_lab(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def crm(*words):
        out, err = io.StringIO(), io.StringIO()
        return crm_lab.main(words, out, err), out.getvalue(), err.getvalue()

    assert crm("status")[0::2] == (
        1,
        "crm lab: lab 'default' is not running; 'crm lab up' starts one\n",
    )
    try:
        status, text, _ = crm("up", "--nodes", "2")
        assert status == 0 and "n2" in text and "is up" in text
        assert crm("up")[2].startswith("crm lab: lab 'default' is running")
        assert crm("kill", "n2")[:2] == (0, "kill n2: off\n")
        assert "off" in crm("status")[1]
        assert crm("kill", "n9")[2] == (
            "crm lab: n9: no such node in lab 'default'; nodes are n1, n2\n"
        )
    finally:
        assert crm("down", "--all")[1] == "lab 'default' is down\n"
    assert crm("fly")[0] == 64


def test_a_caller_without_root_gets_the_same_lab_with_a_stand_in_for_the_disk(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom cli.lab.session import Lab\n"
        "with Lab('plain', Path(sys.argv[1])) as lab:\n"
        "    lab.up(['n1', 'n2'], daemon=['-'])\n"
        "    print(lab.has_address('n2', '10.0.10.2'))\n"
        "    print(lab.output('n1', 'mount', '-t', 'ext3', '/dev/drbd0', '/data'))\n"
        "    lab.output('n1', 'drbdadm', 'primary', 'data')\n"
        "    print(lab.output('n1', 'mount', '-t', 'ext3', '/dev/drbd0', '/data')[0])\n"
        "    print(lab.ask({'op': 'status'})['disk'])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    if os.geteuid() == 0:  # give root's rights away: a user namespace that maps us to 1000
        command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60)
    reached, refused, mounted, disk = done.stdout.splitlines() or [done.stderr] * 4
    assert (reached, mounted, disk) == ("True", "0", "shared directory (stand-in)")
    assert "STAND-IN" in refused and "not primary" in refused
    assert list(tmp_path.iterdir()) == []
