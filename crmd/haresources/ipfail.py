"""Who sees fewer ping nodes than the other gives its resources away (heartbeat-v1.md 7.5).

The dialogue of the program `ipfail`, which a `respawn` line of ha.cf asks for; a real ipfail on the
other node is answered the same way.  Pure; the standby itself is the take-over machine's.

Ours: with `ipfail_reboot on` a node that gave everything away for lack of ping nodes reboots, for
its network may be in a state that only a reboot mends.  It does so once in a boot at most, and not
in the first ten minutes of one, so that a reference that is down for good makes no reboot loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.haresources.claims import Claim
from crmd.haresources.takeover_events import Effect, GoStandby, Said, Say, SelfFence, Send

TRY_AGAIN_S = 1.0
REBOOT_AFTER_S = 600.0
TYPES = frozenset({"num_ping_nodes", "you_are_dead", "abort_giveup"})


@dataclass(slots=True)
class Ipfail:
    """`delay_s`: how long a decision waits for a change of mind (2 * keepalive)."""

    delay_s: float
    gives_back: bool
    """auto_failback on: equal counts send foreign groups home."""
    reboots: bool = False
    reboot_after_s: float = REBOOT_AFTER_S
    """Not before this monotonic time (seconds since the boot)."""
    count: int = 0
    """Ping nodes that answer us."""
    has_given: bool = False
    """We gave something away because the other sees more."""
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
            self.giving, self.at, self.has_given = Claim.NONE, None, False
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

    def tick(
        self, now: float, i_hold: Claim, is_settled: bool
    ) -> list[GoStandby | SelfFence | Say]:
        """What to ask the take-over machine for, or that this node reboots."""
        if self.at is None or now < self.at:
            return []
        if not self.giving & i_hold and is_settled:
            gave_all = self.has_given and self.giving is Claim.ALL
            self.giving, self.at, self.has_given = Claim.NONE, None, False
            return self._reboot(now) if gave_all and self.reboots else []
        self.at = now + TRY_AGAIN_S
        if not is_settled:
            return []
        self.has_given = True
        return [GoStandby(self.giving)]

    def _reboot(self, now: float) -> list[GoStandby | SelfFence | Say]:
        if now < self.reboot_after_s:
            text = f"No reboot (ipfail_reboot): this boot is only {now:.0f} s old"
            return [Say("WARN", text, "ipfail")]
        self.reboots = False
        return [SelfFence("the ping nodes are not seen here, and everything was given away")]
