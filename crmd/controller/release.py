"""What a node may drop on its own, and how a stop call is made without the scheduler.

Used when the node must let go at once (quorum lost, stalled, expelled).  Reads the configuration
only as far as that needs: no rules are evaluated.  Source: reliability.md I6, I24, I27.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

from lxml import etree

from cib.document import compact
from crmd.replication.status import section
from crmd.replication.version import Tree
from ocf.calls import AgentCall, AgentRef

STOP_TIMEOUT_MS = 20_000
TRUE = frozenset(("true", "on", "yes", "y", "1"))
FALSE = frozenset(("false", "off", "no", "n", "0"))
_BY_ID = etree.XPath("//primitive[@id=$id]")


def find_primitive(root: Tree, rsc: str) -> Tree | None:
    """The `<primitive>` of a resource; an instance number in the id is ignored."""
    resources = section(root, "resources")
    for name in (rsc, rsc.partition(":")[0]):
        for found in _BY_ID(resources, id=name):  # type: ignore[union-attr]
            return found  # type: ignore[return-value]
    return None


def cluster_option(root: Tree, name: str, default: str, *legacy: str) -> str:
    """A cluster option; `cib-bootstrap-options` wins over other sets."""
    sets = section(root, "crm_config").findall("cluster_property_set")
    sets.sort(key=lambda s: s.get("id") != "cib-bootstrap-options")
    for wanted in (name, *legacy):
        for block in sets:
            for pair in block.iterfind("nvpair"):
                if pair.get("name") == wanted:
                    return pair.get("value", default)
    return default


def with_stop_policy(root: Tree) -> bytes:
    """The document with `no-quorum-policy=stop`, whatever it says."""
    copy = deepcopy(root)
    config = section(copy, "crm_config")
    for block in list(config):
        for pair in block.findall("nvpair"):
            if pair.get("name") == "no-quorum-policy":
                block.remove(pair)
    block = etree.SubElement(config, "cluster_property_set", id="disk-lock-denied")
    names = {"id": "disk-lock-denied-policy", "name": "no-quorum-policy", "value": "stop"}
    etree.SubElement(block, "nvpair", names)
    return compact(copy)


def is_true(text: str | None) -> bool:
    """A boolean of the CIB; anything that is not a true word is false."""
    return text is not None and text.lower() in TRUE


def fencing_enabled(root: Tree) -> bool:
    """`stonith-enabled`, by its new name too; on unless switched off."""
    return cluster_option(root, "fencing-enabled", "true", "stonith-enabled").lower() not in FALSE


def meta_attribute(element: Tree, name: str) -> str | None:
    """A meta-attribute of one element, without rules."""
    for pair in element.iterfind("meta_attributes/nvpair"):
        if pair.get("name") == name:
            return pair.get("value")
    return None


def is_releasable(root: Tree, rsc: str, node: str) -> bool:
    """Whether the node may stop the resource on its own: managed, and needing quorum at all."""
    if is_true(cluster_option(root, "maintenance-mode", "false")):
        return False
    for entry in section(root, "nodes"):
        if entry.get("uname") == node:
            for pair in entry.iterfind("instance_attributes/nvpair"):
                if pair.get("name") == "maintenance" and is_true(pair.get("value")):
                    return False
    element = find_primitive(root, rsc)
    if element is None:
        return True
    if element.get("class") == "stonith" or meta_attribute(element, "requires") == "nothing":
        return False
    level: Tree | None = element
    while level is not None and level.tag != "resources":
        managed = meta_attribute(level, "is-managed")
        if managed is not None and not is_true(managed):
            return False
        if is_true(meta_attribute(level, "maintenance")):
            return False
        level = level.getparent()
    return True


def stop_order(root: Tree, newest_first: list[str]) -> list[str]:
    """The resources in an order in which they may be stopped one after the other.

    Later members of a group before earlier ones, `then` of an ordering constraint before `first`;
    apart from that as given.  A loop of constraints is broken where it is met.
    """
    names = {name: name.partition(":")[0] for name in newest_first}
    before: dict[str, set[str]] = {name: set() for name in newest_first}

    def note(first: str, then: str) -> None:
        for a, plain_a in names.items():
            for b, plain_b in names.items():
                if (plain_a, plain_b) == (first, then):
                    before[a].add(b)

    members = {g.get("id", ""): _primitives(g) for g in section(root, "resources").iter("group")}
    for group in members.values():
        for at, first in enumerate(group):
            for then in group[at + 1 :]:
                note(first, then)
    for order in section(root, "constraints").iterfind("rsc_order"):
        firsts = members.get(order.get("first", ""), [order.get("first", "")])
        for then in members.get(order.get("then", ""), [order.get("then", "")]):
            for first in firsts:
                note(first, then)
    left, out = list(newest_first), []
    while left:
        free = [n for n in left if not before[n].intersection(left)] or left[:1]
        out.append(free[0])
        left.remove(free[0])
    return out


def _primitives(element: Tree) -> list[str]:
    return [p.get("id", "") for p in element.iter("primitive")]


def stop_call(
    root: Tree, ref: Mapping[str, str], known: AgentCall | None, user_data: str
) -> AgentCall:
    """A stop of a resource, with the parameters it was started with if they are known."""
    element = find_primitive(root, ref["id"])
    timeout = _stop_timeout(element)
    if known is not None:
        return replace(
            known,
            call_id=0,
            operation="stop",
            timeout_ms=timeout,
            interval_ms=0,
            start_delay_ms=0,
            user_data=user_data,
        )
    params: dict[str, str] = {}
    if element is not None:
        for pair in element.iterfind("instance_attributes/nvpair"):
            params.setdefault(pair.get("name", ""), pair.get("value", ""))
    return AgentCall(
        call_id=0,
        rsc=ref["id"],
        agent=AgentRef(ref["class"], ref["type"], ref.get("provider")),
        operation="stop",
        params=params,
        timeout_ms=timeout,
        user_data=user_data,
    )


def _stop_timeout(element: Tree | None) -> int:
    if element is None:
        return STOP_TIMEOUT_MS
    for op in element.iterfind("operations/op"):
        if op.get("name") == "stop" and op.get("timeout"):
            return duration_ms(op.get("timeout", ""), STOP_TIMEOUT_MS)
    return STOP_TIMEOUT_MS


def duration_ms(text: str, default: int) -> int:
    """A duration of the CIB ("20", "20s", "500ms", "2min") in ms; `default` if it is none."""
    digits = text.strip()
    number = digits.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = digits[len(number) :]
    factor = {"": 1000, "s": 1000, "sec": 1000, "ms": 1, "msec": 1, "m": 60_000, "min": 60_000}
    factor |= {"h": 3_600_000, "hr": 3_600_000}
    if unit not in factor or not number.strip().isdigit():
        return default
    return int(number) * factor[unit]
