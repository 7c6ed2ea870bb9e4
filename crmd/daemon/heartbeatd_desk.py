"""What clients ask heartbeatd for: queries for all, changes for root and the cluster user.

Words: docs/interfaces.md, heartbeat.sock.  A request that makes no sense is refused by itself; the
connection goes on.  Sockets and limits: heartbeatd_clients.py.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass

from crmd.daemon.heartbeatd_apiauth import Permits
from crmd.daemon.heartbeatd_clients import Connection, Request
from crmd.daemon.heartbeatd_frames import snapshot
from crmd.daemon.heartbeatd_halog import HaLog
from crmd.daemon.log import PlainLog
from crmd.heartbeat import events as ev
from crmd.heartbeat.node import Node, QueueFull


@dataclass(slots=True)
class Desk:
    """Answers requests."""

    node: Node
    feed: Callable[[ev.Input, float], None]
    reply: Callable[[Connection, Request], None]
    names: Callable[[], Collection[str]]
    """Names of the registered clients."""
    clock: Callable[[], float]
    log: PlainLog
    ha_log: HaLog
    permits: Permits

    def request(self, connection: Connection, request: Request) -> None:
        operation = request.get("op")
        if self.node.config.debug:
            self.ha_log.line("debug", "request", {"op": operation, "pid": connection.pid})
        if operation == "snapshot":
            self.reply(connection, snapshot(self.node, self.clock()))
        elif operation == "counters":
            counters = dict(sorted(self.node.counters.items()))
            self.reply(connection, {"event": "counters", "counters": counters})
        elif operation == "parameter":
            known = dict(self.node.config.as_written)
            name = str(request.get("name"))
            answer = {"event": "parameter", "name": name, "value": known.get(name)}
            self.reply(connection, answer)
        elif not connection.may_change:
            self._refuse(connection, request, "only root and the cluster user may do this")
        else:
            self._change(connection, request, operation)

    def _may_be(self, connection: Connection, client: str) -> bool:
        trusted = connection.may_change
        return self.permits.allow(client, connection.uid, connection.gid, is_trusted=trusted)

    def _change(self, connection: Connection, request: Request, operation: object) -> None:
        now = self.clock()
        try:
            if operation == "send":
                payload = base64.b64decode(_text(request, "payload"), validate=True)
                to = request.get("to")
                to = None if to is None else _text(request, "to").lower()
                self.feed(ev.Submit(_text(request, "topic"), payload, to), now)
            elif operation == "register":
                self._register(connection, request, now)
            elif operation == "leave":
                self.feed(ev.Leave(), now)
            elif operation == "rejoin":
                self.feed(ev.Rejoin(), now)
            elif operation in ("addnode", "delnode"):
                self._change_nodes(connection, request, operation == "addnode", now)
            elif operation == "raw":
                pairs = tuple((str(name), str(value)) for name, value in request["fields"])
                self.feed(ev.SubmitRaw(pairs), now)
            else:
                self._refuse(connection, request, f"operation {operation!r} is not known")
        except (KeyError, TypeError, ValueError, binascii.Error, QueueFull) as error:
            self._refuse(connection, request, str(error) or type(error).__name__)

    def _change_nodes(
        self, connection: Connection, request: Request, add: bool, now: float
    ) -> None:
        names = tuple(str(name).lower() for name in request["nodes"])
        roster = self.node.roster
        why = roster.refusal_to_add(names) if add else roster.refusal_to_delete(names)
        if why is not None or not names:
            self._refuse(connection, request, why or "no node is named")
            return
        if not request.get("check"):
            self.feed(ev.ChangeNodes(names, add), now)
        self.reply(connection, {"event": "changed", "nodes": list(roster.names())})

    def _register(self, connection: Connection, request: Request, now: float) -> None:
        name = _text(request, "client")
        if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 32:
            raise ValueError(f"client name {name!r} must be up to 32 letters and digits")
        if name in self.names():
            raise ValueError(f"a client called {name!r} is connected already")
        if not self._may_be(connection, name):
            raise ValueError(f"apiauth of ha.cf does not let this user be {name!r}")
        connection.name, connection.wants_raw = name, bool(request.get("raw"))
        self.feed(ev.ClientChange(name, True), now)
        self.reply(connection, {"event": "registered", "client": name})
        self.log.info("client.registered", client=name, pid=connection.pid)

    def _refuse(self, connection: Connection, request: Request, reason: str) -> None:
        answer = {"event": "refused", "op": str(request.get("op")), "reason": reason}
        self.reply(connection, answer)

    def gone(self, connection: Connection, reason: str) -> None:
        if connection.name is not None:
            self.log.info("client.gone", client=connection.name, reason=reason)
            self.feed(ev.ClientChange(connection.name, False), self.clock())


def _text(request: Request, key: str) -> str:
    value = request[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} must be text, not {type(value).__name__}")
    return value
