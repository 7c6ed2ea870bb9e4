"""A node's durable word on whom it follows.

It does not say when a pledge is given (`election`) or kept (`crmd.controller.disk`).
Source: reliability.md I8, I11.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Pledge:
    """The newest round that a node has joined, and whom it follows there.

    It joins no older round and nobody else in this one, even after a power cut.
    """

    round: int = 0
    node: str = ""
