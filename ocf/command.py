"""Helper commands of agents, run through `sh` with arguments as a list, never a shell line.

For agents and tools only; the executor does not use it (style.md section 4).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ocf.codes import AgentError, Rc


class CommandFailed(Exception):
    """A command ended with a code other than 0; the text is what it said."""

    def __init__(self, argv: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"{' '.join(argv)}: {said or f'exit code {code}'}")
        self.code = code
        self.said = said


def run(*argv: str, ok: Sequence[int] = (0,)) -> tuple[int, str]:
    """Exit code (one of `ok`) and standard output.

    Raises CommandFailed, or AgentError (INSTALLED) when there is no such command.
    """
    import sh

    try:
        command = sh.Command(argv[0])
    except sh.CommandNotFound:
        raise AgentError(
            Rc.INSTALLED, f"{argv[0]}: not installed (PATH={os.environ.get('PATH', '')})"
        ) from None
    try:
        done = command(
            *argv[1:], _return_cmd=True, _ok_code=list(ok), _tty_out=False, _in=os.devnull
        )
    except sh.ErrorReturnCode as e:
        said = " ".join(e.stderr.decode("utf-8", "replace").split())
        raise CommandFailed(argv, int(e.exit_code), said) from None
    return int(done.exit_code), done.stdout.decode("utf-8", "replace")
