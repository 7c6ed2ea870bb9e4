"""What the parts of a controller share: who we are, the replica, the time, and the way out.

It decides nothing.  `send` puts messages to ourselves into a local queue that the controller
empties within the same step, so that the DC treats its own node like any other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from cib.operations import XPathEvaluator, evaluate_xpath
from crmd.controller.events import Effect, Log, Settings, Transmit
from crmd.controller.messages import TOPIC, Message, encode
from crmd.membership.election import Election, Phase
from crmd.membership.quorum import Quorum
from crmd.replication.replica import Replica


@dataclass(slots=True)
class Core:
    """State and services common to all parts of one node's controller."""

    node: str
    nodes: tuple[str, ...]
    incarnation: str
    settings: Settings
    replica: Replica
    election: Election
    quorum: Quorum
    evaluate: XPathEvaluator = evaluate_xpath
    """Evaluates clients' XPath; the shell passes one that is bounded in time."""
    now: float = 0.0
    wall: float = 0.0
    effects: list[Effect] = field(default_factory=list)
    local: deque[Message] = field(default_factory=deque)
    executor: str = ""
    """Incarnation of our execd."""
    boot: str = ""
    """Unique to this boot of the node; survives restarts of our process."""
    view: int = 0
    members: tuple[str, ...] = ()
    """Members of the newest view of our DC; empty without a DC."""
    has_quorum: bool = False
    departed: set[str] = field(default_factory=set)
    """Nodes that left in good order and have not been heard since."""
    disk_error: str = ""
    told_again: bool = False
    """Our DC has polled: what it should know of us is told once more."""
    in_sync: bool = False
    """Whether our replica follows that of our DC."""

    @property
    def dc(self) -> str | None:
        """The DC we obey (perhaps ourselves)."""
        return self.election.dc

    @property
    def round(self) -> int:
        """The round of that DC."""
        return self.election.round

    @property
    def leads(self) -> bool:
        """Whether we are the DC."""
        return self.election.phase is Phase.LEADING

    def emit(self, effect: Effect) -> None:
        """Ask the shell for something."""
        self.effects.append(effect)

    def send(self, message: Message, to: str | None = None) -> None:
        """To one node (perhaps ourselves), or to all live peers and ourselves."""
        if to is None or to == self.node:
            self.local.append(message)
        if to != self.node:
            self.effects.append(Transmit(TOPIC, encode(message), to))

    def tell_peers(self, message: Message) -> None:
        """To all live peers, not to ourselves."""
        self.effects.append(Transmit(TOPIC, encode(message)))

    def log(self, event: str, level: str = "info", **fields: Any) -> None:
        """One line for people."""
        self.effects.append(Log(event, fields, level))
