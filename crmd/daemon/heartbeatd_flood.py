"""What heartbeatd does while packets that it does not believe pour in: look less often.

Authenticating a forged packet costs a few microseconds; waking up for each one costs several
times as much.  While they come faster than a working cluster would ever send, the loop lets them
gather for a moment and takes them together.  Every packet is still authenticated, none is dropped
unseen, and a timer that is due is never waited past.  No I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WINDOW_S = 0.05
FLOOD_PER_WINDOW = 25
"""Packets not believed in a window that make it a flood: 500 a second."""
LONGEST_GATHER_S = 0.002


@dataclass(slots=True)
class Flood:
    """Decides whether to let packets gather."""

    keepalive_s: float
    """Interval of heartbeats; packets gather for a twentieth of it at most."""
    is_on: bool = False
    _dropped: int = 0
    _until: float = field(default=float("-inf"))

    def gather_s(self, dropped: int, now: float) -> float:
        """Seconds to let packets gather before the next look; 0.0 unless there is a flood.

        `dropped`: how many packets were not believed since the start.
        """
        if now >= self._until:
            # A window that was left long ago is over too: its count says nothing about now.
            fresh = now < self._until + WINDOW_S
            self.is_on = fresh and dropped - self._dropped >= FLOOD_PER_WINDOW
            self._dropped, self._until = dropped, now + WINDOW_S
        return min(LONGEST_GATHER_S, self.keepalive_s / 20) if self.is_on else 0.0
