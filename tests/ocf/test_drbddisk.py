"""drbddisk with a state-keeping drbdadm of ten lines in PATH."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from ocf.agents import drbddisk
from ocf.classes import heartbeat_says_running

FAKE = """#!/bin/sh
state={dir}/$2
case "$1" in
role) [ -e $state ] && cat $state || echo Secondary/Unknown;;
primary) [ -e {dir}/refuse ] && {{ echo "State change failed" >&2; exit 11; }}
         echo Primary/Secondary > $state;;
secondary) echo Secondary/Secondary > $state;;
*) exit 1;;
esac
"""


@pytest.fixture
def drbd(tmp_path: Path, monkeypatch):
    fake = tmp_path / "drbdadm"
    fake.write_text(FAKE.format(dir=tmp_path))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(drbddisk, "RETRY_S", 0.01)
    return tmp_path


def call(*argv: str) -> tuple[int, str]:
    out = io.StringIO()
    with redirect_stdout(out):
        code = drbddisk.script(argv)
    return code, out.getvalue()


def ocf(action: str, **params: str) -> int:
    env = {f"OCF_RESKEY_{k}": v for k, v in params.items()}
    return int(drbddisk.DrbdDisk(env, action).run())


def test_the_heartbeat_script_promotes_and_demotes_and_its_text_tells_the_state(drbd):
    assert call("data", "status") == (3, "stopped (Secondary)\n")
    assert call("data", "start") == (0, "")
    code, text = call("data", "status")
    assert (code, text) == (0, "running (Primary)\n") and heartbeat_says_running(text)
    assert call("data", "stop") == (0, "")
    assert not heartbeat_says_running(call("data", "status")[1])


def test_the_script_refuses_what_it_cannot_do(drbd, capsys):
    assert call("status")[0] == 10
    assert call("data", "dance")[0] == 1
    (drbd / "refuse").touch()
    assert call("data", "start")[0] == 1
    assert "State change failed" in capsys.readouterr().err


def test_the_ocf_agent_follows_the_same_drbdadm(drbd):
    codes = [
        ocf(a, drbd_resource="data")
        for a in ["monitor", "start", "start", "monitor", "stop", "stop", "monitor"]
    ]
    assert codes == [7, 0, 0, 0, 0, 0, 7]
    assert [ocf(a) for a in ("start", "monitor", "stop")] == [6, 7, 0]


def test_without_drbdadm_a_start_is_not_installed_and_a_probe_is_not_running(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [ocf(a, drbd_resource="data") for a in ("start", "monitor", "stop")] == [5, 7, 0]
