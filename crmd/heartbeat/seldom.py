"""Lines that strangers can provoke, at most once a minute for each thing.  No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

EVERY_S = 60.0
MAX_REMEMBERED = 256


@dataclass(slots=True)
class Seldom:
    """Remembers when each thing was last said; forgets all when there are too many things."""

    _said: dict[str, float] = field(default_factory=dict)

    def may_say(self, what: str, now: float) -> bool:
        """Whether `what` was not said for a minute; if so, it counts as said now."""
        if now - self._said.get(what, float("-inf")) < EVERY_S:
            return False
        if len(self._said) >= MAX_REMEMBERED:
            self._said.clear()
        self._said[what] = now
        return True
