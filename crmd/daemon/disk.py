"""The controller's durable things, off the loop: the CIB and its round, losing versions, memory.

The protocol on disk is `cib.store`'s; here is only the thread it runs in.

Commits run in one thread, newest first: a commit that arrives while another is written stands for
the older ones that still wait, and all of them are answered.  No decision here: what to do about
a failed commit is the controller's matter.  Facts: reliability.md section 5.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cib import document
from cib.files import Directory
from cib.store import Source, Store, StoreError
from crmd.daemon.paths import Paths
from crmd.membership.pledge import Pledge

RANK_FILE = "cib.rank"
MEMORY_FILE = "crmd-memory.json"
MEMORY_LIMIT = 256
LOSING_KEPT = 20


@dataclass(frozen=True, slots=True)
class Found:
    """The newest good document on disk (None: none at all), and what a person should know."""

    cib: bytes | None
    notes: tuple[str, ...] = ()


class Keeper(Protocol):
    """Where documents are made durable; blocking."""

    def write(self, cib: bytes) -> tuple[str, ...]:
        """Returns sentences for people.  Raises OSError, StoreError or DocumentError."""
        ...

    def finish(self) -> None:
        """What may be done after the answer.  Raises OSError."""
        ...


class CibStore:
    """The node's CIB directory."""

    def __init__(self, paths: Paths) -> None:
        self._store = Store(Directory(paths.cib))

    def load(self) -> Found:
        """At start.  Raises OSError."""
        loaded = self._store.load()
        if loaded.source in (Source.NEW, Source.LOST):
            return Found(None, loaded.notes)
        return Found(document.to_bytes(loaded.root), loaded.notes)

    def write(self, cib: bytes) -> tuple[str, ...]:
        return self._store.commit(document.parse(cib, "CIB to commit"), time.time()).notes

    def finish(self) -> None:
        self._store.finish()


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Temporary file, fsync, rename, fsync of the directory.  Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(fresh, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_rank(paths: Paths) -> tuple[int, Pledge]:
    """Rank and pledge stored beside the document; zeros when there is none or it cannot be read."""
    try:
        rank, round_, *node = (paths.cib / RANK_FILE).read_text("utf-8").split()
        return max(0, int(rank)), Pledge(max(0, int(round_)), node[0] if node else "")
    except (OSError, ValueError):
        return 0, Pledge()


class Committer:
    """`on_done(token, ok, error)` is called in the loop, `on_note(text)` too.

    Run `work()` as a task.
    """

    def __init__(
        self,
        paths: Paths,
        keeper: Keeper,
        on_done: Callable[[int, bool, str], None],
        on_note: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self._keeper = keeper
        self._on_done = on_done
        self._on_note = on_note
        self._waiting: list[tuple[int, bytes, int, Pledge]] = []
        self._arrived = asyncio.Event()

    def commit(self, token: int, cib: bytes, rank: int, pledge: Pledge) -> None:
        """Ask for one."""
        self._waiting.append((token, cib, rank, pledge))
        self._arrived.set()

    async def work(self) -> None:
        """Until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            _, cib, rank, pledge = batch[-1]
            error, notes = await asyncio.to_thread(self._store, cib, rank, pledge)
            for note in notes:
                self._on_note(note)
            for token, *_ in batch:
                self._on_done(token, not error, error)
            if not error:
                await asyncio.to_thread(self._finish)

    def _store(self, cib: bytes, rank: int, pledge: Pledge) -> tuple[str, tuple[str, ...]]:
        """In a thread: document, then rank and pledge.  One line of error (or none), and notes."""
        try:
            notes = self._keeper.write(cib)
            words = f"{rank} {pledge.round} {pledge.node}\n"
            write_durably(self._paths.cib / RANK_FILE, words.encode())
        except (OSError, StoreError, document.DocumentError) as e:
            return str(e) or type(e).__name__, ()
        return "", notes

    def _finish(self) -> None:
        with contextlib.suppress(OSError):  # the next commit does it, or says why not
            self._keeper.finish()


class Memory:
    """Values that live until the node reboots; small, on a tmpfs, written at once."""

    def __init__(self, paths: Paths, life: str) -> None:
        self._path = paths.run / MEMORY_FILE
        self._life = life
        self.values: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            data: dict[str, Any] = json.loads(self._path.read_text())
            if data["life"] == life:
                self.values = {str(k): str(v) for k, v in data["values"].items()}

    def remember(self, name: str, value: str) -> None:
        """Keep a value; the oldest go beyond MEMORY_LIMIT.  A full disk loses it silently only
        for the next start: the controller then behaves as after a reboot."""
        self.values.pop(name, None)
        self.values[name] = value
        while len(self.values) > MEMORY_LIMIT:
            del self.values[next(iter(self.values))]
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "w") as f:
                json.dump({"life": self._life, "values": self.values}, f)
            os.replace(fresh, self._path)


def keep_losing(paths: Paths, cib: bytes) -> Path:
    """Save a document that lost against another, for a person.  Raises OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = paths.cib / f"cib-lost-{stamp}-{os.getpid()}.xml"
    write_durably(path, cib)
    kept = sorted(paths.cib.glob("cib-lost-*.xml"))
    for old in kept[:-LOSING_KEPT]:
        old.unlink(missing_ok=True)
    return path
