"""Merged name/value sets of elements, with what each evaluation context may look at.

It does not know what the attributes mean.  Facts: scheduler-1-assignment.md 5.1, 5.4, 7.4, 7.5.
Compiled sets are cached per element; the cache keeps the elements alive, so their identity lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from cib import nvsets
from cib.dates import DateTime
from cib.nvsets import Block
from cib.refs import References
from cib.rules import Recheck, RuleInput
from cib.scores import NO_HEALTH, HealthScores

Agent = tuple[str | None, str | None, str | None]


@dataclass(slots=True)
class Attributes:
    """One document's name/value sets.  `references` must be renewed after the document changes."""

    root: etree._Element
    now: DateTime
    references: References = field(init=False)
    health: HealthScores = NO_HEALTH
    recheck: Recheck = field(default_factory=Recheck)
    base: RuleInput = field(init=False)
    _sections: dict[str, etree._Element | None] = field(default_factory=dict)
    _compiled: dict[tuple[int, str], tuple[etree._Element, tuple[Block, ...]]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        self.document_changed()

    def document_changed(self) -> None:
        """Forget the index of ids (elements were appended)."""
        self.references = References(self.root)
        self.base = RuleInput(now=self.now, refs=self.references, recheck=self.recheck)

    def section(self, tag: str) -> etree._Element | None:
        """The first element of that name anywhere in the document (3.3); looked up once."""
        if tag not in self._sections:
            self._sections[tag] = next(self.root.iter(tag), None)
        return self._sections[tag]

    def blocks(
        self, element: etree._Element | None, tag: str, first_id: str | None = None
    ) -> tuple[Block, ...]:
        """The `tag` sets of an element in order of precedence."""
        if element is None:
            return ()
        key = (id(element), tag)
        found = self._compiled.get(key)
        if found is None:
            compiled = nvsets.compile_sets(
                element, tag, self.references, first_id=first_id, health=self.health
            )
            self._compiled[key] = found = (element, compiled)
        return found[1]

    def given(
        self,
        node_attributes: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        matches: tuple[str, ...] = (),
        agent: Agent | None = None,
        operation: tuple[str, int] | None = None,
    ) -> RuleInput:
        """The rule input of a context that knows these things."""
        return RuleInput(
            now=self.now,
            refs=self.references,
            node_attributes=node_attributes,
            params=params,
            meta=meta,
            matches=matches,
            agent=agent,
            operation=operation,
            recheck=self.recheck,
        )

    def merge(
        self,
        element: etree._Element | None,
        tag: str,
        into: dict[str, str],
        given: RuleInput | None = None,
        *,
        overwrite: bool = False,
        first_id: str | None = None,
    ) -> None:
        """Merge the `tag` sets of an element into a table, by 5.1."""
        blocks = self.blocks(element, tag, first_id)
        if blocks:
            nvsets.merge(blocks, given or self.base, into, overwrite=overwrite)
