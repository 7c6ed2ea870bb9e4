"""Versions of a CIB, and the rank that vouches for one.

A lineage (rank, admin_epoch, epoch, num_updates) orders CIBs of different histories.  A rank is the
newest quorate view of a DC that the CIB's node was part of, and the newest configuration that was
made in it: changes made without quorum raise the version but not the rank.  They lose against
whatever the quorate part did, and win where it did nothing (reliability.md I10, I11).  Rounds of
quorate views only grow, since two majorities share a node that keeps its pledge, and views are
numbered within a round by their one DC: no two quorate views have the same rank.

A pledge is a node's durable word to follow one DC in a round, and no DC of an older round.  A DC
gives its CIB the rank of a view only once a majority has pledged on disk; until then its changes
count as made without quorum.  Without that word a power cut makes nodes forget their round, another
DC leads a round of the same number, and a change that was acknowledged loses.
"""

from __future__ import annotations

from lxml import etree

from cib.document import Version, set_version, version_of

Tree = etree._Element

__all__ = [
    "Tree",
    "Version",
    "as_list",
    "configuration",
    "made_of",
    "rank_of",
    "round_of",
    "set_version",
    "version_of",
    "view_of",
]

FIELD_BITS = 32
_MOST = (1 << FIELD_BITS) - 1


def rank_of(round_: int, view: int, made: tuple[int, int]) -> int:
    """The rank of a CIB whose newest quorate configuration is `made`, by that view."""
    rank = round_
    for part in (view, *made):
        rank = (rank << FIELD_BITS) | min(part, _MOST)
    return rank


def round_of(rank: int) -> int:
    """The round of the view behind a rank."""
    return rank >> (3 * FIELD_BITS)


def view_of(rank: int) -> tuple[int, int]:
    """Round and view behind a rank."""
    return round_of(rank), (rank >> (2 * FIELD_BITS)) & _MOST


def made_of(rank: int) -> tuple[int, int]:
    """The newest configuration that the quorate view behind a rank made: admin_epoch, epoch."""
    return (rank >> FIELD_BITS) & _MOST, rank & _MOST


def configuration(version: Version) -> tuple[int, int]:
    """The part of a version that grows with changes of the configuration."""
    return (version.admin_epoch, version.epoch)


def as_list(version: Version) -> list[int]:
    """A version for messages."""
    return [version.admin_epoch, version.epoch, version.num_updates]
