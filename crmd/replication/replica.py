"""One node's copy of the CIB, and how changes of the DC are applied to it.

Every change names the version it starts from; one that does not fit is refused (`Mismatch`) and the
node asks for the whole document.  It does not decide who may change what, nor when a change is safe
(`writer.py`).  Facts: reliability.md I9, I10 and section 5.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cib import document
from cib import patch as patching
from crmd.replication.status import Change, apply_changes, section
from crmd.replication.version import Tree, Version, set_version, version_of

CAUSES_KEPT = 500
"""Client requests whose effect is remembered; the oldest is forgotten."""


class Mismatch(Exception):
    """A change does not fit this copy; the text says which version was expected."""


def parse(data: bytes | str) -> Tree:
    """The CIB in `data`, without layout. Raises ValueError: not XML, or not a `<cib>`."""
    root = document.parse(data, "CIB")
    if root.tag != "cib":
        raise ValueError(f"document element is <{root.tag}>, not <cib>")
    return root


def digest_of(root: Tree) -> str:
    """Fingerprint of a document's content."""
    return hashlib.md5(document.compact(root), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Replica:
    """The document, its rank, and which client requests are part of it."""

    root: Tree = field(default_factory=lambda: document.empty(version=Version(0, 0, 0)))
    rank: int = 0
    causes: OrderedDict[str, None] = field(default_factory=OrderedDict)

    @property
    def version(self) -> Version:
        """Version of the document."""
        return version_of(self.root)

    @property
    def lineage(self) -> tuple[int, int, int, int]:
        """What this copy is worth against another node's."""
        v = self.version
        return (self.rank, v.admin_epoch, v.epoch, v.num_updates)

    def digest(self) -> str:
        """Fingerprint of the whole document."""
        return digest_of(self.root)

    def configuration_digest(self) -> str:
        """Fingerprint of the configuration alone."""
        return digest_of(section(self.root, "configuration"))

    def to_bytes(self) -> bytes:
        """The whole document as text."""
        return document.compact(self.root)

    def to_disk(self) -> bytes:
        """The document as it is stored: without status, `num_updates` 0."""
        status = section(self.root, "status")
        kept = list(status)
        version = self.version
        try:
            for child in kept:
                status.remove(child)
            set_version(self.root, Version(version.admin_epoch, version.epoch, 0))
            return document.compact(self.root)
        finally:
            status.extend(kept)
            set_version(self.root, version)

    def adopt(self, root: Tree, rank: int, causes: Sequence[str]) -> None:
        """Take another node's document, and its word for which requests are part of it.

        What ours had is not in there: such a request has to be made again.
        """
        self.causes.clear()
        self.replace(root, rank, causes)

    def replace(self, root: Tree, rank: int, causes: Sequence[str] = ()) -> None:
        """A new state of the document; `causes` are in it besides those we know."""
        self.root, self.rank = root, rank
        for cause in causes:
            self.note_cause(cause)

    def note_cause(self, cause: str) -> None:
        """Remember that a client's request is part of the document."""
        if cause:
            self.causes[cause] = None
            self.causes.move_to_end(cause)
            while len(self.causes) > CAUSES_KEPT:
                self.causes.popitem(last=False)

    # --- changes ----------------------------------------------------------------------------

    def update(self, base: Version, version: Version, changes: Sequence[Change]) -> None:
        """Apply changes of the status section. Raises Mismatch."""
        if self.version != base:
            raise Mismatch(f"update from {base} does not fit {self.version}")
        try:
            apply_changes(self.root, changes)
        except ValueError as e:
            raise Mismatch(str(e)) from e
        set_version(self.root, version)

    def patch(self, base: Version, patch: str, digest: str, rank: int, cause: str) -> None:
        """Apply a change of the configuration. Raises Mismatch, and then nothing is changed."""
        if self.version != base:
            raise Mismatch(f"patch from {base} does not fit {self.version}")
        root = apply_patch(self.root, patch)
        if (found := digest_of(root)) != digest:
            raise Mismatch(f"patch gives digest {found}, not {digest}")
        self.root, self.rank = root, rank
        self.note_cause(cause)


def make_patch(old: Tree, new: Tree) -> str:
    """What turns `old` into `new`, as text."""
    diff = patching.make(old, new, with_digest=False)
    return "" if diff is None else document.compact(diff).decode()


def apply_patch(root: Tree, patch: str) -> Tree:
    """A new document. Raises Mismatch."""
    try:
        return patching.apply(document.parse(patch, "patch"), root)
    except (document.DocumentError, patching.PatchError) as e:
        raise Mismatch(str(e)) from e
