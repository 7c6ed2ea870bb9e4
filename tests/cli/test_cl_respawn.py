"""cl_respawn keeps a program running until it says that it is done."""

import os
import signal
import subprocess
import sys
import time

from cli.cl_respawn import split
from tests.heartbeat.daemons import REPO


def start(*words):
    command = [sys.executable, "-m", "cli.cl_respawn", *words]
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_options_of_the_program_are_its_own():
    assert split(["-m", "100", "-p", "f", "prog", "-m", "1"]) == (
        ["-m", "100", "-p", "f"],
        ["prog", "-m", "1"],
    )


def test_it_starts_again_until_the_magic_code(tmp_path):
    log = tmp_path / "log"
    body = f"echo run >> {log}; [ $(wc -l < {log}) -lt 3 ] && exit 1; exit 100"
    process = start("-m", "100", "-p", str(tmp_path / "pid"), "/bin/sh", "-c", body)
    assert process.wait(20) == 100
    assert log.read_text().splitlines() == ["run"] * 3
    assert (tmp_path / "pid").read_text() == f"{process.pid}\n"


def test_told_to_end_it_ends_the_program_first(tmp_path):
    mark = tmp_path / "pid"
    process = start("/bin/sh", "-c", f"echo $$ > {mark}; exec sleep 60")
    end = time.monotonic() + 10
    while not mark.exists() or not mark.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not os.path.exists(f"/proc/{mark.read_text().strip()}")


def test_a_program_that_is_not_there_is_named():
    process = start("/no/such/program")
    assert process.wait(10) == 1 and b"/no/such/program: cannot be run" in process.stderr.read()
