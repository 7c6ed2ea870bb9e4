"""Versions of a CIB, and the rank that vouches for one.

A lineage (rank, admin_epoch, epoch, num_updates) orders CIBs of different histories: first the
newest quorate view of a DC that the CIB's node was part of, then the version.  Changes made without
quorum keep the rank they found: they lose against whatever the quorate part did after the split,
and win where there was no quorate part (reliability.md I10, I11).  Rounds of quorate views only
grow, since two majorities share a node, and views are numbered within a round by their one DC: no
two quorate views have the same rank.
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
    "rank_of",
    "round_of",
    "set_version",
    "version_of",
]

VIEW_BITS = 32


def rank_of(round_: int, view: int) -> int:
    """The rank of a CIB that follows a quorate view."""
    return (round_ << VIEW_BITS) | view


def round_of(rank: int) -> int:
    """The round of the view behind a rank."""
    return rank >> VIEW_BITS


def configuration(version: Version) -> tuple[int, int]:
    """The part of a version that grows with changes of the configuration."""
    return (version.admin_epoch, version.epoch)


def as_list(version: Version) -> list[int]:
    """A version for messages."""
    return [version.admin_epoch, version.epoch, version.num_updates]
