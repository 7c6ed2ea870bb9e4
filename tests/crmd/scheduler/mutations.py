"""Seeded changes of a CIB: another score, another state, a fault, one variant made another.

Each change keeps the document valid for the schema it names, or at least tries to; what refuses
it afterwards is no failure of the change.  Left out is what 2.1.5 is known to decide otherwise
(scheduler-1-assignment.md 26, scheduler-2-actions.md 20, and the first lines in `cases/`).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from lxml import etree

Element = etree._Element
UUID = "5eed5eed-0000-4000-8000-0123456789ab"
SCORES = ("INFINITY", "-INFINITY", "0", "1", "100", "500", "1000000", "50", "200")
TRUTH = ("true", "false")

OPTIONS: dict[str, tuple[str, ...]] = {
    "symmetric-cluster": TRUTH,
    "no-quorum-policy": ("stop", "freeze", "ignore", "demote"),
    "stonith-enabled": TRUTH,
    "stonith-action": ("reboot", "off"),
    "startup-fencing": TRUTH,
    "stop-orphan-resources": TRUTH,
    "stop-orphan-actions": TRUTH,
    "enable-startup-probes": TRUTH,
    "start-failure-is-fatal": TRUTH,
    "priority-fencing-delay": ("0", "15", "30s"),
    "placement-strategy": ("default", "utilization", "minimal"),
    "shutdown-lock": TRUTH,
    "shutdown-lock-limit": ("0", "5min", "1h"),
    "node-health-strategy": ("none", "migrate-on-red", "only-green"),
    "stop-all-resources": TRUTH,
    "have-watchdog": TRUTH,
    "stonith-timeout": ("10", "1min"),
    "cluster-delay": ("30s", "90"),
    "migration-limit": ("1", "2"),
}
META: dict[str, tuple[str, ...]] = {
    "resource-stickiness": ("0", "1", "100", "INFINITY", "-5"),
    "priority": ("0", "5", "10", "-3"),
    "maintenance": TRUTH,
    "target-role": ("Started", "Stopped"),
    "migration-threshold": ("1", "2", "3", "0"),
    "failure-timeout": ("10", "60s", "1h"),
    "multiple-active": ("stop_start", "stop_only", "block", "stop_unexpected"),
    "allow-migrate": TRUTH,
    "critical": TRUTH,
    "requires": ("nothing", "quorum", "fencing"),
}
CLONE_META: dict[str, tuple[str, ...]] = {
    "interleave": TRUTH,
    "notify": TRUTH,
    "clone-max": ("0", "1", "2", "3"),
    "promotable": TRUTH,
    "promoted-max": ("1", "2"),
    "clone-min": ("1", "2"),
}
NODE_STATES: tuple[dict[str, str], ...] = (
    {"in_ccm": "false", "crmd": "offline"},
    {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"},
    {"join": "pending"},
    {"crmd": "offline"},
    {"expected": "down"},
    {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"},
)


class Mutator:
    """One document and one source of chance."""

    def __init__(self, root: Element, chance: random.Random) -> None:
        self.root = root
        self.chance = chance
        self._made = 0

    def mutate(self, times: int) -> list[str]:
        """Make so many changes; their names, for the report of a failure."""
        done = []
        for _ in range(times):
            change = self.chance.choice(CHANGES)
            change(self)
            done.append(change.__name__)
        return done

    # --- looking around ----------------------------------------------------------------------

    def fresh(self) -> str:
        """An id that the document does not have."""
        self._made += 1
        return f"mutation-{self._made}-{self.chance.randrange(10**6)}"

    def section(self, name: str) -> Element:
        configuration = self.root.find("configuration")
        assert configuration is not None
        found = configuration.find(name)
        return found if found is not None else etree.SubElement(configuration, name)

    def resources(self, *tags: str) -> list[Element]:
        return list(self.section("resources").iter(*tags))

    def top_resources(self) -> list[Element]:
        return [e for e in self.section("resources") if e.tag in ("primitive", "group", "clone")]

    def a_resource(self) -> str | None:
        found = self.resources("primitive", "group", "clone", "bundle")
        return self.chance.choice(found).get("id") if found else None

    def two_resources(self) -> tuple[str, str] | None:
        a, b = self.a_resource(), self.a_resource()
        return None if a is None or b is None or a == b else (a, b)

    def a_node(self) -> Element | None:
        found = [e for e in self.section("nodes").iter("node") if e.get("uname")]
        return self.chance.choice(found) if found else None

    def any_of(self, tag: str) -> Element | None:
        found = list(self.root.iter(tag))
        return self.chance.choice(found) if found else None

    def set_value(self, owner: Element, tag: str, name: str, value: str) -> None:
        """Set an nvpair in a block of an element."""
        block = owner.find(tag)
        if block is None or block.get("id-ref") is not None:
            block = etree.Element(tag, {"id": self.fresh()})
            owner.insert(0, block)
        for pair in block.findall("nvpair"):
            if pair.get("name") == name and pair.get("value") is not None:
                pair.set("value", value)
                return
        etree.SubElement(block, "nvpair", {"id": self.fresh(), "name": name, "value": value})

    def set_transient(self, state: Element, name: str, value: str) -> None:
        holder = state.find("transient_attributes")
        if holder is None:
            holder = etree.SubElement(state, "transient_attributes", {"id": state.get("id", "")})
        self.set_value(holder, "instance_attributes", name, value)

    def drop_dangling(self) -> None:
        """Constraints about resources that are no more."""
        ids = {e.get("id") for e in self.section("resources").iter() if e.get("id")}
        ids |= {e.get("id") for e in self.root.iter("tag")}
        for element in list(self.section("constraints")):
            names = [element.get(k) for k in ("rsc", "with-rsc", "first", "then")]
            names += [ref.get("id") for ref in element.iter("resource_ref")]
            if any(name is not None and name not in ids for name in names):
                _remove(element)
        for ref in list(self.root.iter("obj_ref")):
            if ref.get("id") not in ids:
                _remove(ref)
        for tag in list(self.root.iter("tag")):
            if len(tag) == 0:
                _remove(tag)


def _remove(element: Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


# --- configuration ---------------------------------------------------------------------------


def change_option(m: Mutator) -> None:
    name = m.chance.choice(sorted(OPTIONS))
    config = m.section("crm_config")
    if config.find("cluster_property_set") is None:
        etree.SubElement(config, "cluster_property_set", {"id": "cib-bootstrap-options"})
    m.set_value(config, "cluster_property_set", name, m.chance.choice(OPTIONS[name]))


def change_quorum(m: Mutator) -> None:
    m.root.set("have-quorum", m.chance.choice("01"))


def change_meta(m: Mutator) -> None:
    found = m.resources("primitive", "group", "clone")
    if found:
        name = m.chance.choice(sorted(META))
        owner = m.chance.choice(found)
        m.set_value(owner, "meta_attributes", name, m.chance.choice(META[name]))


def change_clone(m: Mutator) -> None:
    found = m.resources("clone")
    if found:
        name = m.chance.choice(sorted(CLONE_META))
        owner = m.chance.choice(found)
        m.set_value(owner, "meta_attributes", name, m.chance.choice(CLONE_META[name]))


def change_on_fail(m: Mutator) -> None:
    found = m.resources("op")
    if found:
        values = ("ignore", "block", "stop", "restart", "standby", "fence", "demote")
        m.chance.choice(found).set("on-fail", m.chance.choice(values))


def change_parameter(m: Mutator) -> None:
    found = m.resources("primitive")
    if found:
        owner = m.chance.choice(found)
        m.set_value(owner, "instance_attributes", "state", m.chance.choice("abc"))


def wrap(m: Mutator) -> None:
    """A primitive becomes a group or clone of one, a group a clone."""
    found = [e for e in m.top_resources() if e.tag != "clone" and e.get("class") != "stonith"]
    found = [e for e in found if e.get("type") != "remote"]
    if not found:
        return
    inner = m.chance.choice(found)
    if any(pair.get("name") == "remote-node" for pair in inner.iter("nvpair")):
        return
    tag = "group" if inner.tag == "primitive" and m.chance.random() < 0.4 else "clone"
    outer = etree.Element(tag, {"id": m.fresh()})
    inner.addprevious(outer)
    outer.append(inner)
    if tag == "clone" and m.chance.random() < 0.5:
        m.set_value(outer, "meta_attributes", "promotable", "true")


def unwrap(m: Mutator) -> None:
    found = [e for e in m.top_resources() if e.tag in ("group", "clone")]
    if found:
        outer = m.chance.choice(found)
        for inner in [e for e in outer if e.tag in ("primitive", "group")]:
            outer.addprevious(inner)
        _remove(outer)
        m.drop_dangling()


def drop_resource(m: Mutator) -> None:
    found = m.top_resources()
    if len(found) > 2:
        _remove(m.chance.choice(found))
        m.drop_dangling()


# --- constraints -----------------------------------------------------------------------------


def add_location(m: Mutator) -> None:
    node, rsc = m.a_node(), m.a_resource()
    if node is not None and rsc is not None:
        facts = {"id": m.fresh(), "rsc": rsc, "node": node.get("uname", "")}
        facts["score"] = m.chance.choice(SCORES)
        etree.SubElement(m.section("constraints"), "rsc_location", facts)


def add_colocation(m: Mutator) -> None:
    pair = m.two_resources()
    if pair is not None:
        facts = {"id": m.fresh(), "rsc": pair[0], "with-rsc": pair[1]}
        facts["score"] = m.chance.choice(("INFINITY", "100", "-INFINITY"))
        etree.SubElement(m.section("constraints"), "rsc_colocation", facts)


def add_order(m: Mutator) -> None:
    pair = m.two_resources()
    if pair is None:
        return
    kind = m.chance.choice(("Mandatory", "Optional"))
    facts = {"id": m.fresh(), "first": pair[0], "then": pair[1], "kind": kind}
    if m.chance.random() < 0.25:
        facts["symmetrical"] = "false"
    if m.chance.random() < 0.25:
        facts["first-action"] = m.chance.choice(("start", "promote", "stop", "demote"))
    etree.SubElement(m.section("constraints"), "rsc_order", facts)


def drop_constraint(m: Mutator) -> None:
    found = list(m.section("constraints"))
    if found:
        _remove(m.chance.choice(found))


# --- status ----------------------------------------------------------------------------------


def change_node_state(m: Mutator) -> None:
    state = m.any_of("node_state")
    if state is None:
        return
    if m.chance.random() < 0.2:
        m.set_transient(state, "shutdown", m.chance.choice(("0", "1699990000")))
        return
    for name, value in m.chance.choice(NODE_STATES).items():
        state.set(name, value)


def change_node(m: Mutator) -> None:
    node = m.a_node()
    if node is not None:
        name = m.chance.choice(("standby", "maintenance"))
        m.set_value(node, "instance_attributes", name, m.chance.choice(TRUTH))


def drop_operation(m: Mutator) -> None:
    found = m.any_of("lrm_rsc_op")
    if found is not None:
        _remove(found)


def drop_history(m: Mutator) -> None:
    found = m.any_of("lrm_resource")
    if found is not None:
        _remove(found)


def add_failure(m: Mutator) -> None:
    """Something failed last on record, perhaps with a fail count."""
    history = m.any_of("lrm_resource")
    if history is None:
        return
    task, interval = m.chance.choice((("monitor", "10000"), ("start", "0"), ("stop", "0")))
    code, status = m.chance.choice((("1", "4"), ("7", "0"), ("5", "0"), ("1", "2")))
    _add_entry(m, history, "last_failure_0", task, interval, code, status, "99")
    if m.chance.random() < 0.5:
        state = history.iterancestors("node_state").__next__()
        name = f"fail-count-{history.get('id')}#{task}_{interval}"
        m.set_transient(state, name, m.chance.choice(("1", "2", "INFINITY")))


def add_pending(m: Mutator) -> None:
    history = m.any_of("lrm_resource")
    if history is not None:
        task = m.chance.choice(("start", "stop"))
        _add_entry(m, history, "last_0", task, "0", "193", "-1", "-1")


def _add_entry(
    m: Mutator,
    history: Element,
    suffix: str,
    task: str,
    interval: str,
    code: str,
    status: str,
    call: str,
) -> None:
    rsc = history.get("id", "")
    key = f"10:{m.chance.randint(5, 9)}:0:{UUID}"
    for entry in list(history):
        if entry.get("id") == f"{rsc}_{suffix}":
            history.remove(entry)
    facts = {
        "id": f"{rsc}_{suffix}",
        "operation_key": f"{rsc}_{task}_{interval}",
        "operation": task,
        "interval": interval,
        "call-id": call,
        "rc-code": code,
        "op-status": status,
        "transition-key": key,
        "transition-magic": f"{status}:{code};{key}",
        "last-rc-change": "1699999990",
    }
    etree.SubElement(history, "lrm_rsc_op", facts)


CHANGES: tuple[Callable[[Mutator], None], ...] = (
    change_option,
    change_quorum,
    change_meta,
    change_meta,
    change_clone,
    change_on_fail,
    change_parameter,
    wrap,
    unwrap,
    drop_resource,
    add_location,
    add_colocation,
    add_order,
    drop_constraint,
    change_node_state,
    change_node_state,
    change_node,
    drop_operation,
    drop_history,
    add_failure,
    add_failure,
    add_pending,
)
