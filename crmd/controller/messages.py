"""What controllers tell each other, and how it is written: one JSON object per message.

Every order and every change carries the round of the DC that sent it, so that a node can refuse
what comes from a DC it does not follow (I8).  Nothing is decided here.  A message that does not
parse is a `ValueError` for the controller to count, never an exception further up.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crmd.membership.election import Phase, Poll, Standing
from crmd.membership.pledge import Pledge

TOPIC = "crm"
"""Topic of all of these in the messaging layer."""


@dataclass(frozen=True, slots=True)
class PollMessage:
    """Where the sender stands; `executor` is the incarnation of its execd."""

    standing: Mapping[str, Any]
    round: int
    phase: str
    dc: str
    incarnation: str
    executor: str
    live: list[str]

    @staticmethod
    def of(poll: Poll, executor: str) -> PollMessage:
        """From the election's value."""
        s = poll.standing
        standing = {
            "node": s.node,
            "lineage": list(s.lineage),
            "is_eligible": s.is_eligible,
            "has_quorum": s.has_quorum,
            "members": s.members,
            "feature": s.feature,
            "pledge": [s.pledge.round, s.pledge.node],
        }
        return PollMessage(
            standing,
            poll.round,
            poll.phase.value,
            poll.dc,
            poll.incarnation,
            executor,
            list(poll.live),
        )

    def poll(self) -> Poll:
        """To the election's value. Raises ValueError."""
        s = self.standing
        a, b, c, d = (int(x) for x in s["lineage"])
        standing = Standing(
            str(s["node"]),
            (a, b, c, d),
            bool(s["is_eligible"]),
            bool(s["has_quorum"]),
            int(s["members"]),
            int(s["feature"]),
            Pledge(int(s["pledge"][0]), str(s["pledge"][1])),
        )
        return Poll(
            standing,
            self.round,
            Phase(self.phase),
            self.dc,
            self.incarnation,
            tuple(str(n) for n in self.live),
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """DC to node: be a member under me; my CIB is this one."""

    round: int
    view: int
    version: list[int]
    digest: str


@dataclass(frozen=True, slots=True)
class Join:
    """Node to DC: I follow you. `version`, `digest`: my CIB, compared before I count."""

    round: int
    view: int
    incarnation: str
    executor: str
    rank: int
    version: list[int]
    digest: str


@dataclass(frozen=True, slots=True)
class Sync:
    """DC to node: replace your CIB by this one."""

    round: int
    rank: int
    digest: str
    cib: str
    """Empty: yours is the same, keep it."""
    causes: list[str]
    serial: int
    """Repeated in `Joined`: an older answer says what was true before later orders."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """DC to node: your CIB is better than ours, and you may not lead: give it."""

    round: int


@dataclass(frozen=True, slots=True)
class Given:
    """Node to DC: the CIB it asked for."""

    round: int
    rank: int
    digest: str
    cib: str
    causes: list[str]


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """Node to DC: a change did not fit my CIB."""

    round: int
    reason: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Node to DC: my CIB is yours; this is what runs and ran here that it does not show.

    `drops` are status changes that delete what the CIB shows wrongly; `running` are the user data
    of calls under way; `results` are reports not acknowledged, `first` the number of the first;
    `shutdown`: we want to leave.
    """

    round: int
    boot: str
    drops: list[Any]
    running: list[str]
    first: int
    results: list[Any]
    shutdown: bool
    serial: int


@dataclass(frozen=True, slots=True)
class View:
    """DC to members: who is in, and whether that is a quorum.

    `rank` is that of the members' CIB.
    """

    round: int
    view: int
    members: list[str]
    quorum: bool
    rank: int


@dataclass(frozen=True, slots=True)
class Update:
    """DC to members: changes of the status section that lead from `base` to `version`."""

    round: int
    base: list[int]
    version: list[int]
    changes: list[Any]
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """DC to members: a change of the configuration, as a patch with digest."""

    round: int
    base: list[int]
    version: list[int]
    digest: str
    patch: str
    rank: int
    cause: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Node to DC: I hold the configuration up to `version` on disk."""

    round: int
    version: list[int]
    ok: bool
    rank: int
    """Of the CIB on disk."""
    pledged: int
    """The round of the pledge on disk."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """DC to node: carry out this call; `order` makes a repeat harmless."""

    round: int
    view: int
    order: str
    call: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cancel:
    """DC to node: stop a recurring call and forget it."""

    round: int
    view: int
    order: str
    rsc: str
    operation: str
    interval_ms: int
    key: str


@dataclass(frozen=True, slots=True)
class Forget:
    """DC to node: forget the history of a resource (`keep` false also cancels its monitors)."""

    round: int
    view: int
    order: str
    rsc: str
    key: str


@dataclass(frozen=True, slots=True)
class Depart:
    """DC to node: nothing runs on you any more, leave."""

    round: int
    view: int


@dataclass(frozen=True, slots=True)
class Report:
    """Node to DC: results, in order; repeated until `ReportAck`."""

    round: int
    first: int
    results: list[Any]


@dataclass(frozen=True, slots=True)
class ReportAck:
    """DC to node: everything up to `last` is in the CIB."""

    round: int
    last: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Node to DC: a client's request. `cause` is unique in the cluster's life."""

    round: int
    request: int
    cause: str
    user: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """DC to node: the answer to a forwarded request."""

    round: int
    request: int
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FenceEvents:
    """DC to members: the fencing history (bounded), newest last."""

    round: int
    events: list[Any]


@dataclass(frozen=True, slots=True)
class Leaving:
    """To all: we stop in good order; what we ran is stopped."""

    incarnation: str


Message = (
    PollMessage
    | Offer
    | Join
    | Sync
    | Fetch
    | Given
    | SyncRequest
    | Joined
    | View
    | Update
    | Patch
    | Receipt
    | Run
    | Cancel
    | Forget
    | Depart
    | Report
    | ReportAck
    | Forward
    | Answer
    | FenceEvents
    | Leaving
)

_TYPES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        PollMessage,
        Offer,
        Join,
        Sync,
        Fetch,
        Given,
        SyncRequest,
        Joined,
        View,
        Update,
        Patch,
        Receipt,
        Run,
        Cancel,
        Forget,
        Depart,
        Report,
        ReportAck,
        Forward,
        Answer,
        FenceEvents,
        Leaving,
    )
}
_KINDS: dict[str, type[Any] | tuple[type[Any], ...]] = {
    "int": int,
    "str": str,
    "bool": bool,
    "str | None": (str, type(None)),
    "list[int]": list,
    "list[str]": list,
    "list[Any]": list,
    "Mapping[str, Any]": dict,
}
_FIELDS = {
    name: {f.name: _KINDS[str(f.type)] for f in dataclasses.fields(cls)}
    for name, cls in _TYPES.items()
}


def encode(message: Message) -> bytes:
    """The message as bytes."""
    body = {name: getattr(message, name) for name in _FIELDS[type(message).__name__]}
    body["t"] = type(message).__name__
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def decode(payload: bytes) -> Message:
    """The message in `payload`. Raises ValueError naming what is wrong with it."""
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"message is not JSON ({type(e).__name__})") from e
    if not isinstance(body, dict):
        raise ValueError("message is not an object")
    name = body.pop("t", None)
    if not isinstance(name, str) or name not in _TYPES:
        raise ValueError(f"message type {name!r} is not known")
    fields = _FIELDS[name]
    kept = {}
    for member, kind in fields.items():
        if member not in body:
            if name in ("Update", "Receipt") and member in ("digest", "error"):
                continue
            raise ValueError(f"{name}: {member} is missing")
        value = body[member]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"{name}: {member} has the wrong type")
        kept[member] = value
    message: Message = _TYPES[name](**kept)
    return message
