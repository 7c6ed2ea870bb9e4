"""What a client may ask the controller over the API socket, as JSON objects.

Every request is an object with the member `op`; every answer has `ok` (bool) and, when false,
`code` (exit code of cli.md section 3) and `error` (one line).  Unknown members are refused.

| op | members | answer |
|---|---|---|
| `cib` | `request`: `cib.operations.Request.to_dict()` | `outcome`: `rc`, `xml`, `changed`, `error`, `problems`; a change also has `durable`: true when a majority holds it on disk, `quorum`: bool, perhaps `warning`; a query is answered from the node's own copy, with `in_sync` |
| `status` | | `node`, `dc`, `state`, `quorum`, `members`, `peers`, `transition`, `round`, `view`, `disk` |
| `wait` | `timeout_s` | answered when nothing is running or due: `idle`: bool (false: time is up) |
| `cleanup` | `rsc`, `node`, `operation`, `interval_ms`, all optional; `failures_only` (default true) | `nodes`: those whose history was deleted |
| `attribute` | `node`, `name`, `value` (null deletes) | transient node attribute set |
| `fence` | `node`, `action` (reboot, off, on) | when done: `ok` |
| `confirm` | `node` | a person vouches that the node is down |
| `fence_history` | `node` optional | `events`: list |
| `shutdown` | `node` optional (default: this one) | accepted; resources move, then it leaves |
| `transition` | | `graph`: XML of the DC's newest transition or null |
| `subscribe` | | `ok`; then `Notify` payloads `{"event": "cib", "version": ...}`, `{"event": "members"}`, ... |

It does not decide anything; `controller.py` answers.  Source: cli.md sections 4 and 6.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REQUESTS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "cib": {"request": (dict,)},
    "status": {},
    "wait": {"timeout_s": (int, float)},
    "cleanup": {
        "rsc": (str, type(None)),
        "node": (str, type(None)),
        "operation": (str, type(None)),
        "interval_ms": (int, type(None)),
        "failures_only": (bool,),
    },
    "attribute": {"node": (str,), "name": (str,), "value": (str, type(None))},
    "fence": {"node": (str,), "action": (str,)},
    "confirm": {"node": (str,)},
    "fence_history": {"node": (str, type(None))},
    "shutdown": {"node": (str, type(None))},
    "transition": {},
    "subscribe": {},
}
"""Members of each request besides `op`, and their types."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "cib": ("request",),
    "attribute": ("node", "name"),
    "fence": ("node",),
    "confirm": ("node",),
}


class BadRequest(ValueError):
    """A request that is not one of the table; the text names the member at fault."""


def check(payload: Mapping[str, Any]) -> str:
    """The `op` of a well-formed request. Raises BadRequest otherwise."""
    op = payload.get("op")
    if not isinstance(op, str) or op not in REQUESTS:
        raise BadRequest(f"op {op!r}: want one of {', '.join(sorted(REQUESTS))}")
    members = REQUESTS[op]
    for name, value in payload.items():
        if name == "op":
            continue
        if name not in members:
            raise BadRequest(f"{op}: member {name!r} is not known")
        if not isinstance(value, members[name]):
            raise BadRequest(f"{op}: {name}={value!r} has the wrong type")
    for name in REQUIRED.get(op, ()):
        if name not in payload:
            raise BadRequest(f"{op}: member {name!r} is missing")
    return op
