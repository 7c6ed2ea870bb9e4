"""The level `cib`: shadow copies of the configuration to try changes on.

Facts: cli.md section 7 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.crm.levels import Command, Level, UsageError, want
from cli.exits import Exit
from cli.shadows import Shadows

if TYPE_CHECKING:
    from cli.crm.shell import Shell


def _shadows(shell: Shell) -> Shadows:
    return Shadows(shell.real_env, shell.stdin)


def _known(shell: Shell, name: str) -> str:
    if not _shadows(shell).path(name).exists():
        raise CommandError(
            Exit.NOSUCH, f"{shell.where}: {name} shadow CIB does not exist; 'cib list' shows all"
        )
    return name


def _active(shell: Shell, args: Sequence[str]) -> str:
    name = args[0] if args else shell.env.get("CIB_shadow")
    if not name:
        raise UsageError("no shadow CIB is in use: name one")
    return _known(shell, name)


def _new(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 4)
    name, flags = args[0], set(args[1:])
    unknown = flags - {"empty", "withstatus", "force", "--force"}
    if unknown:
        raise UsageError(f"'{sorted(unknown)[0]}': want empty, withstatus or force")
    shadows = _shadows(shell)
    if shadows.path(name).exists() and not (flags & {"force", "--force"} or shell.force):
        raise CommandError(Exit.EXISTS, f"{shell.where}: {name} shadow CIB exists; use force")
    if "empty" in flags:
        from cib.document import empty

        shadows.write(name, empty())
    else:
        shadows.write(name, shadows.real())
    shell.info(f"{shell.where}: {name} shadow CIB created")
    shell.use_shadow(name)
    return 0


def _use(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    is_named = bool(args) and args[0] != "live"
    shell.use_shadow(_known(shell, args[0]) if is_named else None)
    return 0


def _list(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 0)
    for name in _shadows(shell).names():
        shell.out.write(f"{name}\n")
    return 0


def _diff(shell: Shell, args: Sequence[str]) -> int:
    from cib.document import to_text

    want(args, 0, 1)
    patch = _shadows(shell).patch(_active(shell, args))
    if patch is not None:
        shell.out.write(to_text(patch))
    return 0


def _commit(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    name = _active(shell, args)
    _shadows(shell).commit(name)
    shell.info(f"{shell.where}: committed '{name}' shadow CIB to the cluster")
    return 0


def _reset(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    name = _active(shell, args)
    shadows = _shadows(shell)
    shadows.write(name, shadows.real())
    shell.info(f"{shell.where}: copied live CIB to {name}")
    return 0


def _delete(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 1)
    name = _known(shell, args[0])
    if shell.env.get("CIB_shadow") == name:
        raise CommandError(Exit.UNSAFE, f"{shell.where}: {name} shadow CIB is in use")
    _shadows(shell).delete(name)
    shell.info(f"{shell.where}: {name} shadow CIB deleted")
    return 0


def _import(shell: Shell, args: Sequence[str]) -> int:
    from cli.source import FileSource

    want(args, 1, 2)
    path = Path(args[0])
    name = args[1] if len(args) > 1 else path.stem
    shadows = _shadows(shell)
    if shadows.path(name).exists() and not shell.force:
        raise CommandError(Exit.EXISTS, f"{shell.where}: {name} shadow CIB exists; use crm -F")
    shadows.write(name, FileSource(path).read())
    shell.info(f"{shell.where}: {name} shadow CIB created from {path}")
    return 0


_NAME = ("shadow",)

LEVEL = Level(
    "cib",
    "try changes on shadow copies of the configuration",
    (
        Command("new", _new, "NAME [empty] [force]", "Make a shadow copy and use it",
                "crm cib new test"),
        Command("use", _use, "[NAME|live]", "Work on a shadow, or on the real CIB again",
                "crm cib use test", completes=_NAME),
        Command("list", _list, "", "The shadows there are", "crm cib list"),
        Command("diff", _diff, "[NAME]", "What a shadow changes", "crm cib diff test",
                completes=_NAME),
        Command("commit", _commit, "[NAME]", "Put a shadow in place of the configuration",
                "crm cib commit test", completes=_NAME),
        Command("reset", _reset, "[NAME]", "Copy the real CIB to a shadow again",
                "crm cib reset test", completes=_NAME),
        Command("delete", _delete, "NAME", "Remove a shadow", "crm cib delete test",
                completes=_NAME),
        Command("import", _import, "FILE [NAME]", "Make a shadow of a CIB in a file",
                "crm cib import saved.xml test"),
    ),
)  # fmt: skip
