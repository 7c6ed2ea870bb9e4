"""What execd and its clients say to each other: calls and results as JSON, and kept results.

Pure values and bookkeeping, no I/O.  Messages (docs/interfaces.md has the frame):

    client: {"op": "hello", "client": TOKEN}      server: {"op": "hello", "instance": ID, ...}
    client: {"op": "run", "call": {...}}          server: {"op": "accepted", "call_id": N}
    client: {"op": "cancel", "rsc", "operation", "interval_ms"}
                                                  server: {"op": "cancelled", ..., "found": BOOL}
    client: {"op": "forget", "rsc": ID, "failures_only": BOOL}
                                                  server: {"op": "forgotten", "rsc": ID}
    client: {"op": "list"}                        server: {"op": "list", ...}
    client: {"op": "ack", "result_seq": N}        server: (nothing)
                                                  server: {"op": "result", "seq": N, "result": {}}
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocf.calls import AgentCall, AgentRef, AgentResult, ExecStatus

RESULTS_KEPT = 10_000
OUTPUT_KEPT = 64 * 1024 * 1024
"""Results, and characters of agent output in them, kept for a client that does not acknowledge;
then the oldest go."""
WINDOW = 200
"""Results that may be on their way to one client before it acknowledges."""


class CallError(ValueError):
    """A message does not describe a call; the text names the field."""


def call_to_json(call: AgentCall) -> dict[str, Any]:
    """A call as a JSON object; maps become sorted plain objects."""
    data = {f.name: getattr(call, f.name) for f in dataclasses.fields(call)}
    data["agent"] = {
        "klass": call.agent.klass,
        "provider": call.agent.provider,
        "type": call.agent.type,
    }
    data["params"] = dict(sorted(call.params.items()))
    data["meta"] = dict(sorted(call.meta.items()))
    return data


def _text(data: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = data.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise CallError(f"{name}={value!r}: want text")
    return value


def _count(data: Mapping[str, Any], name: str, default: int) -> int:
    value = data.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise CallError(f"{name}={value!r}: want a whole number of at least 0")
    return value


def _texts(data: Mapping[str, Any], name: str) -> dict[str, str]:
    value = data.get(name, {})
    if not isinstance(value, dict):
        raise CallError(f"{name}: want an object of texts")
    for key, text in value.items():
        if not isinstance(text, str) or "\0" in text or "\0" in key or "=" in key or not key:
            raise CallError(f"{name}.{key}={text!r}: want a name and a text")
    return value


def call_from_json(data: Any) -> AgentCall:
    """The call a JSON object describes.  Raises CallError naming the bad field."""
    if not isinstance(data, dict) or not isinstance(data.get("agent"), dict):
        raise CallError("want an object with an agent")
    agent = data["agent"]
    provider = agent.get("provider")
    if provider is not None and not isinstance(provider, str):
        raise CallError(f"provider={provider!r}: want text")
    rsc, operation = _text(data, "rsc"), _text(data, "operation")
    if not rsc or not operation:
        raise CallError("rsc and operation must not be empty")
    timeout_ms = _count(data, "timeout_ms", 20_000)
    return AgentCall(
        call_id=_count(data, "call_id", 0),
        rsc=rsc,
        agent=AgentRef(_text(agent, "klass"), _text(agent, "type"), provider),
        operation=operation,
        params=_texts(data, "params"),
        meta=_texts(data, "meta"),
        timeout_ms=timeout_ms or 20_000,
        interval_ms=_count(data, "interval_ms", 0),
        start_delay_ms=_count(data, "start_delay_ms", 0),
        user_data=_text(data, "user_data", ""),
    )


def result_to_json(result: AgentResult) -> dict[str, Any]:
    """A result as a JSON object; the status is its number."""
    data = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    data["status"] = result.status.value
    return data


def result_from_json(data: Mapping[str, Any]) -> AgentResult:
    """The result a JSON object of `result_to_json` stands for.  Raises CallError."""
    try:
        return AgentResult(**{**data, "status": ExecStatus(data["status"])})
    except (TypeError, ValueError, KeyError) as e:
        raise CallError(f"not a result ({e})") from e


def failed(call: AgentCall, reason: str) -> AgentResult:
    """The result of a call that nobody can tell the outcome of."""
    return AgentResult(
        call_id=call.call_id,
        rsc=call.rsc,
        operation=call.operation,
        interval_ms=call.interval_ms,
        rc=1,
        status=ExecStatus.ERROR,
        exit_reason=reason,
        user_data=call.user_data,
    )


@dataclass(slots=True)
class ResultLog:
    """Numbered results until they are acknowledged, and the last one of each operation.

    `last_failed` is the newest result of each operation whose exit code was neither 0 nor 8.
    """

    kept: int = RESULTS_KEPT
    next_seq: int = 1
    dropped: int = 0
    last: dict[tuple[str, str, int], AgentResult] = field(default_factory=dict)
    last_failed: dict[tuple[str, str, int], AgentResult] = field(default_factory=dict)
    _unacknowledged: dict[int, AgentResult] = field(default_factory=dict)
    _output: int = 0

    def add(self, result: AgentResult) -> int:
        """Number of the new result."""
        seq, self.next_seq = self.next_seq, self.next_seq + 1
        self._unacknowledged[seq] = result
        self._output += len(result.output)
        while len(self._unacknowledged) > self.kept or self._output > OUTPUT_KEPT:
            self._remove(next(iter(self._unacknowledged)))
            self.dropped += 1
        key = (result.rsc, result.operation, result.interval_ms)
        self.last[key] = result
        if result.rc not in (0, 8) or result.status is not ExecStatus.DONE:
            self.last_failed[key] = result
        return seq

    def forget(self, rsc: str, failures_only: bool = False) -> None:
        """Drop what is remembered of a resource; results on their way are not touched."""
        for kept in (self.last, self.last_failed):  # in this order: the second is the measure
            for key in [k for k in kept if k[0] == rsc]:
                if not failures_only or self.last_failed.get(key) == kept[key]:
                    del kept[key]

    def history(self) -> list[AgentResult]:
        """Newest results and newest failed ones, by call number."""
        found = {id(r): r for kept in (self.last, self.last_failed) for r in kept.values()}
        return sorted(found.values(), key=lambda r: (r.call_id, r.changed_at))

    def acknowledge(self, seq: int) -> None:
        """Forget results up to and including `seq`."""
        for old in [s for s in self._unacknowledged if s <= seq]:
            self._remove(old)

    def _remove(self, seq: int) -> None:
        self._output -= len(self._unacknowledged.pop(seq).output)

    def to_send(self, sent: int) -> list[tuple[int, AgentResult]]:
        """What may go now to a client that was sent all up to number `sent`, in order."""
        on_the_way = sum(1 for seq in self._unacknowledged if seq <= sent)
        rest = (item for item in self._unacknowledged.items() if item[0] > sent)
        return list(itertools.islice(rest, max(0, WINDOW - on_the_way)))

    def unacknowledged(self) -> list[tuple[int, AgentResult]]:
        """Results nobody acknowledged, in order."""
        return sorted(self._unacknowledged.items(), key=lambda item: item[0])
