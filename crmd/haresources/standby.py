"""The standby handshake: me, other, done, done (heartbeat-v1.md section 9).

Only the conversation: who asked whom for what, and when it is over.  `takeover.py` decides whether
a request may be granted and moves the groups.  Pure.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from crmd.haresources.claims import Claim
from crmd.haresources.takeover_events import Effect, Say, Send

ANSWER_S = 10.0
ACCEPT_S = 15.0
"""How long the asker, once granted, may take to say that it begins."""
FINISH_S = 3600.0


class Turn(enum.Enum):
    """Where the handshake is; the value is the number the original prints."""

    NOT = 0
    ME = 1
    """We asked."""
    OTHER = 2
    """We were asked and granted it."""
    DONE = 3
    """Our part is done, the other node's is not."""


def ask(info: str, which: Claim, home: str = "") -> Send:
    """`ask_resources`, spoken from the requester's point of view.

    `home`: the one node that is meant, where more than two live.
    """
    fields = (("t", "ask_resources"), ("rsc_hold", which.word), ("info", info))
    return Send((*fields, ("pknode", home)) if home else fields)


@dataclass(slots=True)
class Standby:
    """One handshake at a time."""

    me: str
    turn: Turn = Turn.NOT
    which: Claim = Claim.NONE
    """Seen from the requester."""
    peer: str = ""
    """The other node, once known."""
    until: float | None = None
    several: bool = False
    """More than two nodes live: each message names the one node that it is meant for."""
    home: str = ""
    """The node to which we bring its groups home, where more than two live."""

    @property
    def _addressee(self) -> str:
        return self.peer if self.several else ""

    @property
    def is_idle(self) -> bool:
        return self.turn is Turn.NOT

    def request(self, which: Claim, now: float, home: str = "") -> list[Effect]:
        """We want to give `which` away; with `home` only the groups of that node, to it."""
        self.turn, self.which, self.peer, self.until = Turn.ME, which, "", now + ANSWER_S
        self.home = home
        said = Say("info", f"{self.me} wants to go standby [{which.word}]")
        return [said, ask("me", which, home)]

    def granted(self, peer: str, which: Claim, now: float) -> list[Effect]:
        """`peer` wants to give `which` away, and we can take it."""
        self.turn, self.which, self.peer, self.until = Turn.OTHER, which, peer, now + ACCEPT_S
        return [
            Say("info", f"standby: acquire [{which.word}] resources from {peer}"),
            ask("other", which, self._addressee),
        ]

    def accepted(self, now: float) -> None:
        """The asker has begun to release; that may take long."""
        if self.turn is Turn.OTHER:
            self.until = now + FINISH_S

    def answered(self, peer: str, now: float) -> list[Effect]:
        """`peer` can take what we offered; we release it now."""
        self.peer, self.until = peer, now + FINISH_S
        return [Say("info", f"standby: {peer} can take our {self.which.word} resources")]

    def released(self, now: float) -> list[Effect]:
        """We have released it: the other node's turn."""
        self.turn, self.until = Turn.DONE, now + FINISH_S
        word = self.which.word
        return [
            ask("done", self.which, self._addressee),
            Say("info", f"Local standby process completed [{word}]."),
        ]

    def taken(self) -> list[Effect]:
        """We have started it: over."""
        done = ask("done", self.which, self._addressee)
        text = f"Standby resource acquisition done [{self.which.word}]."
        self.reset()
        return [Say("info", text), done]

    def reset(self) -> None:
        """Nothing is under way."""
        self.turn, self.which, self.peer, self.until = Turn.NOT, Claim.NONE, "", None
        self.home = ""

    def busy_text(self, asker: str, now: float) -> str:
        """Why another request is ignored."""
        left = max(0, int((self.until or now) - now))
        return f"Standby in progress- new request from {asker} ignored [{left} seconds left]"

    def expired(self, now: float) -> list[Effect]:
        """Give up a handshake whose partner does not go on."""
        if self.until is None or now < self.until:
            return []
        text = (
            "No reply to standby request.  Standby request cancelled."
            if self.turn is Turn.ME
            else f"Standby [{self.which.word}] with {self.peer} does not go on: given up."
        )
        self.reset()
        return [Say("WARN", text)]
