"""What must be true of every recorded case, whatever its recorded answer: a sample per property.

PACEKEEPER_SAMPLE=1 takes every case; the usual sample is every eighth.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from cib import scores
from cli.simulator.explanation import Terms
from crmd.scheduler import pipeline
from crmd.scheduler.graph_xml import to_exp_xml
from crmd.scheduler.transition import ActionKind, Transition
from tests.reference.cases import Case, find_cases
from tests.reference.running import run_simulate
from tests.reference.scheduling import case_time, schedule_case

pytestmark = pytest.mark.reference
STEP = int(os.environ.get("PACEKEEPER_SAMPLE", "8"))
LEAVES_NO_TRACE = frozenset({"cancel", "clear_failcount", "delete", "do_shutdown", "lrm_delete"})
"""Operations that the simulator performs without changing its state; they are asked for again."""
ROUNDS = 2
"""Transitions until nothing is left to do: a second one where fencing or a new node came first."""
SEEDS = ("1", "4242")


def sample(step: int = STEP, offset: int = 0) -> list[Case]:
    cases = find_cases()[offset::step]
    if not cases:
        pytest.skip("no reference data: no folder shared/ beside the repository")
    return cases


def outcome(document: bytes, now: float) -> tuple[bytes, tuple[str, ...], list[str]]:
    """Graph, summary and score lines."""
    decision = pipeline.run(document, now, record_scores=True, sanitized=True).decision
    return (
        to_exp_xml(decision.transition),
        decision.summary,
        [line.text for line in decision.scores],
    )


# ---- fixed point --------------------------------------------------------------------------------


def unsettled() -> set[str]:
    text = Path(__file__).with_name("unsettled.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and line[0] not in "#["]
    return {name for line in lines for name in line.split()}


def left_to_do(transition: Transition) -> list[str]:
    return [
        s.action.operation_key
        for s in transition.synapses
        if s.action.kind is not ActionKind.PSEUDO and s.action.operation not in LEAVES_NO_TRACE
    ]


def after_transitions(case: Case, folder: Path) -> list[str]:
    """What is still to do after ROUNDS simulated transitions."""
    now = case_time(case, case.xml.read_bytes())
    state = case.xml
    for number in range(ROUNDS):
        target = folder / f"{number}.xml"
        run_simulate(["-x", str(state), "-S", "-Q", "-O", str(target), *case.arguments])
        state = target
        run = pipeline.run(state.read_bytes(), now, sanitized=True)
        if not (rest := left_to_do(run.decision.transition)):
            return rest
    return rest


def test_a_finished_transition_leaves_nothing_to_do(tmp_path: Path) -> None:
    listed = unsettled()
    restless = {}
    for case in sample():
        if case.name not in listed and (rest := after_transitions(case, tmp_path)):
            restless[case.name] = rest
    assert not restless


def test_the_list_of_unsettled_cases_names_only_such_cases(tmp_path: Path) -> None:
    listed = unsettled()
    for case in [c for c in find_cases() if c.name in listed][:: max(1, STEP // 2)]:
        assert after_transitions(case, tmp_path), f"{case.name} settles: take it off the list"


# ---- order of the input -------------------------------------------------------------------------


def shuffle(parent: etree._Element, tag: str, chance: random.Random) -> None:
    children = parent.findall(tag)
    chance.shuffle(children)
    for child in children:
        parent.append(child)


def shuffle_pairs(root: etree._Element, chance: random.Random) -> None:
    """Name/value pairs of sets that give no name twice."""
    sets = ("instance_attributes", "meta_attributes", "cluster_property_set", "utilization")
    for block in root.iter(*sets):
        names = [pair.get("name") for pair in block.iterfind("nvpair")]
        if None not in names and len(set(names)) == len(names):
            shuffle(block, "nvpair", chance)


def shuffle_attributes(root: etree._Element, chance: random.Random) -> None:
    for element in root.iter(etree.Element):
        items = list(element.attrib.items())
        chance.shuffle(items)
        element.attrib.clear()
        for name, value in items:
            element.set(name, value)


def shuffle_nodes(root: etree._Element, chance: random.Random) -> None:
    for nodes in root.iter("nodes"):
        shuffle(nodes, "node", chance)


def shuffle_operations(root: etree._Element, chance: random.Random) -> None:
    """Results of a history: their call ids say in which order they happened."""
    for history in root.iter("lrm_resource"):
        shuffle(history, "lrm_rsc_op", chance)


@pytest.mark.parametrize(
    "change", [shuffle_pairs, shuffle_attributes, shuffle_nodes, shuffle_operations]
)
def test_the_order_of_what_has_no_order_changes_no_byte(
    change: Callable[[etree._Element, random.Random], None],
) -> None:
    changed = []
    for case in sample(step=STEP * 2, offset=3):
        document = case.xml.read_bytes()
        now = case_time(case, document)
        root = etree.fromstring(document)
        change(root, random.Random(case.name))
        if outcome(etree.tostring(root), now) != outcome(document, now):
            changed.append(case.name)
    assert not changed


# ---- determinism --------------------------------------------------------------------------------


def digest_of_sample() -> str:
    """One digest over everything that is decided for the sample."""
    total = hashlib.sha256()
    for case in sample(step=STEP * 2, offset=5):
        graph, summary, lines = outcome(
            case.xml.read_bytes(), case_time(case, case.xml.read_bytes())
        )
        total.update(graph + "\n".join((*summary, *lines)).encode())
        decision = schedule_case(case).decision
        total.update(repr((sorted(decision.reasons.items()), decision.warnings)).encode())
    return total.hexdigest()


def test_the_hash_seed_changes_no_byte() -> None:
    sample()
    code = "from tests.reference.test_properties import digest_of_sample; print(digest_of_sample())"
    found = set()
    for seed in SEEDS:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stderr
        found.add(ran.stdout)
    assert len(found) == 1


# ---- explanations -------------------------------------------------------------------------------


def test_the_terms_of_every_score_add_up() -> None:
    """Each table begins with the node's own score, or with nothing where a constraint made it."""
    odd = []
    for case in sample(offset=2):
        document, terms = case.xml.read_bytes(), Terms()
        run = pipeline.run(document, case_time(case, document), explain=terms, sanitized=True)
        cluster = run.plan.cluster
        for resource in cluster.by_id.values():
            told = terms.of(resource)
            for index, total in resource.scores.items() if resource.is_primitive else ():
                told_sum = 0
                for score, _ in told.get(index, ()):
                    told_sum = scores.add(told_sum, score)
                base = cluster.nodes_by_index[index].score
                if total not in (told_sum, scores.add(base, told_sum)):
                    odd.append((case.name, resource.id, index, total, told.get(index)))
    assert not odd
