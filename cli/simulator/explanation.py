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

    told: list[tuple[int, int, int, str]] = field(default_factory=list)
    """(resource index, node index, score, reason), in the order in which they were added."""
    remarks: dict[int, str] = field(default_factory=dict)
    """Resource index -> why scores did not decide."""

    def term(self, resource: Resource, node: Node, score: int, reason: str) -> None:
        """`score` was added to the resource's entry for the node because of `reason`."""
        if score:
            self.told.append((resource.index, node.index, score, reason))

    def mark(self) -> int:
        """How many terms there are now."""
        return len(self.told)

    def withdraw(self, resource: Resource, mark: int) -> None:
        """The terms of the resource since `mark` do not count."""
        self.told[mark:] = [term for term in self.told[mark:] if term[0] != resource.index]

    def remark(self, resource: Resource, text: str) -> None:
        """Scores did not decide where the resource goes; why not."""
        self.remarks[resource.index] = text

    def of(self, resource: Resource) -> dict[int, list[tuple[int, str]]]:
        """Node index -> the terms of the resource there."""
        found: dict[int, list[tuple[int, str]]] = {}
        for rsc, node, score, reason in self.told:
            if rsc == resource.index:
                found.setdefault(node, []).append((score, reason))
        return found


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
    remark = terms.remarks.get(resource.index)
    why = f" ({remark})" if remark is not None else ""
    yield f"{resource.id}: {'on ' + chosen.name if chosen is not None else 'nowhere'}{why}"
    told = terms.of(resource)
    for node in planned.cluster.nodes:
        found = _complete(told.get(node.index, []), node, resource)
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


def _complete(
    found: list[tuple[int, str]], node: Node, resource: Resource
) -> list[tuple[int, str]]:
    """The terms, the first what every table of the node begins with; they add up to the score."""
    total = resource.scores.get(node.index)
    if total is None:
        return found
    told = 0
    for score, _ in found:
        told = scores.add(told, score)
    if told == total:
        return found
    if scores.add(node.score, told) == total:
        return [(node.score, "where no score is given"), *found]
    rest = total if abs(total) >= scores.INFINITY else total - told
    return [*found, (rest, "the kind of resource and node")]


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
