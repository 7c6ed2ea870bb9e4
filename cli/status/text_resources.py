"""The resource list as text.

Facts: scheduler-2-actions.md sections 17.4 to 17.7, cli.md section 5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cmp_to_key

from cib.lexical import compare_names
from cli.status.listing import Listing
from cli.status.model import Active, NodeStatus, ReplicaStatus, ResourceStatus, Role, Variant
from cli.status.show import Show

PENDING_WORDS = {
    "start": "Starting",
    "stop": "Stopping",
    "migrate_to": "Migrating",
    "migrate_from": "Migrating",
    "promote": "Promoting",
    "demote": "Demoting",
}

Items = list[str | Listing]


# --- primitives --------------------------------------------------------------------------


def primitive_line(
    r: ResourceStatus,
    show: Show,
    *,
    name: str | None = None,
    names_node: bool = True,
) -> str:
    """One line for a primitive.

    `name` replaces its id; without `names_node` the line stands below a node's heading and does
    not repeat it.
    """
    several = len(r.active) > 1
    place = r.active[0] if len(r.active) == 1 else None
    if place is None and not several:
        place = r.pending_node or r.locked_to
    node_name = place.node if place is not None else None
    words = [*_state_words(r, show)]
    if node_name is not None and names_node:
        words.append(node_name)
    line = f"{name or r.shown_id}\t({r.agent}):\t {' '.join(words)}"
    if r.role is Role.STOPPED and not r.failed:
        text = next((m.text for m in r.masked if node_name is None or m.node == node_name), None)
        if text is not None:
            line += f" ({text}) "
    flags = _flags(r, show, place)
    if flags:
        line += f" ({', '.join(flags)})"
    if r.description and (show.description or show.details or several or not names_node):
        line += f" ({r.description})"
    if several and names_node:
        line += f" [ {' '.join(active.node for active in r.active)} ]"
    return line


def _state_words(r: ResourceStatus, show: Show) -> Iterable[str]:
    if r.removed:
        yield "ORPHANED"
    if r.failed:
        yield "FAILED"
        if r.role is Role.PROMOTED:
            yield r.role.word
    elif show.pending and r.pending_task in PENDING_WORDS:
        yield PENDING_WORDS[r.pending_task]
    elif r.role is Role.STARTED and r.promotable:
        yield Role.UNPROMOTED.word
    else:
        yield r.role.word


def _flags(r: ResourceStatus, show: Show, place: Active | None) -> list[str]:
    flags = []
    if place is not None and place.unclean and not place.online:
        flags.append("UNCLEAN")
    if place is not None and r.locked_to is not None and place.node == r.locked_to.node:
        flags.append("LOCKED")
    if show.pending and r.pending_task == "monitor":
        flags.append("Monitoring")
    if r.target is Role.STOPPED:
        flags.append("disabled")
    elif r.target is Role.UNPROMOTED and r.promotable:
        flags.append(f"target-role:{r.target_role}")
    if r.blocked:
        flags.append("blocked")
    elif not r.managed:
        flags.append("maintenance" if r.maintenance else "unmanaged")
    if r.failure_ignored:
        flags.append("failure ignored")
    return flags


# --- collectives -------------------------------------------------------------------------


def _heading(text: str, flags: Sequence[str]) -> str:
    return f"{text} ({', '.join(flags)})" if flags else text


def _unmanaged_flags(r: ResourceStatus) -> list[str]:
    if r.maintenance:
        return ["maintenance"]
    return [] if r.managed else ["unmanaged"]


def group_items(r: ResourceStatus, show: Show, wanted: bool) -> Items:
    """A group and its members; nothing where no member is to be shown."""
    flags = ["disabled"] if r.disabled else []
    flags += _unmanaged_flags(r)
    wanted = wanted or _is_named(r, show)
    members = [m for m in r.children if wanted or _is_named(m, show)]
    if show.brief:
        items = brief_items(members, show)
    else:
        items = [
            primitive_line(member, show)
            for member in members
            if show.inactive or member.is_active()
        ]
    title = _heading(f"Resource Group: {r.id}", flags)
    inactive = sum(not member.is_active() for member in r.children)
    if inactive and not show.inactive:
        title += f" ({inactive} member{'s' if inactive > 1 else ''} inactive)"
    return [Listing(title, items)] if items else []


def clone_items(r: ResourceStatus, show: Show, wanted: bool) -> Items:
    """A clone: odd instances in full, the others gathered by role."""
    flags = ["promotable"] if r.promotable else []
    if r.unique:
        flags.append("unique")
    if r.disabled:
        flags.append("disabled")
    flags += _unmanaged_flags(r)
    wanted = wanted or _is_named(r, show)
    items: Items = []
    promoted: list[str] = []
    started: list[str] = []
    for instance in r.children:
        if not (wanted or _names_any(instance, show)):
            continue
        where = _gathered_on(r, instance, show)
        if where is _IN_FULL:
            items += resource_items(instance, show, wanted)
        elif where is not None:
            highest = max(part.role for part in instance.primitives())
            (promoted if highest > Role.UNPROMOTED else started).append(where)
    shown_started = [n for n in started if show.wants_node(n)]
    shown_promoted = [n for n in promoted if show.wants_node(n)]
    if shown_promoted:
        items.append(f"Promoted: [ {' '.join(_by_name(shown_promoted))} ]")
    if shown_started:
        word = "Started"
        if r.promotable:
            word = "Unpromoted"
            if r.target is Role.UNPROMOTED:
                word = "Unpromoted (target-role)"
        items.append(f"{word}: [ {' '.join(_by_name(shown_started))} ]")
    if show.inactive and not r.unique and not show.clone_details:
        if r.instances_max > len(promoted) + len(started):
            items += _stopped_lines(r, show)
    child_id = r.children[0].plain_id if r.children else ""
    title = _heading(f"Clone Set: {r.id} [{child_id}]", flags)
    return [Listing(title, items)]


_IN_FULL = "*"


def _gathered_on(clone: ResourceStatus, instance: ResourceStatus, show: Show) -> str | None:
    """Node to gather an instance under, `_IN_FULL`, or None where it is not shown."""
    in_full = show.clone_details or (show.pending and instance.pending_task is not None)
    if clone.unique:
        return None if clone.removed and not instance.is_active() else _IN_FULL
    if not instance.is_active():
        return _IN_FULL if in_full else None
    if in_full or not instance.is_active(every=True):
        return _IN_FULL
    parts = list(instance.primitives())
    if not instance.managed or any(p.removed or p.failed or not p.managed for p in parts):
        return _IN_FULL
    places = {place.node: place for part in parts for place in part.active}
    if len(places) != 1:
        return _IN_FULL
    (place,) = places.values()
    return _IN_FULL if place.unclean and not place.online else place.node


def _stopped_lines(clone: ResourceStatus, show: Show) -> list[str]:
    active = {place.node for place in clone.active}
    target = clone.target or (clone.children[0].target if clone.children else None)
    usual = "Stopped (disabled)" if target is Role.STOPPED else "Stopped"
    first = clone.children[0].masked if clone.children else ()
    masked = {m.node: m.text for m in reversed(first)}
    lists: dict[str, list[str]] = {}
    for node in clone.allowed:
        if node in active or not show.wants_node(node):
            continue
        text = f"Stopped ({masked[node]})" if node in masked else usual
        lists.setdefault(text, []).append(node)
    return [f"{text}: [ {' '.join(nodes)} ]" for text, nodes in sorted(lists.items())]


def bundle_items(r: ResourceStatus, show: Show, wanted: bool) -> Items:
    """A bundle: one line a replica, or all parts of each with details."""
    several = len(r.replicas) > 1
    text = f"Container bundle{' set' if several else ''}: {r.id} [{r.image}]"
    if r.unique:
        text += " (unique)"
    text = _heading(text, _unmanaged_flags(r))
    wanted = wanted or _is_named(r, show)
    items: Items = []
    for replica in r.replicas:
        if not _is_on_wanted_node(replica.container, show):
            continue
        if show.details or not wanted:
            parts = [p for p in replica.parts if wanted or _is_named(p, show)]
            lines: Items = [primitive_line(part, show) for part in parts]
            if lines and several:
                items.append(Listing(f"Replica[{replica.number}]", lines, colon=False))
            elif lines:
                items.append(Listing("", lines))
        else:
            items.append(replica_line(replica, show))
    return [Listing(text, items)] if items or wanted else []


def replica_line(replica: ReplicaStatus, show: Show) -> str:
    """One line for a replica: the contained resource's state, on the container's node."""
    name = (replica.remote or replica.container).shown_id
    if replica.address:
        name += f" ({replica.address})"
    subject = replica.child or replica.container
    if len(subject.active) < 2:
        places = (replica.container.current,) if replica.container.current is not None else ()
        subject = replace(subject, active=places)
    return primitive_line(subject, show, name=name)


# --- dispatch, filters, brief form ---------------------------------------------------------


def _by_name(names: Iterable[str]) -> list[str]:
    return sorted(names, key=cmp_to_key(compare_names))


def _is_named(r: ResourceStatus, show: Show) -> bool:
    return show.wants_name(r.id, r.plain_id)


def _names_any(r: ResourceStatus, show: Show) -> bool:
    return _is_named(r, show) or any(_names_any(part, show) for part in r.parts)


def _is_on_wanted_node(r: ResourceStatus, show: Show) -> bool:
    places = [place for part in r.primitives() for place in part.active]
    return not places or any(show.wants_node(place.node) for place in places)


def resource_items(r: ResourceStatus, show: Show, wanted: bool = False) -> Items:
    """What is shown of one resource; `wanted` when an ancestor was asked for by name."""
    match r.variant:
        case Variant.PRIMITIVE:
            return [primitive_line(r, show)] if wanted or _is_named(r, show) else []
        case Variant.GROUP:
            return group_items(r, show, wanted)
        case Variant.CLONE:
            return clone_items(r, show, wanted)
        case Variant.BUNDLE:
            return bundle_items(r, show, wanted)


def is_listed(r: ResourceStatus, show: Show) -> bool:
    """Whether a top-level resource is in the list at all."""
    if r.internal or (r.removed and not r.is_active()):
        return False
    if not _names_any(r, show):
        return False
    active = r.is_active()
    if show.by_node:
        return show.inactive and not r.is_active(every=True)
    if not active:
        return show.inactive
    return _is_on_wanted_node(r, show)


def resource_list(resources: Iterable[ResourceStatus], show: Show) -> Items:
    """The items of the resource list."""
    listed = [r for r in resources if is_listed(r, show)]
    items: Items = []
    if show.brief:
        primitives = [r for r in listed if r.variant is Variant.PRIMITIVE]
        items += brief_items(primitives, show)
        listed = [r for r in listed if r.variant is not Variant.PRIMITIVE]
    for r in listed:
        items += resource_items(r, show)
    return items


def brief_items(primitives: Sequence[ResourceStatus], show: Show, names_node: bool = True) -> Items:
    """Primitives counted by agent and node (`crm_mon -b`)."""
    totals: Counter[str] = Counter()
    active: dict[str, Counter[str]] = {}
    for r in primitives:
        totals[r.agent] += 1
        counts = active.setdefault(r.agent, Counter())
        if r.is_active():
            for place in r.active:
                counts[place.node] += 1
    items: Items = []
    for agent in sorted(totals):
        counts = active[agent]
        of = f"/{totals[agent]}" if show.inactive and names_node else ""
        for node in _by_name(counts):
            where = f" {node}" if names_node else " "
            items.append(f"{counts[node]}{of}\t({agent}):\tActive{where}")
        if not counts and show.inactive and names_node:
            items.append(f"0{of}\t({agent}):\tActive")
    return items


def items_on_node(
    resources: Iterable[ResourceStatus], node: NodeStatus, show: Show
) -> list[str | Listing]:
    """What runs on one node, in the order in which its history named it."""
    by_id = {part.id: part for r in resources for part in r.primitives()}
    running = [by_id[name] for name in node.running if name in by_id]
    running = [r for r in running if _is_named(r, show)]
    if show.brief:
        return brief_items(running, show, names_node=False)
    return [
        primitive_line(r, show, names_node=False)
        for r in running
        if not (r.internal or r.agent == "ocf:pacemaker:remote")
    ]
