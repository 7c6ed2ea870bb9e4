"""Get a CIB for display: a file, a shadow, standard input, or the live cluster.

Never changes anything.  Facts: cli.md section 2, docs/interfaces.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from lxml import etree

from cib.document import DocumentError, parse
from cib.upgrade import UpgradeError, upgrade
from cli.command_line import CommandError
from cli.exits import Exit

NO_SCHEMA = (
    'Schema validation of configuration is disabled (support for validate-with set to "none" is '
    "deprecated and will be removed in a future release)"
)
ANSWER_S = 10.0
"""Longest wait for an answer of the live cluster."""


@dataclass(frozen=True, slots=True)
class CibRead:
    """A CIB in the newest schema, with a status section."""

    root: etree._Element
    notes: tuple[str, ...] = ()
    """Lines for standard error."""
    live: Mapping[str, Any] = field(default_factory=dict)
    """The running cluster's own status; empty for files."""


def read_cib(file: str | None, env: Mapping[str, str], stdin: TextIO) -> CibRead:
    """The CIB that the options and the environment name.

    Raises CommandError: 66 for a file that cannot be read, 65 for text that is no CIB, 78 for a
    schema that is not known, 105 for a shadow that does not exist, 102 without a running cluster.
    """
    source = file or env.get("CIB_file")
    if source is None and env.get("CIB_shadow"):
        source = str(shadow_path(env["CIB_shadow"], env))
        if not Path(source).exists():
            name = env["CIB_shadow"]
            raise CommandError(
                Exit.NOSUCH, f"shadow CIB '{name}' does not exist; CIB_shadow names it"
            )
    if source is not None:
        return parse_cib(*read_text(source, stdin))
    return read_live(env)


def shadow_path(name: str, env: Mapping[str, str]) -> Path:
    """The file of a shadow CIB."""
    folder = env.get("CIB_shadow_dir")
    return Path(folder if folder else Path(env.get("HOME", "/"), ".cib")) / f"shadow.{name}"


def read_text(name: str, stdin: TextIO) -> tuple[bytes, str]:
    """Content of a file (`-`: standard input), and the name to use in messages."""
    if name == "-":
        return stdin.read().encode(), "standard input"
    try:
        return Path(name).read_bytes(), name
    except OSError as e:
        raise CommandError(Exit.NOINPUT, f"{name}: cannot read ({e.strerror})") from e


def parse_cib(data: bytes, name: str, live: Mapping[str, Any] | None = None) -> CibRead:
    """A CIB from its text."""
    try:
        root = parse(data, name)
    except DocumentError as e:
        raise CommandError(Exit.DATAERR, str(e)) from e
    if root.tag != "cib":
        raise CommandError(Exit.DATAERR, f"{name}: root element is <{root.tag}>, want <cib>")
    if root.get("validate-with") is None:
        raise CommandError(
            Exit.CONFIG, f"{name}: <cib> has no attribute validate-with; it names the schema"
        )
    notes = (NO_SCHEMA,) if root.get("validate-with") == "none" else ()
    try:
        root = upgrade(root, in_place=True).root
    except UpgradeError as e:
        raise CommandError(Exit.CONFIG, str(e)) from e
    if root.find("status") is None:
        etree.SubElement(root, "status")
    return CibRead(root, notes, live or {})


def read_live(env: Mapping[str, str]) -> CibRead:
    """The CIB of the running cluster, and what the cluster says of itself."""
    from crmd.daemon.ipc import Client, IpcError
    from crmd.daemon.paths import Paths

    paths = Paths.from_environment(env.get("PACEKEEPER_ROOT"))
    try:
        with Client(paths.crmd_socket, ANSWER_S) as client:
            answer = client.call({"op": "cib", "request": {"call": "query"}})
            status = client.call({"op": "status"})
    except IpcError as e:
        raise CommandError(Exit.DISCONNECT, f"Connection to cluster failed: {e}") from e
    if not answer.get("ok"):
        raise CommandError(
            Exit(int(answer.get("code", Exit.ERROR))),
            str(answer.get("error", "the cluster did not give its CIB")),
        )
    outcome = answer.get("outcome", {})
    text = outcome.get("xml") or outcome.get("output") or ""
    return parse_cib(str(text).encode(), "live CIB", status)
