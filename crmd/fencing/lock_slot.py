"""One node's slot in the lock area of the disk lock, as bytes and as a value.

The area: block 0 is the header, block i+1 the slot of the i-th node of the sorted node list.  A
block is 4096 bytes, what is said in it fits 512, so that a disk of either sector size writes it as
a whole.  Only its own node writes a slot.  The file is docs/split-brain.md's.  Pure.
"""

from __future__ import annotations

import enum
import json
import zlib
from dataclasses import asdict, dataclass

BLOCK = 4096
SAID_BYTES = 512
MAGIC = b"PKLOCK1\n"
MAX_NODES = 2
AREA_BYTES = BLOCK * (MAX_NODES + 1)


class SlotError(ValueError):
    """The bytes are no slot: torn, foreign or damaged."""


class Stance(enum.Enum):
    """What a node says about itself."""

    IDLE = "idle"
    ASKING = "asking"
    OWNER = "owner"
    LOST = "lost"
    """The other one goes on; resources may still run here."""
    RELEASED = "released"
    """The other one goes on; nothing runs here any more."""
    OFF = "off"
    """Ended in good order; nothing runs here."""


@dataclass(frozen=True, slots=True)
class Slot:
    """`instance`: number of the contest; `closed`: all contests up to this one are over.

    `ballot`, `accepted`, `value`: the three variables of Disk Paxos (Gafni and Lamport, 2003).
    `until`: monotonic seconds of the writer's boot when it must have released; for itself only.
    """

    node: str
    life: str
    stance: Stance = Stance.IDLE
    counter: int = 0
    instance: int = 0
    closed: int = 0
    ballot: int = 0
    accepted: int = 0
    value: str = ""
    until: float = 0.0


def encode(slot: Slot) -> bytes:
    """A whole block.  Raises SlotError if the names are too long for one sector."""
    said = json.dumps({**asdict(slot), "stance": slot.stance.value}, separators=(",", ":")).encode()
    head = b"%04x %08x " % (len(said), zlib.crc32(said))
    data = MAGIC + head + said
    if len(data) > SAID_BYTES:
        raise SlotError(f"slot of {slot.node}: {len(data)} bytes, more than one sector")
    return data.ljust(BLOCK, b"\0")


def decode(block: bytes) -> Slot | None:
    """The slot; None for a block of zeros.  Raises SlotError."""
    if not block.strip(b"\0"):
        return None
    if not block.startswith(MAGIC):
        raise SlotError("no slot of a disk lock")
    try:
        length, check = int(block[8:12], 16), int(block[13:21], 16)
        said = block[22 : 22 + length]
        if len(said) != length or zlib.crc32(said) != check:
            raise SlotError("checksum of a slot is wrong")
        fields = json.loads(said)
        fields["stance"] = Stance(fields["stance"])
        slot = Slot(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise SlotError(f"slot cannot be read: {error}") from None
    return slot


def header(cluster: tuple[str, ...]) -> bytes:
    """Block 0: whose area this is."""
    said = json.dumps(sorted(cluster)).encode()
    data = MAGIC + b"%04x %08x " % (len(said), zlib.crc32(said)) + said
    if len(data) > SAID_BYTES:
        raise SlotError("the node names are too long for one sector")
    return data.ljust(BLOCK, b"\0")
