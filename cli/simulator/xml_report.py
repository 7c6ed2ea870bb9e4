"""The XML result of `crm_simulate`.  Facts: cli.md section 2 and the recorded cases."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lxml import etree

from cli.simulator.report import Change
from cli.status.listing import Listing
from cli.status.model import ClusterStatus
from cli.status.show import Show
from cli.status.xml import Element, element, nodes_element, resources_element
from crmd.transition.imagine import (
    AttributeStep,
    ClusterStep,
    FencingStep,
    PseudoStep,
    ResourceStep,
    Step,
)

_SCORE = re.compile(r"(\S+): (\S+) allocation score on (.+): (\S+)\Z")
_PROMOTION = re.compile(r"(\S+) promotion score (?:on (.+)|\(inactive\)): (\S+)\Z")
_CAPACITY = re.compile(r"(Original|Remaining): (.+?) capacity:(.*)\Z")
_UTILIZATION = re.compile(r"(\S+): (\S+) utilization on (.+?):(.*)\Z")
_NODE_ACTION = re.compile(r"Fence \((?P<op>\S+)\) (?P<node>.+?) '(?P<why>.*)'")
_RSC_ACTION = re.compile(
    r"(?P<word>\S+)\s+(?P<id>\S+)\s+\(\s*(?P<details>.*?) \)(?:  (?P<why>.*))?"
)


class XmlReport:
    """Collects the sections as elements; the caller writes the document."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self.elements: list[Element] = []

    def clock(self, text: str) -> None:
        """Messages have no place in the result."""

    def message(self, text: str) -> None:
        """Messages have no place in the result."""

    def status_before(self, status: ClusterStatus, extra: Sequence[Listing]) -> None:
        """`<cluster_status>`."""
        if not self._quiet:
            self.elements.append(_status("cluster_status", status, pending=True))

    def modifications(self, changes: Sequence[Change]) -> None:
        """`<modifications>`."""
        out = etree.Element("modifications")
        for change in changes:
            if change.tag:
                out.append(element(change.tag, **change.attributes))
            else:
                for name, value in change.attributes.items():
                    out.set(name, value)
        if not self._quiet:
            self.elements.append(out)

    def scores(
        self, lines: Sequence[str], *, messages: Sequence[str], scores: bool, utilization: bool
    ) -> None:
        """`<allocations>`, `<utilizations>` or both in one."""
        tag = "utilizations"
        if scores:
            tag = "allocations_utilizations" if utilization else "allocations"
        out = etree.Element(tag)
        out.extend([e for e in map(_score_element, lines) if e is not None])
        self.elements.append(out)

    def summary(self, lines: Sequence[str]) -> None:
        """`<actions>`."""
        if self._quiet:
            return
        out = etree.Element("actions")
        out.extend([e for e in map(_action_element, lines) if e is not None])
        self.elements.append(out)

    def execution(self, steps: Sequence[Step]) -> None:
        """`<transition>`."""
        if self._quiet:
            return
        out = etree.Element("transition")
        out.extend([_step_element(step) for step in steps])
        self.elements.append(out)

    def status_after(self, status: ClusterStatus, extra: Sequence[Listing]) -> None:
        """`<revised_cluster_status>`."""
        self.elements.append(_status("revised_cluster_status", status, pending=False))

    def explanation(self, lines: Sequence[str]) -> None:
        """`<explanation>` (ours), one `<line>` each."""
        out = etree.Element("explanation")
        for line in lines:
            etree.SubElement(out, "line").text = line
        self.elements.append(out)


def _status(tag: str, status: ClusterStatus, *, pending: bool) -> Element:
    out = etree.Element(tag)
    show = Show(pending=pending)
    out.append(nodes_element(status, show))
    out.append(resources_element(status, show))
    return out


def _score_element(line: str) -> Element | None:
    if found := _SCORE.match(line):
        function, resource, node, score = found.groups()
        return element("node_weight", function=function, node=node, score=score, id=resource)
    if found := _PROMOTION.match(line):
        resource, node, score = found.groups()
        return element("promotion_score", id=resource, score=score, node=node)
    if found := _CAPACITY.match(line):
        comment, node, values = found.groups()
        return _with_values(element("capacity", node=node, comment=comment), values)
    if found := _UTILIZATION.match(line):
        function, resource, node, values = found.groups()
        out = element("utilization", resource=resource, node=node, function=function)
        return _with_values(out, values)
    return None


def _with_values(e: Element, values: str) -> Element:
    for pair in values.split():
        name, _, value = pair.partition("=")
        e.set(name, value)
    return e


def _action_element(line: str) -> Element | None:
    """One summary line as an element; the line's layout is that of the text summary."""
    if found := _NODE_ACTION.match(line):
        return element(
            "node_action", task=f"Fence ({found['op']})", node=found["node"], reason=found["why"]
        )
    found = _RSC_ACTION.match(line)
    if found is None:
        return None
    reason, blocked = found["why"], None
    if reason is not None:
        if reason.endswith("(blocked)"):
            reason, blocked = reason.removesuffix(" (blocked)"), "true"
        elif reason == "blocked":
            reason, blocked = None, "true"
        reason = reason.removeprefix("due to ") if reason is not None else None
    return element(
        "rsc_action",
        action=found["word"].lower(),
        resource=found["id"],
        **_places(found["word"], found["details"]),
        reason=reason,
        blocked=blocked,
    )


def _places(word: str, details: str) -> dict[str, str]:
    """Attributes for `A -> B Role`, `Role A -> Role B`, `Role NODE` or `NODE`.

    A single node is called `node` where the resource only arrives, only leaves or is recovered
    in place, and `source` where something happens to it on the node that it is on.
    """
    roles = ("Stopped", "Started", "Promoted", "Unpromoted")
    alone = "node" if word in ("Start", "Stop", "Recover") else "source"
    left, arrow, right = details.partition(" -> ")
    words, after = left.split(), right.split()
    if not arrow:
        if len(words) == 2:
            return {"role": words[0], alone: words[1]}
        return {alone: words[0]} if words else {}
    if words[0] in roles and len(words) == 1:
        if word == "Recover":
            alone = "source"
        elif word == "Promote" and words[0] == "Stopped":
            alone = "dest"
        return {"role": words[0], "next-role": after[0], alone: after[-1]}
    if words[0] in roles:
        return {"role": words[0], "next-role": after[0], "source": words[1], "dest": after[-1]}
    out = {"source": words[0], "dest": after[0]}
    if len(after) > 1:
        out["role"] = after[1]
    return out


def _step_element(step: Step) -> Element:
    match step:
        case PseudoStep(key, node):
            return element("pseudo_action", task=key, node=node)
        case FencingStep(node, operation):
            return element("fencing_action", target=node, op=operation)
        case ClusterStep(operation, resource, node):
            return element("cluster_action", task=operation, node=node, id=resource)
        case ResourceStep(resource, operation, interval_ms, node):
            interval = str(interval_ms) if interval_ms else None
            return element(
                "rsc_action", resource=resource, op=operation, node=node, interval=interval
            )
        case AttributeStep(name, value, node_id):
            return element(
                "inject_attr", name=name, value=value, node_path="/node_state", cib_node=node_id
            )
