"""A client's request at the node it came to: answered here, or carried to the DC and back.

Every request is answered exactly once.  A request whose DC died is carried to the next one; its
`cause` travels with the change it makes, so it is never applied twice (I12).  What the DC does with
a request is `desk.py`.  Source: cli.md section 4, reliability.md I11, I12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cib.acl import PRIVILEGED
from crmd.controller.core import Core
from crmd.controller.events import ClientRequest, Notify, Reply
from crmd.controller.messages import Answer, Forward
from crmd.controller.requests import BadRequest, check
from crmd.replication.edit import EditError, is_query, query

NO_DC_S = 60.0
"""How long a request waits for a DC before it is refused."""
ASK_AGAIN_S = 15.0
LOCAL = frozenset(("status", "subscribe", "fence_history"))
EXIT_USAGE, EXIT_TIMEOUT = 64, 124


@dataclass(slots=True)
class Pending:
    """A request that the DC must answer."""

    client_id: int
    tag: int
    payload: Mapping[str, Any]
    user: str
    expires: float
    cause: str
    sent_round: int = -1
    again: float = 0.0


@dataclass(slots=True)
class Clients:
    """All clients of this node."""

    core: Core
    pending: dict[int, Pending] = field(default_factory=dict)
    subscribers: set[int] = field(default_factory=set)
    fence_events: list[Any] = field(default_factory=list)
    _next: int = 1
    _told: str = ""

    def request(self, event: ClientRequest, state: Mapping[str, Any]) -> None:
        """A client asks; `state` is what `status` answers."""
        try:
            op = check(event.payload)
        except BadRequest as e:
            self._reply(event.client_id, event.tag, refusal(EXIT_USAGE, str(e)))
            return
        if op in LOCAL or (op == "cib" and is_query(event.payload)):
            self._reply(event.client_id, event.tag, self._local(op, event, state))
            return
        patience = float(event.payload.get("timeout_s", NO_DC_S)) if op == "wait" else NO_DC_S
        number = self._next
        self._next += 1
        cause = f"{self.core.node}/{self.core.incarnation}/{number}"
        self.pending[number] = Pending(
            event.client_id,
            event.tag,
            event.payload,
            event.user,
            self.core.now + patience,
            cause,
        )
        self.carry()

    def _local(self, op: str, event: ClientRequest, state: Mapping[str, Any]) -> dict[str, Any]:
        match op:
            case "status":
                return {"ok": True, **state}
            case "subscribe":
                self.subscribers.add(event.client_id)
                return {"ok": True}
            case "fence_history":
                node = event.payload.get("node")
                events = [e for e in self.fence_events if node in (None, e.get("target"))]
                return {"ok": True, "events": events}
            case _:
                return self._query(event.payload["request"], event.user)

    def _query(self, request: Mapping[str, Any], user: str) -> dict[str, Any]:
        """Reading is answered from our own copy; `in_sync` says whether it follows a DC's.

        Whom access control binds cannot name somebody else.
        """
        core = self.core
        if user not in PRIVILEGED:
            request = {**request, "user": user}
        try:
            outcome = query(core.replica.root, request, core.evaluate)
        except EditError as e:
            return {**refusal(e.code, str(e)), "outcome": e.outcome}
        return {"ok": True, "outcome": outcome, "in_sync": core.in_sync}

    def carry(self) -> None:
        """Take to the DC what it has not been asked yet."""
        core = self.core
        if core.dc is None or not core.in_sync:
            return
        for number, item in list(self.pending.items()):
            if item.sent_round != core.round or core.now >= item.again:
                item.sent_round, item.again = core.round, core.now + ASK_AGAIN_S
                core.send(
                    Forward(core.round, number, item.cause, item.user, dict(item.payload)),
                    core.dc,
                )

    def answer(self, message: Answer) -> None:
        """The DC has answered."""
        item = self.pending.pop(message.request, None)
        if item is not None:
            self._reply(item.client_id, item.tag, message.payload)

    def gone(self, client_id: int) -> None:
        """A client's connection ended."""
        self.subscribers.discard(client_id)
        for number in [n for n, p in self.pending.items() if p.client_id == client_id]:
            del self.pending[number]

    def tick(self) -> None:
        """Requests that no DC answered."""
        for number, item in list(self.pending.items()):
            if self.core.now >= item.expires:
                del self.pending[number]
                self._reply(item.client_id, item.tag, self._too_late(item))

    def _too_late(self, item: Pending) -> dict[str, Any]:
        if item.payload.get("op") == "wait":
            return {"ok": True, "idle": False}
        if item.sent_round < 0:
            return refusal(EXIT_TIMEOUT, "there is no DC; nothing was changed")
        done = item.cause in self.core.replica.causes
        outcome = "the change was made" if done else "whether the change was made is not known"
        return refusal(EXIT_TIMEOUT, f"the DC did not answer in time; {outcome}")

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        is_carried = self.core.dc is not None and self.core.in_sync
        return min(
            (min(p.expires, p.again) if is_carried else p.expires for p in self.pending.values()),
            default=None,
        )

    def notify(self) -> None:
        """Tell subscribers when the CIB, the members or the DC are not what they were."""
        core = self.core
        mark = f"{core.replica.version} {core.dc} {core.members} {core.has_quorum}"
        if mark == self._told:
            return
        self._told = mark
        payload = {
            "event": "changed",
            "version": str(core.replica.version),
            "dc": core.dc,
            "members": list(core.members),
            "quorum": core.has_quorum,
        }
        for client_id in sorted(self.subscribers):
            core.emit(Notify(client_id, payload))

    def _reply(self, client_id: int, tag: int, payload: Mapping[str, Any]) -> None:
        self.core.emit(Reply(client_id, tag, payload))


def refusal(code: int, error: str) -> dict[str, Any]:
    """An answer that says no."""
    return {"ok": False, "code": code, "error": error}
