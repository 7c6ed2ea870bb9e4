"""Where the recorded scheduler cases are, and what belongs to each.

Facts: scheduler-cases.md sections 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from crmd.scheduler.transition import Action, ActionKind, ResourceRef, Synapse, Transition
from tests.shared_data import SHARED

EXTRA_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "date-2": ("-t", "2005-020T12:30"),
    "date-3": ("-t", "2005-020T11:30"),
    "origin": ("-t", "2014-05-07 00:28:00"),
}
"""The cases that need more than the standard arguments."""

EXPECTED_STDERR = {
    "order-wrong-kind": "Schema validation of configuration is disabled (support for "
    'validate-with set to "none" is deprecated and will be removed in a future release)',
}
"""The cases whose second run must say something on standard error."""

SETS = ("scheduler-cases", "scheduler-cases-random")


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded input and its expected outputs."""

    folder: Path
    name: str

    @property
    def xml(self) -> Path:
        return self.folder / "xml" / f"{self.name}.xml"

    def expected(self, kind: str) -> str:
        """Content of the `summary`, `scores`, `dot` or `exp` file."""
        return (self.folder / kind / f"{self.name}.{kind}").read_text(encoding="utf-8")

    @property
    def arguments(self) -> tuple[str, ...]:
        return EXTRA_ARGUMENTS.get(self.name, ())


def find_cases(sets: tuple[str, ...] = SETS) -> list[Case]:
    """All cases that are there, sorted by set and name; empty without the reference data."""
    if SHARED is None:
        return []
    return [
        Case(SHARED / name, path.stem)
        for name in sets
        for path in sorted((SHARED / name / "xml").glob("*.xml"))
    ]


def read_graph(text: str) -> Transition:
    """The transition written in a graph file."""
    root = etree.fromstring(text.encode())
    synapses = []
    for synapse in root.iterchildren("synapse"):
        (element,) = synapse.iterfind("action_set/*")
        synapses.append(
            Synapse(
                id=int(synapse.get("id", "0")),
                action=_read_action(element),
                inputs=tuple(int(t.get("id", "0")) for t in synapse.iterfind("inputs/trigger/*")),
                priority=int(synapse.get("priority", "0")),
            )
        )
    return Transition(tuple(root.attrib.items()), tuple(synapses))


def _read_action(element: etree._Element) -> Action:
    primitive, attributes = element.find("primitive"), element.find("attributes")
    ref = None
    if primitive is not None:
        ref = ResourceRef(
            id=primitive.get("id", ""),
            klass=primitive.get("class", ""),
            type=primitive.get("type", ""),
            provider=primitive.get("provider"),
            long_id=primitive.get("long-id"),
        )
    return Action(
        id=int(element.get("id", "0")),
        kind=ActionKind(element.tag),
        operation=element.get("operation", ""),
        operation_key=element.get("operation_key", ""),
        internal_operation_key=element.get("internal_operation_key"),
        on_node=element.get("on_node"),
        on_node_uuid=element.get("on_node_uuid"),
        router_node=element.get("router_node"),
        mode=element.get("mode"),
        resource=ref,
        attributes=tuple(attributes.attrib.items()) if attributes is not None else (),
    )
