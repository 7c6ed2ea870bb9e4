"""Read and change attributes in the CIB that a tool works on.

Transient attributes of the running cluster go through its attribute manager; everything else is a
change of the CIB.  Facts: cli.md section 6 and the recorded cases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from cli.attribute.place import Node, Place, find_node, node_names
from cli.command_line import CommandError
from cli.exits import Exit
from cli.source import LiveSource, ask_cluster, open_source

if TYPE_CHECKING:
    from lxml import etree


DENIED = "Error performing operation: Permission denied"
"""What access control's refusal is called."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which attributes are meant; `pattern` is a regular expression searched in names."""

    name: str | None = None
    pattern: str | None = None
    set_id: str | None = None
    pair_id: str | None = None

    def __post_init__(self) -> None:
        """Raises CommandError (64) for a broken pattern."""
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as problem:
                text = f"--pattern {self.pattern}: {problem}"
                raise CommandError(Exit.USAGE, text) from problem

    def fits(self, pair: etree._Element) -> bool:
        """Whether a pair is meant."""
        parent = pair.getparent()
        set_id = "" if parent is None else parent.get("id", "")
        name = pair.get("name", "")
        if self.pattern is not None:
            named = re.search(self.pattern, name) is not None
        else:
            named = self.name in (None, name)
        return (
            named
            and self.set_id in (None, set_id)
            and (self.pair_id is None or pair.get("id") == self.pair_id)
        )


class ChangeDenied(CommandError):
    """Access control does not let this user make the change."""


class Ambiguous(CommandError):
    """Several pairs have the name; `pairs` are their values and ids."""

    def __init__(self, name: str, pairs: list[etree._Element]) -> None:
        text = "Please choose from one of the matches below and supply the 'id' with --attr-id"
        super().__init__(Exit.MULTIPLE, text)
        self.name = name
        self.pairs = [(p.get("value", ""), p.get("id", "")) for p in pairs]


class Store:
    """The attributes of a CIB: that of a file, a shadow, or the running cluster."""

    def __init__(self, env: Mapping[str, str], stdin: TextIO, client: str) -> None:
        self.env, self.client = env, client
        self.source = open_source(env, stdin)

    @property
    def is_live(self) -> bool:
        """Whether a cluster stands behind it."""
        return isinstance(self.source, LiveSource)

    def cib(self) -> etree._Element:
        """The CIB as it is now; raises CommandError."""
        from cib.document import parse
        from cib.operations import Call, Request

        answer = self.source.perform(Request(Call.QUERY, client=self.client))
        if answer.rc is Exit.INSUFFICIENT_PRIV:
            raise CommandError(answer.rc, DENIED)
        if answer.rc is not Exit.OK or answer.xml is None:
            raise CommandError(answer.rc, answer.error or answer.rc.words)
        return parse(answer.xml, self.source.name)

    def local_node(self) -> str:
        """The name of the node this runs on, by the cluster if there is one."""
        if self.is_live:
            return str(ask_cluster(self.env, {"op": "status"}).get("node", ""))
        import os

        return os.uname().nodename

    def node(self, name: str | None, cib: etree._Element | None = None) -> Node:
        """A node by name, the local one for None; raises CommandError (105) if unknown."""
        wanted = self.local_node() if name is None else name
        root = self.cib() if cib is None else cib
        found = find_node(root, wanted)
        if found is None:
            import difflib

            names = node_names(root)
            near = difflib.get_close_matches(wanted, names, 1, 0.6)
            hint = f"did you mean '{near[0]}'?" if near else f"nodes: {', '.join(names) or 'none'}"
            raise CommandError(Exit.NOSUCH, f"Node '{wanted}' not found; {hint}")
        return found

    def find(self, place: Place, wanted: Wanted) -> list[etree._Element]:
        """The pairs that are meant, in document order."""
        pairs = [p for s in place.sets(self.cib()) for p in s.iter("nvpair")]
        return [pair for pair in pairs if wanted.fits(pair)]

    def put(self, place: Place, name: str, value: str, wanted: Wanted | None = None) -> None:
        """Set one attribute.  Raises Ambiguous (109) where several have its name."""
        from lxml import etree

        limits = wanted or Wanted()
        if place.is_transient and self.is_live and place.node is not None:
            ask_cluster(self.env, _attribute(place.node, name, value))
            return
        cib = self.cib()
        chosen = Wanted(name, None, limits.set_id, limits.pair_id)
        pairs = [p for s in place.sets(cib) for p in s.iter("nvpair") if chosen.fits(p)]
        if len(pairs) > 1:
            raise Ambiguous(name, pairs)
        set_id = limits.set_id or _set_of(pairs) or _first_set(place, cib)
        pair_id = pairs[0].get("id", "") if pairs else limits.pair_id or _id(f"{set_id}-{name}")
        holder = etree.Element(place.set_tag, {"id": set_id})
        pair = etree.SubElement(holder, "nvpair")
        for key, text in (("id", pair_id), ("name", name), ("value", value)):
            pair.set(key, text)
        section, element = place.wrapped(holder)
        self.change("modify", section, element, create=True)

    def delete(self, place: Place, pair: etree._Element) -> None:
        """Delete one attribute that `find` gave."""
        if place.is_transient and self.is_live and place.node is not None:
            ask_cluster(self.env, _attribute(place.node, pair.get("name", ""), None))
            return
        self.change("delete", xpath=f"//nvpair[@id='{pair.get('id')}']")

    def change(
        self,
        call: str,
        section: str | None = None,
        element: etree._Element | None = None,
        *,
        xpath: str | None = None,
        create: bool = False,
    ) -> None:
        """Change the CIB; raises CommandError with the schema's words if it is refused."""
        from cib.document import to_text
        from cib.operations import Call, Request

        request = Request(
            Call(call),
            section=section,
            xpath=xpath,
            xml=None if element is None else to_text(element),
            allow_create=create,
            score=True,
            client=self.client,
        )
        answer = self.source.perform(request)
        if answer.rc is Exit.INSUFFICIENT_PRIV:
            raise ChangeDenied(answer.rc, DENIED)
        if answer.rc is not Exit.OK:
            raise CommandError(
                answer.rc, "; ".join(answer.problems) or answer.error or answer.rc.words
            )


def _attribute(node: Node, name: str, value: str | None) -> dict[str, object]:
    return {"op": "attribute", "node": node.name, "name": name, "value": value}


def _set_of(pairs: list[etree._Element]) -> str | None:
    parent = pairs[0].getparent() if pairs else None
    return None if parent is None else parent.get("id")


def _first_set(place: Place, cib: etree._Element) -> str:
    for found in place.sets(cib):
        if found.find("rule") is None and found.get("id"):
            return found.get("id", "")
    return place.default_set_id


def _id(text: str) -> str:
    """A valid XML id of a text; `:` and `#` become dots, as the reference has it."""
    return re.sub(r"[^\w.-]", "_", re.sub("[:#]", ".", text))
