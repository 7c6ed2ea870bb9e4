"""The crm shell itself: which level words belong to, what runs, and how errors are told.

One object serves single commands, scripts and the interactive prompt.  It reads no terminal
(`cli.crm.interactive` does) and holds no command (`cli.crm.root` and the levels do).
Facts: cli.md section 7.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError
from cli.crm.levels import LEVELS, Command, Level, UsageError, level_name, load, nearest
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.editor import Editor

LEAVE_WORDS = ("quit", "bye", "exit")
UP_WORDS = ("up", "back", "end", "..")


class Shell:
    """The state of one run of `crm`."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        env: Mapping[str, str],
        stdin: TextIO,
        *,
        force: bool = False,
        wait: bool = False,
        trace: bool = False,
    ) -> None:
        self.out, self.err, self.stdin = out, err, stdin
        self.env = dict(env)
        self.real_env = {k: v for k, v in env.items() if k != "CIB_shadow"}
        self.force, self.wait, self.trace = force, wait, trace
        self.ask: Callable[[str], bool] | None = None
        self.levels: list[Level] = [_root()]
        self.line: int | None = None
        self.where = ""
        self.ended = False
        self.commands = 0
        self.failed = False
        self.editor: Editor | None = None

    def use_shadow(self, name: str | None) -> None:
        """Work on a shadow copy from now on; None: on the CIB that the environment names."""
        self.env.pop("CIB_shadow", None)
        self.env.pop("CIB_file", None)
        if name is not None:
            self.env["CIB_shadow"] = name
        elif "CIB_file" in self.real_env:
            self.env["CIB_file"] = self.real_env["CIB_file"]
        self.editor = None

    # --- what is told -----------------------------------------------------------------------

    def info(self, text: str) -> None:
        """A sentence on what was done."""
        self._tell("INFO", text)

    def warning(self, text: str) -> None:
        """A sentence on what a person should look at."""
        self._tell("WARNING", text)

    def error(self, text: str) -> None:
        """What failed, and the remedy."""
        self._tell("ERROR", text)

    def _tell(self, kind: str, text: str) -> None:
        number = "" if self.line is None else f"{self.line}: "
        self.out.flush()
        self.err.write(f"{kind}: {number}{text}\n")

    def confirm(self, question: str) -> bool:
        """Yes by --force, else by asking; without a person it is no."""
        if self.force:
            return True
        return self.ask(question) if self.ask is not None else False

    # --- what runs --------------------------------------------------------------------------

    @property
    def level(self) -> Level:
        """The level that commands are looked up in."""
        return self.levels[-1]

    @property
    def is_single(self) -> bool:
        """Whether this run of the program is one command."""
        return self.line is None and not self.is_interactive

    @property
    def is_interactive(self) -> bool:
        """Whether a person can be asked."""
        return self.ask is not None

    def run(self, words: Sequence[str]) -> int:
        """Run one command; its status: 0, 1 failed, 2 usage.  Level changes stay."""
        rc = self.run_plain(lambda: self._run(list(words)))
        self.failed = self.failed or rc != 0
        return rc

    def run_plain(self, act: Callable[[], int]) -> int:
        """Do something and tell its failure in words; the status."""
        try:
            return act()
        except UsageError as problem:
            self.error(str(problem))
            return 2
        except CommandError as problem:
            for line in str(problem).splitlines():
                self.error(line)
            hint = getattr(problem, "hint", "")
            for line in hint.splitlines():
                self.error(line)
            return 2 if problem.code is Exit.USAGE else 1

    def single(self, words: Sequence[str]) -> int | None:
        """One command, then up again: what `crm WORDS` does.

        None where the words lead to a level and stop there: the session goes on in it.
        """
        self.commands = 0
        rc = self.run(words)
        if rc == 0 and self.commands == 0 and len(self.levels) > 1:
            return None
        return max(rc, self._leave_to(1))

    def script(self, lines: Iterable[str]) -> int:
        """Commands one a line, `\\` continues, `#` comments; the worst status.

        A script ends at `quit`; it goes on after a command that failed.
        """
        worst, pending, start = 0, "", 0
        for number, raw in enumerate(lines, start=1):
            start = start or number
            text = raw.rstrip("\n")
            if text.endswith("\\") and not text.lstrip().startswith("#"):
                pending += text[:-1]
                continue
            self.line, start = start, 0
            worst, pending = max(worst, self.text_line(pending + text)), ""
            if self.ended:
                break
        if pending.strip():
            worst = max(worst, self.text_line(pending))
        return max(worst, self._leave_to(1))

    def text_line(self, text: str) -> int:
        """One line as typed."""
        stripped = text.strip()
        if self.trace:
            self.out.write(f".INP: {stripped}\n")
        if not stripped or stripped.startswith("#"):
            return 0
        try:
            words = shlex.split(stripped)
        except ValueError as problem:
            self.error(f"{problem}: close the quotation")
            return 2
        return self.run(words)

    def _run(self, words: list[str]) -> int:
        while words:
            word = words.pop(0)
            if word in ("help", "?", "-h", "--help"):
                self.commands += 1
                return self._help(words)
            if word in LEAVE_WORDS:
                self.ended = True
                return self._leave_to(1)
            if word in UP_WORDS:
                rc = self._leave_to(max(1, len(self.levels) - 1))
                if rc or not words:
                    return rc
                continue
            if word == "cd":
                return self._go(words[0] if words else "/")
            if word == "ls":
                self.commands += 1
                return self._list()
            command = self.level.find(word)
            if command is not None:
                return self._command(command, word, words)
            if len(self.levels) == 1:
                name = level_name(word)
                if name is not None:
                    self._enter(name)
                    continue
            raise UsageError(self._unknown(word))
        return 0

    def _command(self, command: Command, word: str, words: list[str]) -> int:
        if word in command.deprecated:
            self.warning(
                f"This command '{word}' is deprecated, please use '{command.name}'\n"
                f'INFO: "{word}" is accepted as "{command.name}"'
            )
        if words and words[0] in ("--help", "-h"):
            self.out.write(command_help(self.path(command.name), command))
            return 0
        self.commands += 1
        self.where = ".".join((*(level.name for level in self.levels[1:]), command.name))
        try:
            return _status(command.run(self, words))
        except UsageError as problem:
            usage = f"{self.path(command.name)} {command.words}".rstrip()
            raise UsageError(f"{self.where}: {problem}; usage: {usage}") from problem

    def path(self, name: str = "") -> str:
        """`crm resource move`: the words that lead to a command."""
        return " ".join(["crm", *(level.name for level in self.levels[1:]), *filter(None, [name])])

    def _unknown(self, word: str) -> str:
        known = [name for command in self.level.visible() for name in command.names]
        if len(self.levels) == 1:
            known += LEVELS
        where = f"{self.level.name}: " if len(self.levels) > 1 else ""
        return f"{where}No such command '{word}'{nearest(word, known)}; 'help' lists them"

    # --- levels -----------------------------------------------------------------------------

    def _enter(self, name: str) -> None:
        level = load(name)
        self.levels.append(level)
        self.failed = False
        if level.enter is not None:
            level.enter(self)

    def enter_level(self, level: Level) -> None:
        """Go down into a level that a command hands over."""
        self.levels.append(level)

    def _leave_to(self, depth: int) -> int:
        worst = 0
        while len(self.levels) > depth:
            level = self.level
            if level.leave is not None:
                worst = max(worst, level.leave(self))
                if worst and self.is_interactive and not self.ended:
                    return worst
            self.levels.pop()
        return worst

    def _go(self, where: str) -> int:
        if where == "..":
            return self._leave_to(max(1, len(self.levels) - 1))
        rc = self._leave_to(1)
        for part in filter(None, where.split("/")):
            name = level_name(part)
            if name is None:
                raise UsageError(f"no level '{part}'{nearest(part, list(LEVELS))}")
            self._enter(name)
        return rc

    def _list(self) -> int:
        names = [command.name for command in self.level.visible()]
        if len(self.levels) == 1:
            names += [f"{name}/" for name in LEVELS]
        for name in sorted(names):
            self.out.write(f"{name}\n")
        return 0

    def _help(self, words: Sequence[str]) -> int:
        level, path = self.level, self.path()
        for word in words:
            command = level.find(word)
            if command is not None:
                self.out.write(command_help(f"{path} {command.name}", command))
                return 0
            name = level_name(word) if len(self.levels) == 1 and level is self.levels[0] else None
            if name is None:
                raise UsageError(f"no help on '{word}'{nearest(word, list(LEVELS))}")
            level, path = load(name), f"{path} {name}"
        self.out.write(level_help(path, level, level is self.levels[0]))
        return 0


def _root() -> Level:
    from cli.crm.root import LEVEL

    return LEVEL


def _status(code: int) -> int:
    """A tool's exit status as the shell's: 0, 1 failed, 2 usage."""
    if code == Exit.USAGE:
        return 2
    return code if code in (0, 1, 2) else 1


def level_help(path: str, level: Level, with_levels: bool) -> str:
    """The page on a level: what it is for and its commands."""
    lines = [f"{path}: {level.summary}", "", "Commands:"]
    lines += [f"  {c.name:<18} {c.summary}" for c in level.visible()]
    if with_levels:
        lines += ["", "Levels:", *(f"  {name:<18} {about}" for name, (_, about) in LEVELS.items())]
    lines += ["", f"'{path} help COMMAND' tells more on one of them."]
    return "\n".join(lines) + "\n"


def command_help(path: str, command: Command) -> str:
    """The page on a command."""
    lines = [f"{path}: {command.summary}", "", "Usage:", f"  {path} {command.words}".rstrip()]
    if command.aliases:
        lines += ["", f"Also: {', '.join(command.aliases)}"]
    if command.example:
        lines += ["", "Example:", *(f"  {line}" for line in command.example.splitlines())]
    return "\n".join(lines) + "\n"
