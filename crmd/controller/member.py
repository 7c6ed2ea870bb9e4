"""What a DC keeps of a node that is in, or on its way in.  Source: cluster-behaviour.md 1.1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """How far a node is in joining."""

    OFFERED = "offered"
    SYNCING = "syncing"
    JOINED = "joined"


@dataclass(slots=True)
class Member:
    """A node that is in, or on its way in."""

    stage: Stage
    patience: float
    is_known: bool = False
    """It was a member of the present view already (its controller restarted)."""
    incarnation: str = ""
    boot: str = ""
    last_report: int = 0
    serial: int = 0
    """Of the newest Sync sent to it."""
    again: float = 0.0
    """When to make the offer again, or to send the CIB again."""
