"""System calls the lab needs and Python 3.11 does not offer: namespaces, mounts, loop devices.

Thin wrappers: each raises OSError naming the call and its object.  Constants are those of the
kernel's headers (man pages unshare(2), setns(2), mount(2), pivot_root(2), loop(4)).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_SYS_MOUNT_SETATTR = 442
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100
_MOUNT_ATTR_RDONLY = 1

_LOOP_CONFIGURE = 0x4C0A
_LOOP_CTL_GET_FREE = 0x4C82
_LO_FLAGS_AUTOCLEAR = 4
_LOOP_CONFIG_SIZE = 304
_LOOP_INFO_FLAGS_AT = 8 + 52

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def unshare(flags: int) -> None:
    """Move this process (its children, for CLONE_NEWPID) into new namespaces."""
    _check(_libc.unshare(flags), f"unshare 0x{flags:x}")


def setns(fd: int, kind: int = 0) -> None:
    """Enter the namespace that `fd` (of /proc/PID/ns/*) stands for."""
    _check(_libc.setns(fd, kind), "setns")


def mount(
    source: str | Path, target: str | Path, fstype: str = "none", flags: int = 0, data: str = ""
) -> None:
    """mount(2)."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        fstype.encode(),
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {source} on {target} type {fstype}")


def unmount(target: str | Path, flags: int = 0) -> None:
    """umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def pivot_root(new_root: str | Path, put_old: str | Path) -> None:
    """pivot_root(2)."""
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, f"pivot_root: unknown machine type {os.uname().machine}")
    result = _libc.syscall(number, os.fsencode(new_root), os.fsencode(put_old))
    _check(result, f"pivot_root {new_root}")


def make_read_only(tree: str | Path) -> None:
    """All mounts at and below `tree` become read-only (Linux 5.12)."""
    attr = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        os.fsencode(tree),
        ctypes.c_uint(_AT_RECURSIVE),
        attr,
        ctypes.c_size_t(len(attr)),
    )
    _check(result, f"mount_setattr {tree}")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send us `signal_number` when our parent ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def set_name(name: str) -> None:
    """Name of this process in `ps -e`."""
    _check(_libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0), "prctl")


def attach_loop(image: Path) -> tuple[str, int]:
    """Present a file as a block device; returns its path and an open descriptor.

    The kernel frees the device by itself when the descriptor is closed and nothing mounts it.
    """
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(16):
            device = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
            fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            config = bytearray(_LOOP_CONFIG_SIZE)
            struct.pack_into("II", config, 0, backing, 0)
            struct.pack_into("I", config, _LOOP_INFO_FLAGS_AT, _LO_FLAGS_AUTOCLEAR)
            try:
                fcntl.ioctl(fd, _LOOP_CONFIGURE, bytes(config))
            except OSError as e:
                os.close(fd)
                if e.errno != 16:  # EBUSY: another took it meanwhile
                    raise
            else:
                return device, fd
        raise OSError(16, "no free loop device after 16 tries")
    finally:
        os.close(control)
        os.close(backing)
