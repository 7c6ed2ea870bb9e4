"""From an action of a graph to an agent call, and from its result to entries of the CIB's history.

Pure text work: keys, ids, digests and attributes exactly as the scheduler reads them back.  It does
not know where the entries are stored (`crmd.replication.status`) nor who executes.
Source: scheduler-2-actions.md 0.1, 7.7, 16.4; scheduler-1-assignment.md section 12.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cib.digest import parameters
from cib.document import FEATURE_SET
from crmd.scheduler.transition import Action
from ocf.calls import AgentCall, AgentRef, AgentResult, ExecStatus

DEFAULT_TIMEOUT_MS = 20_000
DEGRADED = {190: 0, 191: 8}
NOT_DIGESTED = frozenset(
    ("id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip")
)
RECORDED_WHILE_PENDING = frozenset(
    ("start", "stop", "promote", "demote", "migrate_to", "migrate_from", "reload", "reload-agent")
)


@dataclass(frozen=True, slots=True)
class TransitionKey:
    """Which action of which transition of which DC asked, and what exit code it expects."""

    transition: int
    action: int
    target_rc: int
    uuid: str

    def __str__(self) -> str:
        return f"{self.action}:{self.transition}:{self.target_rc}:{self.uuid}"

    @staticmethod
    def parse(text: str) -> TransitionKey | None:
        """The key in `text`; None if it is not one."""
        parts = text.split(":", 3)
        try:
            action, transition, target_rc = (int(p) for p in parts[:3])
            return TransitionKey(transition, action, target_rc, parts[3])
        except (ValueError, IndexError):
            return None


@dataclass(frozen=True, slots=True)
class Context:
    """What the history needs to know of a call besides its result; travels with the call."""

    key: TransitionKey
    rsc: Mapping[str, str]
    """Attributes of the `lrm_resource`: id, type, class, provider."""
    operation: str
    operation_key: str
    digest: str
    extra: Mapping[str, str] = field(default_factory=dict)
    """`migrate_source`, `migrate_target`."""

    def dump(self) -> str:
        """As text, for `AgentCall.user_data`."""
        return json.dumps(
            {
                "key": str(self.key),
                "rsc": dict(self.rsc),
                "operation": self.operation,
                "operation_key": self.operation_key,
                "digest": self.digest,
                "extra": dict(self.extra),
            },
            separators=(",", ":"),
        )

    @staticmethod
    def load(text: str) -> Context | None:
        """From text; None if it was not written by `dump`."""
        try:
            data = json.loads(text)
            key = TransitionKey.parse(data["key"])
            if key is None:
                return None
            return Context(
                key,
                dict(data["rsc"]),
                str(data["operation"]),
                str(data["operation_key"]),
                str(data["digest"]),
                dict(data["extra"]),
            )
        except (ValueError, KeyError, TypeError):
            return None


def interval_of(action: Action) -> int:
    """Interval of an action in ms; 0 when it is not recurring."""
    return _milliseconds(action.attribute("CRM_meta_interval"), 0)


def timeout_of(action: Action) -> int:
    """Timeout of an action in ms, its start delay included."""
    delay = _milliseconds(action.attribute("CRM_meta_start_delay"), 0)
    return _milliseconds(action.attribute("CRM_meta_timeout"), DEFAULT_TIMEOUT_MS) + delay


def target_rc_of(action: Action) -> int:
    """The exit code that counts as success."""
    return _milliseconds(action.attribute("CRM_meta_op_target_rc"), 0)


def _milliseconds(text: str | None, default: int) -> int:
    try:
        return int(text) if text is not None else default
    except ValueError:
        return default


def parameter_digest(attributes: Mapping[str, str], interval_ms: int) -> str:
    """`op-digest` of an action's attributes (MD5, hex)."""
    kept = {}
    for name, value in attributes.items():
        if name in NOT_DIGESTED:
            continue
        if name.startswith("CRM_meta_") and not (interval_ms and name == "CRM_meta_timeout"):
            continue
        kept[name] = value
    return parameters(kept)


def operation_key(rsc: str, operation: str, interval_ms: int) -> str:
    """`<rsc>_<operation>_<interval in ms>`."""
    return f"{rsc}_{operation}_{interval_ms}"


def context_of(action: Action, transition: int, uuid: str) -> Context:
    """What has to be remembered of an action until its result is recorded."""
    assert action.resource is not None, f"{action.operation_key} has no resource"
    ref = action.resource
    rsc = {"id": ref.id, "type": ref.type, "class": ref.klass}
    if ref.provider is not None:
        rsc["provider"] = ref.provider
    attributes = dict(action.attributes)
    interval = interval_of(action)
    if action.operation == "notify":
        kind = attributes.get("CRM_meta_notify_type", "pre")
        about = attributes.get("CRM_meta_notify_operation", "start")
        key = f"{ref.id}_{kind}_notify_{about}_0"
    else:
        key = operation_key(ref.id, action.operation, interval)
    extra = {
        name: attributes[f"CRM_meta_{name}"]
        for name in ("migrate_source", "migrate_target")
        if f"CRM_meta_{name}" in attributes
    }
    return Context(
        TransitionKey(transition, action.id, target_rc_of(action), uuid),
        rsc,
        action.operation,
        key,
        parameter_digest(attributes, interval),
        extra,
    )


def call_of(action: Action, context: Context, call_id: int = 0) -> AgentCall:
    """The agent call that carries out a resource action."""
    assert action.resource is not None
    ref = action.resource
    params = {
        name: value
        for name, value in action.attributes
        if not name.startswith("CRM_meta_") and name not in NOT_DIGESTED
    }
    meta = {name: value for name, value in action.attributes if name.startswith("CRM_meta_")}
    return AgentCall(
        call_id=call_id,
        rsc=ref.id,
        agent=AgentRef(ref.klass, ref.type, ref.provider),
        operation=action.operation,
        params=params,
        meta=meta,
        timeout_ms=_milliseconds(action.attribute("CRM_meta_timeout"), DEFAULT_TIMEOUT_MS),
        interval_ms=interval_of(action),
        start_delay_ms=_milliseconds(action.attribute("CRM_meta_start_delay"), 0),
        user_data=context.dump(),
    )


def is_expected(rc: int, status: ExecStatus, target_rc: int) -> bool:
    """Whether a result is what the action was meant to give."""
    return status is ExecStatus.DONE and DEGRADED.get(rc, rc) == target_rc


def entry_ids(context: Context, interval_ms: int, as_expected: bool) -> tuple[str, ...]:
    """Ids under which a result is kept."""
    rsc = context.rsc["id"]
    if context.operation == "notify":
        return (context.operation_key,)
    if context.operation in ("migrate_to", "migrate_from") or interval_ms:
        usual = context.operation_key
    else:
        usual = f"{rsc}_last_0"
    if as_expected:
        return (usual,)
    if interval_ms:
        return (f"{rsc}_last_failure_0",)
    return (f"{rsc}_last_failure_0", usual)


def entries(result: AgentResult, context: Context, node: str, wall: float) -> list[dict[str, Any]]:
    """Attributes of the `lrm_rsc_op` entries that record a result, in writing order."""
    as_expected = is_expected(result.rc, result.status, context.key.target_rc)
    common: dict[str, Any] = {
        "operation_key": context.operation_key,
        "operation": _recorded_operation(context.operation),
        "crm-debug-origin": "controller",
        "crm_feature_set": FEATURE_SET,
        "transition-key": str(context.key),
        "transition-magic": f"{result.status.value}:{result.rc};{context.key}",
        "exit-reason": xml_text(result.exit_reason),
        "on_node": node,
        "call-id": str(result.call_id),
        "rc-code": str(result.rc),
        "op-status": str(result.status.value),
        "interval": str(result.interval_ms),
        "last-rc-change": str(result.changed_at or int(wall)),
        "exec-time": str(result.exec_ms),
        "queue-time": str(result.queue_ms),
        **context.extra,
        "op-digest": context.digest,
    }
    ids = entry_ids(context, result.interval_ms, as_expected)
    return [{"id": op_id, **common} for op_id in ids]


def pending_entry(context: Context, node: str, wall: float) -> dict[str, Any] | None:
    """The entry that says an action is under way; None for actions not recorded while so."""
    if context.operation not in RECORDED_WHILE_PENDING:
        return None
    return {
        "id": entry_ids(context, 0, True)[0],
        "operation_key": context.operation_key,
        "operation": _recorded_operation(context.operation),
        "crm-debug-origin": "controller",
        "crm_feature_set": FEATURE_SET,
        "transition-key": str(context.key),
        "transition-magic": f"-1:193;{context.key}",
        "exit-reason": "",
        "on_node": node,
        "call-id": "-1",
        "rc-code": "193",
        "op-status": "-1",
        "interval": "0",
        "last-rc-change": str(int(wall)),
        "exec-time": "0",
        "queue-time": "0",
        **context.extra,
        "op-digest": context.digest,
    }


def _recorded_operation(operation: str) -> str:
    return "start" if operation in ("reload", "reload-agent") else operation


def xml_text(text: str) -> str:
    """`text` without the characters that XML cannot carry."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
