"""What is mounted, and which processes use it, read from /proc.

Facts: proc(5) on mountinfo; ocf.md 12.3 (only the directory is compared, links resolved).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line of mountinfo; `device` is major:minor, `inner` the mounted path inside it."""

    device: str
    inner: str
    directory: str
    options: str
    fstype: str
    source: str


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda m: chr(int(m[1], 8)), text)


def parse_mountinfo(text: str) -> list[Mount]:
    """Mounts in order; lines of another form are skipped."""
    out = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if dash and len(before) >= 6 and len(after) >= 2:
            out.append(
                Mount(
                    before[2],
                    _plain(before[3]),
                    _plain(before[4]),
                    before[5],
                    after[0],
                    _plain(after[1]),
                )
            )
    return out


def mounts() -> list[Mount]:
    """What is mounted in our mount namespace."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        return parse_mountinfo(f.read())


def canonical(directory: str) -> str:
    """The directory with links resolved and trailing slashes dropped."""
    return os.path.realpath(directory)


def mounted_at(directory: str, table: list[Mount]) -> Mount | None:
    """The topmost mount at a canonical directory, or None."""
    return next((m for m in reversed(table) if m.directory == directory), None)


def mounted_below(directory: str, table: list[Mount]) -> list[Mount]:
    """Mounts below a directory, deepest first."""
    found = [m for m in table if m.directory.startswith(directory.rstrip("/") + "/")]
    return sorted(reversed(found), key=lambda m: -m.directory.count("/"))


def users_of(directory: str, whole_filesystem: bool) -> list[int]:
    """Processes that use a mount: by open file, directory, program or mapped file.

    With `whole_filesystem` whatever lies on the same file system counts, else what is below the
    directory in our own mount namespace.  Ourselves, our ancestors and PID 1 are left out.
    """
    wanted = os.stat(directory).st_dev if whole_filesystem else 0
    ours = _ancestors()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in ours:
            if whole_filesystem:
                is_user = _uses_device(name, wanted)
            else:
                is_user = _uses_path(name, directory)
            if is_user:
                found.append(int(name))
    return sorted(found)


def _ancestors() -> set[int]:
    pid, out = os.getpid(), {1}
    while pid > 1 and pid not in out:
        out.add(pid)
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                pid = int(f.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            break
    return out


def _links(pid: str) -> Iterator[str]:
    yield from (f"/proc/{pid}/cwd", f"/proc/{pid}/root", f"/proc/{pid}/exe")
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            yield f"/proc/{pid}/fd/{fd}"
    except OSError:
        return


def _mapped(pid: str) -> Iterator[tuple[int, str]]:
    """(device number, path) of each mapped file."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as f:
            for line in f:
                words = line.split(None, 5)
                if len(words) == 6 and words[4] != "0":
                    major, _, minor = words[3].partition(":")
                    yield os.makedev(int(major, 16), int(minor, 16)), words[5].rstrip("\n")
    except OSError:
        return


def _uses_device(pid: str, device: int) -> bool:
    for link in _links(pid):
        try:
            if os.stat(link).st_dev == device:
                return True
        except OSError:
            continue
    return any(its_device == device for its_device, _ in _mapped(pid))


def _uses_path(pid: str, directory: str) -> bool:
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
            return False
    except OSError:
        return False
    below = directory.rstrip("/") + "/"
    for link in _links(pid):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target == directory or target.startswith(below):
            return True
    return any(path.startswith(below) for _, path in _mapped(pid))
