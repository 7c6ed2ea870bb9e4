"""The lock area on a shared block device or file: opened, prepared, read and written.

Reads and writes are direct and synchronous where the file system can do that, so that another
node's slot comes from the disk and not from a cache.  Every call may hang as long as the disk does:
only `lock_keeper.py`'s thread makes them.  Format: `crmd/fencing/lock_slot.py`.
"""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path

from crmd.fencing import lock_slot
from crmd.fencing.lock_slot import AREA_BYTES, BLOCK, Slot, SlotError


class AreaError(Exception):
    """The area cannot be used; the text says why, and what to do."""


class LockArea:
    """An area of three blocks: header, and one slot for each of two nodes.

    A block of zeros where the header belongs is made an area; anything else that is not ours is
    left alone and refused.
    """

    def __init__(self, path: Path, cluster: tuple[str, str], node: str) -> None:
        self.path = path
        self.cluster = (min(cluster), max(cluster))
        self.index = self.cluster.index(node)
        self._descriptor = -1
        self._buffer = mmap.mmap(-1, BLOCK)

    def open(self) -> None:
        """Open, and prepare an empty area.  Raises AreaError."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_DSYNC
        try:
            try:
                self._descriptor = os.open(self.path, flags | os.O_DIRECT)
                self._read(0)
            except OSError as error:
                if self._descriptor < 0 and not self.path.exists():
                    raise error from None
                self.close()
                self._descriptor = os.open(self.path, flags)
            self._check()
        except OSError as error:
            self.close()
            raise AreaError(f"{self.path}: {error.strerror}{_remedy(error)}") from None
        except AreaError:
            self.close()
            raise

    def _check(self) -> None:
        mode = os.fstat(self._descriptor).st_mode
        if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
            raise AreaError(f"{self.path}: neither a block device nor a file")
        if os.lseek(self._descriptor, 0, os.SEEK_END) < AREA_BYTES:
            raise AreaError(
                f"{self.path}: smaller than {AREA_BYTES} bytes; for a file: "
                f"dd if=/dev/zero of={self.path} bs={BLOCK} count={lock_slot.MAX_NODES + 1}"
            )
        wanted = lock_slot.header(self.cluster)
        found = self._read(0)
        if not found.strip(b"\0"):
            if any(self._read(number).strip(b"\0") for number in range(1, 1 + len(self.cluster))):
                raise AreaError(f"{self.path}: not empty and no lock area: refused")
            self._write(0, wanted)
        elif not found.startswith(lock_slot.MAGIC):
            raise AreaError(
                f"{self.path}: holds something else and is left alone; give another device, or "
                f"clear it: dd if=/dev/zero of={self.path} bs={BLOCK} count=3 conv=notrunc"
            )
        elif found != wanted:
            raise AreaError(f"{self.path}: belongs to other nodes than {' '.join(self.cluster)}")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def cycle(self, slot: Slot | None) -> tuple[Slot | None, Slot | None]:
        """Write our slot (None: nothing), then read ours and the peer's.  Raises AreaError."""
        try:
            if slot is not None:
                self._write(1 + self.index, lock_slot.encode(slot))
            own = lock_slot.decode(self._read(1 + self.index))
            peer = lock_slot.decode(self._read(2 - self.index))
        except OSError as error:
            raise AreaError(f"{self.path}: {error.strerror}") from None
        except SlotError as error:
            raise AreaError(f"{self.path}: {error}") from None
        return own, peer

    def _read(self, block: int) -> bytes:
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        count = os.preadv(self._descriptor, [self._buffer], block * BLOCK)
        if count != BLOCK:
            return self._buffer[:count].ljust(BLOCK, b"\0")
        return self._buffer[:]

    def _write(self, block: int, data: bytes) -> None:
        self._buffer[:] = data
        if os.pwritev(self._descriptor, [self._buffer], block * BLOCK) != BLOCK:
            raise AreaError(f"{self.path}: a block was written in part")


def _remedy(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "; a shared block device, or a file on a file system that both nodes have mounted"
    return ""
