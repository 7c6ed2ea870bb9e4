"""Why a resource is where it is: its score on every node, term by term (ours).

The terms are those that the scheduler added while it decided; nothing is computed a second time.
Facts: cli.md section 9.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cib import scores
from cli.command_line import CommandError
from cli.exits import Exit
from cli.simulator.planning import Plan
from crmd.scheduler.model import Node, Resource


@dataclass(slots=True)
class Terms:
    """Receives the terms from the scheduler (a `Recorder`)."""

    found: dict[tuple[int, int], list[tuple[int, str]]] = field(default_factory=dict)

    def term(self, resource: Resource, node: Node, score: int, reason: str) -> None:
        """`score` was added to the resource's entry for the node because of `reason`."""
        self.found.setdefault((resource.index, node.index), []).append((score, reason))


def explanation(name: str, planned: Plan, terms: Terms | None) -> list[str]:
    """Lines for one resource and what is inside it; raises CommandError (105) if unknown."""
    cluster = planned.cluster
    resource = (
        cluster.by_id.get(name) or cluster.by_history_id.get(name) or cluster.by_id.get(f"{name}:0")
    )
    if resource is None:
        raise CommandError(Exit.NOSUCH, f"--explain={name}: no such resource")
    lines: list[str] = []
    for part in _primitives(resource):
        lines += _places(part, planned, terms or Terms())
    return lines + list(_causes(resource, planned))


def _primitives(resource: Resource) -> Iterator[Resource]:
    if resource.is_primitive:
        yield resource
    for child in resource.children:
        yield from _primitives(child)


def _places(resource: Resource, planned: Plan, terms: Terms) -> Iterator[str]:
    chosen = resource.assigned
    yield f"{resource.id}: {'on ' + chosen.name if chosen is not None else 'nowhere'}"
    for node in planned.cluster.nodes:
        found = terms.found.get((resource.index, node.index), [])
        total = resource.scores.get(node.index)
        if total is None and not found:
            continue
        mark = "  <- chosen" if node is chosen else ""
        unusable = "" if node.usable else f" ({_why_unusable(node)})"
        shown = "not allowed" if total is None else scores.to_text(total)
        yield f"  {node.name}{unusable}: {shown}{mark}"
        for score, reason in found:
            sign = "+" if score >= 0 else ""
            yield f"    {sign}{scores.to_text(score)}  {reason}"


def _why_unusable(node: Node) -> str:
    for fact, word in (
        (not node.online, "offline"),
        (node.unclean, "unclean"),
        (node.shutdown, "shutting down"),
        (node.standby, "standby"),
        (node.maintenance, "maintenance"),
    ):
        if fact:
            return word
    return "usable"


def _causes(resource: Resource, planned: Plan) -> Iterator[str]:
    ids = {part.id for part in _primitives(resource)} | {resource.id}
    first = True
    for key, causes in planned.decision.reasons.items():
        if key.rsplit("_", 2)[0] not in ids:
            continue
        if first:
            yield "actions:"
            first = False
        yield f"  {key}: {' <- '.join(causes)}"
