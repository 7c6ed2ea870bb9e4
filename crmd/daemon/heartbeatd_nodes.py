"""hostcache and delhostcache: the nodes that hb_addnode, hb_delnode and autojoin made known.

Facts: heartbeat-v1.md section 1 (names, line format: name TAB uuid TAB weight TAB site).  A real
Heartbeat reads them only with autojoin; here what people changed with the tools is remembered
in any case, until somebody edits the node lines of ha.cf, which then have the last word: the first
line of hostcache, a comment, tells which lines were changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from crmd.daemon.paths import Paths
from crmd.heartbeat.roster import MAX_NODES
from crmd.heartbeat.settings import Config

MAX_BYTES = 64 * 1024
NO_UUID = bytes(16)
_BASE = "# node lines of ha.cf: "


@dataclass(frozen=True, slots=True)
class Known:
    """What the two files say."""

    base: tuple[str, ...] | None = None
    """The node lines of ha.cf that were changed; None: not told."""
    nodes: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def format_hostcache(
    base: Iterable[str], nodes: Iterable[str], uuids: Mapping[str, bytes | None]
) -> bytes:
    """Text of hostcache."""
    lines = [_BASE + " ".join(base)]
    lines += [_line(name, uuids.get(name)) for name in nodes]
    return "".join(f"{line}\n" for line in lines).encode()


def format_delhostcache(deleted: Iterable[str]) -> bytes:
    """Text of delhostcache."""
    return "".join(f"{_line(name, None)}\n" for name in deleted).encode()


def _line(name: str, uuid: bytes | None) -> str:
    text = (uuid or NO_UUID).hex()
    parts = (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
    return f"{name}\t{'-'.join(parts)}\t100\t"


def read_known(paths: Paths, warnings: list[str]) -> Known:
    """What is remembered; a file that cannot be read is left out, and said."""
    texts = []
    for path in (paths.hostcache, paths.delhostcache):
        try:
            with path.open("rb") as file:
                texts.append(file.read(MAX_BYTES).decode("utf-8", "replace"))
        except FileNotFoundError:
            texts.append("")
        except OSError as error:
            warnings.append(f"{path}: cannot be read ({error.strerror}); going on without it")
            texts.append("")
    first = texts[0].split("\n", 1)[0]
    base = tuple(first.removeprefix(_BASE).split()) if first.startswith(_BASE) else None
    return Known(base, _names(texts[0]), _names(texts[1]))


def _names(text: str) -> tuple[str, ...]:
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return tuple(dict.fromkeys(row[0].lower() for row in rows if row[0]))[:MAX_NODES]


def with_known(
    config: Config, known: Known, file: str, warnings: list[str]
) -> tuple[Config, tuple[str, ...]]:
    """The configuration with the nodes that are remembered, and those that were deleted.

    Where the node lines were edited since, these count and the memory is void.
    """
    if not known.nodes and not known.deleted:
        return config, ()
    if known.base != config.nodes:
        if {*known.nodes} != {*config.nodes}:  # else they were written down, as they should be
            warnings.append(
                f"{file}: the node lines were edited after hb_addnode or hb_delnode; they count, "
                "and what the tools changed is forgotten"
            )
        return config, ()
    gone = set(known.deleted)
    kept = [name for name in config.nodes if name not in gone]
    more = [n for n in known.nodes if n not in config.nodes and n not in gone]
    nodes = tuple(kept + more)
    if nodes != config.nodes and config.autojoin == "none":
        warnings.append(
            f"{file}: by hb_addnode and hb_delnode the nodes are now: {' '.join(nodes)}; write "
            "that into the node lines on all nodes"
        )
    return replace(config, nodes=nodes), tuple(sorted(gone))
