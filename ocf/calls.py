"""One agent call and its result, as values. Source: ocf.md sections 2, 3 and 6."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class AgentRef:
    """Which agent: `ocf:heartbeat:IPaddr2`, `lsb:nginx`, `heartbeat:drbddisk`, ..."""

    klass: str
    type: str
    provider: str | None = None

    def __str__(self) -> str:
        return ":".join(p for p in (self.klass, self.provider, self.type) if p)


class ExecStatus(Enum):
    """How a call ended, apart from the agent's exit code; the value is `op-status` in the CIB."""

    PENDING = -1
    DONE = 0
    CANCELLED = 1
    TIMEOUT = 2
    NOT_SUPPORTED = 3
    ERROR = 4
    ERROR_HARD = 5
    ERROR_FATAL = 6
    NOT_INSTALLED = 7


@dataclass(frozen=True, slots=True)
class AgentCall:
    """One action of one resource on this node.

    `params` are resource parameters (without OCF_RESKEY_), `meta` further CRM_meta_ values.
    `timeout_ms` bounds the run; `interval_ms` > 0 makes it recurring in execd;
    `start_delay_ms` waits before the first run.
    """

    call_id: int
    rsc: str
    agent: AgentRef
    operation: str
    params: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int = 20_000
    interval_ms: int = 0
    start_delay_ms: int = 0
    user_data: str = ""
    """Opaque to the executor (the transition key of the CIB's history)."""


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What came of a call. Times in ms; `run_at`/`changed_at` are wall-clock seconds (epoch)."""

    call_id: int
    rsc: str
    operation: str
    interval_ms: int
    rc: int
    status: ExecStatus
    exit_reason: str = ""
    output: str = ""
    exec_ms: int = 0
    queue_ms: int = 0
    run_at: int = 0
    changed_at: int = 0
    user_data: str = ""
