"""Where the reference data lies: `SHARED`, or None when this machine has none.

`PACEKEEPER_SHARED` overrides the default, the folder `shared` beside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FOUND = Path(os.environ.get("PACEKEEPER_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHARED: Path | None = _FOUND if _FOUND.is_dir() else None


def need(*parts: str) -> Path:
    """Path of a file or folder of the reference data; skips the test where there is none."""
    if SHARED is None:
        pytest.skip("no reference data: no folder shared/ beside the repository")
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the reference data has no {'/'.join(parts)}")
    return path
