"""Sorting and table order as the reference does them, for the places where it shows.

Comparisons that are not transitive give the answer of one particular merge sort, and the order of
a node table is that of a hash table.  Facts: scheduler-1-assignment.md 0.7, 0.8 and appendix A.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def merge_sort(items: Sequence[T], compare: Callable[[T, T], int]) -> list[T]:
    """Top-down stable merge sort: halves split at n//2, taking from the left when cmp <= 0."""
    n = len(items)
    if n < 2:
        return list(items)
    left = merge_sort(items[: n // 2], compare)
    right = merge_sort(items[n // 2 :], compare)
    out: list[T] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if compare(left[i], right[j]) <= 0:
            out.append(left[i])
            i += 1
        else:
            out.append(right[j])
            j += 1
    out.extend(left[i:])
    out.extend(right[j:])
    return out


_PRIMES = (
    1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071,
)  # fmt: skip


def text_hash(text: str) -> int:
    """32-bit hash of a string (appendix A); 0 and 1 are moved to 2."""
    h = 0
    for byte in text.encode():
        h = (31 * h + (byte - 256 if byte > 127 else byte)) & 0xFFFFFFFF
    return h if h >= 2 else 2


@lru_cache(maxsize=4096)
def slot_order(keys: tuple[str, ...]) -> tuple[int, ...]:
    """Positions of `keys` in slot order of a table into which they were inserted in turn."""
    bits = 3
    slots: list[int | None] = [None] * 8
    hashes = [text_hash(k) for k in keys]
    for n, h in enumerate(hashes, start=1):
        _put(slots, n - 1, h, bits)
        size = 1 << bits
        if size <= n + n // 16:
            bits = max(3, int(1.333 * n).bit_length())
            slots = _rehash(slots, hashes, bits)
    return tuple(i for i in slots if i is not None)


def _first_slot(h: int, bits: int) -> int:
    return ((11 * h) & 0xFFFFFFFF) % _PRIMES[bits]


def _put(slots: list[int | None], item: int, h: int, bits: int) -> None:
    at, step, mask = _first_slot(h, bits), 0, (1 << bits) - 1
    while slots[at] is not None:
        step += 1
        at = (at + step) & mask
    slots[at] = item


def _rehash(old: list[int | None], hashes: list[int], bits: int) -> list[int | None]:
    """Grow in place: each element, in slot order, goes to its new slot, evicting what is there."""
    size = 1 << bits
    mask = size - 1
    slots: list[int | None] = old + [None] * (size - len(old))
    settled = [False] * size
    for i in range(len(old)):
        item = slots[i]
        if item is None or settled[i]:
            continue
        slots[i] = None
        moving: int | None = item
        while moving is not None:
            at, step = _first_slot(hashes[moving], bits), 0
            while settled[at]:
                step += 1
                at = (at + step) & mask
            settled[at] = True
            moving, slots[at] = slots[at], moving
    return slots
