"""A small double of `crmd.scheduler.schedule`: primitives and groups, nothing else.  For speed.

Same interface, same names of actions, the same reading of node states and history as far as it
goes; no scores, constraints, clones, rules or migration.  The real scheduler drives the same
simulation with `--scheduler real`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from crmd.scheduler.transition import (
    Action,
    ActionKind,
    Decision,
    ResourceRef,
    Synapse,
    Transition,
)

INFINITY = 1_000_000


@dataclass
class NodeView:
    name: str
    ident: str
    online: bool = False
    unclean: bool = False
    standby: bool = False
    shutdown: bool = False
    attributes: dict = field(default_factory=dict)

    @property
    def available(self):
        return self.online and not self.unclean and not self.standby and not self.shutdown


@dataclass
class State:
    """One resource on one node."""

    known: bool = False
    active: bool = False
    failed: bool = False
    stop_failed: bool = False
    monitored: set = field(default_factory=set)


@dataclass
class Rsc:
    element: object
    id: str
    monitors: list
    threshold: int
    group: str | None
    states: dict = field(default_factory=dict)


class Graph:
    def __init__(self):
        self.rows = []

    def add(self, kind, operation, key, node=None, rsc=None, meta=(), inputs=()):
        action_id = len(self.rows) + 1
        attributes = [("crm_feature_set", "3.16.1")]
        ref = None
        if rsc is not None:
            e = rsc.element
            ref = ResourceRef(rsc.id, e.get("class"), e.get("type"), e.get("provider"))
            for pair in e.iterfind("instance_attributes/nvpair"):
                attributes.append((pair.get("name"), pair.get("value")))
        attributes += meta
        action = Action(
            action_id,
            kind,
            operation,
            key,
            on_node=None if node is None else node.name,
            on_node_uuid=None if node is None else node.ident,
            resource=ref,
            attributes=tuple(sorted(attributes)),
        )
        self.rows.append((action, tuple(sorted(set(inputs)))))
        return action_id

    def transition(self):
        root = (("cluster-delay", "60s"), ("batch-limit", "0"), ("transition_id", "1"))
        rows = [Synapse(n, a, inputs) for n, (a, inputs) in enumerate(self.rows)]
        return Transition(root, tuple(rows))


def schedule(cib: bytes, now: float) -> Decision:
    root = etree.fromstring(cib)
    options = {
        p.get("name"): p.get("value")
        for p in root.iterfind("configuration/crm_config/cluster_property_set/nvpair")
    }
    fencing = options.get("stonith-enabled", "true") == "true"
    quorate = root.get("have-quorum") == "1"
    nodes = read_nodes(root, fencing)
    resources = read_resources(root, nodes)
    devices = bool(root.xpath("//primitive[@class='stonith']"))
    return Decision(plan(nodes, resources, fencing, fencing and devices and quorate, quorate))


def read_nodes(root, fencing):
    nodes = {}
    for e in root.iterfind("configuration/nodes/node"):
        view = NodeView(e.get("uname"), e.get("id"))
        for p in e.iterfind("instance_attributes/nvpair"):
            view.attributes[p.get("name")] = p.get("value")
        nodes[view.name] = view
    for e in root.iterfind("status/node_state"):
        view = nodes.get(e.get("uname"))
        if view is None:
            continue
        for p in e.iterfind("transient_attributes/instance_attributes/nvpair"):
            view.attributes[p.get("name")] = p.get("value")
        in_ccm, crmd = e.get("in_ccm") == "true", e.get("crmd") == "online"
        join, expected = e.get("join"), e.get("expected")
        view.shutdown = view.attributes.get("shutdown", "0") != "0"
        if fencing:
            if view.shutdown:
                view.online = crmd
            elif expected in (None, "down"):
                view.online = view.standby = in_ccm
            elif not in_ccm or not crmd:
                view.unclean, view.online = True, in_ccm
            else:
                view.online = True
                view.standby = join != "member"
        else:
            view.online = in_ccm and crmd and join == "member"
    seen = {e.get("uname") for e in root.iterfind("status/node_state")}
    for view in nodes.values():
        if fencing and view.name not in seen:
            view.unclean = True
        if view.attributes.get("standby") in ("on", "true"):
            view.standby = True
    return nodes


def read_resources(root, nodes):
    out = []
    for e in root.iterfind("configuration/resources//primitive"):
        if e.get("class") == "stonith":
            continue
        monitors = [
            int(op.get("interval").rstrip("s")) * 1000
            for op in e.iterfind("operations/op")
            if op.get("name") == "monitor"
        ]
        threshold = INFINITY
        for p in e.iterfind("meta_attributes/nvpair"):
            if p.get("name") == "migration-threshold":
                threshold = int(p.get("value"))
        parent = e.getparent()
        group = parent.get("id") if parent.tag == "group" else None
        rsc = Rsc(e, e.get("id"), monitors, threshold, group)
        for name in nodes:
            rsc.states[name] = State()
        out.append(rsc)
    by_id = {r.id: r for r in out}
    for e in root.iterfind("status/node_state"):
        if e.get("uname") not in nodes:
            continue
        for entry in e.iterfind("lrm/lrm_resources/lrm_resource"):
            rsc = by_id.get(entry.get("id"))
            if rsc is not None:
                rsc.states[e.get("uname")] = read_history(entry)
    return out


def read_history(entry):
    def order(op):
        call = int(op.get("call-id"))
        return (call < 0, call, op.get("id").endswith("_last_failure_0"))

    state = State()
    for op in sorted(entry, key=order):
        rc, status = int(op.get("rc-code")), int(op.get("op-status"))
        target = int(op.get("transition-key").split(":")[2])
        task = op.get("operation")
        if status == -1:
            if task in ("start", "stop"):
                state.known, state.active = True, True
            continue
        ok = status == 0 and rc == target
        state.known = True
        if task == "stop" and ok:
            state = State(known=True)
        elif task == "stop":
            state.active = state.failed = state.stop_failed = True
        elif task == "start" and ok:
            state = State(known=True, active=True)
        elif task == "monitor" and op.get("interval") == "0":
            state.active = rc == 0
        elif task == "monitor" and ok:
            state.active = True
            state.monitored.add(int(op.get("interval")))
        else:
            state.active = state.failed = True
    return state


def fail_count(node, rsc):
    total = 0
    for name, value in node.attributes.items():
        if name.startswith(f"fail-count-{rsc.id}#"):
            total += INFINITY if value == "INFINITY" else int(value)
    return total


def plan(nodes, resources, fencing, can_fence, quorate):
    graph = Graph()
    ordered = sorted(nodes.values(), key=lambda n: n.name)
    for node in ordered:
        for rsc in resources:
            if fencing and rsc.states[node.name].stop_failed and node.online:
                node.unclean = True
            if fencing and rsc.states[node.name].active and not node.online:
                node.unclean = True
    fences = {}
    for node in ordered:
        if node.unclean and can_fence:
            key = f"stonith-{node.name}-reboot"
            meta = [("CRM_meta_stonith_action", "reboot")]
            fences[node.name] = graph.add(ActionKind.CRM, "stonith", key, node, meta=meta)
    unclean_left = [n.name for n in ordered if n.unclean and n.name not in fences]
    probes = {rsc.id: probe(graph, rsc, ordered) for rsc in resources}
    targets = assign(resources, ordered, quorate)
    stops = {}
    blocked = set()
    for rsc in reversed(resources):
        stuck = any(rsc.states[n.name].stop_failed and n.name not in fences for n in ordered)
        if stuck or any(o in blocked and follows(resources, rsc, o) for o in stops):
            blocked.add(rsc.id)
            stops[rsc.id] = []
            continue
        waits = [i for o, ids in stops.items() for i in ids if follows(resources, rsc, o)]
        waits += [i for ids in probes.values() for i in ids]
        sound = all(stays(o, targets) for o in earlier(resources, rsc))
        stops[rsc.id] = stop(graph, rsc, ordered, targets[rsc.id], fences, waits, sound)
    starts = {}
    for rsc in resources:
        target = targets[rsc.id]
        if target is None or rsc.id in blocked:
            continue
        if any(rsc.states[n].active for n in unclean_left):
            continue
        state = rsc.states[target.name]
        if state.active and not state.failed and not stops[rsc.id]:
            missing = [i for i in rsc.monitors if i not in state.monitored]
            monitor(graph, rsc, target, missing, probes[rsc.id])
            continue
        before = [starts[o.id] for o in earlier(resources, rsc) if o.id in starts]
        if any(o.id not in starts and not runs(o, targets) for o in earlier(resources, rsc)):
            continue
        inputs = [*probes[rsc.id], *stops[rsc.id], *fences.values(), *before]
        starts[rsc.id] = start(graph, rsc, target, inputs)
    for node in ordered:
        if node.shutdown and node.online and not node.unclean:
            inputs = [
                i + 1
                for i, (a, _) in enumerate(graph.rows)
                if a.operation == "stop" and a.on_node == node.name
            ]
            meta = [("CRM_meta_op_no_wait", "true")]
            key = f"do_shutdown-{node.name}"
            graph.add(ActionKind.CRM, "do_shutdown", key, node, meta=meta, inputs=inputs)
    return graph.transition()


def earlier(resources, rsc):
    if rsc.group is None:
        return []
    out = []
    for other in resources:
        if other.id == rsc.id:
            break
        if other.group == rsc.group:
            out.append(other)
    return out


def follows(resources, rsc, other_id):
    """Whether `other` is a later member of the group of `rsc`."""
    other = next(r for r in resources if r.id == other_id)
    return rsc in earlier(resources, other)


def runs(rsc, targets):
    target = targets[rsc.id]
    if target is None:
        return False
    state = rsc.states[target.name]
    return state.active and not state.failed


def stays(rsc, targets):
    """Whether it runs where it should, and nowhere else."""
    return runs(rsc, targets) and sum(s.active for s in rsc.states.values()) == 1


def probe(graph, rsc, ordered):
    ids = []
    for node in ordered:
        if node.online and not node.unclean and not rsc.states[node.name].known:
            meta = [("CRM_meta_op_target_rc", "7"), ("CRM_meta_timeout", "20000")]
            key = f"{rsc.id}_monitor_0"
            ids.append(graph.add(ActionKind.RSC_OP, "monitor", key, node, rsc, meta))
    return ids


def assign(resources, ordered, quorate):
    """Where each resource shall run; None: nowhere."""
    load = {n.name: 0 for n in ordered}
    targets = {}
    by_group = {}
    for rsc in resources:
        if rsc.group is not None and rsc.group in by_group:
            node = by_group[rsc.group]
        else:
            members = [r for r in resources if r.group == rsc.group] if rsc.group else [rsc]
            fit = [
                n
                for n in ordered
                if n.available and all(fail_count(n, m) < m.threshold for m in members)
            ]
            if not quorate or any(m.states[n.name].stop_failed for m in members for n in ordered):
                fit = []
            fit.sort(key=lambda n: (-sum(m.states[n.name].active for m in members), load[n.name]))
            node = fit[0] if fit else None
            if rsc.group is not None:
                by_group[rsc.group] = node
        if node is not None:
            load[node.name] += 1
        targets[rsc.id] = node
    return targets


def stop(graph, rsc, ordered, target, fences, waits, sound):
    """Stops of a resource; not `sound`: an earlier member of its group is not as it should."""
    ids = []
    active = [n for n in ordered if rsc.states[n.name].active]
    for node in active:
        state = rsc.states[node.name]
        keeps = node is target and not state.failed and len(active) == 1 and sound
        if node.name in fences:
            ids.append(
                graph.add(
                    ActionKind.PSEUDO, "stop", f"{rsc.id}_stop_0", node, rsc,
                    inputs=[fences[node.name], *waits],
                )
            )  # fmt: skip
        elif node.online and not node.unclean and not keeps and not state.stop_failed:
            ids.append(
                graph.add(
                    ActionKind.RSC_OP, "stop", f"{rsc.id}_stop_0", node, rsc,
                    [("CRM_meta_timeout", "20000")], waits,
                )
            )  # fmt: skip
    return ids


def start(graph, rsc, target, inputs):
    key = f"{rsc.id}_start_0"
    meta = [("CRM_meta_timeout", "20000")]
    started = graph.add(ActionKind.RSC_OP, "start", key, target, rsc, meta, inputs)
    monitor(graph, rsc, target, rsc.monitors, [started])
    return started


def monitor(graph, rsc, target, intervals, inputs):
    for interval in intervals:
        meta = [("CRM_meta_timeout", "20000"), ("CRM_meta_interval", str(interval))]
        key = f"{rsc.id}_monitor_{interval}"
        graph.add(ActionKind.RSC_OP, "monitor", key, target, rsc, meta, inputs)
