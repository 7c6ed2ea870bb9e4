"""What a lab puts on disk before its nodes start: configuration, launchers, the shared disk.

Writes only below the lab's state directory.
"""

from __future__ import annotations

import configparser
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from cli.lab import kernel
from cli.lab.plan import REPOSITORY, STANDINS, LabPlan, NodePlan, default_ha_cf
from ocf import install as agents

IMAGE_SIZE = 32 * 1024 * 1024
_MASKED = ("reboot", "halt", "shutdown", "poweroff")
_LAUNCHER = """#!{python}
import sys
sys.path.insert(0, {repository!r})
from {module} import {function}
sys.exit({function}())
"""


def furnish(plan: LabPlan, config: Path | None, has_real_disk: bool) -> None:
    """Write configuration and launchers."""
    for directory in ("root", "launchers", "shared", "shared/alive", "shared/drbd", "shared/disk"):
        (plan.state / directory).mkdir(mode=0o755)
    write_launchers(plan.state / "launchers", has_real_disk)
    key = secrets.token_hex(16)
    for node in plan.nodes:
        _write_config(plan, node, config, key)


def write_launchers(target: Path, has_real_disk: bool) -> None:
    """Our commands under their names, and the stand-ins."""
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    for line in setup["options.entry_points"]["console_scripts"].split("\n"):
        if "=" not in line:
            continue
        name, _, place = (w.strip() for w in line.partition("="))
        module, _, function = place.partition(":")
        text = _LAUNCHER.format(
            python=sys.executable, repository=str(REPOSITORY), module=module, function=function
        )
        _executable(target / name, text)
    _executable(target / "drbdadm", (STANDINS / "drbdadm").read_text())
    if not has_real_disk:
        _executable(target / "mount.ext3", (STANDINS / "mount.ext3").read_text())
    for name in _MASKED:
        _executable(target / name, _for_this_python("reboot"))


def _for_this_python(standin: str) -> str:
    text = (STANDINS / standin).read_text()
    return text.replace("#!/usr/bin/python3", f"#!{os.path.realpath(sys.executable)}", 1)


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _write_config(plan: LabPlan, node: NodePlan, config: Path | None, key: str) -> None:
    disk = plan.disk(node.name)
    ha_d = disk / "etc/ha.d"
    ha_d.mkdir(parents=True)
    for directory in ("lib", "log", "tmp", "cache", "spool"):
        (disk / "var" / directory).mkdir(parents=True)
    (disk / "var/run").symlink_to("/run")
    (disk / "var/lock").symlink_to("/run/lock")
    if config is not None:
        shutil.copytree(config, ha_d, dirs_exist_ok=True)
    if not (ha_d / "ha.cf").exists():
        (ha_d / "ha.cf").write_text(default_ha_cf(plan.nodes))
    if not (ha_d / "authkeys").exists():
        (ha_d / "authkeys").write_text(f"auth 1\n1 sha1 {key}\n")
    (ha_d / "authkeys").chmod(0o600)
    scripts = ha_d / "resource.d"
    scripts.mkdir(exist_ok=True)
    _executable(scripts / "rsdata", (STANDINS / "rsdata").read_text())
    _executable(scripts / ".rsdata-server", _for_this_python("rsdata-server"))
    agents.install(disk / "ocf-of-the-lab", ha_d, os.path.realpath(sys.executable))


def make_disk(plan: LabPlan) -> tuple[str, int] | None:
    """A real ext3 image behind a loop device: its path, and the descriptor that keeps it.

    None where the machine cannot make or attach one (the lab then says so and uses a directory).
    """
    maker = shutil.which("mkfs.ext3", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if maker is None:
        return None
    with plan.image.open("wb") as f:
        f.truncate(IMAGE_SIZE)
    try:
        subprocess.run(
            [maker, "-q", "-F", str(plan.image)], check=True, capture_output=True, timeout=60
        )
        return kernel.attach_loop(plan.image)
    except (subprocess.SubprocessError, OSError):
        plan.image.unlink(missing_ok=True)
        return None
