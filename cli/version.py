"""What `--version` says."""

from __future__ import annotations

FEATURE_SET = "3.20.5"


def version_text() -> str:
    """Name, version and feature set, one line each."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("pacekeeper")
    except PackageNotFoundError:
        number = "0 (not installed)"
    return f"Pacekeeper {number}\nFeatures: crm feature set {FEATURE_SET}\n"
