"""The CIB on disk: durable commits, recovery to the newest good generation, backups.

A `Store` works on one directory through a `Files` object (`cib.files` has the real one), so that
every crash can be enumerated in a test.  It blocks: daemons call it outside their event loop.
It does not decide when to commit, nor retry: `retry_delay_s` says how long to wait.

Protocol and file names: reliability.md section 5.  The order is the whole point:

1. what is there must match its digest; a person's edit is kept aside, never used, never lost;
2. hard-link the live pair to the next backup `cib-N.raw[.sig]`;
3. write the new document and its digest (`cib.xml.sig.next`) durably, read them back, sync the
   directory;
4. rename the document into place, sync the directory: **committed, acknowledge now**;
5. rename the digest into place, sync the directory, before the next commit starts.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lxml import etree

from cib import digest, document
from cib.document import DocumentError, Version

LIVE, SIG, SIG_NEXT, LAST = "cib.xml", "cib.xml.sig", "cib.xml.sig.next", "cib.last"
TEMPORARY = "cib.tmp.new"
FREE_MARGIN = 1024 * 1024

_BACKUP = re.compile(r"cib-([0-9]+)\.raw\Z")


class Files(Protocol):
    """One directory.  Every method may raise OSError; names have no slashes."""

    def names(self) -> list[str]:
        """All files, sorted."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content, or None if there is no such file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Create or overwrite a file; nothing is promised about a crash."""
        ...

    def write_durably(self, name: str, data: bytes) -> None:
        """Create or overwrite a file; its data (not its name) survives a crash from now on."""
        ...

    def link(self, old: str, new: str) -> None:
        """A second name for a file."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Another name for a file, in one step; what had that name is gone."""
        ...

    def unlink(self, name: str) -> None:
        """Remove a name; fine if it is not there."""
        ...

    def sync_directory(self) -> None:
        """All changes of names survive a crash from now on."""
        ...

    def size(self, name: str) -> int:
        """Bytes of a file, 0 if there is none."""
        ...

    def free_bytes(self) -> int:
        """Room on the file system."""
        ...


class Trouble(Enum):
    """Why a commit failed."""

    FULL = "full"
    IO = "io"
    VERIFY = "verify"


class StoreError(Exception):
    """A commit failed; the document before it is still safe.  The caller retries."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble


class Source(Enum):
    """Where a loaded document came from."""

    LIVE = "live"
    BACKUP = "backup"
    NEW = "new"
    """The directory held no CIB at all: a new node."""
    LOST = "lost"
    """There was one, but nothing of it is good any more: do not fence, do not become DC."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document from disk, where it came from, and one line per thing worth telling."""

    root: etree._Element
    source: Source
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the backups; the oldest go first."""

    backups: int = 100
    backup_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit that is durable; `notes` are for people (an edited file that was kept aside)."""

    version: Version
    notes: tuple[str, ...] = ()


def retry_delay_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4, ... at most 60."""
    return float(min(60, 2 ** min(max(failures - 1, 0), 6)))


class Store:
    """The CIB directory of one node; one owner, one commit at a time."""

    def __init__(self, files: Files, limits: Limits | None = None) -> None:
        self._files = files
        self._limits = limits or Limits()
        self._unfinished = True

    # Committing

    def commit(self, root: etree._Element, now_s: float) -> Committed:
        """Make a document durable (steps 1 to 4); call `finish` afterwards when idle.

        Raises StoreError; then the document before is still what a restart would load.
        """
        data = document.to_bytes(root)
        try:
            return self._commit(root, data, now_s)
        except OSError as problem:
            full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
            raise StoreError(
                Trouble.FULL if full else Trouble.IO,
                f"{LIVE}: {len(data)} bytes not written: {problem.strerror or problem}",
            ) from problem

    def _commit(self, root: etree._Element, data: bytes, now_s: float) -> Committed:
        needed = 2 * len(data) + FREE_MARGIN
        if self._files.free_bytes() < needed:
            self._shrink_backups(0)
            if self._files.free_bytes() < needed:
                raise StoreError(
                    Trouble.FULL,
                    f"{LIVE}: {self._files.free_bytes()} bytes free, {needed} wanted; make room",
                )
        self.finish()
        notes = self._keep_edit_aside(now_s)
        if not notes:
            self._back_up()
        signature = digest.on_disk(root).encode()
        self._files.write_durably(TEMPORARY, data)
        self._files.write_durably(SIG_NEXT, signature)
        if self._files.read(TEMPORARY) != data or self._files.read(SIG_NEXT) != signature:
            raise StoreError(Trouble.VERIFY, f"{TEMPORARY}: what was written does not read back")
        self._files.sync_directory()
        self._unfinished = True
        self._files.rename(TEMPORARY, LIVE)
        self._files.sync_directory()
        return Committed(document.version_of(root), notes)

    def finish(self) -> None:
        """Step 5 of the last commit, if it is still to do; raises OSError."""
        if not self._unfinished:
            return
        next_signature = self._files.read(SIG_NEXT)
        if next_signature is not None:
            live = self._good(self._files.read(LIVE), next_signature)
            if live is not None:
                self._files.rename(SIG_NEXT, SIG)
                self._files.sync_directory()
        self._unfinished = False

    def _keep_edit_aside(self, now_s: float) -> tuple[str, ...]:
        live = self._files.read(LIVE)
        if live is None or self._good(live, self._files.read(SIG)) is not None:
            return ()
        aside = self._free_name(f"{LIVE}.edited-{int(now_s)}")
        self._files.link(LIVE, aside)
        return (
            f"{LIVE} was changed by somebody else; not used, kept as {aside}: "
            "load it with cibadmin --replace --xml-file if it is wanted",
        )

    def _free_name(self, wanted: str) -> str:
        taken, name, number = set(self._files.names()), wanted, 0
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        return name

    # Backups

    def _back_up(self) -> None:
        if self._files.read(LIVE) is None:
            return
        last = self._files.read(LAST)
        text = last.decode("ascii", "replace").strip() if last else ""
        numbers = self._backup_numbers()
        number = int(text) if text.isdigit() else (numbers[-1] if numbers else -1)
        number = (number + 1) % self._limits.backups
        self._drop_backup(number)
        self._shrink_backups(self._files.size(LIVE))
        self._files.link(LIVE, f"cib-{number}.raw")
        if self._files.read(SIG) is not None:
            self._files.link(SIG, f"cib-{number}.raw.sig")
        self._files.write(LAST, str(number).encode())

    def _backup_numbers(self) -> list[int]:
        found = (_BACKUP.match(name) for name in self._files.names())
        return sorted(int(m[1]) for m in found if m)

    def _drop_backup(self, number: int) -> None:
        self._files.unlink(f"cib-{number}.raw")
        self._files.unlink(f"cib-{number}.raw.sig")

    def _shrink_backups(self, coming: int) -> None:
        """Drop the oldest backups until count and bytes, with `coming` more, are in bounds."""
        numbers = self._backup_numbers()
        if not numbers:
            return
        last = self._files.read(LAST)
        text = last.decode("ascii", "replace").strip() if last else ""
        newest = int(text) if text.isdigit() else numbers[-1]
        by_age = [n for n in numbers if n > newest] + [n for n in numbers if n <= newest]
        sizes = {n: self._files.size(f"cib-{n}.raw") for n in numbers}
        total = sum(sizes.values()) + coming
        while len(by_age) > 1 and (
            total > self._limits.backup_bytes or len(by_age) >= self._limits.backups
        ):
            oldest = by_age.pop(0)
            total -= sizes[oldest]
            self._drop_backup(oldest)

    # Loading

    def load(self) -> Loaded:
        """The newest good document; sets what is not good aside and finishes a broken-off commit.

        Raises OSError if the directory cannot be read or written at all.
        """
        names = self._files.names()
        live = self._files.read(LIVE)
        for signature in (self._files.read(SIG), self._files.read(SIG_NEXT)):
            root = self._good(live, signature)
            if root is not None:
                self._unfinished = True
                self.finish()
                self._files.unlink(TEMPORARY)
                return Loaded(root, Source.LIVE)
        notes = self._set_aside() if live is not None else []
        backup = self._newest_backup()
        if backup is not None:
            number, root = backup
            version = document.version_of(root)
            notes.append(f"recovered version {version} from backup cib-{number}.raw")
            return Loaded(root, Source.BACKUP, tuple(notes))
        known = [n for n in names if n in (LIVE, SIG) or _BACKUP.match(n)]
        if not known:
            return Loaded(document.empty(version=Version(0, 0, 0)), Source.NEW)
        notes.append(
            "no good CIB and no good backup: starting empty, waiting for a synchronisation"
        )
        return Loaded(document.empty(version=Version(0, 0, 0)), Source.LOST, tuple(notes))

    def _good(self, data: bytes | None, signature: bytes | None) -> etree._Element | None:
        """The document, if it parses, is a CIB and has this digest."""
        if data is None or signature is None:
            return None
        try:
            root = document.parse(data, LIVE)
        except DocumentError:
            return None
        wanted = signature.decode("ascii", "replace").strip()
        return root if root.tag == "cib" and digest.on_disk(root) == wanted else None

    def _set_aside(self) -> list[str]:
        aside = self._free_name("cib.auto.000000")
        self._files.rename(LIVE, aside)
        if self._files.read(SIG) is not None:
            self._files.rename(SIG, f"{aside}.sig")
        self._files.sync_directory()
        return [f"{LIVE} does not match its digest; kept as {aside}"]

    def _newest_backup(self) -> tuple[int, etree._Element] | None:
        best: tuple[int, etree._Element] | None = None
        for number in self._backup_numbers():
            data = self._files.read(f"cib-{number}.raw")
            root = self._good(data, self._files.read(f"cib-{number}.raw.sig"))
            if root is None:
                continue
            if best is None or document.version_of(root) > document.version_of(best[1]):
                best = (number, root)
        return best
