"""What is wrong with a configuration although its form is right, in the reference's words.

Only checks that need no scheduling; `crm_verify` adds what the scheduler finds.  Facts: the
recorded `crm_verify` cases; scheduler-1-assignment.md 6.3 (start-up fencing) and 9.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from cib import lexical, nvsets, options
from cib.options import ClusterOptions
from cib.rules import RuleInput

NO_FENCING = (
    "Resource start-up disabled since no fencing resources have been defined. Either configure "
    "some or disable fencing with the fencing-enabled option. NOTE: Clusters with shared data "
    "need fencing to ensure data integrity."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about a configuration; an error makes it invalid, a warning does not."""

    text: str
    is_error: bool

    def __str__(self) -> str:
        return f"{'error' if self.is_error else 'warning'}: {self.text}"


def check(root: etree._Element, given: RuleInput) -> list[Finding]:
    """Findings about a CIB in the newest form, in the order the reference tells them."""
    configured = options.unpack(root, given)
    found = [Finding(text, True) for text in configured.problems]
    resources = root.find("configuration/resources")
    if resources is None:
        return found
    found += _promotable(resources, given)
    found += _fencing(root, resources, configured)
    return found


def _promotable(resources: etree._Element, given: RuleInput) -> Iterator[Finding]:
    for clone in resources.iter("clone"):
        meta: dict[str, str] = {}
        nvsets.unpack(clone, "meta_attributes", given, meta)
        if not lexical.is_true(meta.get("promotable")):
            continue
        for primitive in clone.iter("primitive"):
            klass = primitive.get("class")
            if klass in (None, "ocf", "stonith"):
                continue
            yield Finding(
                f"Resource {primitive.get('id')}:0 is of type {klass} and therefore cannot be "
                "used as a promotable clone resource",
                True,
            )
            yield Finding(
                f"Ignoring <clone> resource '{clone.get('id')}' because configuration is invalid",
                True,
            )
            break


def _fencing(
    root: etree._Element, resources: etree._Element, configured: ClusterOptions
) -> Iterator[Finding]:
    if not configured.is_true("fencing-enabled") or configured.is_true("have-watchdog"):
        return
    if any(p.get("class") == "stonith" for p in resources.iter("primitive", "template")):
        return
    yield Finding(NO_FENCING, True)
    if not configured.is_true("startup-fencing"):
        return
    seen = {state.get("id") for state in root.iterfind("status/node_state")}
    for node in root.iterfind("configuration/nodes/node"):
        if node.get("type", "member") == "member" and node.get("id") not in seen:
            yield Finding(f"Node {node.get('uname')} is unclean but cannot be fenced", False)
