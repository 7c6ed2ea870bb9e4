"""How an operation on the CIB ended: the numbers are the exit statuses of the tools.

Facts: cli.md section 3 (this is the part of that table a CIB operation can answer).
"""

from __future__ import annotations

import enum


class Rc(enum.IntEnum):
    """Result of one operation."""

    OK = 0
    ERROR = 1
    INSUFFICIENT_PRIV = 4
    USAGE = 64
    DATAERR = 65
    SOFTWARE = 70
    PROTOCOL = 76
    CONFIG = 78
    OLD = 103
    DIGEST = 104
    NOSUCH = 105
    QUORUM = 106
    UNSAFE = 107
    EXISTS = 108
    TIMEOUT = 124
