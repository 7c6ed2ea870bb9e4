"""Requested modifications of the cluster before it is scheduled.

Facts: scheduler-2-actions.md section 16.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lxml import etree

from cib.lexical import is_true
from cli.command_line import CommandError
from cli.exits import Exit
from cli.simulator.options import Events
from cli.simulator.report import Change
from crmd.scheduler.model import Cluster
from crmd.scheduler.unpack import FEATURE_SET
from crmd.transition.history import OpSpec, SimulatedCib

SHOWN_NODES = 8
"""Names of nodes that a message lists."""


def inject(
    root: etree._Element,
    events: Events,
    cluster: Cluster,
    now: int,
    start_failure_is_fatal: bool,
    complain: Callable[[str], object],
) -> list[Change]:
    """Apply the events to the CIB in the order of the reference, and say what was done.

    An operation of an unknown resource is left out, as the reference leaves it out: `complain` is
    told.  Raises CommandError (105), before anything is changed, for a node that does not exist;
    one that comes up may be new.
    """
    _know_nodes(events, cluster)
    cib = SimulatedCib(
        root, now=now, feature_set=FEATURE_SET, start_failure_is_fatal=start_failure_is_fatal
    )
    changes: list[Change] = []
    if events.quorum is not None:
        root.set("have-quorum", "1" if is_true(events.quorum) else "0")
        changes.append(Change(f"Setting quorum: {events.quorum}", "", {"quorum": events.quorum}))
    if events.watchdog is not None:
        _set_option(root, "have-watchdog", events.watchdog)
        changes.append(
            Change(f"Setting watchdog: {events.watchdog}", "", {"watchdog": events.watchdog})
        )
    changes += _node_changes(cib, events)
    changes += _ticket_changes(cib, events)
    for spec in events.operations:
        changes += _operation_changes(cib, spec, cluster, complain)
    return changes


def _know_nodes(events: Events, cluster: Cluster) -> None:
    known = sorted(node.name for node in cluster.nodes)
    new = {name.lower() for name in events.up}
    asked = (
        *(("--node-down", name, name) for name in events.down),
        *(("--node-fail", name, name) for name in events.fail),
        *(("--op-inject", spec.text, spec.node) for spec in events.operations),
    )
    for option, value, name in asked:
        if cluster.node(name) is None and name.lower() not in new:
            raise CommandError(
                Exit.NOSUCH,
                f"{option}={value}: the cluster has no node '{name}'; it has "
                f"{', '.join(known[:SHOWN_NODES]) or 'none'}",
            )


def _node_changes(cib: SimulatedCib, events: Events) -> Iterable[Change]:
    for names, action, word, sentence in (
        (events.up, cib.node_up, "Online", "Bringing node {} online"),
        (events.down, cib.node_down, "Offline", "Taking node {} offline"),
        (events.fail, cib.node_fail, "Failing", "Failing node {}"),
    ):
        for name in names:
            action(name)
            yield Change(sentence.format(name), "modify_node", {"action": word, "node": name})


def _ticket_changes(cib: SimulatedCib, events: Events) -> Iterable[Change]:
    for names, word, sentence, facts in (
        (events.grant, "Granting", "Granting ticket {}", {"granted": "true"}),
        (events.revoke, "Revoking", "Revoking ticket {}", {"granted": "false"}),
        (events.standby, "Standby", "Making ticket {} standby", {"standby": "true"}),
        (events.activate, "Activating", "Activating ticket {}", {"standby": "false"}),
    ):
        for name in names:
            cib.ticket(name, **facts)
            yield Change(sentence.format(name), "modify_ticket", {"action": word, "ticket": name})


def _operation_changes(
    cib: SimulatedCib, spec: OpSpec, cluster: Cluster, complain: Callable[[str], object]
) -> Iterable[Change]:
    line = f"Injecting {spec.text} into the configuration"
    yield Change(line, "inject_spec", {"spec": spec.text})
    node = cluster.node(spec.node)
    node_name = spec.node if node is None else node.name
    node_id = cib.node_id(spec.node) if node is None else node.id
    resource = (
        cluster.by_id.get(spec.resource)
        or cluster.by_history_id.get(spec.resource)
        or cluster.by_id.get(f"{spec.resource}:0")
    )
    if resource is None or not resource.is_primitive:
        complain(f"Invalid resource name: {spec.resource}")
        return
    state = cib.state_of(node_name)
    if spec.is_failure:
        for name, value in cib.fail_count(state, spec.resource, spec.task, spec.interval_ms):
            yield Change(
                f"Injecting attribute {name}={value} into /node_state '{node_id}'",
                "inject_attr",
                {"name": name, "value": value, "node_path": "/node_state", "cib_node": node_id},
            )
    described = {"class": resource.klass, "type": resource.type}
    if resource.provider is not None:
        described["provider"] = resource.provider
    cib.inject_operation(spec, described)


def _set_option(root: etree._Element, name: str, value: str) -> None:
    """Set a cluster option in the first property set, which is made if need be."""
    for pair in root.iterfind("configuration/crm_config/cluster_property_set/nvpair"):
        if pair.get("name") == name:
            pair.set("value", value)
            return
    configuration = root.find("configuration")
    if configuration is None:
        configuration = etree.SubElement(root, "configuration")
    section = configuration.find("crm_config")
    if section is None:
        section = etree.SubElement(configuration, "crm_config")
    block = section.find("cluster_property_set")
    if block is None:
        block = etree.SubElement(section, "cluster_property_set", {"id": "cib-bootstrap-options"})
    attributes = {"id": f"{block.get('id')}-{name}", "name": name, "value": value}
    etree.SubElement(block, "nvpair", attributes)
