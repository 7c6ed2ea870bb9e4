"""Get a CIB for display: a file, a shadow, standard input, or the live cluster.

Never changes anything.  Facts: cli.md section 2, docs/interfaces.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from lxml import etree

from cib.upgrade import UpgradeError, upgrade
from cli.command_line import CommandError
from cli.exits import Exit
from cli.source import FileSource, LiveSource, open_source, parse_cib

NO_SCHEMA = (
    'Schema validation of configuration is disabled (support for validate-with set to "none" is '
    "deprecated and will be removed in a future release)"
)
STANDARD_INPUT = "standard input"
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


def read_cib(
    file: str | None,
    env: Mapping[str, str],
    stdin: TextIO,
    watch: Callable[[etree._Element], None] | None = None,
) -> CibRead:
    """The CIB that the options and the environment name, else that of the running cluster.

    `watch` sees a file's document before it is brought to the newest schema.

    Raises CommandError: 105 or 66 for a file that is not there or not readable, 65 for text that is
    no CIB, 78 for a schema that is not known, 105 for a shadow that does not exist, 102 without a
    running cluster.
    """
    if file == "-" or (not file and not env.get("CIB_shadow") and env.get("CIB_file") == "-"):
        return _watched(parse_cib(stdin.read(), STANDARD_INPUT), STANDARD_INPUT, watch)
    source = open_source(env, stdin, file)
    if isinstance(source, FileSource):
        return _watched(source.read(), source.name, watch)
    assert isinstance(source, LiveSource)
    return _read_live(source, env)


def _watched(
    root: etree._Element, name: str, watch: Callable[[etree._Element], None] | None
) -> CibRead:
    if watch is not None:
        watch(root)
    return prepare(root, name)


def _query(source: LiveSource) -> str:
    """The whole CIB as text."""
    from cib.operations import Call, Request

    answer = source.perform(Request(Call.QUERY))
    if answer.rc is not Exit.OK or answer.xml is None:
        raise CommandError(answer.rc, answer.error or f"{source.name} did not give its CIB")
    return answer.xml


def _read_live(source: LiveSource, env: Mapping[str, str]) -> CibRead:
    """The CIB of the running cluster, and what the cluster says of itself."""
    from crmd.daemon.ipc import Client, IpcError
    from crmd.daemon.paths import Paths

    try:
        root = parse_cib(_query(source), source.name)
        socket = Paths.from_environment(env.get("PACEKEEPER_ROOT")).crmd_socket
        with Client(socket, ANSWER_S) as client:
            status = client.call({"op": "status"})
            fencing = client.call({"op": "fence_history"})
    except IpcError as e:
        raise CommandError(Exit.DISCONNECT, f"Connection to cluster failed: {e}") from e
    except CommandError as e:
        if e.code is Exit.DISCONNECT:
            raise CommandError(e.code, f"Connection to cluster failed: {e}") from e
        raise
    return prepare(root, source.name, {**status, "fencing": fencing.get("events", [])})


def prepare(root: etree._Element, name: str, live: Mapping[str, Any] | None = None) -> CibRead:
    """A CIB in the newest schema, with a status section."""
    if root.get("validate-with") is None:
        raise CommandError(
            Exit.CONFIG, f"{name}: <cib> has no attribute validate-with; it names the schema"
        )
    notes = (NO_SCHEMA,) if root.get("validate-with") == "none" else ()
    try:
        root = upgrade(root, in_place=True).root
    except UpgradeError as e:
        raise CommandError(Exit.CONFIG, f"{name}: {e}") from e
    if root.find("status") is None:
        etree.SubElement(root, "status")
    return CibRead(root, notes, live or {})
