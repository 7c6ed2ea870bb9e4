"""How a produced answer is compared with a recorded one.

Facts: scheduler-cases.md section 2.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree
from collections import Counter

_WHITE = re.compile(r"\s+")
_NOISE = (re.compile(r'crm_feature_set="[^"]*"'), re.compile(r'batch-limit="[0-9]*"'))
_EDGE = re.compile(r'^\s*"((?:[^"\\]|\\.)*)"\s*->\s*"((?:[^"\\]|\\.)*)"')
_NODE = re.compile(r'^\s*"((?:[^"\\]|\\.)*)"\s*(?:\[|;|$)')
_IGNORED = ("crm_feature_set", "batch-limit")

Canonical = tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]


def summary_block(text: str) -> Counter[str]:
    """The lines of the "Transition Summary" block, white space squeezed (level L1)."""
    found: Counter[str] = Counter()
    inside = False
    for line in text.splitlines():
        if line.strip().lower().startswith("transition summary:"):
            inside = True
        elif inside and (not line.strip() or not line.startswith(" ")):
            break
        elif inside:
            found[" ".join(line.split())] += 1
    return found


def dot_sets(text: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Nodes and edges of a dot file, without styles (level L2)."""
    nodes: set[str] = set()
    edges: set[tuple[str, str]] = set()
    for line in text.splitlines():
        edge = _EDGE.match(line)
        if edge:
            edges.add((edge.group(1), edge.group(2)))
            continue
        node = _NODE.match(line)
        if node:
            nodes.add(node.group(1))
    return nodes, edges


def dot_lines(text: str) -> list[str]:
    """All lines of a dot file as the original's suite compares them."""
    return sorted({_WHITE.sub("", line) for line in text.splitlines() if line.strip()})


def canonical(element: etree.Element, drop: tuple[str, ...] = ("id",)) -> Canonical:
    """An element as nested tuples, without some attributes."""
    attributes = tuple(
        sorted((k, v) for k, v in element.attrib.items() if k not in drop and k not in _IGNORED)
    )
    return element.tag, attributes, tuple(sorted(repr(canonical(c, ())) for c in element))


def canonical_graph(text: str) -> tuple[tuple[tuple[str, str], ...], Counter[object]]:
    """Root attributes, and synapses with ids replaced by what the action is (level EXP)."""
    root = etree.fromstring(text.encode())
    head = tuple(sorted((k, v) for k, v in root.attrib.items() if k not in _IGNORED))
    label = {act.get("id"): repr(canonical(act)) for act in root.iterfind("synapse/action_set/*")}
    synapses: Counter[object] = Counter()
    for synapse in root.iterfind("synapse"):
        actions = tuple(sorted(label[a.get("id")] for a in synapse.iterfind("action_set/*")))
        inputs = tuple(
            sorted(
                label.get(t.get("id")) or "dangling " + repr(canonical(t))
                for t in synapse.iterfind("inputs/trigger/*")
            )
        )
        attributes = tuple(sorted((k, v) for k, v in synapse.attrib.items() if k != "id"))
        synapses[attributes, actions, inputs] += 1
    return head, synapses


def exp_lines(text: str) -> list[str]:
    """Lines of a graph file as the original's suite compares them."""
    for pattern in _NOISE:
        text = pattern.sub("", text)
    return [s for s in (_WHITE.sub("", line) for line in text.splitlines()) if s]
