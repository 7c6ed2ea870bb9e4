"""What the scheduler hands out: a transition graph as frozen values.

It does not walk the graph (`crmd.transition`), nor build it (`crmd.scheduler.graph`).
Shape and names: scheduler-cases.md section 6, scheduler-2-actions.md section 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class ActionKind(Enum):
    """Element name of an action in the graph XML."""

    RSC_OP = "rsc_op"
    PSEUDO = "pseudo_event"
    CRM = "crm_event"


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """The `<primitive>` child of an action: which agent, under which id."""

    id: str
    klass: str
    type: str
    provider: str | None = None
    long_id: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a transition; `id` is unique within the transition."""

    id: int
    kind: ActionKind
    operation: str
    operation_key: str
    internal_operation_key: str | None = None
    on_node: str | None = None
    on_node_uuid: str | None = None
    router_node: str | None = None
    mode: str | None = None
    shutdown_lock: str | None = None
    resource: ResourceRef | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    """Sorted by name; times under CRM_meta_ names are in milliseconds."""
    downed: tuple[str, ...] = ()
    maintenance: tuple[tuple[str, str], ...] = ()

    def attribute(self, name: str, default: str | None = None) -> str | None:
        """Value of one attribute, or `default`."""
        return dict(self.attributes).get(name, default)


@dataclass(frozen=True, slots=True)
class Synapse:
    """One action and the ids of the actions that must be confirmed before it may fire."""

    id: int
    action: Action
    inputs: tuple[int, ...] = ()
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition graph: root attributes in writing order, and synapses in file order."""

    attributes: tuple[tuple[str, str], ...]
    synapses: tuple[Synapse, ...]
    outside: tuple[Action, ...] = ()
    """Actions that inputs name although no synapse performs them: they can never be confirmed."""

    def root(self, name: str, default: str | None = None) -> str | None:
        """Value of one attribute of `<transition_graph>`, or `default`."""
        return dict(self.attributes).get(name, default)


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One line of `--show-scores`; `text` is complete, without newline."""

    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything `schedule` found out: the graph, the scores, and why.

    `warnings` are sentences for people (configuration problems found on the way).
    `reasons` maps an operation key to its chain of causes, nearest first.
    """

    transition: Transition
    scores: tuple[ScoreLine, ...] = ()
    warnings: tuple[str, ...] = ()
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    summary: tuple[str, ...] = ()
    """Lines of the transition summary, laid out, without bullet or newline."""
    messages: tuple[str, ...] = ()
    """Informational lines met while scheduling, in order (16.2 of scheduler-2-actions.md)."""
