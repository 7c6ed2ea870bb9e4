"""What each released schema version knows: the walk of an upgrade, said in the validator's words.

The grammar in `cib/schema/` takes the newest series; here stands which elements, attributes and
values are newer than an older version.  Only a report of an upgrade needs this: an upgrade itself
accepts a newer construct in an older document, as the reference does, and takes out what is gone.
Facts: each entry was asked from the installed `crm_verify` 2.1.5, version by version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from cib import schema
from cib.upgrade import KNOWN_VERSIONS, schema_version, upgrade

Version = tuple[int, int]

VERSIONS = tuple(version for version in KNOWN_VERSIONS if version != (1, 1))
"""Released versions, oldest first; 1.1 never was one."""

_ELEMENTS: dict[str, Version] = {
    "fencing-topology": (1, 2),
    "acls": (1, 2),
    "rsc_ticket": (1, 2),
    "template": (1, 2),
    "tags": (1, 3),
    "acl_target": (2, 0),
    "alerts": (2, 5),
    "bundle": (2, 8),
    "rkt": (2, 10),
    "select": (2, 10),
    "podman": (3, 2),
    "rsc_expression": (3, 4),
    "op_expression": (3, 4),
}
_ATTRIBUTES: dict[tuple[str, str], Version] = {
    ("rsc_location", "resource-discovery"): (2, 2),
    ("rsc_order", "require-all"): (2, 3),
    ("fencing-level", "target-attribute"): (2, 4),
    ("rsc_location", "rsc-pattern"): (2, 6),
    ("expression", "value-source"): (2, 9),
    ("docker", "promoted-max"): (3, 0),
    ("rkt", "promoted-max"): (3, 0),
    ("rsc_colocation", "influence"): (3, 6),
    ("acl_target", "name"): (3, 8),
    ("nvpair", "id-ref"): (1, 3),
}
_VALUES: dict[tuple[str, str, str], Version] = {
    ("primitive", "class", "systemd"): (1, 2),
    ("primitive", "class", "service"): (1, 2),
    ("primitive", "class", "nagios"): (1, 2),
    ("node", "type", "remote"): (1, 3),
    ("op", "on-fail", "restart-container"): (1, 2),
    ("op", "on-fail", "demote"): (3, 4),
    ("rsc_location", "role", "Promoted"): (3, 7),
    ("rsc_location", "role", "Unpromoted"): (3, 7),
    ("op", "role", "Promoted"): (3, 7),
    ("op", "role", "Unpromoted"): (3, 7),
}
_SHOWN = frozenset(
    {"RELAXNG_ERR_INVALIDATTR", "RELAXNG_ERR_EXTRACONTENT", "RELAXNG_ERR_ATTREXTRACT"}
)
"""Kinds of the validator's messages that name a cause; the others only repeat it further up."""


@dataclass(frozen=True, slots=True)
class Step:
    """One version that an upgrade tried, and what its validator had to say."""

    version: Version
    complaints: tuple[str, ...]

    @property
    def name(self) -> str:
        """As `validate-with` has it."""
        return "pacemaker-{}.{}".format(*self.version)


def walk(root: etree._Element) -> list[Step]:
    """The versions from the one that a CIB claims to the newest, each with its complaints.

    Raises UpgradeError for a schema that is not known; a CIB without one has no steps.
    """
    claimed = schema_version(root)
    if claimed is None:
        return []
    lasting = tuple(_grammar_complaints(upgrade(root).root))
    return [
        Step(version, tuple(_age_complaints(root, version)) + lasting)
        for version in VERSIONS
        if version >= claimed
    ]


def _grammar_complaints(root: etree._Element) -> Iterator[str]:
    for entry in schema.validator_log(root):
        if entry.type_name in _SHOWN:
            yield entry.message


def _age_complaints(root: etree._Element, version: Version) -> Iterator[str]:
    """What `version` does not know yet.  What it no longer knows, the upgrade takes out first."""
    for element in root.iter(etree.Element):
        tag, parent = str(element.tag), element.getparent()
        holder = "cib" if parent is None else str(parent.tag)
        unknown = [
            str(name)
            for name, value in element.items()
            if _ATTRIBUTES.get((tag, str(name)), (0, 0)) > version
            or _VALUES.get((tag, str(name), str(value)), (0, 0)) > version
        ]
        for name in unknown:
            yield f"Invalid attribute {name} for element {tag}"
        if unknown or _ELEMENTS.get(tag, (0, 0)) > version:
            yield f"Element {holder} has extra content: {tag}"
