"""Parameter values kept outside the CIB: `lrm://` stands for a file on each node.

Facts: ocf.md section 7 (cibsecret): the value is the file's trimmed content, valid only if
`PARAM.sign` holds its MD5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

PLACEHOLDER = "lrm://"


class SecretError(Exception):
    """A secret cannot be had; the text names the file and the remedy, never the value."""


def reveal(rsc: str, params: Mapping[str, str], directory: Path) -> dict[str, str]:
    """The parameters with placeholders replaced.  Raises SecretError."""
    return {
        name: _read(directory / rsc / name) if value == PLACEHOLDER else value
        for name, value in params.items()
    }


def _read(path: Path) -> str:
    remedy = "set it again with cibsecret"
    if path.name in ("", ".", "..") or path.parent.name in ("", ".", ".."):
        raise SecretError(f"{path}: not a place of a secret")
    try:
        value = path.read_text(encoding="utf-8").strip()
        signature = path.with_name(path.name + ".sign").read_text(encoding="ascii").strip()
    except FileNotFoundError as e:
        raise SecretError(f"{e.filename}: no such secret on this node; {remedy}") from None
    except (OSError, UnicodeDecodeError) as e:
        raise SecretError(f"{path}: cannot be read ({e}); {remedy}") from None
    digest = hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()
    if digest != signature.lower():
        raise SecretError(f"{path}: does not match its signature; {remedy}")
    return value
