"""What one operation of a history says about a resource.

What the accumulated result leads to is in `activity`, migrations are in `migrations`.
Facts: scheduler-1-assignment.md 12.9 - 12.13, 13.4, 13.5, 13.7, 14.7.
"""

from __future__ import annotations

from dataclasses import dataclass

from crmd.scheduler.model import (
    Cluster,
    HistoryEntry,
    Node,
    OnFail,
    RecordedFailure,
    Resource,
    ResourceHistory,
    Role,
)
from crmd.scheduler.requests import RescheduleRecurring
from crmd.scheduler.unpack import migrations, tables
from crmd.scheduler.unpack.failcounts import is_expired
from crmd.scheduler.unpack.fencing import can_fence, request_action
from crmd.scheduler.unpack.operations import (
    failure_strategy,
    role_after_failure,
)

PENDING, DONE, CANCELLED, TIMEOUT, UNSUPPORTED, ERROR = -1, 0, 1, 2, 3, 4
HARD_ERROR, FATAL_ERROR, NOT_INSTALLED, NOT_CONNECTED = 5, 6, 7, 8
NO_FENCE_DEVICE, NO_SECRETS = 10, 11

_TASKS = frozenset(
    {"monitor", "start", "stop", "promote", "demote", "migrate_to", "migrate_from", "asyncmon"}
)


@dataclass(slots=True)
class Reading:
    """One resource's history on one node while it is being read."""

    cluster: Cluster
    rsc: Resource
    node: Node
    history: ResourceHistory
    fail: OnFail = OnFail.IGNORE
    last_failure: HistoryEntry | None = None

    @property
    def banned_one(self) -> Resource:
        """Whom a ban concerns: the whole clone of an anonymous instance."""
        return self.rsc if self.rsc.unique else self.rsc.top

    def ban(self, rsc: Resource, reason: str) -> None:
        """-INFINITY on this node."""
        tables.ban(self.cluster, rsc, self.node, reason)

    def refuse(self, entry: HistoryEntry) -> None:
        """Remember a result that bans the resource from this node until it is cleaned up."""
        failure = RecordedFailure(entry, self.banned_one, self.node)
        self.cluster.hard_failures.append(failure)

    def record(self, entry: HistoryEntry, masked_probe: bool = False) -> None:
        """Keep an entry for display; what happened on a node that is gone is of no use there."""
        if self.node.online:
            self.cluster.failures.append(RecordedFailure(entry, self.rsc, self.node, masked_probe))


def is_usable(cluster: Cluster, entry: HistoryEntry) -> bool:
    """Whether an entry is complete and of a task that tells something (12.9)."""
    if not entry.id or entry.task not in _TASKS:
        return False
    if not -1 <= entry.status <= 11 or entry.status == CANCELLED:
        return False
    if not 0 <= entry.rc <= 255:
        cluster.warnings.append(f"operation {entry.id}: rc-code is no exit status; ignored")
        return False
    return True


def is_maskable_probe_failure(entry: HistoryEntry) -> bool:
    """A probe that could not look: agent missing or unusable (12.9.4)."""
    return entry.is_probe and (entry.rc in (2, 5) or entry.status == NOT_INSTALLED)


def process_entry(reading: Reading, entry: HistoryEntry) -> None:
    """Take one operation into account (12.9)."""
    cluster, rsc, node = reading.cluster, reading.rsc, reading.node
    if not is_usable(cluster, entry):
        return
    expired = is_expired(cluster, rsc, node, entry)
    status, rc = _remap(reading, entry, expired)
    maskable = rsc.bundle is None and is_maskable_probe_failure(entry)
    if expired and _handle_expired(reading, entry, rc, maskable):
        return
    if maskable:
        update_state(reading, entry, entry.target_rc, True)
        reading.record(entry, masked_probe=True)
        reading.ban(reading.banned_one, "the probe found that it cannot run there")
        return
    match status:
        case _ if status == PENDING:
            _note_pending(reading, entry)
        case _ if status == DONE:
            update_state(reading, entry, rc, maskable)
        case _ if status == NOT_INSTALLED:
            strategy = failure_strategy(cluster, rsc, entry.task, entry.interval_ms)
            reading.ban(reading.banned_one, f"{entry.id} failed there for good")
            reading.refuse(entry)
            if strategy is OnFail.IGNORE:
                reading.fail = max(reading.fail, OnFail.BAN)
                strategy = OnFail.BAN
            role = role_after_failure(rsc, entry.task, strategy)
            _record_failure(reading, entry, rc, strategy, role)
        case _:
            conn = node.conn if status == NOT_CONNECTED and node.is_remote_kind else None
            if conn is not None and conn.managed:
                conn.failed = conn.stop_if_failed = True
            _process_failure(reading, entry, status, rc, maskable)


def _remap(reading: Reading, entry: HistoryEntry, expired: bool) -> tuple[int, int]:
    """Status and exit code after 12.10; may set roles."""
    rsc, status, rc = reading.rsc, entry.status, entry.rc
    degraded = rc in (190, 191)
    if degraded:
        rc = 0 if rc == 190 else 8
        if not expired and (not reading.node.shutdown or reading.node.online):
            reading.record(entry)
    if rsc.bundle is None and is_maskable_probe_failure(entry):
        if status != DONE or rc != 7:
            status, rc = DONE, 7
    if status not in (DONE, ERROR):
        return (HARD_ERROR if status in (NO_FENCE_DEVICE, NO_SECRETS) else status), rc
    expected = entry.target_rc
    status = DONE if rc == expected and expected >= 0 else ERROR
    return _remap_code(reading, entry, expired, status, rc), rc


def _remap_code(reading: Reading, entry: HistoryEntry, expired: bool, status: int, rc: int) -> int:
    """The table of 12.10.5."""
    rsc, expected, probe = reading.rsc, entry.target_rc, entry.is_probe
    match rc:
        case 0:
            if probe and expected == 7:
                status = DONE
        case 7:
            if probe or expected == 7 or not rsc.managed:
                status = DONE
                rsc.orig_role, rsc.next_role = Role.STOPPED, Role.UNKNOWN
                reading.fail = OnFail.IGNORE
        case 8:
            if probe and expected != 8:
                status = DONE
            if not expired or rc == expected:
                rsc.orig_role = Role.PROMOTED
        case 9:
            if not expired:
                rsc.orig_role = Role.PROMOTED
            status = ERROR
        case 6:
            status = FATAL_ERROR
        case 3 if entry.interval_ms > 0:
            status = UNSUPPORTED
        case 2 | 3 | 4 | 5:
            if not expired:
                _block_if_unrecoverable(reading, entry)
            status = HARD_ERROR
        case _:
            if status == DONE:
                status = ERROR
    return status


def _block_if_unrecoverable(reading: Reading, entry: HistoryEntry) -> None:
    """A failed stop on a node that cannot be fenced blocks the resource (13.7)."""
    if entry.task == "stop" and not can_fence(reading.cluster, reading.node):
        reading.rsc.managed = False
        reading.rsc.blocked = True


def _handle_expired(reading: Reading, entry: HistoryEntry, rc: int, maskable: bool) -> bool:
    """Whether an expired entry needs no more attention (14.7)."""
    rsc, node = reading.rsc, reading.node
    if maskable and entry.rc != entry.target_rc:
        if rsc.orig_role <= Role.STOPPED:
            rsc.orig_role = Role.UNKNOWN
        return True
    if rc == entry.target_rc:
        return False
    if entry.interval_ms == 0:
        return True
    if node.online and not node.unclean:
        reading.cluster.requests.append(RescheduleRecurring(2, rsc, node, entry))
        return True
    return False


def _note_pending(reading: Reading, entry: HistoryEntry) -> None:
    """12.11."""
    rsc, node, last = reading.rsc, reading.node, reading.last_failure
    if (
        last is not None
        and (last.task, last.interval_ms) == (entry.task, entry.interval_ms)
        and entry.changed_at >= 0
        and last.changed_at >= entry.changed_at
    ):
        return
    if entry.task == "start":
        rsc.start_pending = True
        set_active(rsc)
    elif entry.task == "promote":
        rsc.orig_role = Role.PROMOTED
    elif entry.task == "migrate_to" and node.unclean:
        target = reading.cluster.node(entry.attrs.get("migrate_target"))
        if target is not None:
            request_action(reading.cluster, rsc, target, "stop")
    if rsc.pending_task is None and not entry.is_probe:
        rsc.pending_task = entry.task
        rsc.pending_node = node


def set_active(rsc: Resource) -> None:
    """The role of something running (12.13 b)."""
    rsc.orig_role = Role.UNPROMOTED if rsc.top.promotable else Role.STARTED


def update_state(reading: Reading, entry: HistoryEntry, rc: int, maskable: bool) -> None:
    """What exit code `rc` of an operation makes of the role (12.13 a)."""
    rsc, clears = reading.rsc, False
    if rc == 5 or maskable:
        rsc.orig_role = Role.STOPPED
    elif rc == 7:
        clears = True
    elif entry.task == "monitor":
        last = reading.last_failure
        clears = last is not None and (last.task, last.interval_ms) == (
            "monitor",
            entry.interval_ms,
        )
        if rsc.orig_role < Role.STARTED:
            set_active(rsc)
    elif entry.task == "start":
        rsc.orig_role, clears = Role.STARTED, True
    elif entry.task == "stop":
        rsc.orig_role, clears = Role.STOPPED, True
    elif entry.task == "promote":
        rsc.orig_role, clears = Role.PROMOTED, True
    elif entry.task == "demote":
        rsc.orig_role = Role.UNPROMOTED
        clears = reading.fail is OnFail.DEMOTE
    elif entry.task == "migrate_from":
        rsc.orig_role, clears = Role.STARTED, True
    elif entry.task == "migrate_to":
        migrations.successful_migrate_to(reading.cluster, rsc, reading.node, entry)
    elif rsc.orig_role < Role.STARTED:
        set_active(rsc)
    if clears:
        _clear(reading)


def _clear(reading: Reading) -> None:
    """A success that makes up for lesser failures (12.13)."""
    fail = reading.fail
    if fail in (
        OnFail.BLOCK,
        OnFail.IGNORE,
        OnFail.DEMOTE,
        OnFail.RESTART,
        OnFail.RESTART_CONTAINER,
    ) or (fail is OnFail.RESET_REMOTE and not reading.rsc.remote_reconnect_ms):
        reading.fail = OnFail.IGNORE
        reading.rsc.next_role = Role.UNKNOWN


def _process_failure(
    reading: Reading, entry: HistoryEntry, status: int, rc: int, maskable: bool
) -> None:
    """13.4."""
    cluster, rsc = reading.cluster, reading.rsc
    strategy = failure_strategy(cluster, rsc, entry.task, entry.interval_ms)
    role = role_after_failure(rsc, entry.task, strategy)
    if strategy is OnFail.IGNORE or (strategy is OnFail.RESTART_CONTAINER and entry.task == "stop"):
        update_state(reading, entry, entry.target_rc, maskable)
        rsc.ignore_failure = True
        reading.record(entry)
        if strategy is OnFail.RESTART_CONTAINER and reading.fail <= OnFail.RESTART:
            reading.fail = strategy
        return
    _record_failure(reading, entry, rc, strategy, role)
    if status == HARD_ERROR:
        reading.ban(reading.banned_one, f"{entry.id} failed there for good")
        reading.refuse(entry)
    elif status == FATAL_ERROR:
        tables.ban_everywhere(cluster, reading.banned_one, f"{entry.id} failed for good")


def _record_failure(
    reading: Reading, entry: HistoryEntry, rc: int, strategy: OnFail, role: Role
) -> None:
    """13.5."""
    cluster, rsc, node = reading.cluster, reading.rsc, reading.node
    reading.last_failure = entry
    reading.record(entry)
    reading.fail = max(reading.fail, strategy)
    match entry.task:
        case "stop":
            reading.ban(rsc, "a stop failed there")
        case "migrate_to":
            migrations.failed_migrate_to(cluster, rsc, node, entry)
        case "migrate_from":
            migrations.failed_migrate_from(cluster, rsc, node, entry)
        case "promote":
            rsc.orig_role = Role.PROMOTED
        case "demote":
            if strategy is OnFail.BLOCK:
                rsc.orig_role, rsc.next_role = Role.PROMOTED, Role.STOPPED
            elif rc == 7:
                rsc.orig_role = Role.STOPPED
            else:
                rsc.orig_role = Role.UNPROMOTED
        case _:
            pass
    if entry.is_probe and rc == 5:
        rsc.orig_role = Role.STOPPED
    elif rsc.orig_role < Role.STARTED:
        set_active(rsc)
    if role is not Role.STARTED and rsc.next_role < role:
        rsc.next_role = role
    if role is Role.STOPPED:
        _ban_everywhere(reading)


def _ban_everywhere(reading: Reading) -> None:
    """A new table without hope: the resource, or its whole anonymous clone (13.5)."""
    rsc = reading.rsc
    top = rsc.top
    if top.clone is not None and not top.unique:
        rsc = top
    tables.replace_with_bans(reading.cluster, rsc, reading.cluster.nodes, "on-fail=stop")
