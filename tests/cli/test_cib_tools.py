import io
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from cib import document
from cli import cibadmin, crm_diff, crm_verify

DUMMY = '<primitive id="a" class="ocf" provider="heartbeat" type="Dummy"/>'


def run(tool, *argv, env=None, stdin=""):
    out, err = io.StringIO(), io.StringIO()
    code = tool.main(list(argv), out, err, env or {}, io.StringIO(stdin))
    return int(code), out.getvalue(), err.getvalue()


@pytest.fixture
def env(tmp_path):
    path = tmp_path / "cib.xml"
    path.write_text(document.to_text(document.empty()))
    return {"CIB_file": str(path)}


def test_create_query_and_delete(env):
    assert run(cibadmin, "-C", "-o", "resources", "-X", DUMMY, env=env) == (0, "", "")
    assert run(cibadmin, "-Q", "-A", "//primitive", env=env) == (0, DUMMY + "\n", "")
    assert run(cibadmin, "-Q", "-eA", "//primitive", env=env)[1] == (
        "/cib/configuration/resources/primitive[@id='a']\n"
    )
    assert run(cibadmin, "-D", "-X", '<primitive id="a"/>', env=env) == (0, "", "")
    code, out, err = run(cibadmin, "-Q", "-A", "//primitive", env=env)
    assert (code, out) == (105, "")
    assert err.startswith("cibadmin: CIB API call failed: No such device or address\n")


def test_xml_may_come_from_standard_input_and_files(env, tmp_path):
    assert run(cibadmin, "-C", "-o", "resources", "-p", env=env, stdin=DUMMY)[0] == 0
    path = tmp_path / "x.xml"
    path.write_text(DUMMY.replace('"a"', '"b"'))
    assert run(cibadmin, "--create", "-o", "resources", "-x", str(path), env=env)[0] == 0
    assert run(cibadmin, "-Q", "-o", "resources", env=env)[1].count("<primitive") == 2


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        ([], 64, "Must specify a command option"),
        (["-Q", "foo", "bar"], 64, "[2 of 2] bar"),
        (["--bogus"], 64, "--bogus"),
        (["-Q", "--output-as=pdf"], 64, "pdf"),
        (["-C", "-o", "resources"], 64, "--create needs XML"),
        (["-C", "-o", "resources", "-x", "/nowhere.xml"], 66, "/nowhere.xml"),
        (["-C", "-o", "resources", "-X", "<primitive"], 65, "line 1"),
        (["-E"], 107, "--force"),
        (["-Q", "-o", "bogus"], 64, "'bogus'"),
        (["-M", "-X", '<primitive id="zz"/>'], 105, "'zz' does not exist"),
    ],
)
def test_mistakes_are_told_with_their_status_and_change_nothing(env, argv, code, said):
    before = Path(env["CIB_file"]).read_bytes()
    got, out, err = run(cibadmin, *argv, env=env)
    assert (got, out) == (code, "")
    assert said in err and err.startswith("cibadmin: ")
    assert Path(env["CIB_file"]).read_bytes() == before


def test_the_schema_refusal_names_line_element_and_remedy(env):
    bad = '<rsc_location id="l" rsc="zz" node="n" score="1"/>'
    code, _, err = run(cibadmin, "-C", "-o", "constraints", "-X", bad, env=env)
    assert code == 78
    assert "<rsc_location> 'l': rsc=\"zz\" does not exist; create 'zz'" in err


def test_an_xml_answer_is_one_document(env):
    code, out, err = run(cibadmin, "--output-as=xml", "-E", env=env)
    root = etree.fromstring(out)
    assert code == 107 and err == ""
    assert root.get("request") == "cibadmin --output-as=xml -E"
    assert root.find("status").get("code") == "107"
    assert root.findtext("status/errors/error").startswith("cibadmin: The supplied command")


def test_a_patch_made_by_one_tool_is_applied_by_the_other(env, tmp_path):
    old = tmp_path / "old.xml"
    old.write_bytes(Path(env["CIB_file"]).read_bytes())
    run(cibadmin, "-C", "-o", "resources", "-X", DUMMY, env=env)
    code, diff, _ = run(crm_diff, "-c", "-o", str(old), "-n", env["CIB_file"])
    assert code == 1
    assert run(crm_diff, "-c", "-o", env["CIB_file"], "-n", env["CIB_file"]) == (0, "", "")
    new = Path(env["CIB_file"]).read_bytes()
    assert run(cibadmin, "-P", "-p", env={"CIB_file": str(old)}, stdin=diff)[0] == 0
    assert old.read_bytes() == new
    code, _, err = run(cibadmin, "-P", "-p", env={"CIB_file": str(old)}, stdin=diff)
    assert code == 103 and "older" in err


def test_verify_tells_errors_and_warnings(tmp_path):
    good = tmp_path / "good.xml"
    root = document.empty()
    document.section(root, "crm_config").append(etree.fromstring(
        '<cluster_property_set id="o"><nvpair id="o1" name="fencing-enabled" value="false"/>'
        "</cluster_property_set>"))  # fmt: skip
    good.write_bytes(document.to_bytes(root))
    assert run(crm_verify, "-x", str(good)) == (0, "", "")
    bad = (
        good.read_text()
        .replace("</resources>", "")
        .replace("<resources/>", "<resources><x/></resources>")
    )
    code, _, err = run(crm_verify, "-p", "-V", stdin=bad)
    assert code == 78 and "<x>: has no place in <resources>" in err
    assert run(crm_verify, "-p", stdin=bad)[2] == (
        "Configuration invalid (-V may provide more detail)\n"
    )
    assert run(crm_verify, "-q", "-p", stdin=bad) == (78, "", "")
    assert run(crm_verify)[0] == 64


@pytest.mark.parametrize("tool", ["cibadmin", "crm_diff", "crm_verify"])
def test_starting_a_tool_imports_nothing_heavy(tool):
    code = (
        f"import sys; import cli.{tool}; "
        "print(sorted({'lxml', 'networkx', 'structlog', 'pyroute2', 'asyncio'} & set(sys.modules)))"
    )
    run_python = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run_python.stdout.strip() == "[]"


def test_a_refused_upload_names_the_file_and_the_line_and_changes_nothing(env, tmp_path):
    before = Path(env["CIB_file"]).read_bytes()
    bad = tmp_path / "bad.xml"
    bad.write_text('<resources>\n  <primitive id="p" klass="ocf" type="Dummy"/>\n</resources>\n')
    for command in ("-C", "-M", "-R"):
        code, out, err = run(cibadmin, command, "-o", "resources", "-x", str(bad), env=env)
        assert (code, out) == (78, "")
        assert err.splitlines()[1].startswith(
            f"{bad} line 2: <primitive> 'p': unknown attribute klass=\"ocf\"; remove it"
        )
    bad.write_text("plain words")
    code, _, err = run(cibadmin, "-R", "-x", str(bad), env=env)
    assert code == 65 and err.splitlines()[1].startswith(f"{bad} line 1: Start tag expected")
    assert Path(env["CIB_file"]).read_bytes() == before


def test_an_upload_that_is_too_old_says_what_to_do(env):
    code, _, err = run(cibadmin, "-R", "-X", "<cib/>", env=env)
    said = "cibadmin: CIB API call failed: Update was older than existing configuration"
    assert code == 103 and err.splitlines() == [
        said,
        "replace: version 0.0.0 is older than the present 0.1.0; "
        "take it anew (cibadmin -Q), or raise its epoch",
    ]
    assert run(cibadmin, "-R", "-X", "<cib/>", env={**env, "PCMK_stderr": "1"})[2] == said + "\n"
