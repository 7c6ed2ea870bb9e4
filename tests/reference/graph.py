"""Compare transition graphs of all cases, in process: `python -m tests.reference.graph [NAME...]`.

Levels: L1 (lines of the transition summary), L2 (nodes and edges of the dot file), EXP (synapses of
the graph file, ids replaced by what each action is).  Facts: scheduler-cases.md section 2.

`--ratchet` compares with the lists in `tests/reference/ratchet/`, `--update` adds to them.
"""

from __future__ import annotations

import argparse
import difflib
import multiprocessing
import signal
import sys
import time
import traceback
import xml.etree.ElementTree as etree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.reference.cases import Case, find_cases
from tests.reference.grading import canonical_graph, dot_lines, dot_sets, exp_lines, summary_block

LEVELS = ("L1", "L2", "EXP")
INFORMATIVE = ("L2s", "EXPV")
RATCHET = Path(__file__).resolve().parent / "ratchet"
TIMEOUT_S = 60


@dataclass(slots=True)
class Verdict:
    """What came of one case."""

    name: str
    passed: dict[str, bool] = field(default_factory=dict)
    detail: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0


class TooSlow(Exception):
    """A case took longer than the limit."""


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow(f"more than {TIMEOUT_S} s")


def produce(case: Case) -> tuple[str, str, tuple[str, ...]]:
    """(dot, graph XML, summary lines) of our scheduler."""
    from crmd.scheduler.graph_dot import to_dot
    from crmd.scheduler.graph_xml import to_exp_xml
    from tests.reference.scheduling import schedule_case

    run = schedule_case(case)
    return (
        to_dot(run.plan),
        to_exp_xml(run.decision.transition).decode(),
        run.decision.summary,
    )


def judge(case: Case) -> Verdict:
    """Run one case and compare."""
    verdict = Verdict(case.name)
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(TIMEOUT_S)
    try:
        dot, exp, summary = produce(case)
    except Exception as e:
        last = traceback.extract_tb(e.__traceback__)[-1]
        verdict.error = f"{type(e).__name__}: {e} ({Path(last.filename).name}:{last.lineno})"
        verdict.detail = traceback.format_exc().splitlines()
        verdict.passed = dict.fromkeys(LEVELS + INFORMATIVE, False)
        return verdict
    finally:
        signal.alarm(0)
        verdict.seconds = time.monotonic() - began
    _compare(case, verdict, dot, exp, summary)
    return verdict


def _compare(case: Case, verdict: Verdict, dot: str, exp: str, summary: tuple[str, ...]) -> None:
    out = verdict.detail
    want = summary_block(case.expected("summary"))
    got = Counter(" ".join(f"* {line}".split()) for line in summary)
    verdict.passed["L1"] = want == got
    if want != got:
        out += [f"L1 -{x}" for x in sorted((want - got).elements())]
        out += [f"L1 +{x}" for x in sorted((got - want).elements())]
    want_dot = case.expected("dot")
    (na, ea), (nb, eb) = dot_sets(want_dot), dot_sets(dot)
    verdict.passed["L2"] = na == nb and ea == eb
    out += [f"L2 -node {x}" for x in sorted(na - nb)] + [f"L2 +node {x}" for x in sorted(nb - na)]
    if na == nb:
        out += [f"L2 -edge {a} -> {b}" for a, b in sorted(ea - eb)]
        out += [f"L2 +edge {a} -> {b}" for a, b in sorted(eb - ea)]
    verdict.passed["L2s"] = dot_lines(want_dot) == dot_lines(dot)
    want_exp = case.expected("exp")
    (head_a, syn_a), (head_b, syn_b) = canonical_graph(want_exp), canonical_graph(exp)
    verdict.passed["EXP"] = head_a == head_b and syn_a == syn_b
    if head_a != head_b:
        out += [f"EXP -{head_a}", f"EXP +{head_b}"]
    if syn_a != syn_b and na == nb:
        out += _attribute_differences(want_exp, exp)
    a, b = exp_lines(want_exp), exp_lines(exp)
    verdict.passed["EXPV"] = a == b
    if a != b and verdict.passed["EXP"]:
        out += [
            "EXPV " + x
            for x in difflib.unified_diff(a, b, n=0, lineterm="")
            if not x.startswith(("---", "+++", "@@"))
        ][:8]


def _name(act: etree.Element) -> str:
    """An action for people: its key, and its node."""
    key = act.get("internal_operation_key", act.get("operation_key", ""))
    return f"{key} {act.get('on_node', '')}".strip()


def _attribute_differences(want: str, got: str) -> list[str]:
    """Actions whose attributes differ, by operation key and node."""

    def actions(text: str) -> dict[str, dict[str, str]]:
        found = {}
        root = etree.fromstring(text.encode())
        for act in root.iterfind("synapse/action_set/*"):
            table = {k: v for k, v in act.attrib.items() if k != "id"}
            key = _name(act)
            for child in act:
                for name, value in child.attrib.items():
                    table[f"{child.tag}/{name}"] = value
                for i, grandchild in enumerate(child):
                    for name, value in grandchild.attrib.items():
                        table[f"{child.tag}/{i}/{name}"] = value
            table["element"] = act.tag
            table.pop("attributes/crm_feature_set", None)
            found[key] = table
        for synapse in root.iterfind("synapse"):
            (act,) = synapse.iterfind("action_set/*")
            table = found[_name(act)]
            table["priority"] = synapse.get("priority", "0")
            table["inputs"] = " ; ".join(sorted(_name(t) for t in synapse.iterfind("inputs/*/*")))
        return found

    a, b = actions(want), actions(got)
    out = [f"EXP -action {k}" for k in sorted(a.keys() - b.keys())]
    out += [f"EXP +action {k}" for k in sorted(b.keys() - a.keys())]
    for key in sorted(a.keys() & b.keys()):
        for name in sorted(a[key].keys() | b[key].keys()):
            if a[key].get(name) != b[key].get(name):
                out.append(f"EXP {key}: {name}: want {a[key].get(name)} got {b[key].get(name)}")
    if not out:
        out.append("EXP inputs or priorities differ")
    return out


def read_ratchet(level: str) -> set[str]:
    """Names of the cases that pass at a level and must go on passing."""
    path = RATCHET / f"{level}.txt"
    return set(path.read_text(encoding="utf-8").split()) if path.exists() else set()


def run_all(cases: list[Case], jobs: int) -> list[Verdict]:
    """Judge all cases, in order."""
    if jobs <= 1 or len(cases) < 4:
        return [judge(case) for case in cases]
    with multiprocessing.Pool(jobs) as pool:
        return list(pool.imap(judge, cases, chunksize=4))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--lines", type=int, default=6, help="differing lines per case")
    parser.add_argument("--show", type=int, default=1000, help="failing cases listed")
    parser.add_argument("--every", type=int, default=1, help="only every n-th case")
    parser.add_argument("--ratchet", action="store_true")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args(argv)
    cases = [c for c in find_cases() if not options.names or c.name in options.names]
    cases = cases[:: options.every]
    began = time.monotonic()
    verdicts = run_all(cases, options.jobs)
    shown = 0
    for verdict in verdicts:
        failed = [level for level in LEVELS + INFORMATIVE if not verdict.passed[level]]
        if not failed or shown >= options.show:
            continue
        shown += 1
        print(f"{verdict.name}: {' '.join(failed)} {verdict.error}")
        limit = len(verdict.detail) if options.names else options.lines
        for line in verdict.detail[:limit]:
            print("    " + (line if options.names else line[:200]))
    errors = Counter(v.error for v in verdicts if v.error)
    for text, count in errors.most_common(20):
        print(f"{count:4} {text[:180]}")
    for level in LEVELS + INFORMATIVE:
        print(f"{level:5} {sum(v.passed[level] for v in verdicts):4} / {len(verdicts)}")
    slow = sorted(verdicts, key=lambda v: -v.seconds)[:5]
    print(
        f"{time.monotonic() - began:.1f} s; slowest: "
        + ", ".join(f"{v.name} {v.seconds:.2f}" for v in slow)
    )
    return _ratchet(options, verdicts)


def _ratchet(options: argparse.Namespace, verdicts: list[Verdict]) -> int:
    lost = 0
    for level in LEVELS:
        known = read_ratchet(level)
        passed = {v.name for v in verdicts if v.passed[level]}
        seen = {v.name for v in verdicts}
        for name in sorted((known & seen) - passed):
            print(f"lost {level}: {name}")
            lost += 1
        if options.update:
            RATCHET.mkdir(exist_ok=True)
            text = "".join(f"{name}\n" for name in sorted(known | passed))
            (RATCHET / f"{level}.txt").write_text(text, encoding="utf-8")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
