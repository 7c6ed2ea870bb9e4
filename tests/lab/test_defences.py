"""Fencing before a take-over where haresources is run: the lab's power switch as the device."""

import time

import pytest

from cli.lab.session import Lab
from tests.lab.cluster import HANDBOOK, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("namespaces")]

MASTER, BACKUP = "mysql-master", "mysql-backup"
IP = "172.16.1.164"
DAEMON = ("/sbin/pacekeeperd", "--foreground", "--manager", "haresources")


def test_a_node_that_stands_still_is_reset_before_its_group_is_taken(tmp_path):
    config = tmp_path / "ha.d"
    config.mkdir()
    for name in ("authkeys", "ha.cf"):
        (config / name).write_bytes((HANDBOOK / name).read_bytes())
        (config / name).chmod(0o600)
    with (config / "ha.cf").open("a") as ha_cf:
        ha_cf.write("stonith_host * fence_lab control=/lab/control.sock\n")
    (config / "haresources").write_text(f"{MASTER} IPaddr::{IP}/24/eth0\n")
    with Lab("fencing", tmp_path) as lab:
        lab.up([MASTER, BACKUP], config, daemon=DAEMON)
        wait_until(lambda: lab.holders(IP) == [MASTER], what="the first start")
        log = lab.disk(BACKUP) / "var/log/ha-log"
        wait_until(lambda: "mysql-master: status active" in log.read_text(), what="both heard")
        time.sleep(2.5)  # the claims are exchanged
        paused = time.monotonic()
        lab.ask({"op": "pause", "node": MASTER})
        wait_until(lambda: lab.has_address(BACKUP, IP), seconds=15, what="take-over")
        events = lab.lines(lab.state / "lab.log")
        off = [e["mono"] for e in events if e["event"] == "lab.kill" and e["node"] == MASTER]
        assert off and off[0] > paused + 0.9, "not before deadtime"
        lines = lab.lines(lab.disk(BACKUP) / "var/log/pacekeeper/execd.log")
        starts = [
            line["mono"]
            for line in lines
            if line["event"] == "agent.begin" and line["action"] == "start"
        ]
        assert [at for at in starts if at > paused] and min(
            at for at in starts if at > paused
        ) > off[0]
        text = log.read_text()
        assert "Resetting node mysql-master with STONITH" in text
        assert "node mysql-master is down, says STONITH" in text
