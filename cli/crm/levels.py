"""What a level of the crm shell is: commands by name, their words, their help.

Names and aliases may be shortened while unambiguous.  It runs nothing.  Facts: cli.md section 7.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.shell import Shell

Run = Callable[["Shell", Sequence[str]], int]


class UsageError(CommandError):
    """A command was given the wrong words; the shell adds how it is written."""

    def __init__(self, text: str) -> None:
        super().__init__(Exit.USAGE, text)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a level.

    `words` is its usage after the name; `completes` says what each argument is (`resource`,
    `node`, `object`, `set|show|delete`), the last one repeats where it ends in `*`.
    """

    name: str
    run: Run
    words: str = ""
    summary: str = ""
    example: str = ""
    aliases: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    completes: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The name and what else is accepted for it."""
        return (self.name, *self.aliases, *self.deprecated)


@dataclass(frozen=True, slots=True)
class Level:
    """A set of commands; `leave` runs when a session goes up from it."""

    name: str
    summary: str
    commands: tuple[Command, ...]
    enter: Callable[[Shell], None] | None = None
    leave: Callable[[Shell], int] | None = None

    def find(self, word: str) -> Command | None:
        """The command that a word means, None if there is none.  Raises UsageError if several."""
        names = {name: command for command in self.commands for name in command.names}
        if word in names:
            return names[word]
        starts = {n: c for n, c in names.items() if n.startswith(word) and not c.hidden}
        meant = {c.name for c in starts.values()}
        if len(meant) > 1:
            raise UsageError(f"'{word}' is ambiguous: {', '.join(sorted(meant))}")
        return next(iter(starts.values()), None)

    def visible(self) -> list[Command]:
        """Commands for help and completion, in their order."""
        return [command for command in self.commands if not command.hidden]


LEVELS: Mapping[str, tuple[str, str]] = {
    "cib": ("cli.crm.cib", "Try changes on shadow copies of the configuration"),
    "cluster": ("cli.crm.cluster", "The cluster's own processes; import from Heartbeat"),
    "configure": ("cli.crm.configure", "The configuration: show, change, load, save"),
    "lab": ("cli.crm.lab", "A throw-away cluster on this machine"),
    "node": ("cli.crm.node", "Nodes: standby, maintenance, attributes, fencing"),
    "options": ("cli.crm.options", "Preferences of this user"),
    "ra": ("cli.crm.ra", "Resource agents and their parameters"),
    "resource": ("cli.crm.resource", "Resources: start, stop, move, clean up, ask why"),
}
"""Name of a level below the root -> its module, imported when needed, and what it is for."""


def load(name: str) -> Level:
    """The level of that name (a key of LEVELS)."""
    level = importlib.import_module(LEVELS[name][0]).LEVEL
    assert isinstance(level, Level)
    return level


def level_name(word: str) -> str | None:
    """The level that a word means, by whole name or by unambiguous start."""
    if word in LEVELS:
        return word
    starts = [name for name in LEVELS if name.startswith(word)]
    return starts[0] if len(starts) == 1 else None


def nearest(word: str, names: Sequence[str]) -> str:
    """`; did you mean 'X'?`, or nothing."""
    near = difflib.get_close_matches(word, names, 1, 0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def want(args: Sequence[str], least: int, most: int | None = None) -> None:
    """Check the number of words; raises UsageError."""
    if len(args) < least:
        raise UsageError("words are missing")
    if most is not None and len(args) > most:
        raise UsageError(f"too many words: {' '.join(args[most:])}")
