"""When to start a daemon again after it ended.  Pure: events in, a time out.

A restart is immediate, unless the daemon keeps ending soon after its start: then pauses grow, so
that a broken one costs no processor and floods no log.  Exit statuses that mean "do not try
again" are the caller's matter.  Facts: cluster-behaviour.md section 6, reliability.md I29.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SHORT_LIFE_S = 2.0
"""A daemon that lived longer is not broken by itself: it starts with a clean record."""
QUICK_RESTARTS = 2
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0


@dataclass(slots=True)
class Restarts:
    """Record of one daemon."""

    started_at: float | None = None
    total: int = 0
    """Restarts since the supervisor began."""
    in_row: int = field(default=0)

    def started(self, now: float) -> None:
        """It was started."""
        self.started_at = now

    def ended(self, now: float) -> float:
        """It ended: the monotonic time at which to start it again."""
        if self.started_at is not None and now - self.started_at >= SHORT_LIFE_S:
            self.in_row = 0
        self.total += 1
        self.in_row += 1
        beyond = self.in_row - QUICK_RESTARTS
        if beyond <= 0:
            return now
        return now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (beyond - 1))
