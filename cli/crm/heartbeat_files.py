"""Commands of the level `cluster` for Heartbeat's files: keys, and what is wrong with them.

Facts: heartbeat-v1.md section 14, cli.md section 8.7 (lint).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.crm.levels import UsageError, want
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.shell import Shell
    from crmd.daemon.paths import Paths
    from crmd.haresources.model import Finding

METHODS = {"sha1": 20, "sha256": 32}
"""Bytes of the secret."""
_BAD = ("error", "critical")


def keygen(shell: Shell, args: Sequence[str]) -> int:
    """Write authkeys with a new random secret; an existing file is never replaced."""
    from crmd.daemon.paths import Paths

    want(args, 0, 2)
    method = args[0] if args else "sha1"
    if method not in METHODS:
        raise UsageError(f"{method!r}: sha1, or sha256 where all nodes run Pacekeeper")
    paths = Paths.from_environment(shell.env.get("PACEKEEPER_ROOT"))
    target = Path(args[1]) if len(args) > 1 else paths.authkeys
    text = f"auth 1\n1 {method} {secrets.token_hex(METHODS[method])}\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(target, flags, 0o600)
    except FileExistsError as problem:
        text = f"{target} exists; to change keys add a second line and switch `auth` afterwards"
        raise CommandError(Exit.EXISTS, text) from problem
    except OSError as problem:
        text = f"{target}: cannot be written ({problem.strerror})"
        raise CommandError(Exit.CANTCREAT, text) from problem
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    shell.info(f"{target} written, mode 600; copy it to all nodes over a safe way")
    return 0


def check(shell: Shell, args: Sequence[str]) -> int:
    """Say what is wrong or risky in ha.cf, authkeys and haresources; 1 for an error.

    Further haresources files (copies of other nodes) are compared with the first.  Of the running
    cluster the nodes' own comparison is told (crmd/heartbeat/compare.py).
    """
    from cli.heartbeat_files import Unreadable, read_folder
    from crmd.daemon.paths import Paths
    from crmd.haresources.lint import lint

    paths = Paths.from_environment(shell.env.get("PACEKEEPER_ROOT"))
    folder = Path(args[0]) if args else paths.config
    own = [folder / "haresources", *(Path(word) for word in args[1:])]
    try:
        read = read_folder(folder, haresources=own, root=paths.root)
    except Unreadable as problem:
        raise CommandError(Exit.NOINPUT, str(problem)) from problem
    found = [*read.findings, *lint(read.haresources, read.settings, read.facts)]
    if not args:
        found += _compared(paths, shell)
    for finding in found:
        place = f"{finding.place}: " if finding.place else ""
        shell.out.write(f"{finding.code} {finding.severity.value}: {place}{finding.text}\n")
        if finding.remedy:
            shell.out.write(f"     {finding.remedy}\n")
    bad = sum(finding.severity.value in _BAD for finding in found)
    shell.out.write(f"{len(found)} findings, {bad} of them errors\n")
    return 1 if bad else 0


def _compared(paths: Paths, shell: Shell) -> list[Finding]:
    """What the running nodes found when they compared their files; the others are named."""
    from crmd.daemon import ipc
    from crmd.haresources.model import Finding, Severity

    try:
        with ipc.Client(paths.heartbeat_socket, 5.0) as client:
            nodes = client.receive()["nodes"]
    except ipc.IpcError:
        shell.out.write("heartbeatd does not run here: the nodes' files are not compared\n")
        return []
    found: list[Finding] = []
    for entry in nodes:
        name, differs = entry["name"], entry.get("differs")
        if entry["state"] != "alive" or differs is None:
            why = "a real Heartbeat" if entry["kind"] == "heartbeat" else "not heard"
            shell.out.write(f"{name} cannot be compared: {why}\n")
        elif differs:
            text = f"{name} runs with another configuration than this node: {', '.join(differs)}"
            remedy = "make /etc/ha.d alike on both, then have both read it: heartbeat -r"
            found.append(Finding("H061", Severity.ERROR, None, text, remedy))
        else:
            shell.out.write(f"{name} runs with the same configuration\n")
    return found
