"""Command lines in the style of the field: what GLib's option parser accepts.

Long options take `--name=value` or `--name value` and may not be shortened; short ones can be
joined (`-1rf`) and a value may follow directly (`-xFILE`).  An option with an optional value
takes it after `=`, or directly where it cannot be another option (`-m3`).  It knows no option of
any tool.  Facts: cli.md section 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from cli.exits import Exit


class Takes(Enum):
    """Whether an option has a value."""

    NOTHING = "nothing"
    VALUE = "value"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Option:
    """One option; `name` is the long form without dashes."""

    name: str
    short: str = ""
    takes: Takes = Takes.NOTHING
    value_name: str = ""
    help: str = ""
    group: str = ""


class CommandError(Exception):
    """The command ends here; the text is for standard error, after the tool's name."""

    def __init__(self, code: Exit, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Options in the order given, and the words that are none."""

    options: tuple[tuple[str, str | None], ...]
    words: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether the option was given."""
        return any(given == name for given, _ in self.options)

    def value(self, name: str, default: str | None = None) -> str | None:
        """The value given last."""
        values = self.values(name)
        return values[-1] if values else default

    def values(self, name: str) -> list[str]:
        """All values given, in order."""
        return [value for given, value in self.options if given == name and value is not None]


def parse(options: Sequence[Option], argv: Sequence[str]) -> CommandLine:
    """Sort out a command line; raises CommandError (64) for what it does not know."""
    by_name = {option.name: option for option in options}
    by_short = {option.short: option for option in options if option.short}
    found: list[tuple[str, str | None]] = []
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--":
            words.extend(rest)
        elif word.startswith("--"):
            found.append(_long(word, by_name, rest))
        elif word.startswith("-") and len(word) > 1:
            found.extend(_short(word, by_short, rest))
        else:
            words.append(word)
    return CommandLine(tuple(found), tuple(words))


def _long(word: str, known: dict[str, Option], rest: Iterator[str]) -> tuple[str, str | None]:
    name, equals, value = word[2:].partition("=")
    option = known.get(name)
    if option is None:
        raise CommandError(Exit.USAGE, f"Unknown option {word}")
    if option.takes is Takes.NOTHING:
        if equals:
            raise CommandError(Exit.USAGE, f"Unknown option {word}")
        return name, None
    if equals:
        return name, value
    if option.takes is Takes.OPTIONAL:
        return name, None
    given = next(rest, None)
    if given is None:
        raise CommandError(Exit.USAGE, f"Missing argument for --{name}")
    return name, given


def _short(
    word: str, known: dict[str, Option], rest: Iterator[str]
) -> Iterator[tuple[str, str | None]]:
    at = 1
    while at < len(word):
        option = known.get(word[at])
        if option is None:
            raise CommandError(Exit.USAGE, f"Unknown option {word}")
        at += 1
        if option.takes is Takes.NOTHING:
            yield option.name, None
            continue
        if option.takes is Takes.OPTIONAL:
            attached = word[at:]
            is_value = attached.startswith("=") or (attached and attached[0] not in known)
            value = attached.removeprefix("=") if is_value else None
            yield option.name, value
            if value is not None:
                return
            continue
        value = word[at:].removeprefix("=") if at < len(word) else next(rest, None)
        if value is None:
            raise CommandError(Exit.USAGE, f"Missing argument for -{option.short}")
        yield option.name, value
        return


def help_text(summary: str, options: Sequence[Option], tool: str, notes: str = "") -> str:
    """What `--help` prints: the options by group, in the order given."""
    lines = ["Usage:", f"  {tool} [OPTION…]", "", summary]
    groups = dict.fromkeys(option.group for option in options)
    for group in groups:
        lines += ["", f"{group or 'Application Options'}:"]
        for option in options:
            if option.group == group:
                lines.append(_help_line(option))
    if notes:
        lines += ["", notes.rstrip()]
    return "\n".join(lines) + "\n"


def _help_line(option: Option) -> str:
    name = f"--{option.name}"
    if option.takes is Takes.VALUE:
        name += f"={option.value_name}"
    elif option.takes is Takes.OPTIONAL:
        name += f"[={option.value_name}]"
    left = f"  -{option.short}, {name}" if option.short else f"  {name}"
    return f"{left:<35}{option.help}".rstrip()
