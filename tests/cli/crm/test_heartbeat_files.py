"""`crm cluster keygen` and `crm cluster check`."""

import io

import pytest

from cli.crm.main import main
from crmd.heartbeat.authkeys import parse_authkeys


def crm(root, *words):
    out, err = io.StringIO(), io.StringIO()
    env = {"PACEKEEPER_ROOT": str(root)}
    code = main(["cluster", *words], out, err, env, io.StringIO())
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def root(tmp_path):
    config = tmp_path / "etc/ha.d"
    (config / "resource.d").mkdir(parents=True)
    (config / "ha.cf").write_text("node a b\nbcast eth0\nauto_failback off\n")
    (config / "haresources").write_text("a web 10.0.0.1/24\n")
    (config / "resource.d/web").write_text("#!/bin/sh\n")
    (config / "resource.d/web").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("words", "digits"), [((), 40), (("sha1",), 40), (("sha256",), 64)])
def test_keygen_makes_a_file_that_the_daemon_takes(root, words, digits):
    assert crm(root, "keygen", *words)[0] == 0
    path = root / "etc/ha.d/authkeys"
    assert path.stat().st_mode & 0o777 == 0o600
    ring, problems = parse_authkeys(path.read_text())
    assert ring is not None and problems == []
    assert len(path.read_text().split()[-1]) == digits


def test_keygen_never_replaces_keys(root):
    assert crm(root, "keygen")[0] == 0
    before = (root / "etc/ha.d/authkeys").read_text()
    code, _, err = crm(root, "keygen")
    assert code == 1 and "exists" in err
    assert (root / "etc/ha.d/authkeys").read_text() == before
    assert crm(root, "keygen", "crc")[0] != 0


def test_check_tells_errors_with_their_place_and_a_remedy(root):
    crm(root, "keygen")
    (root / "etc/ha.d/haresources").write_text("a web 10.0.0.1/24\nghost web\n")
    code, out, _ = crm(root, "check")
    assert code == 1 and "H003 error: " in out and "haresources:2:1" in out
    assert "H004 error" in out and out.splitlines()[-1].endswith("of them errors")


def test_check_compares_with_the_files_of_other_nodes(root, tmp_path):
    crm(root, "keygen")
    folder = root / "etc/ha.d"
    other = tmp_path / "of-b"
    other.write_text("a web 10.0.0.2/24\n")
    code, out, _ = crm(root, "check", str(folder), str(other))
    assert code == 1 and "H002 error: " in out and "of-b:1:1" in out
    other.write_text((folder / "haresources").read_text())
    assert "H002" not in crm(root, "check", str(folder), str(other))[1]
