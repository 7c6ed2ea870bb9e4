"""Words for the results of operations.  Facts: scheduler-2-actions.md 17.4, cli.md section 3."""

from __future__ import annotations

from cli.exits import Exit

_STATUS = {
    -1: "Pending",
    0: "Done",
    1: "Cancelled",
    2: "Timed Out",
    3: "Not supported",
    4: "Error",
    5: "Hard error",
    6: "Fatal error",
    7: "Not installed",
    8: "Internal communication failure",
    9: "Invalid",
    10: "No fence device",
    11: "CIB secrets unavailable",
}


def exit_text(rc: int) -> str:
    """Words for an agent's exit status."""
    try:
        return Exit(rc).words
    except ValueError:
        return "Unknown exit status"


def status_text(status: int) -> str:
    """Words for an operation's status."""
    return _STATUS.get(status, "UNKNOWN!")
