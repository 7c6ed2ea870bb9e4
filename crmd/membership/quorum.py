"""Is a set of members allowed to act for the whole cluster?

Majority of the configured nodes.  Two nodes: either one goes on alone once both have been seen
(`wait_for_all`), or from the start without it; where a disk lock decides, only the one that it
lets go on (`lock`).  It does not know what losing quorum entails
(`no-quorum-policy`, scheduler and local executor).  Source: cluster-behaviour.md 1.2.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(slots=True)
class Quorum:
    """The rule for one cluster; remembers whether all nodes were seen together."""

    configured: tuple[str, ...]
    wait_for_all: bool = True
    all_seen: bool = False
    lock: str = ""
    """Of two nodes, the word of the disk lock: granted, denied, or empty (none was asked)."""

    @property
    def is_two_node(self) -> bool:
        """Exactly two nodes are configured."""
        return len(self.configured) == 2

    @property
    def majority(self) -> int:
        """Members needed (of more than two nodes)."""
        return len(self.configured) // 2 + 1

    def see(self, members: Collection[str]) -> bool:
        """Note a set of members; true when this is the first time that all are together."""
        if not self.all_seen and all(n in members for n in self.configured):
            self.all_seen = True
            return True
        return False

    def has(self, members: Collection[str]) -> bool:
        """Whether these members are quorate."""
        count = sum(1 for n in self.configured if n in members)
        if len(self.configured) == 1:
            return count == 1
        if self.is_two_node:
            if self.lock == "denied":  # the other one goes on without us, whom we still hear
                return False
            return count == 2 or (count == 1 and self._may_be_alone)
        return count >= self.majority

    @property
    def _may_be_alone(self) -> bool:
        return self.lock == "granted" or self.all_seen or not self.wait_for_all

    def receipts_needed(self, members: Collection[str]) -> int:
        """How many members must hold a change on disk before it counts as safe.

        With quorum a majority of the *configured* nodes, so that any later quorum has one of
        them; two nodes: both while both are members.  Without quorum: all members there are.
        """
        count = sum(1 for n in self.configured if n in members)
        if self.is_two_node or not self.has(members):
            return count
        return self.majority
