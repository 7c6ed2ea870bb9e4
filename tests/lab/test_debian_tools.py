"""Debian's Pacemaker tools read the CIB of a running cluster and see the same."""

import os
import shutil
import subprocess

import pytest

from cli.lab.session import Lab
from tests.lab.cluster import GROUP, HANDBOOK, Cluster

pytestmark = [pytest.mark.lab, pytest.mark.interop, pytest.mark.usefixtures("namespaces")]
TOOLS = ("crm_verify", "crm_mon", "crm_simulate")


@pytest.fixture
def live_cib(tmp_path):
    missing = [t for t in TOOLS if shutil.which(t, path="/usr/sbin:/usr/bin") is None]
    if missing:
        pytest.skip(f"needs Debian's pacemaker-cli-utils ({', '.join(missing)} not found)")
    with Lab("debian-tools", tmp_path) as lab:
        made = Cluster(lab).up(config=HANDBOOK)
        made.import_haresources()
        status, text = lab.output("mysql-master", "cibadmin", "-Q")
        assert status == 0, text
    file = tmp_path / "live.xml"
    file.write_text(text)
    return file


def debian(tool, *argv, file):
    """Exit status and both streams of a Debian tool on a CIB file."""
    done = subprocess.run(
        [shutil.which(tool, path="/usr/sbin:/usr/bin"), *argv],
        env={**os.environ, "CIB_file": str(file)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_debians_tools_read_our_live_cib_and_agree_on_what_runs_where(live_cib):
    status, _, err = debian("crm_verify", "-x", str(live_cib), file=live_cib)
    assert (status, err) == (0, "")
    status, out, err = debian("crm_mon", "-1", file=live_cib)
    assert (status, err) == (0, "")
    assert "Online: [ mysql-backup mysql-master ]" in out
    for name in GROUP:
        (line,) = [x for x in out.splitlines() if f"* {name}\t" in x]
        assert line.endswith("Started mysql-master"), line
    status, out, _ = debian("crm_simulate", "-S", "-x", str(live_cib), file=live_cib)
    assert status == 0
    summary = out.partition("Transition Summary:\n")[2].partition("\nExecuting")[0]
    assert summary.strip() == "", "nothing is left to do"


def test_debians_simulator_moves_the_same_group_when_the_node_is_lost(live_cib):
    words = ("-S", "-x", str(live_cib), "--node-down", "mysql-master")
    status, out, _ = debian("crm_simulate", *words, file=live_cib)
    assert status == 0
    revised = out.partition("Revised Cluster Status:")[2]
    for name in GROUP:
        (line,) = [x for x in revised.splitlines() if f"* {name}\t" in x]
        assert line.endswith("Started mysql-backup"), line
