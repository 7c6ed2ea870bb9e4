"""Damaged CIBs: decided or refused, never a traceback, never without end."""

from __future__ import annotations

import copy
import random

import pytest
from lxml import etree

from cib.upgrade import UpgradeError
from crmd.scheduler import pipeline
from tests.crmd.scheduler.small_cib import (
    NOW,
    SmallNode,
    cib,
    clone,
    colocate,
    group,
    history,
    locate,
    operation,
    primitive,
    running,
)

WORDS = (
    "", "x", "-1", "INFINITY", "-INFINITY", "99999999999999999999", "P1D", "PT", "#default", "true",
    "0", "1", "Promoted", "nobody", "*", "(", "%1", "2005-13-45", "é", "a:1", ":", "_",
)  # fmt: skip

BUNDLE = (
    '<bundle id="b"><docker image="i" replicas="2" promoted-max="1"/>'
    '<network ip-range-start="10.0.0.5" control-port="999"/>'
    '<storage><storage-mapping id="s" source-dir-root="/d" target-dir="/t"/></storage>'
    f"{primitive('inside')}</bundle>"
)


def healthy() -> etree._Element:
    """A cluster with some of everything."""
    resources = (
        primitive("a", {"migration-threshold": 2, "priority": 5})
        + primitive("vm", {"remote-node": "guest", "allow-migrate": "true"})
        + '<primitive id="far" class="ocf" provider="pacemaker" type="remote"/>'
        + group("g", primitive("m1"), primitive("m2"), meta={"resource-stickiness": 10})
        + clone("x", primitive("i"), {"promotable": "true", "interleave": "true"})
        + BUNDLE
    )
    constraints = (
        locate(1, "a", "n2", 10)
        + colocate(1, "g", "x", "INFINITY", 'with-rsc-role="Promoted"')
        + '<rsc_location id="l2" rsc-pattern="m.*"><rule id="r" score-attribute="w">'
        '<expression id="e" attribute="w" operation="gt" value="1" type="integer"/>'
        '<date_expression id="d" operation="gt" start="2020-01-01"/></rule></rsc_location>'
        '<rsc_order id="o" first="a" then="x"/><rsc_ticket id="t" rsc="g" ticket="T"/>'
    )
    failed = operation("m1", "monitor", 7, call=9, interval=10000, entry_id="m1_last_failure_0")
    moving = 'migrate_source="n1" migrate_target="n2"'
    n1 = SmallNode(
        "n1",
        running("a", "i", "gone", "b-docker-0", "b-0")
        + history("m1", operation("m1", "start"), failed)
        + history("vm", operation("vm", "migrate_to", extra=moving)),
        attrs={"w": 3},
        transient={"fail-count-m1#monitor_10000": 1, "master-i": 5},
    )
    return etree.fromstring(cib([n1, SmallNode("n2"), SmallNode("n3", online=False)], resources,
                                constraints))  # fmt: skip


def damage(root: etree._Element, chance: random.Random) -> None:
    """A few random edits."""
    for _ in range(chance.choice((1, 3, 10, 30))):
        elements = list(root.iter(etree.Element))
        element, other = chance.choice(elements), chance.choice(elements)
        kind = chance.random()
        parent = element.getparent()
        if kind < 0.3 and element.attrib:
            del element.attrib[chance.choice(list(element.attrib))]
        elif kind < 0.7 and element.attrib:
            element.set(chance.choice(list(element.attrib)), chance.choice(WORDS))
        elif kind < 0.8 and parent is not None:
            parent.remove(element)
        elif kind < 0.9 or other.getparent() is None:
            element.append(etree.Element(other.tag, {str(k): str(v) for k, v in other.items()}))
        else:
            element.append(copy.deepcopy(other))


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_cib_is_decided_or_refused_with_one_sentence(seed: int) -> None:
    chance = random.Random(seed)
    decided = 0
    for _ in range(25):
        root = healthy()
        damage(root, chance)
        try:
            pipeline.schedule(etree.tostring(root), NOW)
            decided += 1
        except UpgradeError as refusal:
            assert "\n" not in str(refusal) and "validate-with" in str(refusal)
    assert decided > 10
