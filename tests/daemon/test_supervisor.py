import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crmd.daemon import ipc, processes
from crmd.daemon.paths import Paths
from crmd.daemon.respawn import After, Lives
from crmd.daemon.restarts import Restarts
from crmd.daemon.supervisor import EX_PANIC

REPOSITORY = Path(__file__).resolve().parents[2]
MAIN = """
import sys
from crmd.daemon import supervisor
supervisor.DAEMONS = (("fake_first", "tests.daemon.fake_first"),
                      ("fake_last", "tests.daemon.fake_last"))
sys.exit(supervisor.run(sys.argv[1:]))
"""


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)
    return value


class Node:
    """A pacekeeperd over two fake daemons, and what it did."""

    def __init__(self, root):
        self.paths = Paths(root)
        self.started = []
        (root / "behaviour").mkdir()

    def start(self):
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "--foreground", "--root", str(self.paths.root)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def behave(self, name, word):
        (self.paths.root / "behaviour" / name).write_text(word)

    def ask(self, op="status"):
        with ipc.Client(self.paths.supervisor_socket, 5) as client:
            return client.call({"op": op})

    def pids(self):
        try:
            found = {n: d["pid"] for n, d in self.ask()["daemons"].items()}
        except ipc.IpcError:
            return None
        return found if all(found.values()) else None

    def order(self):
        place = self.paths.root / "order"
        return place.read_text().splitlines() if place.exists() else []

    def end(self):
        for process in self.started:
            process.kill()
            process.communicate()
        try:
            record = json.loads((self.paths.state / "daemons.json").read_text())
        except FileNotFoundError:
            return
        for pid, started in record["daemons"].values():
            if processes.start_time(pid) == started is not None:
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    yield made
    made.end()


def test_daemons_start_in_order_and_end_in_reverse(node):
    process = node.start()
    wait_until(lambda: len(node.order()) == 2 and node.ask()["is_ready"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert node.order()[-2:] == ["term fake_last", "term fake_first"]
    assert not node.paths.pid_file.exists() and not node.paths.supervisor_socket.exists()


def test_a_killed_daemon_is_back_in_well_under_a_second_and_the_other_is_untouched(node):
    node.start()
    before = wait_until(node.pids)
    killed = time.monotonic()
    os.kill(before["fake_first"], signal.SIGKILL)
    wait_until(lambda: node.pids() and node.pids()["fake_first"] != before["fake_first"])
    assert time.monotonic() - killed < 0.5
    assert node.pids()["fake_last"] == before["fake_last"]


def test_a_new_supervisor_adopts_the_daemons_of_a_killed_one(node):
    first = node.start()
    before = wait_until(node.pids)
    first.kill()
    first.wait(5)
    second = node.start()
    wait_until(lambda: node.pids() and node.ask()["pid"] == second.pid)
    assert node.pids() == before
    os.kill(before["fake_last"], signal.SIGKILL)
    wait_until(lambda: node.pids() and node.pids()["fake_last"] != before["fake_last"])
    second.send_signal(signal.SIGTERM)
    assert second.wait(10) == 0
    assert processes.start_time(before["fake_first"]) is None


def test_a_daemon_that_keeps_crashing_gets_longer_pauses(node):
    node.behave("fake_last", "crash")
    node.start()
    time.sleep(2.0)
    assert 3 <= node.order().count("start fake_last") <= 7
    assert node.order().count("start fake_first") == 1


def test_a_configuration_error_ends_the_node_with_the_daemons_own_words(node):
    node.behave("fake_first", "refuse")
    process = node.start()
    assert process.wait(10) == 78
    assert process.stderr.read() == "pacekeeperd: fake_first: authkeys line 1: not good\n"
    assert node.order().count("start fake_first") == 1


def test_a_second_supervisor_is_refused(node):
    first = node.start()
    wait_until(node.pids)
    second = node.start()
    assert second.wait(10) == 78
    assert f"pacekeeperd {first.pid} is running" in second.stderr.read()


def test_unknown_requests_are_refused(node):
    node.start()
    wait_until(node.pids)
    words = "status, leave, panic or hand_over"
    assert node.ask("fly") == {"ok": False, "code": 64, "error": f"op 'fly': {words}"}
    assert node.ask("leave") == {"ok": True}
    assert node.started[0].wait(10) == 0


def test_the_pause_grows_to_a_limit_and_a_longer_life_clears_the_record():
    r = Restarts()
    pauses = []
    now = 0.0
    for _ in range(9):
        r.started(now)
        pauses.append(r.ended(now) - now)
    assert pauses == [0, 0, 0.25, 0.5, 1, 2, 4, 8, 8]
    r.started(now)
    assert r.ended(now + 3) == now + 3
    assert r.total == 10


def respawn_lines(node, *lines):
    """ha.cf of a node whose programs write down their starts and ends."""
    who = pwd.getpwuid(os.geteuid()).pw_name
    text = "node n1\nbcast lo\nauto_failback on\ncrm on\n"
    for number, (kind, script) in enumerate(lines):
        program = node.paths.root / f"program{number}"
        program.write_text(
            f'#!/bin/sh\ncd {node.paths.root}; say() {{ echo "$1" >> order; }}\n{script}\n'
        )
        program.chmod(0o755)
        text += f"{kind} {who} {program} an argument\n"
    node.paths.ha_cf.parent.mkdir(parents=True)
    node.paths.ha_cf.write_text(text)


def test_respawn_programs_start_when_the_node_is_up_and_end_after_the_manager(node):
    script = 'trap "say ended-{0}; exit 0" TERM; say start-{0}; while :; do sleep 0.02; done'
    respawn_lines(node, ("respawn", script.format("x")), ("respawn", script.format("y")))
    process = node.start()
    wait_until(lambda: {"start-x", "start-y"} <= set(node.order()))
    assert node.order().index("start fake_last") < node.order().index("start-x")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    tail = [line for line in node.order() if line.startswith(("term", "ended"))]
    assert tail == ["term fake_last", "ended-y", "ended-x", "term fake_first"]


def test_a_respawn_program_is_started_again_but_not_after_status_100(node):
    respawn_lines(node, ("respawn", "say again; exit 3"), ("respawn", "say once; exit 100"))
    process = node.start()
    wait_until(lambda: node.order().count("again") >= 3)
    assert node.order().count("once") == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_an_abnormal_end_of_a_failfast_program_ends_the_node_at_once(node):
    respawn_lines(node, ("failfast", "say failed; exit 1"))
    process = node.start()
    assert process.wait(10) == EX_PANIC
    assert node.order().count("failed") == 1 and "term fake_last" not in node.order()


def test_too_many_short_lives_are_given_up():
    lives = Lives()
    for number in range(11):
        lives.started(10.0 * number)
        after = lives.ended(1, 10.0 * number + 1)
        assert after is (After.GIVE_UP if number == 10 else After.AGAIN)
    lives.started(200.0)
    assert lives.ended(0, 231.0) is After.AGAIN and lives.short == 0
    assert Lives(failfast=True).ended(0, 0.0) is After.AGAIN
    assert Lives(failfast=True).ended(139, 0.0) is After.REBOOT
    assert Lives().ended(100, 0.0) is After.DONE
