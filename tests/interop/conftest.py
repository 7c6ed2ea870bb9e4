"""Makes pairs, and takes them down whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.heartbeat.interop_rig import why_not
from tests.interop.pair import Pair


@pytest.fixture
def make_pair(tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == "root" and len(parent.parts) > 2:
            parent.chmod(0o755)
    pairs: list[Pair] = []

    def make(**options: str) -> Pair:
        pairs.append(Pair(tmp_path, **options))
        return pairs[-1]

    try:
        yield make
    finally:
        for pair in pairs:
            pair.close()
