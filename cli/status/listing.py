"""Nested lists as text: titles, bullets, empty lines between sections.

Knows nothing of clusters.  Facts: scheduler-2-actions.md sections 16.2 and 17.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Listing:
    """A titled list; items are lines or lists, and `SPACER` is an empty line.

    A list without title only indents; `colon` says whether the title ends in one; the lines of
    a list that is not `decorated` stand as they are.
    """

    title: str
    items: list[str | Listing] = field(default_factory=list)
    colon: bool = True
    decorated: bool = True

    def add(self, *items: str | Listing) -> None:
        """Append items at the end."""
        self.items.extend(items)


SPACER = ""


def render(items: Iterable[str | Listing], depth: int = 0) -> Iterator[str]:
    """Lines of the items, indented for `depth` enclosing lists; no newlines at their ends.

    A title ends in a colon.  At depth 0 neither titles nor lines are decorated.
    """
    bullet = "  " * depth + "* " if depth else ""
    for item in items:
        if isinstance(item, Listing):
            if item.title:
                yield f"{bullet}{item.title}{':' if item.colon else ''}"
            yield from render(item.items, depth + 1 if item.decorated else 0)
        elif item == SPACER:
            yield ""
        else:
            yield f"{bullet}{item}"
