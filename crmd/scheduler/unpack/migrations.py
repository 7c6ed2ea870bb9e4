"""Half-done and failed live migrations in history.

Facts: scheduler-1-assignment.md 12.20.
"""

from __future__ import annotations

from collections.abc import Iterator

from crmd.scheduler.model import Cluster, HistoryEntry, Node, Resource, Role
from crmd.scheduler.unpack import activity
from crmd.scheduler.unpack.entries import compare_entries

_MOVES = ("start", "stop", "migrate_to", "migrate_from")


def _entries(cluster: Cluster, rsc: Resource, node_name: str) -> Iterator[HistoryEntry]:
    """Entries of the resource's own id on the node of that name."""
    node = cluster.node(node_name)
    if node is None:
        return
    for found in cluster.histories.get(node.index, ()):
        if found.id == rsc.id:
            yield from found.entries


def _operation(
    cluster: Cluster, rsc: Resource, task: str, node: str, peer: str, rc: int | None = None
) -> HistoryEntry | None:
    """The entry of a migration task on a node with that peer, and that successful rc if given."""
    attribute = "migrate_target" if task == "migrate_to" else "migrate_source"
    for entry in _entries(cluster, rsc, node):
        if entry.task == task and entry.attrs.get(attribute) == peer:
            if rc is None or (entry.rc == rc and entry.status == 0):
                return entry
    return None


def _unknown_on(cluster: Cluster, rsc: Resource, node: str) -> bool:
    """No operation with a known result there."""
    return all(entry.rc == 193 for entry in _entries(cluster, rsc, node))


def _ran_on(entry: HistoryEntry, node: str) -> bool:
    """Whether a migration entry belongs to the history of the node of that name."""
    end = "migrate_source" if entry.task == "migrate_to" else "migrate_target"
    return (entry.attrs.get(end) or "").lower() == node.lower()


def _newer_action(cluster: Cluster, rsc: Resource, node: str, than: HistoryEntry) -> bool:
    same = _ran_on(than, node)
    return any(
        entry.task in _MOVES and entry is not than and compare_entries(entry, than, same) > 0
        for entry in _entries(cluster, rsc, node)
    )


def _newer_state(
    cluster: Cluster,
    rsc: Resource,
    node: str,
    to: HistoryEntry | None,
    from_: HistoryEntry | None,
) -> bool:
    """Something on the node happened after the migration."""
    x = from_ or to
    if to is not None and from_ is not None:
        if node.lower() == (to.attrs.get("migrate_source") or "").lower():
            x = to
    if x is None:
        return False
    if _newer_action(cluster, rsc, node, x):
        return True
    absent = [
        entry
        for entry in _entries(cluster, rsc, node)
        if entry.task == "monitor" and entry.rc == 7 and entry.status == 0
    ]
    # Observed: with several such entries none of them counts.
    return len(absent) == 1 and compare_entries(absent[0], x, _ran_on(x, node)) > 0


def _ends(
    cluster: Cluster, entry: HistoryEntry, here: Node, is_source: bool
) -> tuple[str, str] | None:
    """(source, target) names of a migration entry, None when they make no sense."""
    source, target = entry.attrs.get("migrate_source"), entry.attrs.get("migrate_target")
    if source is None or target is None:
        cluster.warnings.append(f"operation {entry.id}: a migration without source or target")
        return None
    mine = source if is_source else target
    if mine.lower() != here.name.lower():
        cluster.warnings.append(
            f"operation {entry.id}: it names node '{mine}' but is recorded on {here.name}"
        )
        return None
    return source, target


def _give_up(rsc: Resource) -> None:
    rsc.failed = rsc.stop_if_failed = True
    rsc.migratable = False


def successful_migrate_to(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """The resource left for the target; is it there?"""
    ends = _ends(cluster, entry, node, is_source=True)
    if ends is None:
        return
    source, target = ends
    source_newer = _newer_action(cluster, rsc, source, entry)
    from_ = _operation(cluster, rsc, "migrate_from", target, source)
    from_rc, from_status = 0, -1
    if from_ is not None:
        if source_newer:
            return
        from_rc = max(from_.rc, 0) if from_.rc != -999 else 0
        from_status = from_.status if from_.status != -999 else -1
    target_newer = _newer_state(cluster, rsc, target, entry, from_)
    if source_newer and target_newer:
        return
    if from_rc == 0 and from_status == 0:
        rsc.orig_role = Role.STOPPED
        rsc.dangling.insert(0, node)
        return
    rsc.orig_role = Role.STARTED
    target_node, source_node = cluster.node(target), cluster.node(source)
    active_there = not target_newer and target_node is not None and target_node.online
    if from_status != -1:
        if active_there and target_node is not None:
            activity.add_active(cluster, rsc, target_node, failed=True)
        else:
            _give_up(rsc)
        return
    if target_node is not None and target_node.online and _unknown_on(cluster, rsc, target):
        return
    if active_there and target_node is not None:
        activity.add_active(cluster, rsc, target_node, failed=False)
        if source_node is not None and source_node.online:
            rsc.partial_src, rsc.partial_tgt = source_node, target_node
    elif not source_newer:
        _give_up(rsc)


def failed_migrate_to(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """It should still be on the source, but may have reached the target."""
    ends = _ends(cluster, entry, node, is_source=True)
    if ends is None:
        return
    source, target = ends
    rsc.orig_role = Role.STARTED
    from_ = _operation(cluster, rsc, "migrate_from", target, source, rc=0)
    target_node = cluster.node(target)
    if not _unknown_on(cluster, rsc, target) and not _newer_state(
        cluster, rsc, target, entry, from_
    ):
        if target_node is not None and target_node.online:
            activity.add_active(cluster, rsc, target_node, failed=False)
    elif not _newer_action(cluster, rsc, source, entry):
        rsc.dangling.insert(0, node)


def failed_migrate_from(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> None:
    """The target is stuck with it; the source may still have it."""
    ends = _ends(cluster, entry, node, is_source=False)
    if ends is None:
        return
    source, target = ends
    rsc.orig_role = Role.STARTED
    to = _operation(cluster, rsc, "migrate_to", source, target, rc=0)
    source_node = cluster.node(source)
    if not _unknown_on(cluster, rsc, source) and not _newer_state(cluster, rsc, source, to, entry):
        if source_node is not None and source_node.online:
            activity.add_active(cluster, rsc, source_node, failed=True)
