"""Reads a folder of Heartbeat files and the host around it: the edge of the haresources import.

All files are opened here; judging and converting is done by `crmd.haresources`.
Source: cli.md sections 8.1 and 8.7, heartbeat-v1.md sections 12 to 14.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from crmd.haresources.model import (
    Directive,
    Finding,
    HeartbeatSettings,
    HostFacts,
    PingTarget,
    Severity,
    StonithLine,
)
from crmd.haresources.parse import Haresources, Place, parse
from crmd.heartbeat.authkeys import FileFacts, parse_authkeys, permission_problems, weaknesses
from crmd.heartbeat.config import Config, Problem, parse_ha_cf
from crmd.heartbeat.media import Ping

MAX_BYTES = 1024 * 1024


class Unreadable(Exception):
    """A file that must be there is not, or cannot be read; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Everything an import starts from."""

    haresources: Haresources
    settings: HeartbeatSettings
    facts: HostFacts
    findings: tuple[Finding, ...]
    """Problems of ha.cf and authkeys, and files that differ between nodes."""


def read_folder(
    folder: Path,
    ha_cf: Path | None = None,
    haresources: list[Path] | None = None,
    authkeys: Path | None = None,
    root: Path = Path("/"),
) -> Folder:
    """Read ha.cf, authkeys and haresources of `folder` (or the files named instead).

    With several haresources files (one from each node) the first one counts and a difference is
    an error finding.  `root` is the host's file tree, or a copy of it.  Raises Unreadable.
    """
    config_path = ha_cf or folder / "ha.cf"
    config, problems = parse_ha_cf(_text(config_path), str(config_path))
    findings = [_from_problem(problem) for problem in problems]
    settings = _settings(config, str(config_path))
    files = haresources or [folder / "haresources"]
    texts = [_text(path) for path in files]
    parsed = parse(texts[0], str(files[0]))
    for path, text in zip(files[1:], texts[1:], strict=True):
        if text != texts[0]:
            line = _first_difference(texts[0], text)
            text_ = f"differs from {files[0]}"
            remedy = "all nodes must have the same file"
            findings.append(
                Finding("H002", Severity.ERROR, Place(str(path), line, 1), text_, remedy)
            )
    findings += _authkeys(authkeys or folder / "authkeys")
    return Folder(parsed, settings, host_facts(folder, root), tuple(findings))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unreadable(f"{path}: no such file; name the folder that holds it") from None
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise Unreadable(f"{path}: longer than {MAX_BYTES} bytes; this is no Heartbeat file")
    return data.decode("utf-8", "surrogateescape")


def _first_difference(one: str, other: str) -> int:
    lines, others = one.split("\n"), other.split("\n")
    for number, (a, b) in enumerate(zip(lines, others, strict=False), start=1):
        if a != b:
            return number
    return min(len(lines), len(others)) + 1


def _from_problem(problem: Problem) -> Finding:
    severity = Severity.ERROR if problem.is_error else Severity.WARNING
    place = Place(problem.file, problem.line, 1)
    return Finding("H060", severity, place, *_with_remedy(problem.text, "; "))


def _with_remedy(sentence: str, separator: str) -> tuple[str, str]:
    """What is wrong, and what to do about it (the last part of a message, where it has one)."""
    text, found, remedy = sentence.rpartition(separator)
    return (text, remedy) if found else (sentence, "look at that line")


def _settings(config: Config | None, file: str) -> HeartbeatSettings:
    if config is None:
        return HeartbeatSettings(nodes=(), file=file)
    written = dict(config.as_written)
    failback = config.auto_failback if "auto_failback" in written else None
    pings = tuple(
        PingTarget(medium.node, medium.addresses, None)
        for medium in config.media
        if isinstance(medium, Ping)
    )
    stonith = tuple(
        StonithLine(line.host, line.type, line.parameters or (line.file or "",))
        for line in config.stonith
    )
    shown = ("ping", "ping_group", "stonith", "stonith_host", "auto_failback", "initdead", "node")
    others = tuple(
        Directive(name, value, None) for name, value in config.as_written if name not in shown
    )
    return HeartbeatSettings(
        nodes=config.nodes,
        auto_failback=failback,
        keepalive_s=config.keepalive_s,
        deadtime_s=config.deadtime_s,
        warntime_s=config.warntime_s if "warntime" in written else None,
        initdead_s=config.initdead_s if "initdead" in written else None,
        paths=sum(1 for medium in config.media if not isinstance(medium, Ping)),
        pings=pings,
        ipfail=any(
            child.argv and Path(child.argv[0]).name == "ipfail" for child in config.children
        ),
        stonith=stonith,
        directives=others,
        file=file,
    )


def _authkeys(path: Path) -> list[Finding]:
    place = Place(str(path), 1, 1)
    try:
        found, folder = path.lstat(), path.parent.stat()
    except FileNotFoundError:
        remedy = "Heartbeat does not start without it"
        return [Finding("H001", Severity.WARNING, place, "no such file", remedy)]
    facts = FileFacts(found.st_mode, found.st_uid, folder.st_mode, folder.st_uid)
    findings = []
    problems = permission_problems(str(path), facts, os.geteuid())
    ring, wrong = parse_authkeys(_text(path), str(path))
    for problem in [*problems, *wrong]:
        at = Place(problem.file, problem.line or 1, 1)
        findings.append(Finding("H001", Severity.ERROR, at, *_with_remedy(problem.text, "; ")))
    for warning in weaknesses(ring) if ring else []:
        severity = Severity.ERROR if "crc" in warning and "forge" in warning else Severity.WARNING
        findings.append(Finding("H001", severity, place, *_with_remedy(warning, "; ")))
    return findings


def host_facts(folder: Path, root: Path) -> HostFacts:
    """What is installed below `root`; `folder`/resource.d and init.d count as well."""
    resource_dirs = (folder / "resource.d", root / "etc/ha.d/resource.d")
    init_dirs = (folder / "init.d", root / "etc/init.d")
    resource_d, init_d = _names(resource_dirs), _names(init_dirs)
    runs = resource_d | init_d
    scripts = {n: p for d in (*init_dirs, *resource_dirs) for n, p in _files(d).items()}
    return HostFacts(
        resource_d=resource_d,
        init_d=init_d,
        not_executable=frozenset(n for n in scripts if n not in runs),
        units=_units(root),
        boot_enabled=_boot_enabled(root),
        ocf_agents=_ocf_agents(root),
        fstab_auto=_fstab(root),
        static_addresses=_static_addresses(root),
    )


def _files(folder: Path) -> dict[str, Path]:
    try:
        return {entry.name: entry for entry in sorted(folder.iterdir()) if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}


def _names(folders: tuple[Path, ...]) -> frozenset[str]:
    return frozenset(
        name
        for folder in folders
        for name, path in _files(folder).items()
        if os.access(path, os.X_OK)
    )


def _units(root: Path) -> frozenset[str]:
    if not (root / "run/systemd/system").is_dir():
        return frozenset()
    found: set[str] = set()
    for folder in ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system"):
        found |= {
            n.removesuffix(".service") for n in _files(root / folder) if n.endswith(".service")
        }
    return frozenset(found)


def _boot_enabled(root: Path) -> frozenset[str]:
    found: set[str] = set()
    for level in "2345":
        for name in _files(root / f"etc/rc{level}.d"):
            if match := re.fullmatch(r"S\d\d(.+)", name):
                found.add(match[1])
    for name in _files(root / "etc/systemd/system/multi-user.target.wants"):
        found.add(name.removesuffix(".service"))
    return frozenset(found)


def _ocf_agents(root: Path) -> frozenset[str]:
    base = root / "usr/lib/ocf/resource.d"
    try:
        providers = [entry for entry in sorted(base.iterdir()) if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return frozenset()
    return frozenset(f"{p.name}:{name}" for p in providers for name in _names((p,)))


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        return []
    return [w for line in text.splitlines() if (w := line.partition("#")[0].split())]


def _fstab(root: Path) -> frozenset[str]:
    rows = [words for words in _lines(root / "etc/fstab") if len(words) >= 4]
    return frozenset(words[1] for words in rows if "noauto" not in words[3].split(","))


def _static_addresses(root: Path) -> frozenset[str]:
    rows = _lines(root / "etc/network/interfaces")
    return frozenset(
        words[1].split("/")[0] for words in rows if words[0] == "address" and words[1:]
    )
