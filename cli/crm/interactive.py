"""The prompt: readline with history, completion from the levels' own tables.

Nothing that a command does is here.  Facts: cli.md section 7.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from cli.crm.levels import LEVELS, Level
from cli.crm.shell import LEAVE_WORDS, Shell

HISTORY_LINES = 1000
_ALWAYS = ("help", "up", "cd", "ls", "quit")


def converse(shell: Shell) -> int:
    """Talk with a person until they leave; the status is that of the session: 0."""
    import readline

    history = history_file(shell.env)
    with contextlib.suppress(OSError):
        history.parent.mkdir(parents=True, exist_ok=True)
        readline.read_history_file(history)
    readline.set_history_length(HISTORY_LINES)
    readline.set_completer_delims(" \t\n")
    readline.parse_and_bind("tab: complete")
    completer = Completer(shell)
    readline.set_completer(completer.complete)
    shell.ask = _ask
    try:
        while not shell.ended:
            try:
                text = _read(prompt(shell))
            except EOFError:
                shell.out.write("\n")
                shell.run([LEAVE_WORDS[0]])
                break
            except KeyboardInterrupt:
                shell.out.write("\n")
                continue
            shell.text_line(text)
            completer.forget()
            shell.out.flush()
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(history)
    return 0


def _read(shown: str) -> str:
    text = input(shown)
    while text.endswith("\\"):
        text = text[:-1] + input("> ")
    return text


def _ask(question: str) -> bool:
    try:
        return input(f"{question} (y/n) ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        return False


def history_file(env: Mapping[str, str]) -> Path:
    """Where typed lines are kept."""
    base = env.get("XDG_DATA_HOME") or str(Path(env.get("HOME", "/"), ".local/share"))
    return Path(base, "pacekeeper", "crm_history")


def prompt(shell: Shell) -> str:
    """`crm(live/node1)configure# `; the name of a shadow, or `file`, in place of `live`."""
    import os

    name = shell.env.get("CIB_shadow") or ("file" if shell.env.get("CIB_file") else "live")
    level = "" if len(shell.levels) == 1 else shell.level.name
    return f"crm({name}/{os.uname().nodename}){level}# "


class Completer:
    """Completion of commands, levels and the arguments that the tables describe."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._found: list[str] = []
        self._ids: dict[str, list[str]] = {}

    def forget(self) -> None:
        """The CIB may have changed."""
        self._ids.clear()

    def complete(self, text: str, state: int) -> str | None:
        """What readline calls."""
        import readline

        if state == 0:
            before = readline.get_line_buffer()[: readline.get_begidx()]
            self._found = self.candidates(before, text)
        return self._found[state] if state < len(self._found) else None

    def candidates(self, before: str, text: str) -> list[str]:
        """Words that can stand after `before` and begin with `text`."""
        try:
            words = shlex.split(before)
        except ValueError:
            return []
        level = self._shell.level
        while words:
            command = level.find(words[0])
            if command is not None:
                given = len(words) - 1
                return self._arguments(command.completes, given, text)
            if len(self._shell.levels) > 1 or words[0] not in LEVELS:
                return []
            level = _loaded(words.pop(0))
        names = [name for command in level.visible() for name in (command.name, *command.aliases)]
        if level is self._shell.levels[0]:
            names += LEVELS
        return sorted(f"{n} " for n in {*names, *_ALWAYS} if n.startswith(text))

    def _arguments(self, kinds: tuple[str, ...], at: int, text: str) -> list[str]:
        if at >= len(kinds):
            if not kinds or not kinds[-1].endswith("*"):
                return []
            at = len(kinds) - 1
        kind = kinds[at].removesuffix("*")
        words = kind.split("|") if "|" in kind else self._named(kind)
        return sorted(f"{w} " for w in words if w.startswith(text))

    def _named(self, kind: str) -> list[str]:
        if kind not in self._ids:
            from cli.command_line import CommandError
            from cli.crm.names import names_of

            try:
                self._ids[kind] = names_of(kind, self._shell)
            except CommandError:  # no cluster: nothing to offer
                self._ids[kind] = []
        return self._ids[kind]


def _loaded(name: str) -> Level:
    from cli.crm.levels import load

    return load(name)
