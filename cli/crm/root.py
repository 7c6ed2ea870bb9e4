"""The first level of the crm shell: status, verify, and the ways down.

Facts: cli.md section 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.crm.levels import Command, Level, UsageError

if TYPE_CHECKING:
    from cli.crm.shell import Shell


def _status(shell: Shell, args: Sequence[str]) -> int:
    from cli.crm.status import status

    return int(status(args, shell.out, shell.err, shell.env, shell.stdin))


def _verify(shell: Shell, args: Sequence[str]) -> int:
    from cli.attribute.store import Store
    from cli.crm.verify import verify

    rc = verify(shell, Store(shell.env, shell.stdin, "crm verify").cib(), args)
    if rc == 0 and shell.is_interactive:
        shell.info("the configuration is valid")
    return rc


def _simulate(shell: Shell, args: Sequence[str]) -> int:
    from cli import crm_simulate

    return int(crm_simulate.main(args, shell.out, shell.err, shell.env, shell.stdin))


def _complete(shell: Shell, args: Sequence[str]) -> int:
    """For the completion of other shells: the words typed, the last one perhaps half."""
    import shlex

    from cli.crm.interactive import Completer

    before = " ".join(shlex.quote(word) for word in args[:-1])
    text = args[-1] if args else ""
    for word in Completer(shell).candidates(f"{before} " if before else "", text):
        shell.out.write(f"{word.strip()}\n")
    return 0


def _nothing(shell: Shell, args: Sequence[str]) -> int:
    """`_regtest on` and `_test` of recorded sessions: they switch nothing here."""
    if args and args[0] not in ("on", "off"):
        raise UsageError(f"unknown word '{args[0]}'")
    return 0


LEVEL = Level(
    "root",
    "the shell of the cluster",
    (
        Command(
            "status",
            _status,
            "[full|bynode|inactive|ops|timing|failcounts|simple|xml|json|html|...]",
            "How the cluster is, and what should not stay as it is",
            "crm status full",
            completes=("full|bynode|inactive|ops|timing|failcounts|verbose|xml|json|html|simple*",),
        ),
        Command("verify", _verify, "[-V]", "Check the configuration for errors", "crm verify -V"),
        Command(
            "simulate",
            _simulate,
            "[OPTIONS of crm_simulate]",
            "What the cluster would do, and why",
            "crm simulate -SL --node-down=node1",
        ),
        Command("_complete", _complete, hidden=True),
        Command("_regtest", _nothing, hidden=True),
        Command("_test", _nothing, hidden=True),
    ),
)
