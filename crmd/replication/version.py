"""Versions of a CIB, and the round that vouches for one.

A lineage (round, admin_epoch, epoch, num_updates) orders CIBs of different histories: first the
round of the last change made with quorum, then the version.  A change made without quorum keeps
the round it found, so it loses against any change that a quorate part made after the split, and
wins where nothing else happened (reliability.md I10, I11).
"""

from __future__ import annotations

from lxml import etree

from cib.document import Version, set_version, version_of

Tree = etree._Element

__all__ = ["Tree", "Version", "as_list", "configuration", "set_version", "version_of"]


def configuration(version: Version) -> tuple[int, int]:
    """The part of a version that grows with changes of the configuration."""
    return (version.admin_epoch, version.epoch)


def as_list(version: Version) -> list[int]:
    """A version for messages."""
    return [version.admin_epoch, version.epoch, version.num_updates]
