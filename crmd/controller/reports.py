"""Results on their way to the DC: numbered, and repeated until a DC says that it has them.

Source: reliability.md I8.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from crmd.controller.core import Core
from crmd.controller.messages import Report

REPORT_AGAIN_S = 5.0


@dataclass(slots=True)
class Reports:
    """What a DC has not acknowledged yet, oldest first."""

    core: Core
    waiting: OrderedDict[int, dict[str, Any]] = field(default_factory=OrderedDict)
    _next: int = 1
    _sent: int = 0
    _again: float | None = None

    def add(self, body: dict[str, Any]) -> None:
        """One more, sent at the end of the step."""
        self.waiting[self._next] = body
        self._next += 1

    def acknowledged(self, last: int) -> None:
        """The DC has everything up to `last`."""
        for number in [n for n in self.waiting if n <= last]:
            del self.waiting[number]
        if not self.waiting:
            self._again = None

    def send(self, again: bool = False) -> None:
        """Send what the DC has not got yet (`again`: also what was sent before)."""
        dc = self.core.dc
        if dc is None or not self.core.in_sync:
            return
        fresh = [n for n in self.waiting if again or n > self._sent]
        if fresh:
            self.core.send(Report(self.core.round, fresh[0], [self.waiting[n] for n in fresh]), dc)
            self._sent = fresh[-1]
            self._again = self.core.now + REPORT_AGAIN_S

    def take_all(self) -> tuple[int, list[dict[str, Any]]]:
        """All that wait, for a message that carries them itself, and the number of the first."""
        self._sent = self._next - 1
        if self.waiting:
            self._again = self.core.now + REPORT_AGAIN_S
        return next(iter(self.waiting), self._next), list(self.waiting.values())

    def tick(self) -> None:
        """Repeat what was not acknowledged."""
        if self._again is not None and self.core.now >= self._again:
            self._again = self.core.now + REPORT_AGAIN_S
            self.send(again=True)

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._again
