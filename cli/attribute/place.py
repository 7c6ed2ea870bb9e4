"""Where an attribute lives in the CIB: section, set, and the ids that new ones get.

It reads nothing and changes nothing.  Facts: cli.md section 6 (crm_attribute), the recorded cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree

_OPTION_SETS = {
    "crm_config": ("cluster_property_set", "cib-bootstrap-options"),
    "rsc_defaults": ("meta_attributes", "rsc_defaults-options"),
    "op_defaults": ("meta_attributes", "op_defaults-options"),
}
SECTIONS = (*_OPTION_SETS, "nodes", "status")


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the CIB names it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of attribute: options of the cluster, or attributes of one node."""

    section: str
    node: Node | None = None
    utilization: bool = False

    @property
    def set_tag(self) -> str:
        """Name of the element that holds the pairs."""
        if self.utilization:
            return "utilization"
        return _OPTION_SETS.get(self.section, ("instance_attributes", ""))[0]

    @property
    def default_set_id(self) -> str:
        """Id of the set where none exists yet."""
        if self.node is not None:
            end = "-utilization" if self.utilization else ""
            return f"{self.section}-{self.node.id}{end}"
        return _OPTION_SETS[self.section][1]

    @property
    def is_transient(self) -> bool:
        """Whether it is forgotten when the node leaves."""
        return self.section == "status"

    @property
    def noun(self) -> str:
        """What messages call it: an option or an attribute."""
        return "attribute" if self.node is not None else "option"

    def holders(self, cib: etree._Element) -> list[etree._Element]:
        """The elements whose sets are meant: none, one, or the section itself."""
        if self.node is None:
            found = cib.find(f"configuration/{self.section}")
            return [] if found is None else [found]
        if self.is_transient:
            states = cib.iterfind("status/node_state")
            mine = [s for s in states if s.get("uname") == self.node.name]
            return [t for state in mine for t in state.iterfind("transient_attributes")]
        nodes = cib.iterfind("configuration/nodes/node")
        return [node for node in nodes if node.get("id") == self.node.id]

    def sets(self, cib: etree._Element) -> list[etree._Element]:
        """The sets that exist."""
        return [s for holder in self.holders(cib) for s in holder.iterfind(self.set_tag)]

    def wrapped(self, pairs: etree._Element) -> tuple[str, etree._Element]:
        """A set inside what surrounds it, ready to be merged into the section named first."""
        from lxml import etree

        if self.node is None:
            return self.section, pairs
        if not self.is_transient:
            outer = etree.Element("node", {"id": self.node.id, "uname": self.node.name})
            outer.append(pairs)
            return self.section, outer
        outer = etree.Element("node_state", {"id": self.node.id, "uname": self.node.name})
        held = etree.SubElement(outer, "transient_attributes", {"id": self.node.id})
        held.append(pairs)
        return self.section, outer


def find_node(cib: etree._Element, name: str) -> Node | None:
    """The node of that name or id; names count without case."""
    wanted = name.lower()
    elements = [*cib.iterfind("configuration/nodes/node"), *cib.iterfind("status/node_state")]
    for element in elements:
        node = Node(element.get("id", ""), element.get("uname", ""))
        if wanted in (node.name.lower(), node.id.lower()):
            return node
    return None


def node_names(cib: etree._Element) -> list[str]:
    """Names of the configured nodes, in their order."""
    return [n.get("uname", "") for n in cib.iterfind("configuration/nodes/node")]
