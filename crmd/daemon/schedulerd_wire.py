"""What crmd and schedulerd say to each other: a document out, a decision back.

A message is an IPC frame (header) whose member `size` says how many raw bytes follow it, since a
document may be larger than a frame.  Pure functions, no I/O.

    crmd: {"op": "schedule", "id": N, "now": EPOCH, "size": S} + S bytes of CIB
    schedulerd: {"op": "decision", "id": N, "ok": true, "size": S} + S bytes of JSON
                {"op": "decision", "id": N, "ok": false, "error": TEXT, "size": 0}
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from crmd.scheduler.transition import (
    Action,
    ActionKind,
    Decision,
    ResourceRef,
    ScoreLine,
    Synapse,
    Transition,
)

BODY_LIMIT = 256 * 1024 * 1024
"""Bytes of a document or decision; more ends the connection."""


class DecisionError(ValueError):
    """Bytes that are not a decision."""


def _action_to_json(action: Action) -> dict[str, Any]:
    data: dict[str, Any] = {"id": action.id, "kind": action.kind.value}
    for field in dataclasses.fields(action)[2:]:
        value = getattr(action, field.name)
        if value is None or value == ():
            continue
        data[field.name] = dataclasses.astuple(value) if field.name == "resource" else value
    return data


def _pairs(values: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values)


def _action_from_json(data: dict[str, Any]) -> Action:
    values = dict(data)
    values["kind"] = ActionKind(data["kind"])
    if "resource" in data:
        values["resource"] = ResourceRef(*data["resource"])
    for name in ("attributes", "maintenance"):
        if name in data:
            values[name] = tuple(tuple(v) if isinstance(v, list) else v for v in data[name])
    if "downed" in data:
        values["downed"] = tuple(data["downed"])
    return Action(**values)


def decision_to_bytes(decision: Decision) -> bytes:
    """A decision as JSON in UTF-8."""
    transition = decision.transition
    data = {
        "attributes": transition.attributes,
        "synapses": [
            [s.id, s.priority, s.inputs, _action_to_json(s.action)] for s in transition.synapses
        ],
        "scores": [line.text for line in decision.scores],
        "warnings": decision.warnings,
        "reasons": {key: list(chain) for key, chain in sorted(decision.reasons.items())},
    }
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def decision_from_bytes(data: bytes) -> Decision:
    """The decision `decision_to_bytes` wrote.  Raises DecisionError."""
    try:
        values = json.loads(data)
        synapses = tuple(
            Synapse(number, _action_from_json(action), tuple(inputs), priority)
            for number, priority, inputs, action in values["synapses"]
        )
        return Decision(
            Transition(_pairs(values["attributes"]), synapses),
            tuple(ScoreLine(text) for text in values["scores"]),
            tuple(values["warnings"]),
            {key: tuple(chain) for key, chain in values["reasons"].items()},
        )
    except (ValueError, TypeError, KeyError, RecursionError) as e:
        raise DecisionError(f"not a decision ({type(e).__name__}: {e})") from e
