"""How far our answers agree with the recorded ones, level by level.

The comparison itself is that of the reference data's own tool (`tools/scheduler_suite.py`), so
that a figure here is the figure there.  Facts: scheduler-cases.md section 2.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from lxml import etree

from tests.reference.cases import EXPECTED_STDERR, Case
from tests.reference.running import Ran, run_simulate
from tests.shared_data import SHARED

LEVELS = ("L1", "L2", "L3", "L4", "EXP", "official", "exact")


def suite() -> ModuleType | None:
    """The comparison functions of the reference data, or None without them."""
    name = "pacekeeper_scheduler_suite"
    if name in sys.modules:
        return sys.modules[name]
    path = SHARED / "tools" / "scheduler_suite.py" if SHARED is not None else None
    if path is None or not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(slots=True)
class Grade:
    """Levels reached by one case."""

    set: str
    name: str
    levels: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0
    features: tuple[str, ...] = ()
    error: str = ""
    detail: dict[str, list[str]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.set}/{self.name}"


def grade(case: Case) -> Grade:
    """Run a case twice, as the reference suite does, and compare."""
    out = Grade(case.folder.name, case.name, dict.fromkeys(LEVELS, False))
    out.features = features(case)
    began = time.perf_counter()
    try:
        first, second, dot, exp = _produce(case)
    except Exception:
        out.error = traceback.format_exc()
        out.seconds = time.perf_counter() - began
        return out
    out.seconds = time.perf_counter() - began
    _compare(case, out, first, second, dot, exp)
    return out


def _produce(case: Case) -> tuple[Ran, Ran, str, str]:
    first = run_simulate(["-x", str(case.xml), "-S", *case.arguments])
    with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
        dot, exp = Path(scratch, "out.dot"), Path(scratch, "out.exp")
        second = run_simulate(
            ["-x", str(case.xml), "-D", str(dot), "-G", str(exp), "-sSQ", *case.arguments]
        )
        texts = [p.read_text(encoding="utf-8") if p.exists() else "" for p in (dot, exp)]
    return first, second, texts[0], texts[1]


def _compare(case: Case, out: Grade, first: Ran, second: Ran, dot: str, exp: str) -> None:
    s = suite()
    assert s is not None
    want = {kind: case.expected(kind) for kind in ("summary", "scores", "dot", "exp")}
    levels = out.levels
    wanted_block, block = s.transition_block(want["summary"]), s.transition_block(first.text)
    levels["L1"] = wanted_block == block and "Transition Summary:" in first.text
    if not levels["L1"]:
        out.detail["L1"] = s.sample_diff(sorted(wanted_block.elements()), sorted(block.elements()))
    levels["L2"] = s.dot_sets(want["dot"]) == s.dot_sets(dot) and bool(dot.strip())
    if not levels["L2"]:
        (na, ea), (nb, eb) = s.dot_sets(want["dot"]), s.dot_sets(dot)
        out.detail["L2"] = [
            *(f"-node {x}" for x in sorted(na - nb)[:4]),
            *(f"+node {x}" for x in sorted(nb - na)[:4]),
            *(f"-edge {x}" for x in sorted(ea - eb)[:4]),
            *(f"+edge {x}" for x in sorted(eb - ea)[:4]),
        ]
    wanted_scores, scores = s.score_lines(want["scores"]), s.score_lines(second.out)
    levels["L3"] = set(wanted_scores) == set(scores) and second.code == 0
    if not levels["L3"]:
        out.detail["L3"] = s.sample_diff(sorted(set(wanted_scores)), sorted(set(scores)))
    levels["L4"] = s.squash_lines(want["summary"]) == s.squash_lines(first.text)
    levels["exact"] = want["summary"] == first.text
    if not levels["L4"]:
        out.detail["L4"] = s.sample_diff(want["summary"].splitlines(), first.text.splitlines())
    try:
        levels["EXP"] = s.canonical_graph(want["exp"]) == s.canonical_graph(exp)
    except (ElementTree.ParseError, KeyError) as e:
        out.detail["EXP"] = [f"unusable graph: {e}"]
    if not levels["EXP"] and exp:
        out.detail.setdefault("EXP", s.sample_diff(s.exp_lines(want["exp"]), s.exp_lines(exp)))
    squashed = s.squash_lines
    good_end = second.code == 0 and squashed(second.err) == squashed(
        EXPECTED_STDERR.get(case.name, "")
    )
    levels["official"] = (
        good_end
        and levels["L4"]
        and s.dot_lines(want["dot"]) == s.dot_lines(dot)
        and sorted(map(s.squash, wanted_scores)) == sorted(map(s.squash, scores))
        and s.exp_lines(want["exp"]) == s.exp_lines(exp)
    )


def features(case: Case) -> tuple[str, ...]:
    """What a case is about: its theme, or what its input contains."""
    if case.folder.name.endswith("random"):
        return ("random " + case.name.rpartition("-")[0],)
    root = etree.parse(str(case.xml)).getroot()
    return tuple(sorted(name for name, path in _FEATURES.items() if root.xpath(path))) or ("plain",)


_RESOURCES = "configuration/resources"
_FEATURES = {
    "group": f"{_RESOURCES}//group",
    "clone": f"{_RESOURCES}/clone | {_RESOURCES}/master",
    "promotable": f"{_RESOURCES}//nvpair[@name='promotable' or @name='master-max'] "
    f"| {_RESOURCES}/master",
    "bundle": f"{_RESOURCES}/bundle",
    "remote or guest": f"{_RESOURCES}//primitive[@type='remote'] "
    f"| {_RESOURCES}//nvpair[@name='remote-node']",
    "fencing": f"{_RESOURCES}//primitive[@class='stonith']",
    "ticket": "configuration/constraints/rsc_ticket",
    "colocation": "configuration/constraints/rsc_colocation",
    "order": "configuration/constraints/rsc_order",
    "constraint set": "configuration/constraints//resource_set",
    "migration": f"{_RESOURCES}//nvpair[@name='allow-migrate' and @value='true']",
    "utilization": "configuration//utilization",
    "rule": "configuration//rule",
    "notify": f"{_RESOURCES}//nvpair[@name='notify' and @value='true']",
    "template or tag": f"{_RESOURCES}/template | configuration/tags/tag",
    "health": "//nvpair[starts-with(@name, '#health')]",
}
