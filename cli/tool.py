"""What a small command is made of: its options, its words for people, and what it does.

One table serves the command line, `--help`, the manual page and the shell's completion.
Facts: cli.md section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from cli.command_line import CommandError, CommandLine, Option, parse
from cli.exits import Exit
from cli.reply import Reply, help_or_version

Run = Callable[[CommandLine, Reply, Mapping[str, str], TextIO], Exit]


@dataclass(frozen=True, slots=True)
class Tool:
    """A command; `notes` ends its help and begins with the word `Examples`."""

    name: str
    summary: str
    options: tuple[Option, ...]
    notes: str
    run: Run
    takes_words: bool = False

    def main(
        self,
        argv: Sequence[str],
        out: TextIO,
        err: TextIO,
        env: Mapping[str, str],
        stdin: TextIO,
    ) -> int:
        """Run the command; the exit status."""
        reply = Reply(self.name, argv, out, err)
        try:
            line = parse(self.options, argv)
            reply.configure(line)
            asked = help_or_version(line, self.name, self.summary, self.options, self.notes)
            if asked is not None:
                out.write(asked)
                return Exit.OK
            if line.words and not self.takes_words:
                refuse_words(line)
            return reply.end(self.run(line, reply, env, stdin))
        except CommandError as problem:
            reply.error(str(problem))
            hint = getattr(problem, "hint", "")
            if hint:
                reply.hint(hint)
            return reply.end(problem.code)


def refuse_words(line: CommandLine) -> None:
    """Raise CommandError (64) for words that are no options."""
    listed = "".join(
        f"\n[{n} of {len(line.words)}] {word}" for n, word in enumerate(line.words, start=1)
    )
    raise CommandError(Exit.USAGE, f"non-option ARGV-elements:{listed}")


def tells_diagnostics(line: CommandLine, env: Mapping[str, str]) -> bool:
    """Whether log messages of the libraries go to standard error."""
    from cib.lexical import is_true

    return line.has("verbose") or is_true(env.get("PCMK_stderr"))
