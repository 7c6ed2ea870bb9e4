"""Where the simulator's CIB comes from and where its files go.

Facts: cli.md section 2, scheduler-2-actions.md section 16.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from lxml import etree

from cib import schema
from cib.upgrade import NEWEST
from cli.command_line import CommandError
from cli.exits import Exit
from cli.simulator.options import Request
from cli.source import FileSource, open_source
from cli.status.diagnostics import upgrade_diagnostics, upgrade_refusal, wants_diagnostics
from cli.status.reading import CibRead, read_cib

SHOWN = 20
"""Problems of an invalid configuration that are listed."""


class _Claim:
    """What the document said of its schema before it was upgraded; logs the upgrade."""

    def __init__(self, env: Mapping[str, str], say: Callable[[str], object] | None) -> None:
        self.env, self.say, self.claimed = env, say, NEWEST

    def __call__(self, root: etree._Element) -> None:
        self.claimed = root.get("validate-with", NEWEST)
        if self.say is not None:
            for line in upgrade_diagnostics(root, self.env):
                self.say(line)


def read_input(
    request: Request, env: Mapping[str, str], stdin: TextIO, say: Callable[[str], object]
) -> CibRead:
    """The CIB in the newest schema; `say` writes a line to standard error.

    Where the reference's own messages are wanted (PCMK_stderr), they come in place of ours.

    Raises CommandError: 105 or 66 for a file that is not there or not readable, 65 for text that is
    no CIB, 78 for a configuration that no known schema accepts, 102 without the running cluster
    that -L wants.
    """
    verbatim = wants_diagnostics(env)
    claim = _Claim(env, say if verbatim else None)
    file = None if request.live else request.file or "-"
    try:
        read = read_cib(file, env, stdin, claim)
    except CommandError as e:
        if verbatim and e.code is Exit.CONFIG:
            raise CommandError(Exit.CONFIG, "") from e
        raise
    if read.root.get("validate-with") != "none":
        problems = [str(problem) for problem in schema.validate(read.root) if problem.fatal]
        if problems:
            say(upgrade_refusal(claim.claimed, NEWEST))
            raise CommandError(Exit.CONFIG, "" if verbatim else "\n".join(problems[:SHOWN]))
    return read


def place_of(request: Request, env: Mapping[str, str], stdin: TextIO) -> str:
    """The file that --in-place writes back to; raises CommandError (64) where there is none."""
    if request.file is not None and not request.live:
        return request.file
    source = open_source(env, stdin)
    if not isinstance(source, FileSource):
        raise CommandError(
            Exit.USAGE,
            f"--in-place: {source.name} cannot take the result of a simulation; "
            "use --xml-file, CIB_file or CIB_shadow",
        )
    return str(source.path)


def write_file(name: str, data: bytes) -> None:
    """Write a result to a file; raises CommandError (73)."""
    try:
        Path(name).write_bytes(data)
    except OSError as e:
        raise CommandError(Exit.CANTCREAT, f"{name}: cannot write ({e.strerror})") from e
