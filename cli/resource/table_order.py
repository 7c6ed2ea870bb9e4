"""The order in which the reference prints a set of parameters: that of its hash table.

Scripts that compare the text of `--digests` see it.  A GLib hash table (open addressing, a prime
as modulus, triangular probing) filled in the order of the settings; the hash of a name is the sum
of its bytes, each times a power of 31.  Nothing else may depend on it: digests sort by name.
Facts: asked from the installed `crm_resource --digests` with sets of one to thirty names.
"""

from __future__ import annotations

from collections.abc import Iterable

_PRIMES = (1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521)
"""The modulus of a table of 2**n places."""
_SMALLEST = 3
_SPREAD = 11
_LARGEST = 1 << (len(_PRIMES) - 2)
_MASK = 0xFFFFFFFF


def _hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value * 31 + (byte - 256 if byte > 127 else byte)) & _MASK
    return max(value, 2)


class _Table:
    def __init__(self) -> None:
        self.shift = _SMALLEST
        self.places: list[str | None] = [None] * (1 << self.shift)
        self.used = 0

    def _free(self, name: str, taken: list[bool]) -> int:
        """The place that probing finds for a name."""
        size = 1 << self.shift
        at, step = (_hash(name) * _SPREAD & _MASK) % _PRIMES[self.shift], 0
        while taken[at]:
            step += 1
            at = (at + step) & (size - 1)
        return at

    def add(self, name: str) -> None:
        self.places[self._free(name, [held is not None for held in self.places])] = name
        self.used += 1
        if len(self.places) <= self.used + self.used // 16:
            self._grow()

    def _grow(self) -> None:
        """More places; each name moves to its new one and sends away who waits there still."""
        old = len(self.places)
        self.shift = max(int(self.used * 1.333).bit_length(), _SMALLEST)
        self.places += [None] * ((1 << self.shift) - old)
        settled = [False] * len(self.places)
        for start in range(old):
            moving = self.places[start]
            if moving is None or settled[start]:
                continue
            self.places[start] = None
            while moving is not None:
                at = self._free(moving, settled)
                settled[at] = True
                self.places[at], moving = moving, self.places[at]


def table_order(names: Iterable[str]) -> list[str]:
    """Distinct names in the order of a table that they were put into one after the other.

    More than the largest table here holds (32,768) come back as they are.
    """
    distinct = list(dict.fromkeys(names))
    if len(distinct) >= _LARGEST:
        return distinct
    table = _Table()
    for name in distinct:
        table.add(name)
    return [name for name in table.places if name is not None]
