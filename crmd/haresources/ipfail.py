"""Who sees fewer ping nodes than the other gives its resources away (heartbeat-v1.md 7.5).

The dialogue of the program `ipfail`, which a `respawn` line of ha.cf asks for; a real ipfail on the
other node is answered the same way.  Pure; the standby itself is the take-over machine's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.haresources.claims import Claim
from crmd.haresources.takeover_events import Effect, GoStandby, Said, Say, Send

TRY_AGAIN_S = 1.0
TYPES = frozenset({"num_ping_nodes", "you_are_dead", "abort_giveup"})


@dataclass(slots=True)
class Ipfail:
    """`delay_s`: how long a decision waits for a change of mind (2 * keepalive)."""

    delay_s: float
    gives_back: bool
    """auto_failback on: equal counts send foreign groups home."""
    count: int = 0
    """Ping nodes that answer us."""
    peers: set[str] = field(default_factory=set)
    giving: Claim = Claim.NONE
    at: float | None = None

    def reference(self, count: int) -> list[Effect]:
        """A ping node, or a link, changed: tell the others what we see."""
        self.count = count
        return [self._message(p, "num_ping_nodes", ("num_ping", str(count))) for p in self._all()]

    def _all(self) -> list[str]:
        return sorted(self.peers)

    @staticmethod
    def _message(dest: str, kind: str, *more: tuple[str, str]) -> Send:
        ends = (("from_id", "ipfail"), ("to_id", "ipfail"), ("client_gen", "0"))
        return Send((("t", kind), *more, ("dest", dest), *ends))

    def hear(self, said: Said, now: float) -> list[Effect]:
        """A message of the dialogue."""
        if said.type == "you_are_dead":
            return self._decide(Claim.ALL, now, f"{said.origin} sees more ping nodes")
        if said.type == "abort_giveup":
            self.giving, self.at = Claim.NONE, None
            return []
        word = said.get("num_ping") or ""
        if not word.isdigit():
            return [Say("ERROR", f"{said.origin} sees '{word}' ping nodes: ignored", "ipfail")]
        theirs = int(word)
        if self.count > theirs:
            return [self._message(said.origin, "you_are_dead")]
        if self.count < theirs:
            return self._decide(Claim.ALL, now, f"{said.origin} sees {theirs}, we {self.count}")
        out: list[Effect] = [self._message(said.origin, "abort_giveup")]
        if self.gives_back:
            out += self._decide(Claim.FOREIGN, now, "both see the same ping nodes")
        return out

    def _decide(self, which: Claim, now: float, why: str) -> list[Effect]:
        self.giving, self.at = which, now + self.delay_s
        return [Say("info", f"Giving up {which.word} resources soon: {why}", "ipfail")]

    def tick(self, now: float, i_hold: Claim, is_settled: bool) -> list[GoStandby]:
        """What to ask the take-over machine for."""
        if self.at is None or now < self.at:
            return []
        if not self.giving & i_hold and is_settled:
            self.giving, self.at = Claim.NONE, None
            return []
        self.at = now + TRY_AGAIN_S
        return [GoStandby(self.giving)] if is_settled else []
