"""The recorded packets of real nodes, and the keys they were signed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmd.heartbeat.authkeys import Keyring, parse_authkeys
from tests.shared_data import SHARED

FOLDER: Path | None = SHARED / "wire-vectors" if SHARED else None
needs_vectors = pytest.mark.skipif(
    FOLDER is None or not FOLDER.is_dir(),
    reason="no recorded packets: put shared/wire-vectors beside the repository",
)

_KEYS = {
    "auth-md5": "auth 3\n3 md5 Hello!\n",
    "auth-crc": "auth 1\n1 crc\n",
    "auth-rotate": "auth 1\n1 sha1 AAAA\n2 sha1 BBBB\n",
}
_DEFAULT = "auth 1\n1 sha1 1c81b56e0878d42e95064acfe07613edd5c6c29d\n"


def names() -> list[str]:
    if FOLDER is None or not FOLDER.is_dir():
        return []
    return sorted(path.stem for path in FOLDER.glob("*.pcap"))


def path(name: str) -> Path:
    assert FOLDER is not None
    return FOLDER / f"{name}.pcap"


def ring_of(name: str) -> Keyring:
    ring, problems = parse_authkeys(_KEYS.get(name, _DEFAULT))
    assert ring is not None, problems
    return ring
