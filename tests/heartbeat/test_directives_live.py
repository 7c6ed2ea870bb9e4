"""Directives of ha.cf whose effect is on the process: watchdog, logs, clients, memory, cores."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crmd.daemon.execd import ha_cf_environment
from crmd.daemon.haresourcesd_files import ha_line, read_setup
from crmd.daemon.heartbeatd_apiauth import Permits
from crmd.daemon.heartbeatd_files import StartRefused
from crmd.daemon.heartbeatd_files import read_setup as read_heartbeat
from crmd.daemon.heartbeatd_realtime import Reserve
from crmd.daemon.heartbeatd_watchdog import Watchdog
from crmd.daemon.paths import Paths
from crmd.heartbeat.settings import ApiAuth
from tests.heartbeat.daemons import KEYS, REPO, Cluster, wait_for


def node(root: Path, extra: str) -> Paths:
    paths = Paths(root)
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.ha_cf.write_text(f"node a b\nbcast lo\nauto_failback on\n{extra}")
    paths.haresources.write_text("a Flag::x\n")
    paths.authkeys.write_text(KEYS)
    paths.authkeys.chmod(0o600)
    return paths


def test_the_watchdog_is_kicked_with_each_beat_and_rests_after_a_clean_end(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, ("a",), extra="watchdog /dev/dog\n")
    device = tmp_path / "a/dev/dog"
    device.parent.mkdir()
    device.touch()
    try:
        cluster.start("a")
        with cluster.client("a"):
            time.sleep(1.0)
        kicks = device.stat().st_size
        assert 8 <= kicks <= 16  # keepalive 100 ms
        assert cluster.stop("a") == 0
        data = device.read_bytes()
        assert data.endswith(b"V") and set(data[:-1]) == {0}
        assert "does not take a timeout of 1 s" in cluster.log("a")
    finally:
        cluster.close()


def test_a_killed_heartbeatd_leaves_the_watchdog_running(tmp_path: Path) -> None:
    device = tmp_path / "dog"
    device.touch()
    dog = Watchdog(device, 1.0)
    assert dog.timeout_s == 2 and dog.is_open
    dog.kick()
    assert device.read_bytes() == b"\0"  # and no V unless `close` is reached
    dog.close()
    dog.kick()
    assert device.read_bytes() == b"\0V"
    absent = Watchdog(tmp_path / "nosuch", 1.0)
    assert not absent.is_open and "cannot be opened" in absent.problem


def test_use_logd_writes_where_logd_cf_says(tmp_path: Path) -> None:
    paths = node(tmp_path, "use_logd on\nlogfile /var/log/mine\n")
    config = read_heartbeat(paths, "a", None, 0.0).config
    assert (config.logfile, config.logfacility) == (None, "daemon")
    place = tmp_path / "etc/logd.cf"
    place.write_text("# logs\nlogfile\t/var/log/ha-log\nlogfacility local3 # there\nentity x\n")
    config = read_heartbeat(paths, "a", None, 0.0).config
    assert (config.logfile, config.logfacility) == ("/var/log/ha-log", "local3")
    node(tmp_path, "logfile /var/log/mine\n")
    assert read_heartbeat(paths, "a", None, 0.0).config.logfile == "/var/log/mine"
    node(tmp_path, "")
    assert read_heartbeat(paths, "a", None, 0.0).config.logfile == "/var/log/ha-log"


def test_syslogmsgfmt_false_gives_the_other_form(tmp_path: Path) -> None:
    form = r"^heartbeat\[\d+\]: \d{4}/\d\d/\d\d_\d\d:\d\d:\d\d info: Heartbeat generation: \d+$"
    cluster = Cluster(tmp_path, ("a",), extra="syslogmsgfmt false\nlogfile /ha-log\n")
    try:
        cluster.start("a")
        with cluster.client("a"):
            pass
        assert cluster.stop("a") == 0
        text = (tmp_path / "a/ha-log").read_text()
        assert re.search(form, text, re.MULTILINE), text
    finally:
        cluster.close()
    line = ha_line("", "info", "x", "", 7, 0.0)
    assert re.fullmatch(r"heartbeat\[7\]: \d{4}/\d\d/\d\d_\d\d:\d\d:\d\d info: x", line)


def test_debug_lines_go_to_the_debug_file_only_and_usr1_raises_the_level(tmp_path: Path) -> None:
    import signal

    cluster = Cluster(tmp_path, ("a",), extra="logfile /ha-log\ndebugfile /ha-debug\n")
    try:
        cluster.start("a")
        with cluster.client("a") as client:
            client.receive()
            cluster.signal("a", signal.SIGUSR1)
            time.sleep(0.2)
            client.send({"op": "counters"})
            wait_for(client, event="counters")
        assert cluster.stop("a") == 0
        assert "debug: request op=counters" in (tmp_path / "a/ha-debug").read_text()
        assert "debug: request" not in (tmp_path / "a/ha-log").read_text()
    finally:
        cluster.close()


def test_apiauth_narrows_who_may_be_a_client_and_never_opens_it() -> None:
    lines = [ApiAuth("ipfail", uids=("1",)), ApiAuth("x", gids=("0",)), ApiAuth("y", ("nosuch-u",))]
    permits = Permits.of(lines)
    assert permits.unknown == ["apiauth y: there is no user 'nosuch-u' here"]
    assert permits.allow("ipfail", 1, 1, is_trusted=True)
    assert not permits.allow("ipfail", 2, 1, is_trusted=True)
    assert not permits.allow("ipfail", 1, 1, is_trusted=False)
    assert permits.allow("x", 77, 0, is_trusted=True) and permits.allow("x", 0, 0, is_trusted=True)
    assert permits.allow("another", 77, 7, is_trusted=True)
    assert not Permits.of([ApiAuth("default", ("1",))]).allow("z", 77, 7, is_trusted=True)


def test_env_reaches_the_agents_as_ha_variables(tmp_path: Path) -> None:
    paths = node(tmp_path, "env COLOUR=blue SIZE=3\n")
    assert ha_cf_environment(paths) == {"HA_COLOUR": "blue", "HA_SIZE": "3"}
    assert ha_cf_environment(Paths(tmp_path / "empty")) == {}


def test_stonith_reads_its_parameters_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "device"
    file.write_text("# the switch\nip=10.0.0.9 username=ha\npassword=x\n")
    setup = read_setup(node(tmp_path, f"stonith fence_apc {file}\n"), "a")
    assert setup.stonith is not None
    assert setup.stonith.parameters == ("ip=10.0.0.9", "username=ha", "password=x")
    file.unlink()
    with pytest.raises(StartRefused, match="No such file"):
        read_setup(node(tmp_path, f"stonith fence_apc {file}\n"), "a")


def test_programs_that_cannot_be_started_refuse_the_start_as_the_original_does(
    tmp_path: Path,
) -> None:
    lines = "respawn root /nosuch/program\nrespawn nobody-here /bin/sh\n"
    lines += "respawn hacluster /usr/lib/heartbeat/ipfail\n"
    with pytest.raises(StartRefused) as refused:
        read_heartbeat(node(tmp_path, lines), "a", None, 0.0)
    texts = [line.split(": ", 1)[1] for line in refused.value.lines]
    assert texts == [
        "respawn /nosuch/program: is not executable; correct or remove the line",
        "respawn /bin/sh: there is no user 'nobody-here' here",
    ]


def test_memreserve_is_given_back_once() -> None:
    reserve = Reserve(100)
    assert reserve.release() is True and reserve.release() is False
    assert Reserve(0).release() is False


def test_coredumps_and_coreroot_decide_whether_and_where(tmp_path: Path) -> None:
    code = (
        "import os, resource, sys\n"
        "from crmd.daemon.heartbeatd_realtime import core_files\n"
        "print(core_files(False, sys.argv[1]), resource.getrlimit(resource.RLIMIT_CORE)[0],"
        " os.getcwd(), core_files(None, sys.argv[1] + '/no'))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=env, capture_output=True, text=True
    )
    assert done.stdout.startswith(f"[] 0 {tmp_path} ['coreroot {tmp_path}/no: "), done
