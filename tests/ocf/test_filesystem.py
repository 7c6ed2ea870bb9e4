"""Filesystem on real loop devices, in a private mount namespace."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocf import mounts
from tests.ocf.hosts import REPO

SAMPLE = (
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 0:25 / /srv/with\\040blank rw - tmpfs tmpfs rw\n"
    "31 30 7:0 /sub /srv/with\\040blank/deep rw master:1 - ext3 /dev/loop0 rw\n"
    "not a mount line\n"
)


def test_mountinfo_is_read_with_its_escapes_and_strange_lines_are_skipped():
    table = mounts.parse_mountinfo(SAMPLE)
    assert [m.directory for m in table] == ["/", "/srv/with blank", "/srv/with blank/deep"]
    assert table[2] == mounts.Mount(
        "7:0", "/sub", "/srv/with blank/deep", "rw", "ext3", "/dev/loop0"
    )
    assert mounts.mounted_at("/srv/with blank", table) == table[1]
    assert mounts.mounted_below("/srv", table) == [table[2], table[1]]
    assert mounts.mounted_below("/srv/with", table) == []


def _loop_device(image: Path) -> str:
    done = subprocess.run(
        ["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    image = tmp_path_factory.mktemp("loop") / "image"
    with image.open("wb") as f:
        f.truncate(8 * 1024 * 1024)
    subprocess.run(["mkfs.ext3", "-q", str(image)], check=True)
    device = _loop_device(image)
    if not device:
        pytest.skip("no loop devices here")
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


class Node:
    """A process that holds a private mount namespace open; agents run inside it."""

    def __init__(self, tmp_path: Path, device: str) -> None:
        self.tmp_path, self.device = tmp_path, device
        self.directory = tmp_path / "data"
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sleep", "300"]
        )
        mine = os.readlink("/proc/self/ns/mnt")
        while os.readlink(f"/proc/{self.holder.pid}/ns/mnt") == mine:
            time.sleep(0.005)

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", *argv],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPO), **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def agent(self, action: str, **params: str) -> subprocess.CompletedProcess[str]:
        given = {"device": self.device, "directory": str(self.directory), "fstype": "ext3"}
        given.update(params)
        level = given.pop("OCF_CHECK_LEVEL", "0")
        env = {f"OCF_RESKEY_{k}": v for k, v in given.items()}
        argv = [sys.executable, "-m", "ocf.agents.filesystem", action]
        return self.run(
            *argv,
            OCF_CHECK_LEVEL=level,
            OCF_RESOURCE_INSTANCE="fs",
            HA_RSCTMP=str(self.tmp_path),
            **env,
        )

    def codes(self, actions: str, **params: str) -> list[int]:
        return [self.agent(a, **params).returncode for a in actions.split()]

    def user(self, script: str) -> subprocess.Popen[str]:
        """A process that uses the mount; it has printed a line when this returns."""
        process = subprocess.Popen(
            ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process


@pytest.fixture
def node(tmp_path, device):
    node = Node(tmp_path, device)
    yield node
    node.agent("stop")
    node.holder.kill()
    node.holder.wait()


def hold(directory: Path, how: str) -> str:
    return (f"import os, signal, time; {how}\nprint('ready', flush=True)\ntime.sleep(60)").replace(
        "DIR", str(directory)
    )


def test_a_file_system_is_mounted_and_unmounted(node):
    assert node.codes("validate-all monitor start start monitor") == [0, 7, 0, 0, 0]
    assert node.run("findmnt", "-no", "FSTYPE", str(node.directory)).stdout == "ext3\n"
    assert node.codes("stop stop monitor") == [0, 0, 7]


def test_deep_monitors_read_the_device_and_write_a_file(node):
    assert node.codes("start") == [0]
    assert node.codes("monitor", OCF_CHECK_LEVEL="10") == [0]
    assert node.codes("monitor", OCF_CHECK_LEVEL="20") == [0]
    written = node.run("find", str(node.directory), "-name", "fs_*").stdout
    assert ".Filesystem_status/fs_" in written
    assert node.codes("monitor", OCF_CHECK_LEVEL="15", CRM_meta_interval="1000") == [6]


def test_a_read_only_mount_fails_the_write_monitor(node):
    assert node.codes("start", options="ro") == [0]
    given = {"options": "ro", "CRM_meta_interval": "1000"}
    assert node.codes("monitor", **given) == [0]
    answer = node.agent("monitor", OCF_CHECK_LEVEL="20", **given)
    assert answer.returncode == 1 and "Read-only" in answer.stderr


@pytest.mark.parametrize(
    "how",
    ["os.chdir('DIR')", "f = open('DIR/file', 'w')"],
    ids=["working directory", "open file"],
)
def test_stop_ends_who_uses_the_mount(node, how):
    assert node.codes("start") == [0]
    user = node.user(hold(node.directory, how))
    assert node.codes("stop", CRM_meta_timeout="20000") == [0]
    assert user.wait(5) == -signal.SIGTERM
    assert node.codes("monitor") == [7]


def test_a_user_that_ignores_sigterm_is_killed(node):
    assert node.codes("start") == [0]
    how = "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.chdir('DIR')"
    user = node.user(hold(node.directory, how))
    assert node.codes("stop", CRM_meta_timeout="4000") == [0]
    assert user.wait(5) == -signal.SIGKILL


def test_without_force_unmount_a_busy_stop_fails_and_names_the_user_asked_for(node):
    assert node.codes("start") == [0]
    user = node.user(hold(node.directory, "os.chdir('DIR')"))
    answer = node.agent("stop", force_unmount="no", CRM_meta_timeout="2000")
    assert answer.returncode == 1 and "busy" in answer.stderr
    assert user.poll() is None
    assert node.codes("stop", force_unmount="safe", CRM_meta_timeout="20000") == [0]
    assert user.wait(5) == -signal.SIGTERM


def test_a_bind_mount_does_not_kill_the_users_of_its_source(node, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    bystander = node.user(hold(source, "os.chdir('DIR')"))
    given = {"device": str(source), "fstype": "none", "options": "bind"}
    assert node.codes("start monitor", **given) == [0, 0]
    inside = node.user(hold(node.directory, "os.chdir('DIR')"))
    assert node.codes("stop monitor", **given, CRM_meta_timeout="20000") == [0, 7]
    assert inside.wait(5) == -signal.SIGTERM
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_submount_goes_first(node):
    assert node.codes("start") == [0]
    below = node.directory / "below"
    node.run("mkdir", str(below))
    assert node.run("mount", "-t", "tmpfs", "none", str(below)).returncode == 0
    assert node.codes("stop monitor") == [0, 7]


@pytest.mark.parametrize(
    ("params", "start", "probe", "stop"),
    [
        ({"device": ""}, 6, 6, 6),
        ({"device": "/dev/no-such"}, 5, 7, 0),
        ({"fstype": "wrongfs"}, 5, 7, 0),
        ({"CRM_meta_clone_max": "2"}, 6, 7, 0),
        ({"directory": ""}, 6, 7, 0),
        ({"directory": "", "device": "srv:/x", "fstype": "nfs"}, 6, 6, 6),
    ],
)
def test_bad_parameters_get_the_references_codes(node, params, start, probe, stop):
    assert node.codes("start monitor stop", **params) == [start, probe, stop]


def test_a_tmpfs_needs_no_device(node):
    given = {"device": "none", "fstype": "tmpfs", "options": "size=1m"}
    assert node.codes("start monitor stop monitor", **given) == [0, 0, 0, 7]
