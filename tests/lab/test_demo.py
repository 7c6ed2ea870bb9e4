import os
import re
import shutil
import subprocess
import sys

import pytest

from cli.lab.plan import REPOSITORY
from cli.lab.session import Lab
from tests.lab.cluster import GROUP, GROUP_IP, HANDBOOK, Cluster, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("namespaces")]


def test_the_demo_ends_well_and_leaves_nothing_behind(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "cli.lab.demo"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    table = [line for line in done.stdout.splitlines() if re.match(r"(move to|kill -9 of)", line)]
    assert len(table) == 2
    outage = re.fullmatch(
        r"kill -9 of mysql-backup +(\d+) ms +(\d+) ms +(\d+) ms +(\d+) ms +mysql-master", table[1]
    )
    assert outage and 800 < int(outage[1]) < 3000
    assert [p for base in tmp_path.iterdir() for p in base.iterdir()] == []


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with Lab("debian", tmp_path_factory.mktemp("labs")) as lab:
        cluster = Cluster(lab).up(config=HANDBOOK, watch=[GROUP_IP])
        cluster.import_haresources()
        yield cluster


def debian(program, *words, cib):
    """A tool of Debian's Pacemaker, reading a file."""
    path = shutil.which(program, path="/usr/sbin:/usr/bin")
    if path is None:
        pytest.skip(f"{program} of pacemaker-cli-utils is not installed")
    environment = {"CIB_file": str(cib), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    return subprocess.run(
        [path, *words], capture_output=True, text=True, env=environment, timeout=60
    )


@pytest.mark.interop
def test_debians_tools_read_the_live_cib_and_agree_on_what_runs_where(live, tmp_path):
    status, text = live.lab.output("mysql-backup", "cibadmin", "--query")
    assert status == 0
    assert 'validate-with="pacemaker-3.9"' in text.splitlines()[0]
    cib = tmp_path / "cib.xml"
    cib.write_text(text)
    verify = debian("crm_verify", "-V", "-x", str(cib), cib=cib)
    complaints = [line for line in (verify.stdout + verify.stderr).splitlines() if "error" in line]
    assert verify.returncode == 0 and complaints == []
    shown = debian("crm_mon", "-1", cib=cib).stdout
    assert "Online: [ mysql-backup mysql-master ]" in shown
    for rsc in GROUP:
        assert re.search(rf"\* {rsc}\s.*Started mysql-master", shown), shown
    assert re.search(r"\* ip_172_16_1_165\s.*Started mysql-backup", shown), shown
    simulated = debian("crm_simulate", "-L", cib=cib)
    assert simulated.returncode == 0
    started = re.findall(r"\* (\w+)\s.*Started ([\w-]+)", simulated.stdout)
    assert sorted(started) == sorted(re.findall(r"\* (\w+)\s.*Started ([\w-]+)", shown))


def test_five_nodes_form_one_cluster_and_lose_two_of_them(tmp_path):
    with Lab("five", tmp_path) as lab:
        names = [f"n{i}" for i in range(1, 6)]
        cluster = Cluster(lab).up(names)
        assert sorted(cluster.members()) == names
        cluster.cib(
            call="create",
            section="resources",
            xml='<primitive id="d" class="ocf" provider="heartbeat" type="Dummy"/>',
        )
        cluster.cib(
            call="modify",
            section="crm_config",
            xml='<cluster_property_set id="cib-bootstrap-options"><nvpair id="no-fencing" '
            'name="stonith-enabled" value="false"/></cluster_property_set>',
        )
        cluster.settle()
        dc = cluster.dc()
        other = next(n for n in names if n != dc)
        for name in (dc, other):
            lab.ask({"op": "kill", "node": name})
        rest = [n for n in names if n not in (dc, other)]
        wait_until(lambda: sorted(cluster.members()) == rest, 20, "the rest as one cluster")
        cluster.settle()
        assert cluster.status()["quorum"] and cluster.dc() in rest
        text = lab.output(rest[0], "crm_mon", "-1")[1]
        assert re.search(r"d\s+\(ocf:heartbeat:Dummy\):\s+Started (n\d)", text)[1] in rest
