"""The pipeline: CIB in, decision out.

Stages and their order: scheduler-1-assignment.md section 3, scheduler-2-actions.md section 2.
Nothing here reads a clock; `now` is an argument.
"""

from __future__ import annotations

from lxml import etree

from cib.upgrade import upgrade
from crmd.scheduler.assign import add_internal_constraints, apply_criteria, assign_all
from crmd.scheduler.model import Cluster, Recorder
from crmd.scheduler.unpack import unpack

_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
    remove_blank_text=True, remove_comments=True, remove_pis=True,
)  # fmt: skip


def parse(cib: bytes) -> etree._Element:
    """The document, upgraded to the newest schema in memory.

    Raises lxml.etree.XMLSyntaxError and cib.upgrade.UpgradeError.
    """
    return upgrade(etree.fromstring(cib, _PARSER), in_place=True).root


def effective_now(cib: etree._Element, now: float) -> float:
    """`execution-date` of the CIB if it has one, else `now` (3.2)."""
    text = cib.get("execution-date")
    return float(text) if text is not None and text.isdigit() else now


def read(
    cib: bytes, now: float, *, record_scores: bool = False, explain: Recorder | None = None
) -> Cluster:
    """Configuration and status as a working set, criteria applied (phases 1 - 5)."""
    cluster = unpack(parse(cib), now)
    cluster.record_scores = record_scores
    cluster.explain = explain
    apply_criteria(cluster)
    return cluster


def assign(cluster: Cluster) -> None:
    """Choose nodes and roles (phases 6 and 8, as far as scores are concerned)."""
    add_internal_constraints(cluster)
    assign_all(cluster)
