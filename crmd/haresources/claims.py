"""Who holds what, in the words of the v1 protocol.

"local" are the groups whose first word in haresources is this node, "foreign" all others; a claim
is a set of these two halves.  Source: heartbeat-v1.md sections 8, 9 and 13.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from crmd.haresources.parse import Haresources, ResourceWord


class Claim(enum.Flag):
    """Halves of the resources, seen from one node."""

    NONE = 0
    LOCAL = 1
    FOREIGN = 2
    ALL = 3

    @property
    def word(self) -> str:
        """As in `rsc_hold`."""
        return str(self.name).lower()

    @property
    def mirrored(self) -> Claim:
        """The same groups seen from the other node of a pair."""
        made = Claim.NONE
        if Claim.LOCAL in self:
            made |= Claim.FOREIGN
        if Claim.FOREIGN in self:
            made |= Claim.LOCAL
        return made


_WORDS = {claim.word: claim for claim in (Claim.NONE, Claim.LOCAL, Claim.FOREIGN, Claim.ALL)}


def claim_of(word: str | None) -> Claim | None:
    """The claim a word of `rsc_hold` means; None for any other word."""
    return _WORDS.get(word or "")


def standby_set(word: str) -> Claim | None:
    """What `hb_standby WORD` gives away: `failback` means foreign; None: no such word."""
    claim = Claim.FOREIGN if word == "failback" else claim_of(word)
    return None if claim is Claim.NONE else claim


@dataclass(frozen=True, slots=True)
class Group:
    """One line of haresources: started left to right, stopped right to left."""

    key: str
    """First resource word, with an implied IPaddr:: written out; names the group on the wire."""
    home: str
    resources: tuple[ResourceWord, ...]
    line: str = ""
    """The line as Heartbeat prints it: node and words."""


def groups_of(file: Haresources) -> tuple[Group, ...]:
    """The groups of a file, in order; a line without resources is none."""
    return tuple(
        Group(
            line.resources[0].canonical,
            line.node,
            line.resources,
            " ".join((line.node, *(word.word for word in line.resources))),
        )
        for line in file.lines
        if line.resources
    )


def repeated_keys(groups: tuple[Group, ...]) -> list[str]:
    """Keys that name more than one group: such a file cannot be run (lint H004)."""
    keys = [group.key for group in groups]
    return sorted({key for key in keys if keys.count(key) > 1})
