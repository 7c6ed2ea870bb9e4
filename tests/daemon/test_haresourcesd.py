"""haresourcesd with its daemons on loopback: two nodes, groups that are files, real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crmd.daemon import haresourcesd_files as files
from crmd.daemon import ipc
from crmd.daemon.haresourcesd_groups import GroupRunner
from crmd.daemon.heartbeatd_files import StartRefused
from crmd.daemon.paths import Paths
from crmd.daemon.supervisor import wants_haresources
from crmd.haresources.claims import Claim, groups_of
from crmd.haresources.parse import parse
from crmd.haresources.takeover_events import Done, Keep, Run, Step
from ocf.calls import AgentCall, AgentResult, ExecStatus
from tests.heartbeat.daemons import REPO, free_port

KEYS = "auth 1\n1 sha1 0123456789abcdef0123\n"
NODES = ("alice", "bob")
SCRIPT = """#!/bin/sh
case $2 in
start) touch {flags}/$1; echo "start $1" >> {log};;
stop) rm -f {flags}/$1; echo "stop $1" >> {log};;
status) if [ -e {flags}/$1 ]; then echo running; else echo "not running"; fi;;
esac
"""


def configure(root: Path, port: int, extra: str = "") -> None:
    config = root / "etc/ha.d"
    (config / "resource.d").mkdir(parents=True)
    (root / "flags").mkdir()
    (config / "ha.cf").write_text(
        "keepalive 100ms\ndeadtime 500ms\ninitdead 2\nauto_failback on\n"
        f"mcast lo 239.255.7.1 {port} 0 1\nnode alice bob\nlogfile /ha-log\n{extra}"
    )
    (config / "haresources").write_text("alice Flag::a1 Flag::a2\nbob Flag::b1 Flag::b2\n")
    (config / "authkeys").write_text(KEYS)
    (config / "authkeys").chmod(0o600)
    script = config / "resource.d/Flag"
    script.write_text(SCRIPT.format(flags=root / "flags", log=root / "actions"))
    script.chmod(0o755)


@dataclass
class Pair:
    folder: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    names: tuple[str, ...] = NODES

    def start(self, name: str) -> None:
        root = self.folder / name
        command = [sys.executable, "-m", "crmd.daemon.supervisor", "--foreground"]
        with (self.folder / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [*command, "--root", str(root), "--node", name],
                cwd=REPO,
                env={**os.environ, "PYTHONPATH": str(REPO)},
                stdout=out,
                stderr=out,
            )

    def ask(self, name: str, request: dict, socket: str = "haresources.sock") -> dict:
        with ipc.Client(self.folder / name / "run/pacekeeper" / socket, 5.0) as client:
            return client.call(request)

    def flags(self) -> dict[str, list[str]]:
        return {
            n: sorted(p.name for p in (self.folder / n / "flags").iterdir()) for n in self.names
        }

    def actions(self, name: str) -> list[str]:
        path = self.folder / name / "actions"
        return path.read_text().splitlines() if path.exists() else []

    def until(self, limit_s: float = 15.0, **wanted: list[str]) -> None:
        end = time.monotonic() + limit_s
        while self.flags() != wanted:
            assert time.monotonic() < end, f"{self.flags()}, not {wanted}\n{self.logs()}"
            time.sleep(0.05)

    def settled(self) -> None:
        end = time.monotonic() + 10
        while not all(self.ask(n, {"op": "status"})["settled"] for n in self.processes):
            assert time.monotonic() < end, self.logs()
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(p.read_text()[-3000:] for p in sorted(self.folder.glob("*/ha-log")))

    def end(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGTERM)
        self.processes.pop(name).wait(15)

    def kill_all(self, name: str) -> None:
        """Power off, as far as processes go: all daemons at once."""
        daemons = self.ask(name, {"op": "status"}, "pacekeeperd.sock")["daemons"]
        self.processes[name].kill()
        self.processes.pop(name).wait(5)
        for daemon in daemons.values():
            os.kill(daemon["pid"], signal.SIGKILL)


@pytest.fixture
def pair(tmp_path):
    port = free_port()
    for name in NODES:
        configure(tmp_path / name, port)
    made = Pair(tmp_path)
    try:
        yield made
    finally:
        for name in list(made.processes):
            made.kill_all(name)


def test_a_pair_lives_moves_its_groups_in_order_and_survives_a_death(pair):
    for name in NODES:
        pair.start(name)
    pair.until(alice=["a1", "a2"], bob=["b1", "b2"])
    pair.settled()
    assert pair.actions("alice") == ["start a1", "start a2"]
    assert pair.ask("alice", {"op": "standby", "which": "all"}) == {"ok": True}
    pair.until(alice=[], bob=["a1", "a2", "b1", "b2"])
    pair.settled()
    assert pair.actions("alice")[2:] == ["stop a2", "stop a1"]
    log = (pair.folder / "alice/ha-log").read_text()
    story = [
        "Going standby [all].",
        "alice wants to go standby [all]",
        "standby: bob can take our all resources",
        "give up all HA resources (standby).",
        "Releasing resource group: alice Flag::a1 Flag::a2",
        "resource.d/Flag a2 stop",
        "all HA resource release completed (standby).",
        "Local standby process completed [all].",
        "Other node completed standby takeover of all resources.",
    ]
    places = [log.find(line) for line in story]
    assert -1 not in places and places == sorted(places), log
    assert pair.ask("alice", {"op": "takeover", "which": "local"}) == {"ok": True}
    pair.until(alice=["a1", "a2"], bob=["b1", "b2"])
    pair.settled()
    pair.kill_all("bob")
    for flag in (pair.folder / "bob/flags").iterdir():
        flag.unlink()
    pair.until(alice=["a1", "a2", "b1", "b2"], bob=[])
    pair.end("alice")
    assert pair.flags() == {"alice": [], "bob": []}
    assert not (pair.folder / "alice/run/pacekeeper/haresources.json").exists()


def test_what_was_started_at_boot_is_noticed_and_not_left_running_twice(pair):
    (pair.folder / "bob/flags/a1").touch()  # as if an init script had started alice's resource
    for name in NODES:
        pair.start(name)
    pair.until(alice=["a1", "a2"], bob=["b1", "b2"])
    assert "Resource Flag::a1 is active, and should not be!" in pair.logs()


# --- which manager, which files -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "extra", "lines", "expected"),
    [
        ("auto", "", "alice Flag::a\n", True),
        ("auto", "crm no\n", "alice Flag::a\n", True),
        ("auto", "crm respawn\n", "alice Flag::a\n", False),
        ("auto", "", "# nothing yet\n", False),
        ("crm", "", "alice Flag::a\n", False),
        ("haresources", "crm on\n", "", True),
    ],
)
def test_ha_cf_decides_who_manages_the_resources(tmp_path, choice, extra, lines, expected):
    configure(tmp_path, 694, extra)
    (tmp_path / "etc/ha.d/haresources").write_text(lines)
    assert wants_haresources(Paths(tmp_path), choice) is expected


def test_all_that_keeps_haresources_from_being_run_is_told_at_once(tmp_path):
    configure(tmp_path, 694, "stonith_host * external/ssh alice bob\n")
    (tmp_path / "etc/ha.d/haresources").write_text("alice web\ncarol web\n")
    with pytest.raises(StartRefused) as refused:
        files.read_setup(Paths(tmp_path), "alice")
    text = "\n".join(refused.value.lines)
    assert "Bad nodename in" in text and "[carol]" in text
    assert "'web' begins two lines" in text
    assert "external/ssh" in text and "fence_ipmilan" in text


def test_what_is_held_is_remembered_for_this_boot_only(tmp_path):
    paths = Paths(tmp_path)
    paths.run.mkdir(parents=True)
    memory, kept = files.Memory(paths), Keep(Claim.LOCAL, ("Flag::a",), True)
    assert memory.read() is None
    memory.keep(kept)
    assert files.Memory(paths).read() == kept
    text = (paths.run / "haresources.json").read_text()
    (paths.run / "haresources.json").write_text(text.replace('"life": "', '"life": "x'))
    assert files.Memory(paths).read() is None
    (paths.run / "haresources.json").write_text("{")
    assert files.Memory(paths).read() is None


def test_lines_have_the_form_of_heartbeats_log():
    at = time.mktime((2026, 11, 25, 6, 7, 8, 0, 0, -1))
    assert files.ha_line("n1", "info", "Link n2:eth0 up.", "", 42, at) == (
        "Nov 25 06:07:08 n1 heartbeat: [42]: info: Link n2:eth0 up."
    )
    assert files.ha_line("n1", "CRIT", "Giving up", "ResourceManager", 42, at) == (
        "2026/11/25_06:07:08\tResourceManager(default)[42]:    CRIT: Giving up"
    )


# --- groups ---------------------------------------------------------------------------------------


class Scripted(GroupRunner):
    """Answers calls from a table; everything else succeeds."""

    failing: dict[tuple[str, str], tuple[int, ExecStatus]] = {}  # noqa: RUF012
    calls: list[str]

    async def call(self, call: AgentCall) -> AgentResult:
        self.calls.append(f"{call.operation} {call.rsc} {sorted(call.params.items())}")
        failed = self.failing.get((call.operation, call.rsc), (0, ExecStatus.DONE))
        return AgentResult(1, call.rsc, call.operation, 0, *failed)


def run_steps(tmp_path, failing, *steps):
    groups = groups_of(parse("a web::x::y 10.0.0.1/24 mail\nb db\n"))
    said: list[str] = []

    async def go():
        runner = Scripted(
            Paths(tmp_path),
            lambda level, text, tag: said.append(f"{level}: {text}"),
            lambda: {group.key: group for group in groups},
        )
        runner.failing, runner.calls = failing, []
        return await runner.run(Run(7, steps)), runner.calls

    done, calls = asyncio.run(go())
    return done, calls, said


def test_a_group_starts_left_to_right_and_stops_right_to_left(tmp_path):
    steps = (Step(True, "web::x::y"), Step(False, "web::x::y"))
    done, calls, said = run_steps(tmp_path, {}, *steps)
    words = ["web::x::y [('1', 'x'), ('2', 'y')]", "IPaddr::10.0.0.1/24 [('1', '10.0.0.1/24')]"]
    order = [*words, "mail []"]
    assert calls == [f"start {w}" for w in order] + [f"stop {w}" for w in reversed(order)]
    assert done == Done(7) and said[0].startswith("info: Acquiring resource group: a web::x::y")


def test_a_start_that_fails_releases_the_whole_group_and_the_next_group_goes_on(tmp_path):
    failing = {("start", "IPaddr::10.0.0.1/24"): (1, ExecStatus.DONE)}
    done, calls, said = run_steps(tmp_path, failing, Step(True, "web::x::y"), Step(True, "db"))
    assert done == Done(7, not_started=("web::x::y",))
    assert [c.split()[0] for c in calls] == ["start", "start", "stop", "stop", "stop", "start"]
    assert "CRIT: Giving up resources due to failure of IPaddr::10.0.0.1/24" in said


def test_a_stop_that_fails_ends_everything(tmp_path):
    failing = {("stop", "mail"): (1, ExecStatus.DONE)}
    done, calls, _ = run_steps(tmp_path, failing, Step(False, "web::x::y"), Step(False, "db"))
    assert done == Done(7, not_stopped=("web::x::y",)) and len(calls) == 1


def test_a_script_that_is_missing_cannot_start_and_counts_as_stopped(tmp_path):
    missing = (5, ExecStatus.NOT_INSTALLED)
    failing = {("start", "db"): missing, ("stop", "db"): missing}
    done, _, said = run_steps(tmp_path, failing, Step(True, "db"))
    assert done == Done(7, not_started=("db",))
    assert "ERROR: Cannot locate resource script db" in said
