"""Utilization lines, explanations, bounds, and results that do not depend on hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from crmd.scheduler import pipeline
from crmd.scheduler.model import Node, Resource
from crmd.scheduler.sorting import merge_sort, slot_order
from crmd.scheduler.unpack.bundles import next_address
from crmd.scheduler.unpack.collectives import MAX_INSTANCES
from crmd.scheduler.unpack.digests import digest
from tests.crmd.scheduler.small_cib import (
    NOW,
    SmallNode,
    assigned,
    cib,
    clone,
    colocate,
    history,
    locate,
    operation,
    pairs,
    primitive,
)


def test_utilization_lines_tell_capacities_and_placements() -> None:
    resources = primitive("a", None, pairs("utilization", "a", {"cpu": 3}))
    nodes = [SmallNode("n1", utilization={"cpu": 4, "memory": 1024}), SmallNode("n2")]
    cluster = pipeline.read(cib(nodes, resources), NOW)
    cluster.record_utilization = True
    pipeline.assign(cluster)
    assert cluster.score_lines == [
        "Original: n1 capacity: cpu=4 memory=1024",
        "Original: n2 capacity:",
        "pcmk__assign_resource: a utilization on n1: cpu=3",
        "Remaining: n1 capacity: cpu=1 memory=1024",
        "Remaining: n2 capacity:",
    ]


class Terms:
    """Keeps what the scheduler says about its scores."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, int, str]] = []

    def term(self, resource: Resource, node: Node, score: int, reason: str) -> None:
        self.found.append((resource.id, node.name, score, reason))

    def mark(self) -> int:
        return len(self.found)

    def remark(self, resource: Resource, text: str) -> None:
        """Nothing here is decided without scores."""
        raise AssertionError(f"{resource.id}: {text}")

    def withdraw(self, resource: Resource, mark: int) -> None:
        self.found[mark:] = [term for term in self.found[mark:] if term[0] != resource.id]


def test_every_term_of_a_score_is_told_with_its_reason() -> None:
    terms = Terms()
    failed = history("b", operation("b", "start", 5, call=2))
    document = cib(
        [SmallNode("n1", failed), SmallNode("n2")],
        primitive("a") + primitive("b"),
        locate(1, "a", "n2", 40) + colocate(1, "b", "a", 100),
    )
    pipeline.assign(pipeline.read(document, NOW, explain=terms))
    assert ("b", "n1", -1000000, "b_start_0 failed there for good") in terms.found
    assert ("a", "n2", 40, "location l1") in terms.found
    assert ("b", "n2", 100, "colocation c1 with a") in terms.found


def test_an_absurd_number_of_instances_is_bounded_and_said_so() -> None:
    document = cib(["n1"], clone("x", primitive("a"), {"clone-max": 2_000_000_000}))
    cluster = pipeline.read(document, NOW)
    assert len(cluster.by_id["x"].children) == MAX_INSTANCES
    assert any("clone-max=2000000000" in w for w in cluster.warnings)


def test_a_sum_over_long_chains_of_colocations_does_not_exhaust_the_stack() -> None:
    n = 500
    resources = "".join(primitive(f"p{i:03}") for i in range(n))
    chain = "".join(colocate(i, f"p{i - 1:03}", f"p{i:03}", "INFINITY") for i in range(1, n))
    cluster = assigned(cib(["n1", "n2"], resources, chain))
    assert {r.assigned.name for r in cluster.resources if r.assigned is not None} == {"n1"}


def test_dangling_references_are_told_by_id_and_ignored() -> None:
    constraints = (
        locate(1, "nobody", "n1", 5)
        + locate(2, "a", "nowhere", 5)
        + colocate(1, "a", "nobody", 5)
        + '<rsc_ticket id="t1" rsc="nobody" ticket="T"/>'
        + '<rsc_location id="l3" rsc-pattern="(" node="n1" score="1"/>'
        + '<rsc_location id="l4" rsc="a"><rule id="r4" score="x">'
        '<expression id="e4" attribute="z" operation="defined"/></rule></rsc_location>'
        + '<unheard_of id="u1"/>'
    )
    resources = primitive("a") + '<primitive id="b" template="none"/>' + '<group id="g"/>'
    cluster = assigned(cib(["n1"], resources, constraints))
    said = "\n".join(cluster.warnings)
    for name in ("l1", "l2", "c1", "t1", "l3", "l4", "u1", "resource b", "group g"):
        assert name in said
    assert [r.id for r in cluster.resources] == ["a"]


def test_a_newer_feature_set_is_refused_with_a_reason() -> None:
    document = cib(["n1"], primitive("a")).replace(b'"3.16.0"', b'"99.0"', 1)
    cluster = assigned(document)
    assert cluster.resources == [] and "99.0" in cluster.warnings[0]


def test_merge_sort_is_stable_and_takes_the_left_half_first() -> None:
    calls = []

    def compare(a: str, b: str) -> int:
        calls.append(a + b)
        return (a[0] > b[0]) - (a[0] < b[0])

    assert merge_sort(["b1", "a1", "b2", "a2"], compare) == ["a1", "a2", "b1", "b2"]
    assert calls == ["b1a1", "b2a2", "a1a2", "b1a2", "b1b2"]


def test_slot_order_follows_the_hash_of_the_names() -> None:
    assert slot_order(()) == ()
    assert sorted(slot_order(tuple(f"node{i}" for i in range(40)))) == list(range(40))
    assert [("cpu", "memory")[i] for i in slot_order(("cpu", "memory"))] == ["cpu", "memory"]


def test_addresses_of_replicas_are_counted_within_their_network() -> None:
    assert next_address("10.0.0.9") == "10.0.0.10"
    assert next_address("10.0.0.254") == "10.0.1.1"
    assert next_address("10.0.254.254") is None
    assert next_address("fe80::1") is None


def test_digests_are_those_of_the_recorded_histories() -> None:
    assert digest({}) == "f2317cad3d54cec5d7d7aa7d0bf35cf8"
    assert digest({"CRM_meta_timeout": "20000"}) == "4811cef7f7f94e3a35a70be7916cb2fd"


SEEDED = """
import sys
from crmd.scheduler import pipeline
cluster = pipeline.read(sys.stdin.buffer.read(), 1700000000, record_scores=True)
pipeline.assign(cluster)
print("\\n".join(cluster.score_lines + cluster.warnings))
"""


def test_the_hash_seed_changes_no_byte() -> None:
    resources = "".join(
        clone(f"x{i}", primitive(f"a{i}", {"priority": i % 2}), {"promotable": "true"})
        for i in range(6)
    )
    constraints = "".join(colocate(i, f"x{i}", f"x{i - 1}", 100 * i) for i in range(1, 6))
    document = cib([f"node{i}" for i in range(5)], resources, constraints)
    root = Path(__file__).resolve().parents[3]
    printed = {
        subprocess.run(
            [sys.executable, "-c", SEEDED],
            input=document,
            capture_output=True,
            check=True,
            timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(printed) == 1
