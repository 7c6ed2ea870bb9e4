"""The level `options`: preferences of the person at the shell, kept in the user's own file.

Facts: cli.md section 7.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.crm.levels import Command, Level, UsageError, nearest, want
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.shell import Shell

KNOWN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "add-advised-ops": ("no", ("yes", "no")),
    "editor": ("", ()),
    "manage-children": ("ask", ("ask", "always", "never")),
    "sort-elements": ("yes", ("yes", "no")),
    "wait": ("no", ("yes", "no")),
}
"""Each preference with its default and its values (none: any text)."""
_TRUE = {"true": "yes", "on": "yes", "1": "yes", "false": "no", "off": "no", "0": "no"}
_ACCEPTED = ("check-frequency", "check-mode", "colorscheme", "output", "pager", "skill-level",
             "user", "add-quotes")  # fmt: skip
"""Preferences of other shells that mean nothing here, so that scripts run."""


def preferences_file(env: Mapping[str, str]) -> Path:
    """Where the preferences are kept."""
    base = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "/"), ".config"))
    return Path(base, "pacekeeper", "crm.json")


def read(env: Mapping[str, str]) -> dict[str, str]:
    """The preferences that were set; a broken file is reported (65).

    What lies in another user's home (HOME kept by su or sudo) and cannot be read is not ours.
    """
    path = preferences_file(env)
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, PermissionError):
        return {}
    except (OSError, ValueError) as problem:
        raise CommandError(Exit.DATAERR, f"{path}: {problem}; remove or repair it") from problem
    if not isinstance(words, dict):
        raise CommandError(Exit.DATAERR, f"{path}: want a JSON object; remove or repair it")
    return {str(name): str(value) for name, value in words.items()}


def preference(env: Mapping[str, str], name: str) -> str:
    """A preference: for this run, else as saved, else the default."""
    passing = env.get(_variable(name))
    return passing if passing is not None else read(env).get(name, KNOWN[name][0])


def _variable(name: str) -> str:
    return f"PACEKEEPER_CRM_{name.replace('-', '_').upper()}"


def set_for_this_run(shell: Shell, name: str, value: str) -> None:
    """`-o NAME=VALUE`, and what a session sets; raises UsageError for what is not known."""
    if name in _ACCEPTED:
        return
    if name not in KNOWN:
        raise UsageError(f"no preference '{name}'{nearest(name, [*KNOWN, *_ACCEPTED])}")
    values = KNOWN[name][1]
    value = _TRUE.get(value.lower(), value) if "yes" in values else value
    if values and value not in values:
        raise UsageError(f"{name}={value}: want {', '.join(values)}")
    shell.env[_variable(name)] = value


def _setter(name: str) -> Command:
    def run(shell: Shell, args: Sequence[str]) -> int:
        want(args, 1, 1)
        set_for_this_run(shell, name, args[0])
        if name in KNOWN and shell.is_single:
            _save(shell)
        return 0

    values = KNOWN.get(name, ("", ()))[1]
    about = f"default {KNOWN[name][0] or 'none'}" if name in KNOWN else "accepted"
    return Command(
        name, run, "|".join(values) or "VALUE", about.capitalize(),
        f"crm options {name} {values[-1] if values else 'VALUE'}",
        completes=("|".join(values),), hidden=name in _ACCEPTED,
    )  # fmt: skip


def _save(shell: Shell) -> None:
    from cli.source import write_in_one_step

    path = preferences_file(shell.env)
    saved = read(shell.env)
    saved |= {n: shell.env[_variable(n)] for n in KNOWN if _variable(n) in shell.env}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CommandError(Exit.CANTCREAT, f"{path.parent}: {problem.strerror}") from problem
    write_in_one_step(path, (json.dumps(saved, indent=2, sort_keys=True) + "\n").encode())


def _save_all(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 0)
    _save(shell)
    return 0


def _show(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    for name in KNOWN:
        if not args or args[0] == name:
            shell.out.write(f'{name} "{preference(shell.env, name)}"\n')
    return 0


LEVEL = Level(
    "options",
    "preferences of this user",
    (
        Command("show", _show, "[NAME]", "The preferences", "crm options show"),
        Command("save", _save_all, "", "Keep what was set in this session", "crm options save"),
        *(_setter(name) for name in KNOWN),
        *(_setter(name) for name in _ACCEPTED),
    ),
)
