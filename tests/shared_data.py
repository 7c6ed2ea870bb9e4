"""Where the reference data lies: `SHARED`, or None when this machine has none.

`PACEKEEPER_SHARED` overrides the default, the folder `shared` beside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

_FOUND = Path(os.environ.get("PACEKEEPER_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHARED: Path | None = _FOUND if _FOUND.is_dir() else None
