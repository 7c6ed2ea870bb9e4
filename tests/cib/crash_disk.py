"""A disk that can crash: the model behind the exploration of `cib.store`.

Data of a file is safe after `write_durably`, names after `sync_directory`.  A crash keeps, of the
names changed since, either an ordered prefix or any subset, and of unsynced data all or nothing.
`states` enumerates every directory a crash at this moment may leave.
"""

from __future__ import annotations

import errno
import itertools
from dataclasses import dataclass, field


@dataclass(eq=False)
class Inode:
    data: bytes = b""
    safe: bytes | None = b""

    def outcomes(self):
        return (self.data,) if self.safe == self.data else (self.data, self.safe)


class Crash(Exception):
    """The power went."""


@dataclass
class CrashDisk:
    """`cib.store.Files` with a budget: the operation after `steps_left` crashes."""

    steps_left: int | None = None
    names_now: dict[str, Inode] = field(default_factory=dict)
    names_safe: dict[str, Inode] = field(default_factory=dict)
    pending: list[tuple[str, str | None, Inode | None]] = field(default_factory=list)
    room: int = 10**9
    fail_with: int | None = None

    def _step(self):
        if self.fail_with is not None:
            raise OSError(self.fail_with, "simulated")
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise Crash
            self.steps_left -= 1

    def _change(self, gone, name, inode):
        self.pending.append((gone, name, inode))
        self._apply(self.names_now, gone, name, inode)

    @staticmethod
    def _apply(names, gone, name, inode):
        if gone is not None:
            names.pop(gone, None)
        if name is not None:
            names[name] = inode

    def names(self):
        return sorted(self.names_now)

    def read(self, name):
        inode = self.names_now.get(name)
        return None if inode is None else inode.data

    def size(self, name):
        return len(self.read(name) or b"")

    def free_bytes(self):
        return self.room

    def _put(self, name, data):
        self._step()
        inode = self.names_now.get(name)
        if inode is None:
            inode = Inode()
            self._change(None, name, inode)
        inode.data = data

    def write(self, name, data):
        self._put(name, data)

    def write_durably(self, name, data):
        self._put(name, data[: len(data) // 2])
        self._put(name, data)
        self._step()
        self.names_now[name].safe = data

    def link(self, old, new):
        self._step()
        if new in self.names_now:
            raise FileExistsError(errno.EEXIST, "exists", new)
        self._change(None, new, self.names_now[old])

    def rename(self, old, new):
        self._step()
        self._change(old, new, self.names_now[old])

    def unlink(self, name):
        self._step()
        if name in self.names_now:
            self._change(name, None, None)

    def sync_directory(self):
        self._step()
        self.names_safe = dict(self.names_now)
        self.pending.clear()

    def states(self, *, any_subset):
        """Every disk that may be found after a crash right now."""
        count = len(self.pending)
        if any_subset:
            kept = itertools.chain.from_iterable(
                itertools.combinations(range(count), n) for n in range(count + 1)
            )
        else:
            kept = (range(n) for n in range(count + 1))
        for chosen in kept:
            names = dict(self.names_safe)
            for index in chosen:
                self._apply(names, *self.pending[index])
            inodes = sorted({id(i): i for i in names.values()}.values(), key=lambda i: i.data)
            for outcome in itertools.product(*(i.outcomes() for i in inodes)):
                fresh = {id(i): Inode(d, d) for i, d in zip(inodes, outcome, strict=True)}
                now = {name: fresh[id(inode)] for name, inode in names.items()}
                yield CrashDisk(names_now=dict(now), names_safe=dict(now))
