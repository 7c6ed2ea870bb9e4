"""How a small tool answers: lines of text, or one result document, and errors in either.

In text, errors go to standard error as `TOOL: MESSAGE`; in XML and JSON they are listed in the
document.  Facts: cli.md section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit

if TYPE_CHECKING:
    from lxml import etree

COMMON_OPTIONS = (
    Option("output-as", "", Takes.VALUE, "FORMAT", "text (default), xml or json", "Output Options"),
    Option("output-to", "", Takes.VALUE, "DEST", "File for the output, - for stdout",
           "Output Options"),
    Option("help", "h", Takes.NOTHING, "", "Show help options", "Help Options"),
    Option("help-all", "", Takes.NOTHING, "", "Show all help options", "Help Options"),
    Option("version", "$", Takes.NOTHING, "", "Show the version"),
    Option("verbose", "V", Takes.NOTHING, "", "Say more; may be given several times"),
)  # fmt: skip
FORMATS = ("text", "xml", "json")


class Reply:
    """Collects what a tool has to say and writes it once, at the end."""

    def __init__(self, tool: str, argv: Sequence[str], out: TextIO, err: TextIO) -> None:
        self._tool = tool
        self._argv = list(argv)
        self._out, self._err = out, err
        self._format = "text"
        self._path: str | None = None
        self._texts: list[str] = []
        self._elements: list[etree._Element] = []
        self._errors: list[str] = []

    def configure(self, line: CommandLine) -> None:
        """Take over `--output-as` and `--output-to`; raises CommandError (64)."""
        chosen = line.value("output-as", "text") or "text"
        if chosen not in FORMATS:
            raise CommandError(Exit.USAGE, f"Invalid value for --output-as: {chosen}")
        self._format = chosen
        path = line.value("output-to")
        self._path = None if path == "-" else path

    @property
    def is_text(self) -> bool:
        """Whether people read this."""
        return self._format == "text"

    @property
    def has_content(self) -> bool:
        """Whether anything but errors was said."""
        return bool(self._texts or self._elements)

    def say(self, text: str) -> None:
        """Text for standard output, complete with its newlines; not in documents."""
        if self.is_text:
            self._texts.append(text)

    def show(self, tag: str, text: str) -> None:
        """A whole text: as it is for people, as the content of element `tag` in documents."""
        if self.is_text:
            self._texts.append(text)
        else:
            from cli.result import text_element

            self._elements.append(text_element(tag, text))

    def add(self, tag: str, **attributes: str) -> None:
        """An element of the document; nothing for people."""
        if not self.is_text:
            from lxml import etree

            names = {name.replace("_", "-"): value for name, value in attributes.items()}
            self._elements.append(etree.Element(tag, names))

    def put(self, element: etree._Element) -> None:
        """A whole element for the document; nothing for people."""
        if not self.is_text:
            self._elements.append(element)

    def error(self, text: str, *, named: bool = True) -> None:
        """One error; `named` puts the tool's name before it."""
        self._errors.append(f"{self._tool}: {text}" if named else text)

    def log(self, function: str, level: str, text: str) -> None:
        """A diagnostic line on standard error, in whatever format the answer is."""
        self._err.write(f"{function}\t{level}: {text}\n")

    def diagnostic(self, text: str) -> None:
        """A finished diagnostic line, for standard error."""
        self._err.write(f"{text}\n")

    def hint(self, text: str) -> None:
        """Help for people below an error; documents do not carry it."""
        if self.is_text:
            self._errors.append(text)

    def end(self, code: Exit) -> Exit:
        """Write everything; the exit status."""
        if self._path is None:
            self._write(self._out, code)
            return code
        try:
            with Path(self._path).open("w", encoding="utf-8") as file:
                self._write(file, code)
        except OSError as problem:
            self._err.write(f"{self._tool}: {self._path}: not written ({problem.strerror})\n")
            return Exit.CANTCREAT
        return code

    def _write(self, out: TextIO, code: Exit) -> None:
        if self.is_text:
            for text in self._errors:
                self._err.write(text + "\n")
            out.writelines(self._texts)
            return
        from cli.result import write_result

        write_result(out, self._format, self._tool, self._argv, self._elements, code, self._errors)


def help_or_version(
    line: CommandLine, tool: str, summary: str, options: Sequence[Option], notes: str = ""
) -> str | None:
    """The text that `--help` or `--version` asks for; None if neither was given."""
    if line.has("version"):
        from cli.version import version_text

        return version_text()
    if line.has("help") or line.has("help-all"):
        from cli.command_line import help_text

        return help_text(summary, options, tool, notes)
    return None


def read_text(name: str) -> str:
    """Content of a file that holds XML; raises CommandError (66)."""
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as problem:
        reason = problem.strerror or problem
        raise CommandError(Exit.NOINPUT, f"{name}: cannot read ({reason})") from problem
    except UnicodeDecodeError as problem:
        raise CommandError(Exit.DATAERR, f"{name}: is not UTF-8 text") from problem
