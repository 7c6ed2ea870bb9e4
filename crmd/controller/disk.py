"""Which configuration is safe on our disk: commits asked for, done, and tried again.

One commit is under way at a time; what changes meanwhile goes with the next.  A failed commit is
repeated with growing pauses, shown in the status, and a DC steps down for it.
Source: reliability.md section 5.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.controller.core import Core
from crmd.controller.events import Commit, CommitDone
from crmd.controller.messages import Receipt
from crmd.membership.pledge import Pledge
from crmd.replication.version import Version, as_list, configuration

RETRY_FIRST_S, RETRY_LAST_S = 1.0, 60.0
PATIENCE_S = 60.0

Mark = tuple[int, int, int, str]
"""Rank, admin_epoch, epoch, digest of the configuration: what a commit is about."""


@dataclass(slots=True)
class Disk:
    """This node's stable store, as far as the controller knows it."""

    core: Core
    durable: tuple[int, int] = (-1, -1)
    """Newest configuration version known to be on disk (of the present document)."""
    pledged: int = 0
    """The round of the pledge on disk."""
    _done: Mark | None = None
    _done_pledge: Pledge | None = None
    _asked: Mark | None = None
    _asked_pledge: Pledge = field(default_factory=Pledge)
    _asked_before: int = 0
    _replaced: int = 0
    _token: int = 0
    _asked_at: float = 0.0
    _retry_at: float | None = None
    _retry_s: float = RETRY_FIRST_S
    _told: tuple[int, str, tuple[int, int], int, int] | None = None

    def start_with(self, version: Version, pledge: Pledge) -> None:
        """The document and the pledge came from disk."""
        self.durable = configuration(version)
        self._done = self._mark()
        self._done_pledge, self.pledged = pledge, pledge.round

    @property
    def rank(self) -> int:
        """The rank of the CIB on disk."""
        return 0 if self._done is None else self._done[0]

    def _mark(self) -> Mark:
        replica = self.core.replica
        return (replica.rank, *configuration(replica.version), replica.configuration_digest())

    def replaced(self) -> None:
        """The document was replaced by another one: what is on disk says nothing about it."""
        self._replaced += 1
        if self._done != self._mark():
            self.durable = (-1, -1)
            self._told = None

    def end_step(self) -> None:
        """Ask for a commit if the configuration is not on disk, and tell the DC what is."""
        core = self.core
        if self._asked is None and self._retry_at is None:
            version = configuration(core.replica.version)
            rank = core.replica.rank
            is_stale = self._done is None or self._done[:3] != (rank, *version)
            if is_stale or self._done_pledge != core.election.pledge:
                self._ask()
            elif self.durable != version:
                mark = self._mark()
                if mark == self._done:
                    self.durable = version
                else:
                    self._ask()
        self._tell()

    def _ask(self) -> None:
        self._token += 1
        self._asked, self._asked_before = self._mark(), self._replaced
        self._asked_pledge = self.core.election.pledge
        self._asked_at = self.core.now
        replica = self.core.replica
        self.core.emit(Commit(self._token, replica.to_disk(), replica.rank, self._asked_pledge))

    def _tell(self) -> None:
        core = self.core
        if core.dc is None or core.leads or not core.in_sync or self.durable < (0, 0):
            return
        telling = (core.round, core.dc, self.durable, self.rank, self.pledged)
        if telling != self._told or core.told_again:
            core.told_again = False
            self._told = telling
            version = Version(self.durable[0], self.durable[1], 0)
            receipt = Receipt(core.round, as_list(version), True, self.rank, self.pledged)
            core.send(receipt, core.dc)

    def committed(self, event: CommitDone) -> None:
        """A commit has ended."""
        core = self.core
        if event.token != self._token or self._asked is None:
            return
        asked, self._asked = self._asked, None
        if not event.ok:
            core.log("cib.commit_failed", "error", error=event.error, again_s=self._retry_s)
            core.disk_error = event.error or "commit failed"
            self._retry_at = core.now + self._retry_s
            self._retry_s = min(2 * self._retry_s, RETRY_LAST_S)
            return
        core.disk_error = ""
        self._retry_s = RETRY_FIRST_S
        self._done = asked
        self._done_pledge, self.pledged = self._asked_pledge, self._asked_pledge.round
        if self._asked_before == self._replaced:
            self.durable = max(self.durable, asked[1:3])

    def must_step_down(self, leads: bool) -> bool:
        """Whether a DC should let another lead: its disk fails, and there are others."""
        others = [
            p
            for n, p in self.core.election.polls.items()
            if n in self.core.members and p.standing.is_eligible
        ]
        return leads and bool(self.core.disk_error) and bool(others)

    def tick(self) -> None:
        """A pause is over, or an answer never came."""
        if self._retry_at is not None and self.core.now >= self._retry_at:
            self._retry_at = None
        if self._asked is not None and self.core.now >= self._asked_at + PATIENCE_S:
            self._asked = None

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        if self._asked is not None:
            return self._asked_at + PATIENCE_S
        return self._retry_at
