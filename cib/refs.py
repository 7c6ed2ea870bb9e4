"""Finding the element an `id-ref` means.

Facts: scheduler-1-assignment.md 2.9: the first element in the whole document with the same tag
and that id; if there is none, the referring element is ignored.
"""

from __future__ import annotations

from lxml import etree


class References:
    """The ids of one document, looked up by tag and id; built at the first use.

    The document must not change while this object is in use.
    """

    __slots__ = ("_index", "_root")

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._index: dict[tuple[str, str], etree._Element] | None = None

    def find(self, tag: str, wanted: str) -> etree._Element | None:
        """The first element of the document with this tag and id."""
        if self._index is None:
            index: dict[tuple[str, str], etree._Element] = {}
            for element in self._root.iter(etree.Element):
                key = element.get("id")
                if key is not None:
                    index.setdefault((element.tag, key), element)
            self._index = index
        return self._index.get((tag, wanted))

    def resolve(self, element: etree._Element) -> etree._Element | None:
        """The element itself, or what its `id-ref` means, or None if that does not exist."""
        wanted = element.get("id-ref")
        return element if wanted is None else self.find(element.tag, wanted)
