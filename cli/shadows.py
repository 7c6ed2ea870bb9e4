"""Shadow copies of the CIB: make, list, compare, commit, reset, delete.

A shadow is a file beside the others; the CIB itself is that of `CIB_file` or the cluster.
Facts: cli.md sections 2 and 6 (crm_shadow), the recorded cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError
from cli.exits import Exit
from cli.source import open_source, shadow_path, write_in_one_step

if TYPE_CHECKING:
    from lxml import etree

CLIENT = "crm_shadow"


class Shadows:
    """The shadows of one user; `env` without CIB_shadow says where the real CIB is."""

    def __init__(self, env: Mapping[str, str], stdin: TextIO) -> None:
        self.env = {k: v for k, v in env.items() if k != "CIB_shadow"}
        self.stdin = stdin

    def path(self, name: str) -> Path:
        """The file of a shadow."""
        return shadow_path(name, self.env)

    def names(self) -> list[str]:
        """The shadows there are."""
        folder = self.path("x").parent
        if not folder.is_dir():
            return []
        return sorted(p.name.removeprefix("shadow.") for p in folder.glob("shadow.*"))

    def real(self) -> etree._Element:
        """The CIB that shadows are compared with; raises CommandError."""
        from cib.document import parse
        from cib.operations import Call, Request

        source = open_source(self.env, self.stdin)
        answer = source.perform(Request(Call.QUERY, client=CLIENT))
        if answer.rc is not Exit.OK or answer.xml is None:
            raise CommandError(answer.rc, answer.error or answer.rc.words)
        return parse(answer.xml, source.name)

    def read(self, name: str) -> etree._Element:
        """A shadow's content; raises CommandError (105)."""
        from cli.source import FileSource

        path = self.path(name)
        if not path.exists():
            raise CommandError(
                Exit.NOSUCH,
                f"Could not access shadow instance '{name}': No such file or directory",
            )
        return FileSource(path).read()

    def write(self, name: str, root: etree._Element) -> None:
        """Make or overwrite a shadow."""
        from cib.document import to_bytes

        path = self.path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise CommandError(Exit.CANTCREAT, f"{path.parent}: {problem.strerror}") from problem
        write_in_one_step(path, to_bytes(root))

    def delete(self, name: str) -> None:
        """Remove a shadow's file; raises CommandError (105 none, 1 not removed)."""
        try:
            self.path(name).unlink()
        except FileNotFoundError as problem:
            raise CommandError(Exit.NOSUCH, f"no shadow instance '{name}'") from problem
        except OSError as problem:
            raise CommandError(
                Exit.ERROR, f"{self.path(name)}: not removed ({problem.strerror})"
            ) from problem

    def patch(self, name: str) -> etree._Element | None:
        """The difference between the real CIB and a shadow, as a v2 patch; None if equal."""
        from cib import patch

        return patch.make(self.real(), self.read(name))

    def commit(self, name: str, *, everything: bool = False) -> None:
        """Put a shadow's configuration (or all of it) in place of the real one."""
        from cib.document import to_text
        from cib.operations import Call, Request

        root = self.read(name)
        source = open_source(self.env, self.stdin)
        section = None
        if not everything:
            found = root.find("configuration")
            if found is None:
                raise CommandError(Exit.DATAERR, f"{self.path(name)}: no <configuration>")
            root, section = found, "configuration"
        request = Request(Call.REPLACE, section=section, xml=to_text(root), client=CLIENT)
        answer = source.perform(request)
        if answer.rc is not Exit.OK:
            said = "; ".join(answer.problems) or answer.error or answer.rc.words
            raise CommandError(answer.rc, said)
