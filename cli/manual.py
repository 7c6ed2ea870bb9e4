"""Manual pages and shell completion, made from the tables that the commands themselves use.

`python -m cli.manual DIR` writes one page for each command and for each level of the crm shell,
and the completions for bash, zsh and fish.  Nothing is described twice.  Facts: cli.md section 10.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.command_line import Option, Takes

COMMANDS: Mapping[str, str] = {
    "attrd_updater": "cli.attrd_updater",
    "cibadmin": "cli.cibadmin",
    "cl_respawn": "cli.cl_respawn",
    "cl_status": "cli.cl_status",
    "crm": "cli.crm.main",
    "crm_attribute": "cli.crm_attribute",
    "crm_diff": "cli.crm_diff",
    "crm_error": "cli.crm_error",
    "crm_failcount": "cli.crm_failcount",
    "crm_mon": "cli.crm_mon",
    "crm_node": "cli.crm_node",
    "crm_resource": "cli.crm_resource",
    "crm_rule": "cli.crm_rule",
    "crm_shadow": "cli.crm_shadow",
    "crm_simulate": "cli.crm_simulate",
    "crm_standby": "cli.crm_standby",
    "crm_ticket": "cli.crm_ticket",
    "crm_verify": "cli.crm_verify",
    "crmadmin": "cli.crmadmin",
    "haresources2cib": "cli.haresources2cib",
    "hb_standby": "cli.hb_standby",
    "hb_takeover": "cli.hb_takeover",
    "hb_addnode": "cli.hb_addnode",
    "hb_delnode": "cli.hb_delnode",
    "heartbeat": "cli.heartbeat",
    "iso8601": "cli.iso8601",
    "pacekeeper-heartbeat": "cli.pacekeeper_heartbeat",
    "pacekeeperd": "crmd.daemon.supervisor",
}
"""Every installed command and the module behind it."""
_SECTION = "8"


@dataclass(frozen=True, slots=True)
class Page:
    """What a manual page tells; `options` are rows of (option, meaning) by group."""

    name: str
    summary: str
    synopsis: str
    options: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    notes: str
    statuses: bool = True
    flags: tuple[str, ...] = ()
    """Every option as it can be typed, for completion."""


def page(name: str) -> Page:
    """The page of a command."""
    module = importlib.import_module(COMMANDS[name])
    tool = getattr(module, "TOOL", None)
    if tool is not None and not isinstance(tool, str):
        return _of_table(name, tool.summary, tool.options, tool.notes)
    parser = getattr(module, "parser", None) or getattr(module, "command_line", None)
    if parser is not None:
        return _of_parser(name, parser())
    if name == "crm":
        return _of_shell(module)
    summary = getattr(module, "SUMMARY", None) or module.ABOUT
    return _of_table(name, summary, module.OPTIONS, module.NOTES)


def _of_table(name: str, summary: str, options: Sequence[Option], notes: str) -> Page:
    groups: dict[str, list[tuple[str, str]]] = {}
    flags = []
    for option in options:
        flags += [f"--{option.name}"] + ([f"-{option.short}"] if option.short else [])
        shown = f"--{option.name}"
        if option.takes is Takes.VALUE:
            shown += f"={option.value_name}"
        elif option.takes is Takes.OPTIONAL:
            shown += f"[={option.value_name}]"
        if option.short:
            shown = f"-{option.short}, {shown}"
        groups.setdefault(option.group or "Options", []).append((shown, option.help))
    short = summary.removeprefix(f"{name} - ")
    rows = tuple((group, tuple(entries)) for group, entries in groups.items())
    return Page(name, short, f"{name} [OPTION...]", rows, notes, flags=tuple(flags))


def _of_parser(name: str, parser: argparse.ArgumentParser) -> Page:
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    flags = tuple(sorted(_words_of(parser.format_help())))
    rows: tuple[tuple[str, str], ...] = tuple(_rows_of(parser.format_help()))
    summary = parser.description or name
    return Page(name, summary, usage, (("Options", rows),), parser.epilog or "", flags=flags)


def _words_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", text))


def _rows_of(text: str) -> Iterator[tuple[str, str]]:
    """Options and meanings in the text that argparse formats."""
    option = meaning = ""
    body = text.partition("\noptions:\n")[2].partition("\n\n")[0]
    for line in body.splitlines():
        if line.startswith("  -"):
            if option:
                yield option, meaning
            option, _, meaning = line.strip().partition("  ")
            meaning = meaning.strip()
        elif line.strip():
            meaning = f"{meaning} {line.strip()}".strip()
    if option:
        yield option, meaning


def _of_shell(module: Any) -> Page:
    from cli.crm.levels import LEVELS

    table = _of_table("crm", "the shell of the cluster", module.OPTIONS, module.EXAMPLE)
    levels = tuple((f"crm {name}", f"{about}; see crm-{name}(8)") for name, (_, about) in
                   LEVELS.items())  # fmt: skip
    commands = tuple((f"crm {c.name} {c.words}".strip(), c.summary) for c in _root().visible())
    rows = (*table.options, ("Commands", commands), ("Levels", levels))
    synopsis = "crm [OPTION...] [LEVEL... COMMAND ARGUMENTS]"
    return Page("crm", table.summary, synopsis, rows, table.notes, False, table.flags)


def _root() -> Any:
    from cli.crm.root import LEVEL

    return LEVEL


def level_page(name: str) -> Page:
    """The page of a level of the crm shell."""
    from cli.crm.levels import load

    level = load(name)
    rows = []
    for command in level.visible():
        also = f" (also: {', '.join(command.aliases)})" if command.aliases else ""
        rows.append((f"{command.name} {command.words}".strip(), f"{command.summary}{also}"))
    examples = "\n".join(f"  {command.example}" for command in level.visible())
    synopsis = f"crm {name} COMMAND [ARGUMENTS]"
    notes = f"Examples:\n{examples}\n"
    return Page(f"crm-{name}", level.summary, synopsis, (("Commands", tuple(rows)),), notes, False)


# --- roff -----------------------------------------------------------------------------------


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def roff(this: Page) -> str:
    """A manual page in the language of man(7)."""
    title = this.name.upper()
    lines = [
        f'.TH "{title}" "{_SECTION}" "" "Pacekeeper" "Cluster administration"',
        ".SH NAME",
        f"{_escaped(this.name)} \\- {_escaped(this.summary)}",
        ".SH SYNOPSIS",
        _escaped(this.synopsis),
    ]
    for group, rows in this.options:
        lines.append(f".SH {_escaped(group).upper()}")
        for option, meaning in rows:
            lines += [".TP", f".B {_escaped(option)}", _escaped(meaning or "\u00a0")]
    examples, notes = _examples(this.notes)
    if examples:
        lines += [".SH EXAMPLES", ".nf", _escaped(examples), ".fi"]
    if notes:
        lines += [".SH NOTES", ".nf", _escaped(notes), ".fi"]
    lines.append(".SH EXIT STATUS")
    if this.statuses:
        lines.append(_escaped("0 if all went well; crm_error --exit --list tells the others."))
    else:
        lines.append(_escaped("0 if all went well, 1 if a command failed, 2 if it was misused."))
    lines += [".SH SEE ALSO", ", ".join(_see_also(this.name))]
    return "\n".join(lines) + "\n"


def _examples(notes: str) -> tuple[str, str]:
    """The examples and what else the notes say; a heading is a line of its own with `:`."""
    found = re.search(r"(?mi)^examples?:[ ]*\n", notes)
    if found is None:
        return "", notes.strip("\n")
    body, *others = re.split(r"\n(?=[A-Z][\w ]+:\n\n)", notes[found.end() :])
    rest = [notes[: found.start()].strip("\n"), *(other.strip("\n") for other in others)]
    return body.strip("\n"), "\n\n".join(part for part in rest if part)


def _see_also(name: str) -> Iterator[str]:
    for other in ("crm", "crm_mon", "crm_resource", "cibadmin", "crm_simulate"):
        if other != name:
            yield f"{_escaped(other)}({_SECTION})"


def write(folder: Path) -> list[Path]:
    """Write all pages and the completions; the files written."""
    from cli import completion
    from cli.crm.levels import LEVELS

    folder.mkdir(parents=True, exist_ok=True)
    pages = [page(name) for name in COMMANDS] + [level_page(name) for name in LEVELS]
    written = []
    for each in pages:
        path = folder / f"{each.name}.{_SECTION}"
        path.write_text(roff(each), encoding="utf-8")
        written.append(path)
    for file, text in (
        ("pacekeeper.bash", completion.bash()),
        ("_pacekeeper", completion.zsh()),
        ("pacekeeper.fish", completion.fish()),
    ):
        written.append(folder / file)
        written[-1].write_text(text, encoding="utf-8")
    return written


def main(argv: Sequence[str]) -> int:
    """`python -m cli.manual DIR`."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m cli.manual DIR\n")
        return 2
    for path in write(Path(argv[0])):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
