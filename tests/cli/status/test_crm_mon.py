"""`crm_mon`: sections, filters, formats, exit statuses."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from cli.crm_mon import main
from tests.shared_data import need

ROOT = Path(__file__).resolve().parents[3]


def mon(*argv, file=None, env=None):
    out, err = io.StringIO(), io.StringIO()
    environment = dict(env or {}) if file is None else {"CIB_file": str(file)}
    code = main(list(argv), out, err, environment, io.StringIO())
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def recorded():
    return need("cli-cases", "crm_mon.xml")


def titles(text):
    return [line.rstrip(":") for line in text.splitlines() if line and not line.startswith(" ")]


@pytest.mark.reference
def test_sections_are_chosen_from_left_to_right(recorded):
    _, out, _ = mon("-1", "--include=all", file=recorded)
    assert titles(out) == [
        "Cluster Summary",
        "Node List",
        "Active Resources",
        "Node Attributes",
        "Operations",
        "Negative Location Constraints",
    ]
    _, out, _ = mon("-1", "--include=none,nodes", "-L", file=recorded)
    assert titles(out) == ["Node List", "Negative Location Constraints"]
    _, out, _ = mon("-1D", "--exclude=nodes", file=recorded)
    assert titles(out) == ["Active Resources"]


@pytest.mark.reference
def test_an_unknown_section_lists_the_known_ones(recorded):
    code, out, err = mon("-1", "--exclude=foo", file=recorded)
    assert code == 64 and out == ""
    assert err.startswith("crm_mon: --exclude options: all, attributes, bans, counts, dc, ")


@pytest.mark.reference
def test_xml_and_json_tell_the_same(recorded):
    code, text, _ = mon("--output-as=xml", file=recorded)
    tree = etree.fromstring(text.encode())
    assert code == 0 and tree.find("status").attrib == {"code": "0", "message": "OK"}
    _, text, _ = mon("--output-as=json", file=recorded)
    document = json.loads(text)
    assert [n["name"] for n in document["nodes"]] == [
        n.get("name") for n in tree.iterfind("nodes/node")
    ]
    assert document["summary"]["cluster_options"]["fencing-enabled"] is True
    kinds = [r["kind"] for r in document["resources"]]
    assert kinds == [r.tag for r in tree.find("resources")]


@pytest.mark.reference
def test_html_has_the_sections_as_headings(recorded):
    code, text, _ = mon("--output-as=html", "--html-title=My <cluster>", file=recorded)
    assert code == 0 and "<title>My &lt;cluster&gt;</title>" in text
    assert "<h2>Active Resources</h2>" in text
    assert '<span class="rsc-ok">Fencing\t(stonith:fence_xvm):\t Started cluster01</span>' in text


@pytest.mark.reference
def test_simple_status_is_one_line_and_a_warning_for_an_offline_node(recorded):
    code, out, _ = mon("-s", file=recorded)
    assert (code, out) == (1, "CLUSTER WARN: offline node: httpd-bundle-2\n")


@pytest.mark.reference
def test_a_failed_action_is_told_in_words_and_in_full_with_details():
    partial = need("cli-cases", "crm_mon-partial.xml")
    _, out, _ = mon("-1", file=partial)
    assert "  * dummy-2 probe on cluster02 returned 'Unimplemented' at " in out
    _, out, _ = mon("-1R", file=partial)
    assert "  * dummy-2_monitor_0 on cluster02 'Unimplemented' (3): call=2, status='Done', " in out


def test_not_connected_is_102_in_text_and_in_the_document(tmp_path):
    env = {"PACEKEEPER_ROOT": str(tmp_path)}
    code, out, err = mon("-1", env=env)
    assert code == 102 and out == ""
    assert err.startswith("crm_mon: Connection to cluster failed: ")
    code, out, err = mon("--output-as=xml", env=env)
    status = etree.fromstring(out.encode()).find("status")
    assert (code, err, status.get("message")) == (102, "", "Not connected")
    assert status.find("errors/error").text.startswith("crm_mon: Connection to cluster failed")


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 105, "no such file"),
        ("<cib", 65, "line 1"),
        ("<a/>", 65, "the root is <a>, want <cib>"),
        ("<cib/>", 78, "no attribute validate-with"),
        ('<cib validate-with="pacemaker-9.9"/>', 78, "pacemaker-9.9"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, content, code, words):
    path = tmp_path / "cib.xml"
    if content is not None:
        path.write_text(content)
    got, out, err = mon("-1", file=path)
    assert (got, out) == (code, "")
    assert err.startswith("crm_mon: ") and words in err and err.count("\n") == 1


def test_showing_the_status_imports_no_heavy_library(tmp_path):
    path = tmp_path / "cib.xml"
    path.write_text('<cib validate-with="pacemaker-3.9"><configuration/></cib>')
    script = (
        "import io, sys; from cli.crm_mon import main;"
        f"main(['-1'], io.StringIO(), sys.stderr, {{'CIB_file': {str(path)!r}}}, io.StringIO());"
        "print(*sorted({'networkx', 'pyroute2', 'structlog', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "" and ran.stderr == ""


def test_fencing_of_the_live_cluster_is_told_newest_first():
    from dataclasses import replace

    from cli.status.model import ClusterStatus, FenceEvent, Options
    from cli.status.show import ALL, Show
    from cli.status.text import monitor_text
    from cli.status.warnings import standing_warnings
    from cli.status.xml_sections import status_elements

    events = (
        FenceEvent("n2", "reboot", "success", "n1", "n3", 0),
        FenceEvent("n3", "off", "failed", "n1", None, 60, "no fence device for n3"),
        FenceEvent("n4", "reboot", "pending", "n1"),
    )
    status = replace(ClusterStatus((), (), Options()), fencing=events)
    text = monitor_text(status, Show(sections=ALL))
    assert "Fencing History:\n  * reboot of n2 successful: delegate=n3, origin=n1, " in text
    assert (
        "Failed Fencing Actions:\n"
        "  * off of n3 failed (no fence device for n3): delegate=, origin=n1, last-failed="
    ) in text
    assert "Pending Fencing Actions:\n  * reboot of n4 pending: origin=n1\n" in text
    (history,) = [e for e in status_elements(status, Show(sections=ALL)) if "fence" in e.tag]
    assert [e.get("target") for e in history] == ["n4", "n3", "n2"]
    found = [w.id for w in standing_warnings(status, etree.fromstring("<cib/>"))]
    assert found[:3] == ["fencing-missing", "fencing-failed", "fencing-pending"]
