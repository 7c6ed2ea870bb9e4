"""Which resource depends on which: a graph for people, for start order and for finding cycles.

Edges run from what comes first to what depends on it.  The scheduler's own decisions do not use
this graph; it explains them (`crm resource why`, pictures) and finds what cannot be meant.
Source: scheduler-2-actions.md sections 5 and 6 (orders, group members), scheduler-1-assignment.md
sections 16 and 18 (colocations).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import networkx as nx

from crmd.scheduler.model import Resource, Variant

if TYPE_CHECKING:
    from crmd.scheduler.act.action import Ordering, Plan

    Graph = nx.DiGraph[str]

ORDER, MEMBER, COLOCATION, CONTAINS = "order", "member", "colocation", "contains"


def dependency_graph(plan: Plan) -> Graph:
    """All resources with their membership, order and colocation edges.

    Edge data: `kinds`, the sorted names of the relations that an edge stands for; mandatory start
    orders and group membership are `order` and `member`.
    """
    graph: Graph = nx.DiGraph()
    cluster = plan.cluster
    for rsc in _all(cluster.resources):
        graph.add_node(rsc.id, variant=rsc.variant.name.lower())
    for rsc in _all(cluster.resources):
        _add_structure(graph, rsc)
    for ordering in plan.user_orderings:
        _add_order(graph, ordering)
    for colocation in cluster.colocations:
        if colocation.explicit and colocation.score > 0:
            _edge(graph, colocation.primary.id, colocation.dependent.id, COLOCATION)
    return graph


def _all(resources: Iterable[Resource]) -> Iterator[Resource]:
    for rsc in resources:
        yield rsc
        yield from _all(rsc.children)


def _edge(graph: Graph, first: str, then: str, kind: str) -> None:
    if graph.has_edge(first, then):
        kinds: list[str] = graph.edges[first, then]["kinds"]
        if kind not in kinds:
            graph.edges[first, then]["kinds"] = sorted([*kinds, kind])
    else:
        graph.add_edge(first, then, kinds=[kind])


def _add_structure(graph: Graph, rsc: Resource) -> None:
    previous: Resource | None = None
    for child in rsc.children:
        _edge(graph, rsc.id, child.id, CONTAINS)
        ordered = rsc.variant is Variant.GROUP and (rsc.group is None or rsc.group.ordered)
        if ordered and previous is not None:
            _edge(graph, previous.id, child.id, MEMBER)
        previous = child
    if rsc.launcher is not None:
        _edge(graph, rsc.launcher.id, rsc.id, ORDER)


def _add_order(graph: Graph, ordering: Ordering) -> None:
    """Only the order of starts: stops go the other way round."""
    a, b = ordering.first_rsc, ordering.then_rsc
    if a is None or b is None or a is b:
        return
    first, then = ordering.first_key or "", ordering.then_key or ""
    if first.endswith(("_start_0", "_promote_0")) and then.endswith(("_start_0", "_promote_0")):
        _edge(graph, a.id, b.id, ORDER)


def _by_order(graph: Graph) -> Graph:
    """The part of the graph that says what starts before what."""
    kept = [
        (a, b)
        for a, b, data in graph.edges(data=True)
        if any(kind in (ORDER, MEMBER) for kind in data["kinds"])
    ]
    order: Graph = nx.DiGraph()
    order.add_nodes_from(graph.nodes)
    order.add_edges_from(kept)
    return order


def start_order(graph: Graph) -> list[str]:
    """Resource ids so that everything comes after what it needs; ties by id.

    Members of a cycle are kept together, in the order of their ids.
    """
    order = _by_order(graph)
    condensed = nx.condensation(order)
    members = {n: sorted(condensed.nodes[n]["members"]) for n in condensed.nodes}
    ranked = nx.lexicographical_topological_sort(condensed, key=lambda n: members[n][0])
    return [rsc for n in ranked for rsc in members[n]]


def order_cycles(graph: Graph) -> list[list[str]]:
    """Each knot of start orders that wait for each other, members sorted, knots by first member."""
    knots = [
        sorted(found)
        for found in nx.strongly_connected_components(_by_order(graph))
        if len(found) > 1
    ]
    return sorted(knots)


def cycle_warnings(graph: Graph) -> list[str]:
    """One sentence per cycle, members named."""
    order = _by_order(graph)
    sentences = []
    for knot in order_cycles(graph):
        cycle = [a for a, _ in nx.find_cycle(order.subgraph(knot), source=knot[0])]
        path = " -> ".join([*cycle, cycle[0]])
        sentences.append(
            f"order: {path}: each waits for the one before it, so none of them can start; "
            "remove one of these orders"
        )
    return sentences


def to_dot(graph: Graph) -> str:
    """The graph as Graphviz text; membership is dotted, colocation dashed, order solid."""
    lines = ['digraph "dependencies" {']
    for node in sorted(graph.nodes):
        shape = "box" if graph.nodes[node].get("variant") == "primitive" else "folder"
        lines.append(f'  "{node}" [shape={shape}]')
    for a, b in sorted(graph.edges):
        kinds: list[str] = graph.edges[a, b]["kinds"]
        if ORDER in kinds or MEMBER in kinds:
            style = "solid"
        else:
            style = "dashed" if COLOCATION in kinds else "dotted"
        lines.append(f'  "{a}" -> "{b}" [style={style} label="{", ".join(kinds)}"]')
    lines.append("}")
    return "\n".join(lines) + "\n"
