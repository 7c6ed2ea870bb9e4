"""Agent calls as a DC sends them to a member, and the mark on those that fence.

Source: docs/interfaces.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ocf.calls import AgentCall, AgentRef


def call_to(call: AgentCall) -> dict[str, Any]:
    """A call as a JSON object, without its number."""
    return {
        "rsc": call.rsc,
        "class": call.agent.klass,
        "provider": call.agent.provider,
        "type": call.agent.type,
        "operation": call.operation,
        "params": dict(call.params),
        "meta": dict(call.meta),
        "timeout_ms": call.timeout_ms,
        "interval_ms": call.interval_ms,
        "start_delay_ms": call.start_delay_ms,
        "user_data": call.user_data,
    }


def call_from(body: Mapping[str, Any]) -> AgentCall:
    """A call from a JSON object; its number is 0 until it starts. Raises ValueError."""
    try:
        return AgentCall(
            call_id=0,
            rsc=str(body["rsc"]),
            agent=AgentRef(str(body["class"]), str(body["type"]), body["provider"]),
            operation=str(body["operation"]),
            params=dict(body["params"]),
            meta=dict(body["meta"]),
            timeout_ms=int(body["timeout_ms"]),
            interval_ms=int(body["interval_ms"]),
            start_delay_ms=int(body["start_delay_ms"]),
            user_data=str(body["user_data"]),
        )
    except (KeyError, TypeError) as e:
        raise ValueError(f"call: {e}") from e


def fence_text(operation: str, target: str, action: str) -> str:
    """User data of a fence call: which request it serves, and whom it shoots how."""
    fence = {"operation": operation, "target": target, "action": action}
    return json.dumps({"fence": fence}, sort_keys=True)


def fence_data(user_data: str) -> dict[str, Any] | None:
    """What `fence_text` wrote; None for other calls."""
    try:
        data = json.loads(user_data)
    except ValueError:
        return None
    fence = data.get("fence") if isinstance(data, dict) else None
    return fence if isinstance(fence, dict) else None
