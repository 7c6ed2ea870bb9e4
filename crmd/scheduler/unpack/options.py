"""Cluster options as the scheduler reads them.

It does not know options of other daemons.  Facts: scheduler-1-assignment.md section 4.
"""

from __future__ import annotations

from lxml import etree

from cib import durations, scores
from cib.lexical import is_true, parse_boolean, parse_integer
from cib.scores import INFINITY, HealthScores
from crmd.scheduler.model import Cluster, Options, QuorumPolicy

_LEGACY = {
    "fencing-enabled": "stonith-enabled",
    "fencing-action": "stonith-action",
    "fencing-timeout": "stonith-timeout",
    "fencing-reaction": "fence-reaction",
    "fencing-watchdog-timeout": "stonith-watchdog-timeout",
    "fencing-max-attempts": "stonith-max-attempts",
    "stop-removed-resources": "stop-orphan-resources",
    "cancel-removed-actions": "stop-orphan-actions",
}
_POLICIES = ("stop", "freeze", "ignore", "demote", "fence", "suicide")


class _Reader:
    """Looks options up under today's name, then the legacy one; bad values become defaults."""

    def __init__(self, cluster: Cluster, raw: dict[str, str]) -> None:
        self.cluster, self.raw = cluster, raw

    def text(self, name: str) -> str | None:
        value = self.raw.get(name)
        if value is None and name in _LEGACY:
            value = self.raw.get(_LEGACY[name])
        return value

    def _bad(self, name: str, value: str, default: object) -> None:
        self.cluster.warnings.append(
            f"cluster option {name}='{value}' is not valid: using {default}"
        )

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        parsed = parse_boolean(value)
        if parsed is None:
            self._bad(name, value, default)
            return default
        return parsed

    def word(self, name: str, words: tuple[str, ...], default: str) -> str:
        value = self.text(name)
        if value is None:
            return default
        if value not in words:
            self._bad(name, value, default)
            return default
        return value

    def interval(self, name: str, default_ms: int) -> int:
        value = self.text(name)
        if value is None:
            return default_ms
        parsed = durations.parse_ms(value)
        if parsed is None:
            self._bad(name, value, default_ms)
            return default_ms
        return parsed

    def score(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        parsed = scores.parse_or_none(value)
        if parsed is None:
            self._bad(name, value, default)
            return default
        return parsed


def read_options(cluster: Cluster) -> None:
    """Fill `cluster.options` from the first `crm_config` of the document."""
    raw: dict[str, str] = {}
    config = cluster.attributes.section("crm_config")
    cluster.attributes.merge(config, "cluster_property_set", raw, first_id="cib-bootstrap-options")
    reader = _Reader(cluster, raw)
    o = cluster.options = Options(raw=raw)
    o.cluster_name = raw.get("cluster-name")
    o.symmetric = reader.boolean("symmetric-cluster", True)
    o.maintenance_mode = reader.boolean("maintenance-mode", False)
    o.start_failure_is_fatal = reader.boolean("start-failure-is-fatal", True)
    o.startup_probes = reader.boolean("enable-startup-probes", True)
    o.fencing_enabled = reader.boolean("fencing-enabled", True)
    o.fencing_action = reader.word("fencing-action", ("reboot", "off"), "reboot")
    o.fencing_timeout_ms = reader.interval("fencing-timeout", 60_000)
    o.fence_remote_without_quorum = reader.boolean("fence-remote-without-quorum", False)
    o.have_watchdog = reader.boolean("have-watchdog", False)
    o.concurrent_fencing = reader.boolean("concurrent-fencing", True)
    o.startup_fencing = o.fencing_enabled and reader.boolean("startup-fencing", True)
    o.priority_fencing_delay_ms = reader.interval("priority-fencing-delay", 0)
    o.node_pending_timeout_ms = reader.interval("node-pending-timeout", 0)
    o.shutdown_lock = reader.boolean("shutdown-lock", False)
    o.shutdown_lock_limit_ms = reader.interval("shutdown-lock-limit", 0)
    o.stop_all = reader.boolean("stop-all-resources", False)
    o.stop_removed = reader.boolean("stop-removed-resources", True)
    o.cancel_removed = reader.boolean("cancel-removed-actions", True)
    o.placement = reader.word(
        "placement-strategy", ("default", "utilization", "minimal", "balanced"), "default"
    )
    _read_health(reader, o, cluster)
    o.no_quorum_policy = _effective_policy(cluster, reader)
    cluster.have_fence_devices = o.have_watchdog
    cluster.unfencing_in_use = _unfencing_in_use(cluster.cib)


def _read_health(reader: _Reader, o: Options, cluster: Cluster) -> None:
    o.health_strategy = reader.word(
        "node-health-strategy",
        ("none", "migrate-on-red", "only-green", "progressive", "custom"),
        "none",
    )
    o.health_base = reader.score("node-health-base", 0)
    red = yellow = green = 0
    match o.health_strategy:
        case "migrate-on-red":
            red = -INFINITY
        case "only-green":
            red = yellow = -INFINITY
        case "progressive" | "custom":
            red = reader.score("node-health-red", -INFINITY)
            yellow = reader.score("node-health-yellow", 0)
            green = reader.score("node-health-green", 0)
        case _:
            pass
    o.health = {"red": red, "yellow": yellow, "green": green}
    cluster.attributes.health = HealthScores(red, yellow, green)


def _effective_policy(cluster: Cluster, reader: _Reader) -> QuorumPolicy:
    word = reader.word("no-quorum-policy", _POLICIES, "stop")
    if word in ("fence", "suicide"):
        if not cluster.options.fencing_enabled:
            return QuorumPolicy.STOP
        panic = parse_integer(cluster.cib.get("no-quorum-panic"), 0)
        return QuorumPolicy.FENCE if panic != 0 or cluster.quorate else QuorumPolicy.STOP
    return QuorumPolicy(word)


def _unfencing_in_use(cib: etree._Element) -> bool:
    """Whether any meta-attribute of resources or their defaults says `unfencing` (4.5)."""
    for section in ("resources", "rsc_defaults"):
        for holder in cib.iter(section):
            for nvpair in holder.iter("nvpair"):
                parent = nvpair.getparent()
                if (
                    nvpair.get("value") == "unfencing"
                    and nvpair.get("name") in ("provides", "requires")
                    and parent is not None
                    and parent.tag == "meta_attributes"
                ):
                    return True
    return False


def read_quorum(cluster: Cluster) -> None:
    """`have-quorum`, `dc-uuid` and the feature set, from the attributes of `cib`."""
    cluster.quorate = is_true(cluster.cib.get("have-quorum"))
    cluster.dc_uuid = cluster.cib.get("dc-uuid")
    cluster.feature_set = cluster.cib.get("crm_feature_set", "")
