"""Exit codes of OCF resource agents and the error that carries one.

It imports next to nothing: every agent process loads it.  Source: ocf.md section 3.
"""

from __future__ import annotations

from enum import IntEnum


class Rc(IntEnum):
    """Exit code of an agent; the numbers are the standard's."""

    SUCCESS = 0
    GENERIC = 1
    ARGS = 2
    UNIMPLEMENTED = 3
    PERM = 4
    INSTALLED = 5
    CONFIGURED = 6
    NOT_RUNNING = 7
    RUNNING_PROMOTED = 8
    FAILED_PROMOTED = 9
    DEGRADED = 190
    DEGRADED_PROMOTED = 191


RUNNING = frozenset({Rc.SUCCESS, Rc.RUNNING_PROMOTED, Rc.DEGRADED, Rc.DEGRADED_PROMOTED})
"""Codes of a monitor that mean: the resource is up."""

EXIT_REASON_PREFIX = "ocf-exit-reason:"


class AgentError(Exception):
    """An action cannot succeed: `rc` becomes the exit code, the text the exit reason."""

    def __init__(self, rc: Rc, text: str) -> None:
        super().__init__(text)
        self.rc = rc
