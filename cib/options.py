"""Cluster options: their names, legacy names, kinds and defaults, and typed access to them.

It does not act on them.  Facts: scheduler-1-assignment.md section 4 (table 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lxml import etree

from cib import durations, lexical, nvsets, scores
from cib.rules import RuleInput
from cib.scores import HealthScores

BOOTSTRAP_ID = "cib-bootstrap-options"


class Kind(Enum):
    """What values an option accepts."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTERVAL = "time"
    INTEGER = "integer"
    POSITIVE = "positive integer or INFINITY"
    PERCENTAGE = "percentage"
    SCORE = "score"
    CHOICE = "select"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Option:
    """One cluster option; `default` None means: no value unless somebody sets one."""

    name: str
    kind: Kind
    default: str | None
    legacy: str | None = None
    choices: tuple[str, ...] = ()
    deprecated: bool = False

    def accepts(self, text: str) -> bool:
        """Whether `text` is a valid value."""
        match self.kind:
            case Kind.STRING:
                return True
            case Kind.BOOLEAN:
                return lexical.parse_boolean(text) is not None
            case Kind.INTERVAL:
                return durations.parse_ms(text) is not None
            case Kind.TIMEOUT:
                return text.startswith("-") or durations.parse_ms(text) is not None
            case Kind.INTEGER:
                return scores.leading_integer(text) is not None
            case Kind.POSITIVE:
                number = scores.parse_or_none(text)
                return number is not None and number > 0
            case Kind.PERCENTAGE:
                number = scores.leading_integer(text)
                return text.endswith("%") and number is not None and number >= 0
            case Kind.SCORE:
                return scores.parse_or_none(text) is not None
            case Kind.CHOICE:
                return text in self.choices


_S, _B, _I, _N = Kind.STRING, Kind.BOOLEAN, Kind.INTERVAL, Kind.INTEGER
_QUORUM = ("stop", "freeze", "ignore", "demote", "fence", "suicide")
_HEALTH = ("none", "migrate-on-red", "only-green", "progressive", "custom")
_PLACEMENT = ("default", "utilization", "minimal", "balanced")

OPTIONS: tuple[Option, ...] = (
    Option("dc-version", _S, None),
    Option("cluster-infrastructure", _S, None),
    Option("cluster-name", _S, None),
    Option("dc-deadtime", _I, "20s"),
    Option("cluster-recheck-interval", _I, "15min"),
    Option("election-timeout", _I, "2min"),
    Option("shutdown-escalation", _I, "20min"),
    Option("join-integration-timeout", _I, "3min", legacy="crmd-integration-timeout"),
    Option("join-finalization-timeout", _I, "30min", legacy="crmd-finalization-timeout"),
    Option("transition-delay", _I, "0s", legacy="crmd-transition-delay"),
    Option("no-quorum-policy", Kind.CHOICE, "stop", choices=_QUORUM),
    Option("shutdown-lock", _B, "false"),
    Option("shutdown-lock-limit", _I, "0"),
    Option("enable-acl", _B, "false"),
    Option("symmetric-cluster", _B, "true"),
    Option("maintenance-mode", _B, "false"),
    Option("start-failure-is-fatal", _B, "true"),
    Option("enable-startup-probes", _B, "true", deprecated=True),
    Option("fence-remote-without-quorum", _B, "false"),
    Option("fencing-enabled", _B, "true", legacy="stonith-enabled"),
    Option(
        "fencing-action",
        Kind.CHOICE,
        "reboot",
        legacy="stonith-action",
        choices=("reboot", "off"),
    ),
    Option(
        "fencing-reaction", Kind.CHOICE, "stop", legacy="fence-reaction", choices=("stop", "panic")
    ),
    Option("fencing-timeout", _I, "60s", legacy="stonith-timeout"),
    Option("have-watchdog", _B, "false"),
    Option("fencing-watchdog-timeout", Kind.TIMEOUT, "0", legacy="stonith-watchdog-timeout"),
    Option("fencing-max-attempts", Kind.POSITIVE, "10", legacy="stonith-max-attempts"),
    Option("concurrent-fencing", _B, "true", deprecated=True),
    Option("startup-fencing", _B, "true"),
    Option("priority-fencing-delay", _I, "0"),
    Option("node-pending-timeout", _I, "0"),
    Option("cluster-delay", _I, "60s"),
    Option("load-threshold", Kind.PERCENTAGE, "80%"),
    Option("node-action-limit", _N, "0"),
    Option("batch-limit", _N, "0"),
    Option("migration-limit", _N, "-1"),
    Option("cluster-ipc-limit", _N, None),
    Option("stop-all-resources", _B, "false"),
    Option("stop-removed-resources", _B, "true", legacy="stop-orphan-resources", deprecated=True),
    Option("cancel-removed-actions", _B, "true", legacy="stop-orphan-actions", deprecated=True),
    Option("pe-error-series-max", _N, "-1"),
    Option("pe-warn-series-max", _N, "5000"),
    Option("pe-input-series-max", _N, "4000"),
    Option("node-health-strategy", Kind.CHOICE, "none", choices=_HEALTH),
    Option("node-health-base", Kind.SCORE, "0"),
    Option("node-health-green", Kind.SCORE, "0"),
    Option("node-health-yellow", Kind.SCORE, "0"),
    Option("node-health-red", Kind.SCORE, "-INFINITY"),
    Option("placement-strategy", Kind.CHOICE, "default", choices=_PLACEMENT),
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}
NEW_NAMES: Mapping[str, str] = {o.legacy: o.name for o in OPTIONS if o.legacy is not None}
"""Legacy name of an option -> its name of today."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """All cluster options of one CIB at one instant; `raw` are the pairs as they were merged.

    `problems` are sentences for people: values that were replaced by their default.
    """

    raw: Mapping[str, str]
    values: Mapping[str, str | None]
    problems: tuple[str, ...] = field(default=())

    def text(self, name: str) -> str | None:
        """The valid value of an option, its default where there is none."""
        return self.values[name]

    def is_true(self, name: str) -> bool:
        """A boolean option."""
        return lexical.is_true(self.values[name])

    def ms(self, name: str) -> int:
        """An interval option in milliseconds."""
        return durations.interval_ms(self.values[name])

    def integer(self, name: str) -> int:
        """An integer option (INFINITY counts as 1000000, no value as 0)."""
        return scores.parse(self.values[name])

    def score(self, name: str) -> int:
        """A score option; health words mean 0 here."""
        return scores.parse(self.values[name])

    def health_scores(self) -> HealthScores:
        """What red, yellow and green mean under the node health strategy."""
        low = -scores.INFINITY
        match self.values["node-health-strategy"]:
            case "migrate-on-red":
                return HealthScores(red=low)
            case "only-green":
                return HealthScores(red=low, yellow=low)
            case "progressive" | "custom":
                return HealthScores(
                    red=self.score("node-health-red"),
                    yellow=self.score("node-health-yellow"),
                    green=self.score("node-health-green"),
                )
            case _:
                return HealthScores()


def from_pairs(raw: Mapping[str, str]) -> ClusterOptions:
    """Options of merged name/value pairs: names before legacy names, invalid ones replaced."""
    values: dict[str, str | None] = {}
    problems = []
    for option in OPTIONS:
        used = option.name
        text = raw.get(used)
        if text is None and option.legacy is not None:
            used, text = option.legacy, raw.get(option.legacy)
        if text is not None and not option.accepts(text):
            problems.append(
                f"cluster option {used}: '{text}' is not a valid {_wanted(option)}; "
                f"using the default '{option.default}'"
            )
            text = None
        values[option.name] = option.default if text is None else text
    return ClusterOptions(dict(raw), values, tuple(problems))


def _wanted(option: Option) -> str:
    if option.kind is Kind.CHOICE:
        return f"choice ({', '.join(option.choices)})"
    return str(option.kind.value)


def unpack(root: etree._Element, given: RuleInput) -> ClusterOptions:
    """The cluster options of a CIB: first `crm_config` of the document, all its sets merged."""
    raw: dict[str, str] = {}
    crm_config = next(root.iter("crm_config"), None)
    if crm_config is not None:
        nvsets.unpack(crm_config, "cluster_property_set", given, raw, first_id=BOOTSTRAP_ID)
    return from_pairs(raw)
