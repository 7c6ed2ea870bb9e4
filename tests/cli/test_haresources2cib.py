"""The import command: a folder in, a CIB or a one-line refusal out."""

import io
from pathlib import Path

import pytest
from lxml import etree

from cli.haresources2cib import main

HA_CF = """\
keepalive 200ms
deadtime 1
initdead 10
auto_failback off
bcast eth1
ucast eth0 172.16.1.2
node mysql-master
node mysql-backup
"""
HARESOURCES = (
    "mysql-master drbddisk::data Filesystem::/dev/drbd0::/data::ext3 rsdata "
    "IPaddr::172.16.1.164/24/eth0\n"
    "mysql-backup IPaddr::172.16.1.165/24/eth0\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ha.cf").write_text(HA_CF)
    (tmp_path / "authkeys").write_text("auth 1\n1 sha1 0123456789abcdef0123456789abcdef\n")
    (tmp_path / "authkeys").chmod(0o600)
    (tmp_path / "haresources").write_text(HARESOURCES)
    scripts = tmp_path / "resource.d"
    scripts.mkdir()
    for name in ("drbddisk", "rsdata"):
        (scripts / name).write_text("#!/bin/sh\n")
        (scripts / name).chmod(0o755)
    return tmp_path


def run(*argv: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(argv, out, err, env or {}, io.StringIO())
    return code, out.getvalue(), err.getvalue()


def test_the_handbook_folder_becomes_a_cib_with_a_report(folder: Path) -> None:
    code, out, err = run("--accept", "H020", str(folder))
    assert code == 0
    cib = etree.fromstring(out.encode())
    assert cib.xpath("//group/primitive/@id") == [
        "drbd_data",
        "fs_data",
        "svc_rsdata",
        "ip_172_16_1_164",
    ]
    assert "auto_failback off -> resource-stickiness=1000" in err
    assert "THE DATA IS NOT SAFE" in err


def test_missing_fencing_under_shared_data_must_be_accepted(folder: Path) -> None:
    code, out, err = run(str(folder))
    assert (code, out) == (78, "")
    assert "critical H020" in err and "--accept H020" in err


def test_authkeys_that_others_can_read_stop_the_import(folder: Path) -> None:
    (folder / "authkeys").chmod(0o644)
    code, out, err = run("--accept", "H020", str(folder))
    assert (code, out) == (78, "")
    assert f"{folder}/authkeys:1:1: error H001: mode 0644 lets others read the keys" in err
    assert f"chmod 600 {folder}/authkeys" in err


def test_an_unknown_node_is_named_with_its_line(folder: Path) -> None:
    (folder / "haresources").write_text(HARESOURCES + "ghost 10.0.0.9\n")
    code, out, err = run("--accept", "H020", str(folder))
    assert (code, out) == (78, "")
    assert f"{folder}/haresources:3:1: error H003: node ghost is not in" in err


def test_an_address_in_two_groups_is_refused(folder: Path) -> None:
    (folder / "haresources").write_text("mysql-master 10.0.0.1\nmysql-backup rsdata 10.0.0.1/24\n")
    code, out, err = run(str(folder))
    assert (code, out) == (78, "")
    assert "haresources:2:21: error H005: address 10.0.0.1 is used twice" in err


def test_a_missing_script_is_refused_until_it_is_accepted(folder: Path) -> None:
    (folder / "resource.d" / "rsdata").unlink()
    code, out, err = run("--accept", "H020", str(folder))
    assert (code, out) == (78, "")
    assert "error H031: script rsdata is neither in resource.d nor in init.d" in err
    code, out, err = run("--accept", "H020", "--accept-missing", "rsdata", str(folder))
    assert code == 0 and 'class="lsb" type="rsdata"' in out


def test_a_folder_without_files_says_which_is_missing(tmp_path: Path) -> None:
    code, out, err = run(str(tmp_path))
    assert (code, out) == (66, "")
    assert err == (
        f"haresources2cib: {tmp_path}/ha.cf: no such file; name the folder that holds it\n"
    )


def test_a_wrong_directive_of_ha_cf_stops_the_import_with_its_line(folder: Path) -> None:
    (folder / "ha.cf").write_text(HA_CF + "keepalife 3\n")
    code, out, err = run("--accept", "H020", str(folder))
    assert (code, out) == (78, "")
    assert f"{folder}/ha.cf:9:1: error H060: directive 'keepalife' is not known" in err


def test_files_that_differ_between_nodes_are_an_error(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "haresources.other"
    other.write_text(HARESOURCES.replace("rsdata", "rsdata2"))
    code, _, err = run(
        *("--accept", "H020", "-c", str(folder / "haresources"), "-c", str(other)), str(folder)
    )
    assert code == 78
    assert f"{other}:1:1: error H002: differs from" in err


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--nonsense")[0] == 64


def test_crm_output_and_report_are_readable(folder: Path) -> None:
    code, out, _ = run("--accept", "H020", "--output", "crm", str(folder))
    assert code == 0 and out.startswith("node 1: mysql-master\n")
    code, out, _ = run("--output", "report", "--accept", "H020", str(folder))
    assert code == 0 and out.startswith("Decisions\n")


def test_apply_writes_a_file_once_and_saves_the_old_one(folder: Path, tmp_path: Path) -> None:
    from cib.document import empty, to_bytes

    file = tmp_path / "cib.xml"
    file.write_bytes(to_bytes(empty()))
    env = {"CIB_file": str(file)}
    code, out, err = run("--accept", "H020", "--apply", "--quiet", str(folder), env=env)
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == f"written to {file}"
    cib = etree.parse(file).getroot()
    assert len(cib.xpath("//primitive")) == 5
    assert cib.get("validate-with") == "pacemaker-3.9"
    assert cib.xpath("//nvpair[@name='stonith-enabled']/@value") == ["false"]
    assert len(list(tmp_path.glob("cib.xml.before-import-*"))) == 1
    code, out, _ = run("--accept", "H020", "--apply", "--quiet", str(folder), env=env)
    assert (code, out) == (0, "unchanged: the cluster has exactly this configuration\n")


def test_apply_does_not_remove_what_it_does_not_know(folder: Path, tmp_path: Path) -> None:
    from cib.document import empty, to_bytes

    cib = empty()
    resources = cib.find("configuration/resources")
    assert resources is not None
    other = etree.SubElement(resources, "primitive")
    for name, value in {
        "id": "x",
        "class": "ocf",
        "provider": "heartbeat",
        "type": "Dummy",
    }.items():
        other.set(name, value)
    file = tmp_path / "cib.xml"
    file.write_bytes(to_bytes(cib))
    before, env = file.read_bytes(), {"CIB_file": str(file)}
    code, _, err = run("--accept", "H020", "--apply", "--quiet", str(folder), env=env)
    assert code == 108 and "other resources (x)" in err and "--replace" in err
    assert file.read_bytes() == before
    words = ("--accept", "H020", "--apply", "--replace", "--quiet", str(folder))
    assert run(*words, env=env)[0] == 0
    assert b'id="x"' not in file.read_bytes()


def test_the_way_back_and_the_difference_to_the_present_cib(folder: Path, tmp_path: Path) -> None:
    code, cib, _ = run("--accept", "H020", "--quiet", str(folder))
    file = tmp_path / "cib.xml"
    file.write_text(cib)
    code, out, err = run("--output", "haresources", str(file))
    assert (code, out) == (0, HARESOURCES)
    assert "not in haresources: operations" in err
    env = {"CIB_file": str(file)}
    again = run("--accept", "H020", "-q", "--output", "diff", str(folder), env=env)
    assert again == (0, "", "")
    (folder / "haresources").write_text(HARESOURCES.replace("172.16.1.165", "172.16.1.166"))
    code, out, _ = run("--accept", "H020", "-q", "--output", "diff", str(folder), env=env)
    assert code == 1 and '+    <primitive id="ip_172_16_1_166"' in out
    assert run("--output", "haresources", str(tmp_path / "none.xml"))[0] == 105


def test_pcs_commands_and_a_page_can_be_had(folder: Path) -> None:
    code, out, _ = run("--accept", "H020", "-q", "--output", "pcs", str(folder))
    assert code == 0 and "pcs resource create fs_data ocf:heartbeat:Filesystem " in out
    code, out, _ = run("--output", "html", str(folder))
    assert code == 78 and out.startswith("<!DOCTYPE html>") and "H020" in out
