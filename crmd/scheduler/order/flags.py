"""Bits of actions and of relations between actions.

Plain integers: they are tested in the hottest loops of the scheduler.
Meaning of each: scheduler-2-actions.md sections 1.1 and 1.3; exact effects in section 12.
"""

from __future__ import annotations

from typing import Final

# Actions (1.1).
OPTIONAL: Final = 1 << 0
RUNNABLE: Final = 1 << 1
PSEUDO: Final = 1 << 2
ALWAYS: Final = 1 << 3
MIGRATABLE: Final = 1 << 4
ABORT: Final = 1 << 5
RESCHEDULE: Final = 1 << 6
ON_DC: Final = 1 << 7
ATTRS_DONE: Final = 1 << 8
GRAPHED: Final = 1 << 9
DEDUPED: Final = 1 << 10
LOOP: Final = 1 << 11
DOT_SHOWN: Final = 1 << 12

# Relations (1.3).
ORD: Final = 1 << 0
F2T: Final = 1 << 1
T2F: Final = 1 << 2
T2F_PROM: Final = 1 << 3
F2T_NODE: Final = 1 << 4
BLOCK: Final = 1 << 5
MIGGATE: Final = 1 << 6
ELSEREAL: Final = 1 << 7
RESTART: Final = 1 << 8
ASYM: Final = 1 << 9
MINRUN: Final = 1 << 10
NESTPROBE: Final = 1 << 11
G_FIRST: Final = 1 << 12
G_THEN: Final = 1 << 13
SAMENODE: Final = 1 << 14
SAMENODE_TGT: Final = 1 << 15
REQ_SAMENODE: Final = 1 << 16
IF_UNMIG: Final = 1 << 17
SERIAL: Final = 1 << 18
CANCELS: Final = 1 << 19
GUESTOK: Final = 1 << 20

FLAG_NAMES: Final = {
    ORD: "ORD",
    F2T: "F2T",
    T2F: "T2F",
    T2F_PROM: "T2F_PROM",
    F2T_NODE: "F2T_NODE",
    BLOCK: "BLOCK",
    MIGGATE: "MIGGATE",
    ELSEREAL: "ELSEREAL",
    RESTART: "RESTART",
    ASYM: "ASYM",
    MINRUN: "MINRUN",
    NESTPROBE: "NESTPROBE",
    G_FIRST: "G_FIRST",
    G_THEN: "G_THEN",
    SAMENODE: "SAMENODE",
    SAMENODE_TGT: "SAMENODE_TGT",
    REQ_SAMENODE: "REQ_SAMENODE",
    IF_UNMIG: "IF_UNMIG",
    SERIAL: "SERIAL",
    CANCELS: "CANCELS",
    GUESTOK: "GUESTOK",
}


def describe(flags: int) -> str:
    """Names of the relation flags set, in table order, for people."""
    return " ".join(name for bit, name in FLAG_NAMES.items() if flags & bit) or "none"
