"""The real directory behind `cib.store`: plain system calls, every one of them checked.

Facts: reliability.md section 5 (modes, syncs; never sync a descriptor again after it failed).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

FILE_MODE = 0o600


class Directory:
    """One directory on a file system (`cib.store.Files`); files are created with mode 0600.

    `owner` is (uid, gid) for new files; None leaves them to the process.
    """

    def __init__(self, path: Path, owner: tuple[int, int] | None = None) -> None:
        self.path = path
        self._owner = owner

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(entry.name for entry in os.scandir(self.path) if entry.is_file())

    def read(self, name: str) -> bytes | None:
        """The content, or None if there is no such file."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Create or overwrite a file, unsynced."""
        self._write(name, data, sync=False)

    def write_durably(self, name: str, data: bytes) -> None:
        """Create or overwrite a file and sync its data."""
        self._write(name, data, sync=True)

    def _write(self, name: str, data: bytes, *, sync: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path / name, flags, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)
            if self._owner is not None:
                os.fchown(descriptor, *self._owner)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def link(self, old: str, new: str) -> None:
        """A second name; a copy where the file system has no hard links."""
        try:
            os.link(self.path / old, self.path / new)
        except OSError as problem:
            if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            shutil.copy2(self.path / old, self.path / new)

    def rename(self, old: str, new: str) -> None:
        """Another name, in one step."""
        os.rename(self.path / old, self.path / new)

    def unlink(self, name: str) -> None:
        """Remove a name; fine if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / name)

    def sync_directory(self) -> None:
        """Sync the directory itself."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def size(self, name: str) -> int:
        """Bytes of a file, 0 if there is none."""
        try:
            return (self.path / name).stat().st_size
        except FileNotFoundError:
            return 0

    def free_bytes(self) -> int:
        """Room for this user on the file system."""
        room = os.statvfs(self.path)
        return room.f_bavail * room.f_frsize
