"""The file tree a lab node sees: the host's programs read-only, everything else its own.

Runs in the node's own mount namespace, so nothing here is visible outside or outlives the node.
Private: /etc (copied essentials, `ha.d` from the node's disk), /var (the node's disk, survives a
power cut), /run, /tmp, /dev, /proc, /sys.  Shared by the nodes: /lab.  From the host, read-only:
all other top-level directories.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from pathlib import Path

from cli.lab import kernel
from cli.lab.kernel import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC
from cli.lab.plan import REPOSITORY, LabPlan, NodePlan

_OWN = {"dev", "etc", "lab", "proc", "run", "sbin", "sys", "tmp", "var", "data", "lost+found"}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ETC = (
    "alternatives", "group", "host.conf", "init.d", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "localtime", "lsb-release", "mke2fs.conf", "nsswitch.conf", "os-release", "passwd",
    "protocols", "services", "ssl", "terminfo", "timezone",
)  # fmt: skip
DISK_DEVICE = "drbd0"


def build(plan: LabPlan, node: NodePlan, loop_device: str | None, launchers: Path) -> None:
    """Make the tree and make it the root of this process.  Raises OSError."""
    root = plan.state / "root"
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", root, "tmpfs", data="mode=755,size=256m")
    _bind_host(root)
    _make_etc(plan, node, root)
    _make_sbin(root, launchers)
    _bind_own(plan, node, root)
    _bind_program(root)
    _make_dev(root, loop_device)
    _mount_kernel(root)
    old = root / "host"
    old.mkdir()
    kernel.pivot_root(root, old)
    os.chdir("/")
    kernel.unmount("/host", kernel.MNT_DETACH)
    Path("/host").rmdir()


def _bind_host(root: Path) -> None:
    for entry in sorted(Path("/").iterdir()):
        target = root / entry.name
        if entry.name in _OWN or entry.name.startswith("."):
            continue
        if entry.is_symlink():
            target.symlink_to(os.readlink(entry))
        elif entry.is_dir():
            target.mkdir()
            kernel.mount(entry, target, flags=MS_BIND | MS_REC)
            with contextlib.suppress(OSError):  # before Linux 5.12: writable, still private names
                kernel.make_read_only(target)


def _make_etc(plan: LabPlan, node: NodePlan, root: Path) -> None:
    etc = root / "etc"
    etc.mkdir()
    for name in _ETC:
        source = Path("/etc") / name
        with contextlib.suppress(OSError, shutil.Error):  # what we may not read, a node can miss
            if source.is_dir():
                shutil.copytree(source, etc / name, symlinks=True, ignore_dangling_symlinks=True)
            elif source.exists():
                shutil.copy2(source, etc / name)
    (etc / "mtab").symlink_to("/proc/self/mounts")
    (etc / "hostname").write_text(f"{node.name}\n")
    hosts = ["127.0.0.1 localhost", *(f"{n.service_address} {n.name}" for n in plan.nodes)]
    (etc / "hosts").write_text("\n".join(hosts) + "\n")
    config = plan.disk(node.name) / "etc/ha.d"
    (etc / "ha.d").mkdir()
    kernel.mount(config, etc / "ha.d", flags=MS_BIND)


def _make_sbin(root: Path, launchers: Path) -> None:
    """/sbin first has our stand-ins and launchers, then links to the host's programs."""
    sbin = root / "sbin"
    sbin.mkdir()
    for entry in sorted(launchers.iterdir()):
        shutil.copy2(entry, sbin / entry.name)
    host = Path(os.path.realpath("/sbin"))
    if host == Path("/sbin"):
        shadow = root / "host-sbin"
        shadow.mkdir()
        kernel.mount("/sbin", shadow, flags=MS_BIND)
        visible = Path("/host-sbin")
    else:
        visible = host
    for entry in sorted(host.iterdir()):
        if not (sbin / entry.name).exists():
            (sbin / entry.name).symlink_to(visible / entry.name)


def _bind_own(plan: LabPlan, node: NodePlan, root: Path) -> None:
    for name, mode in (("run", 0o755), ("tmp", 0o1777), ("data", 0o755), ("lab", 0o755)):
        (root / name).mkdir()
        (root / name).chmod(mode)
    (root / "run/lock").mkdir()
    (root / "var").mkdir()
    kernel.mount(plan.disk(node.name) / "var", root / "var", flags=MS_BIND)
    kernel.mount(plan.shared, root / "lab", flags=MS_BIND)


def _bind_program(root: Path) -> None:
    """Our own code and its Python, where they lie below a directory that is private here."""
    for place in sorted({REPOSITORY, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}):
        if place.parts[1] in _OWN and not (root / place.relative_to("/") / ".").exists():
            target = root / place.relative_to("/")
            target.mkdir(parents=True)
            kernel.mount(place, target, flags=MS_BIND | MS_REC)
            with contextlib.suppress(OSError):  # before Linux 5.12
                kernel.make_read_only(target)


def _make_dev(root: Path, loop_device: str | None) -> None:
    dev = root / "dev"
    dev.mkdir()
    kernel.mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755,size=1m")
    for name in _DEVICES:
        (dev / name).touch()
        kernel.mount(Path("/dev") / name, dev / name, flags=MS_BIND)
    for name, target in (("fd", "self/fd"), ("stdin", "self/fd/0"), ("stdout", "self/fd/1")):
        (dev / name).symlink_to(f"/proc/{target}")
    (dev / "stderr").symlink_to("/proc/self/fd/2")
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620"),
        ("shm", "tmpfs", "mode=1777,size=16m"),
        ("mqueue", "mqueue", ""),
    ):
        (dev / name).mkdir()
        with contextlib.suppress(OSError):  # comfort only: terminals and shared memory
            kernel.mount(kind, dev / name, kind, MS_NOSUID | MS_NOEXEC, options)
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / DISK_DEVICE).touch()
    if loop_device is not None:
        _present_disk(dev / DISK_DEVICE, loop_device)
    else:
        _pretend_disk(dev / DISK_DEVICE)


def _present_disk(place: Path, loop_device: str) -> None:
    """Under the name the configuration uses; a bind mount where device nodes are not allowed."""
    number = os.stat(loop_device).st_rdev
    place.unlink()
    try:
        os.mknod(place, stat.S_IFBLK | 0o660, number)
    except PermissionError:
        place.touch()
        kernel.mount(loop_device, place, flags=MS_BIND)


def _pretend_disk(place: Path) -> None:
    """Without root: an unused loop device, which is a block device to look at and holds nothing."""
    for entry in sorted(Path("/sys/block").glob("loop*"), reverse=True):
        device = Path("/dev") / entry.name
        if device.exists() and (entry / "size").read_text().strip() == "0":
            kernel.mount(device, place, flags=MS_BIND)
            return


def _mount_kernel(root: Path) -> None:
    (root / "proc").mkdir()
    kernel.mount("proc", root / "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    (root / "sys").mkdir()
    try:
        kernel.mount("sysfs", root / "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:  # some containers hide parts of /sys; the host's view must do then
        kernel.mount("/sys", root / "sys", flags=MS_BIND | MS_REC)
