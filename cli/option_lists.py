"""Documented options of the cluster, of resources and of fencing devices, for `--list-options`.

Names, kinds and defaults of cluster options are those of `cib.options`; what they mean is said here
in our own words.  Facts: cli.md sections 4 and 6; scheduler-1-assignment.md sections 6 and 8;
ocf.md section 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from cli.exits import Exit
from cli.reply import Reply


@dataclass(frozen=True, slots=True)
class Entry:
    """One option: `default` None means it has none; `choices` are all its values."""

    name: str
    short: str
    kind: str
    default: str | None
    choices: tuple[str, ...] = ()
    is_advanced: bool = False
    is_generated: bool = False


_CLUSTER = {
    "dc-version": "Version of the software on the designated controller; set by the cluster",
    "cluster-infrastructure": "Messaging layer in use; set by the cluster",
    "cluster-name": "A name for the cluster, for people and for rules (#cluster-name)",
    "dc-deadtime": "How long to wait for other nodes at start-up before electing a DC",
    "cluster-recheck-interval": "How often to look again when nothing happens",
    "election-timeout": "An election that takes longer is a fault",
    "shutdown-escalation": "A clean shutdown that takes longer is cut short",
    "join-integration-timeout": "A node that takes longer to join is a fault",
    "join-finalization-timeout": "Joining that takes longer to complete is a fault",
    "transition-delay": "Wait this long for more news before acting",
    "no-quorum-policy": "What to do without quorum",
    "shutdown-lock": "Keep resources bound to a node that was shut down cleanly",
    "shutdown-lock-limit": "For how long at most; 0 means without limit",
    "enable-acl": "Whether access control lists bind users",
    "symmetric-cluster": "Whether resources may run anywhere unless a constraint forbids it",
    "maintenance-mode": "Hands off all resources",
    "start-failure-is-fatal": "Whether a failed start bans the resource from that node",
    "enable-startup-probes": "Whether to look for resources on nodes that join",
    "fence-remote-without-quorum": "Whether a partition without quorum may fence remote nodes",
    "fencing-enabled": "Whether nodes that fail may be fenced; required for shared data",
    "fencing-action": "What fencing does to a node",
    "fencing-reaction": "What a node does that learns of its own fencing",
    "fencing-timeout": "How long a fencing action may take",
    "have-watchdog": "Whether a watchdog is in use; set by the cluster",
    "fencing-watchdog-timeout": "After this time a silent node counts as fenced by its watchdog",
    "fencing-max-attempts": "Fencing that failed so often is not tried again at once",
    "concurrent-fencing": "Whether several nodes may be fenced at the same time",
    "startup-fencing": "Whether nodes never seen are fenced",
    "priority-fencing-delay": "Advantage of the partition whose resources matter more",
    "node-pending-timeout": "A node that joins halfway for longer is fenced; 0 means never",
    "cluster-delay": "Longest time that a message between nodes may take",
    "load-threshold": "Load of a node above which fewer actions are started",
    "node-action-limit": "How many actions a node may run at once; 0 means twice its cores",
    "batch-limit": "How many actions may run at once; 0 means as the load allows",
    "migration-limit": "How many live migrations per node at once; -1 means any number",
    "cluster-ipc-limit": "How many messages of a client may wait",
    "stop-all-resources": "Stop everything",
    "stop-removed-resources": "Stop resources whose definition is gone",
    "cancel-removed-actions": "Cancel monitors whose definition is gone",
    "pe-error-series-max": "How many scheduler inputs with errors are kept; -1 means all",
    "pe-warn-series-max": "How many scheduler inputs with warnings are kept; -1 means all",
    "pe-input-series-max": "How many other scheduler inputs are kept; -1 means all",
    "node-health-strategy": "What node health (attributes named #health...) does",
    "node-health-base": "Score that every node starts from (strategy progressive)",
    "node-health-green": "Score of the value green",
    "node-health-yellow": "Score of the value yellow",
    "node-health-red": "Score of the value red",
    "placement-strategy": "Whether capacity (utilization) decides on placement",
}
_GENERATED = ("dc-version", "cluster-infrastructure", "have-watchdog")
_ADVANCED = (
    "election-timeout", "shutdown-escalation", "join-integration-timeout",
    "join-finalization-timeout", "transition-delay", "fencing-enabled", "startup-fencing",
    "enable-startup-probes", "concurrent-fencing", "stop-removed-resources",
    "cancel-removed-actions", "cluster-ipc-limit", "fence-remote-without-quorum",
)  # fmt: skip
_KIND_WORDS = {"interval": "duration", "positive": "score"}

PRIMITIVE = (
    Entry("priority", "Which resources stay when not all can run", "score", "0"),
    Entry("critical", "Whether colocated resources must move with it", "boolean", "true"),
    Entry("target-role", "State that the cluster should bring it to", "select", "Started",
          ("Stopped", "Started", "Unpromoted", "Promoted")),
    Entry("is-managed", "Whether the cluster may start and stop it", "boolean", "true"),
    Entry("maintenance", "Hands off, monitors included", "boolean", "false"),
    Entry("resource-stickiness", "Score for staying where it is", "score", None),
    Entry("requires", "What must be so before it may start", "select", None,
          ("nothing", "quorum", "fencing", "unfencing")),
    Entry("migration-threshold", "Failures on a node after which it moves away", "score",
          "INFINITY"),
    Entry("failure-timeout", "Failures older than this are forgotten; 0 means never",
          "duration", "0"),
    Entry("multiple-active", "What to do if it is found active twice", "select", "stop_start",
          ("block", "stop_only", "stop_start", "stop_unexpected")),
    Entry("allow-migrate", "Whether it moves live", "boolean", None),
    Entry("allow-unhealthy-nodes", "Whether it may run on unhealthy nodes", "boolean", "false"),
    Entry("container-attribute-target", "Where a bundle's attributes are kept", "string", None),
    Entry("remote-node", "Name of the guest node that it is", "string", None),
    Entry("remote-addr", "Address of the guest node, if not its name", "string", None),
    Entry("remote-port", "Port of the guest node", "port", "3121"),
    Entry("remote-connect-timeout", "How long connecting to it may take", "timeout", "60s"),
    Entry("remote-allow-migrate", "Whether its connection moves live", "boolean", "true"),
)  # fmt: skip
FENCING = (
    Entry("pcmk_host_argument", "Name of the agent's parameter for the target", "string", None,
          is_advanced=True),
    Entry("pcmk_host_map", "Names of nodes to names for the device: node1:1;node2:2,3", "string",
          None),
    Entry("pcmk_host_list", "Nodes that the device can fence", "string", None),
    Entry("pcmk_host_check", "How to find out which nodes it can fence", "select", None,
          ("dynamic-list", "static-list", "status", "none")),
    Entry("pcmk_delay_max", "Longest random delay before fencing", "duration", "0s"),
    Entry("pcmk_delay_base", "Delay before fencing, for all or by node", "string", "0s"),
    Entry("pcmk_action_limit", "Actions at once; -1 means any number", "integer", "1"),
    *(
        entry
        for action in ("reboot", "off", "on", "list", "monitor", "status")
        for entry in (
            Entry(f"pcmk_{action}_action", f"Action of the agent to use for {action}", "string",
                  action, is_advanced=True),
            Entry(f"pcmk_{action}_timeout", f"How long {action} may take", "timeout", "60s",
                  is_advanced=True),
            Entry(f"pcmk_{action}_retries", f"How often to try {action}", "integer", "2",
                  is_advanced=True),
        )
    ),
)  # fmt: skip


def _cluster_entries() -> list[Entry]:
    from cib.options import OPTIONS, Kind

    return [
        Entry(
            option.name,
            _CLUSTER[option.name],
            "select" if option.kind is Kind.CHOICE else _kind(option.kind.name.lower()),
            option.default,
            option.choices,
            option.name in _ADVANCED,
            option.name in _GENERATED,
        )
        for option in OPTIONS
    ]


def _kind(name: str) -> str:
    return _KIND_WORDS.get(name, name)


def cluster_options(reply: Reply, *, advanced: bool) -> Exit:
    """Tell the options of the cluster."""
    text = "Options that affect the whole cluster, in cluster_property_set elements of crm_config."
    return _tell(reply, "cluster-options", "Cluster options", text, _cluster_entries(), advanced)


def primitive_options(reply: Reply, *, advanced: bool) -> Exit:
    """Tell the meta-attributes of a primitive."""
    text = "Meta-attributes of primitive resources."
    return _tell(
        reply, "primitive-meta", "Primitive meta-attributes", text, list(PRIMITIVE), advanced
    )


def fencing_options(reply: Reply, *, advanced: bool) -> Exit:
    """Tell the special parameters of fencing resources."""
    text = "Parameters of every fencing resource that the cluster itself reads, not the agent."
    title = "Fencing resource common parameters"
    return _tell(reply, "fence-attributes", title, text, list(FENCING), advanced)


def _tell(
    reply: Reply, name: str, title: str, text: str, entries: list[Entry], advanced: bool
) -> Exit:
    if reply.is_text:
        reply.say(f"{title}\n\n{text}\n")
        plain = [e for e in entries if not e.is_advanced]
        reply.say("".join(f"\n{_entry_text(e, 2)}" for e in plain))
        if advanced:
            reply.say("\n  * ADVANCED OPTIONS:\n")
            reply.say("".join(f"\n{_entry_text(e, 4)}" for e in entries if e.is_advanced))
    else:
        _document(reply, name, title, text, entries)
    return Exit.OK


def _entry_text(entry: Entry, indent: int) -> str:
    space = " " * indent
    by = " (set by the cluster)" if entry.is_generated else ""
    if entry.choices:
        values = ", ".join(
            f'"{c}"{" (default)" if c == entry.default else ""}' for c in entry.choices
        )
        if entry.default is None:
            values += " (no default)"
    else:
        default = "no default" if entry.default is None else f"default: {entry.default}"
        values = f"{entry.kind} ({default})"
    return f"{space}* {entry.name}: {entry.short}\n{space}  * Possible values{by}: {values}\n"


def _document(reply: Reply, name: str, title: str, text: str, entries: list[Entry]) -> None:
    from lxml import etree

    from cli.version import FEATURE_SET

    agent = etree.Element("resource-agent", {"name": name, "version": FEATURE_SET})
    etree.SubElement(agent, "version").text = "1.1"
    etree.SubElement(agent, "longdesc", {"lang": "en"}).text = text
    etree.SubElement(agent, "shortdesc", {"lang": "en"}).text = title
    parameters = etree.SubElement(agent, "parameters")
    for entry in entries:
        made = etree.SubElement(parameters, "parameter", {"name": entry.name})
        made.set("advanced", str(int(entry.is_advanced)))
        made.set("generated", str(int(entry.is_generated)))
        etree.SubElement(made, "shortdesc", {"lang": "en"}).text = entry.short
        content = etree.SubElement(made, "content", {"type": entry.kind})
        if entry.default is not None:
            content.set("default", entry.default)
        for choice in entry.choices:
            etree.SubElement(content, "option", {"value": choice})
    reply.put(agent)
