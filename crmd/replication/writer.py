"""The DC's side of replication: the only writer, and the count of who holds what on disk.

Status changes of one step are gathered into one `Update`.  A change of the configuration becomes a
`Patch`; its client is answered when the DC's own commit and the receipts of a majority are in.
It sends nothing itself: it returns values.  Source: reliability.md section 5, I10 to I12.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from crmd.replication.replica import Replica, digest_of, make_patch
from crmd.replication.status import Change, apply_changes
from crmd.replication.version import Tree, Version, made_of, round_of, set_version


@dataclass(frozen=True, slots=True)
class UpdateOut:
    """Status changes to tell the members."""

    base: Version
    version: Version
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class PatchOut:
    """A change of the configuration to tell the members."""

    base: Version
    version: Version
    digest: str
    patch: str
    rank: int
    cause: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A client that is owed an answer once its change is safe."""

    origin: str
    request: int
    configuration: tuple[int, int]
    expires: float
    outcome: object = None


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What a member has on disk: its configuration's version and rank, the round it pledged."""

    version: tuple[int, int]
    rank: int
    pledged: int


NOTHING = OnDisk((-1, -1), 0, 0)


@dataclass(slots=True)
class Writer:
    """Changes the DC's replica and keeps the receipts."""

    replica: Replica
    gathered: list[Change] = field(default_factory=list)
    disks: dict[str, OnDisk] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)

    def status(self, *changes: Change) -> None:
        """Note changes of the status section; they take effect at once, and are told by `flush`."""
        apply_changes(self.replica.root, changes)
        self.gathered += changes

    def flush(self) -> UpdateOut | None:
        """The gathered changes as one update, with its new version."""
        if not self.gathered:
            return None
        base = self.replica.version
        version = Version(base.admin_epoch, base.epoch, base.num_updates + 1)
        set_version(self.replica.root, version)
        changes, self.gathered = tuple(self.gathered), []
        return UpdateOut(base, version, changes)

    def configure(self, new: Tree, rank: int, cause: str) -> PatchOut:
        """Make `new` (which carries its new version) the document. `flush` first."""
        assert not self.gathered, "flush status changes before a change of the configuration"
        old = self.replica.root
        base = self.replica.version
        patch = make_patch(old, new)
        self.replica.replace(new, rank, (cause,))
        return PatchOut(base, self.replica.version, digest_of(new), patch, rank, cause)

    def holds(self, member: str, wanted: tuple[int, int], round_: int) -> bool:
        """Whether a member has that configuration on disk, made by a view of `round_` or later.

        Under a lower rank it would lose against histories that nobody has acknowledged.
        """
        held = self.disks.get(member, NOTHING)
        if round_ == 0:  # without quorum nothing better is to be had
            return held.version >= wanted
        return round_of(held.rank) >= round_ and made_of(held.rank) >= wanted

    def settled(
        self, node: str, members: Collection[str], needed: int, round_: int, now: float
    ) -> list[tuple[Waiting, bool]]:
        """Clients to answer now, and whether their change is safe (false: time is up)."""
        done: list[tuple[Waiting, bool]] = []
        left: list[Waiting] = []
        for item in self.waiting:
            holders = [m for m in members if self.holds(m, item.configuration, round_)]
            if node in holders and len(holders) >= needed:
                done.append((item, True))
            elif now >= item.expires:
                done.append((item, False))
            else:
                left.append(item)
        self.waiting = left
        return done

    def deadline(self) -> float | None:
        """When the next client has waited long enough."""
        return min((item.expires for item in self.waiting), default=None)
