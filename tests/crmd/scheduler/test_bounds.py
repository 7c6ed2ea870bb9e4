"""Absurd CIBs: bounded time, a message that names the element, never a traceback."""

from __future__ import annotations

import time

import pytest

from crmd.scheduler import pipeline, schedule
from tests.crmd.scheduler.small_cib import (
    NOW,
    SmallNode,
    cib,
    clone,
    colocate,
    history,
    locate,
    operation,
    primitive,
    running,
)

NODES = ["n1", "n2"]
DIGITS = "9" * 6000
ENOUGH_S = 30.0
"""CPU seconds; what these need is a few, or for ever."""


def order(n: int, first: str, then: str, extra: str = "") -> str:
    return f'<rsc_order id="o{n}" first="{first}" then="{then}" {extra}/>'


def bounded(document: bytes) -> list[str]:
    """Warnings of a run that must end in time."""
    began = time.process_time()
    decision = schedule(document, NOW)
    assert time.process_time() - began < ENOUGH_S
    return list(decision.warnings)


def interval(value: str) -> str:
    monitor = f'<op id="o" name="monitor" interval="{value}"/>'
    return primitive("a", None, f"<operations>{monitor}</operations>")


@pytest.mark.parametrize(
    "document",
    [
        cib(NODES, primitive("a"), locate(1, "a", "n1", DIGITS)),
        cib(NODES, primitive("a"), locate(1, "a", "n1", "\u00b2")),
        cib(NODES, interval(DIGITS)),
        cib(NODES, interval("\u00b2")),
        cib(NODES, primitive("a", {"priority": DIGITS, "failure-timeout": DIGITS})),
        cib(NODES, primitive("a", {"resource-stickiness": "1e99", "migration-threshold": DIGITS})),
        cib(NODES, primitive("a:\u00b2") + clone("c", primitive("b"), {"clone-max": "3"})),
        cib([SmallNode("n1", running("a").replace('call-id="1"', f'call-id="{DIGITS}"'))],
            primitive("a")),
        cib([SmallNode("n1", running("a").replace(":1:0:", f":1:{DIGITS}:"))], primitive("a")),
        cib(NODES, primitive("a")).replace(b'date="17', b'date="' + DIGITS.encode()),
        cib(NODES, primitive("a")).replace(b'epoch="1"', b'epoch="' + DIGITS.encode() + b'"'),
    ],
)  # fmt: skip
def test_numbers_of_thousands_of_digits_or_other_scripts_are_read(document: bytes) -> None:
    bounded(document)


def test_a_cycle_of_orders_is_named_and_ends() -> None:
    resources = "".join(primitive(f"p{i}") for i in range(300))
    orders = "".join(order(i, f"p{i}", f"p{(i + 1) % 300}") for i in range(300))
    warnings = bounded(cib(NODES, resources, orders))
    assert any("p0 -> p1 -> p2" in w for w in warnings)


def test_everything_ordered_before_everything_ends() -> None:
    names = [f"p{i}" for i in range(40)]
    pairs = [(a, b) for a in names for b in names if a != b]
    orders = "".join(order(i, a, b) for i, (a, b) in enumerate(pairs))
    warnings = bounded(cib(NODES, "".join(map(primitive, names)), orders))
    assert any("-> p0: each waits" in w for w in warnings)


def test_everything_colocated_with_everything_is_cut_short_and_said_so() -> None:
    names = [f"p{i}" for i in range(25)]
    pairs = [(a, b) for a in names for b in names if a != b]
    colocations = "".join(colocate(i, a, b, 1) for i, (a, b) in enumerate(pairs))
    warnings = bounded(cib(NODES, "".join(map(primitive, names)), colocations))
    assert sum("more than can be followed" in w for w in warnings) == 1


def test_a_hundred_thousand_foreign_elements_are_named_and_ignored() -> None:
    garbage = b"".join(b'<garbage id="x%d" y="z"/>' % i for i in range(100_000))
    document = cib(NODES, primitive("a")).replace(b"</constraints>", garbage + b"</constraints>")
    warnings = bounded(document)
    assert "constraint x99999: unknown kind 'garbage'; ignored" in warnings


def test_states_of_nodes_that_do_not_exist_are_named_and_ignored() -> None:
    states = "".join(f'<node_state id="q{i}" uname="q{i}" in_ccm="maybe"/>' for i in range(50_000))
    warnings = bounded(cib(NODES, primitive("a"), status=states))
    assert "node state q49999: no such node; ignored" in warnings


def test_histories_of_thousands_of_unknown_resources_end() -> None:
    lost = "".join(history(f"z{i}", operation(f"z{i}", "start")) for i in range(5_000))
    run = pipeline.run(cib([SmallNode("n1", lost)], primitive("a")), NOW)
    stops = [s for s in run.decision.transition.synapses if s.action.operation == "stop"]
    assert len(stops) == 5_000


def test_impossible_dates_are_told_by_the_id_of_their_expression() -> None:
    rule = (
        '<rsc_location id="l" rsc="a"><rule id="r" score="5">'
        '<date_expression id="never" operation="gt" start="2023-02-31"/></rule></rsc_location>'
    )
    warnings = bounded(cib(NODES, primitive("a"), rule))
    assert any("never" in w and "2023-02-31" in w for w in warnings)
