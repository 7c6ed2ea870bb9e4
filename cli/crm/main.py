"""`crm`: the shell of the cluster, for one command, for a script, or for a person.

It sorts out the program's own options and picks the way the words come in; the levels hold the
commands.  `crm status` must start fast: nothing heavy is imported here.  Facts: cli.md section 7.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes, parse
from cli.crm.shell import Shell, level_help
from cli.streams import run_tool

TOOL = "crm"
OPTIONS = (
    Option("file", "f", Takes.VALUE, "FILE", "Take commands from FILE, one a line"),
    Option("cib", "c", Takes.VALUE, "CIB", "Start on this shadow copy of the configuration"),
    Option("display", "D", Takes.VALUE, "TYPE", "plain, color-always, color or uppercase"),
    Option("force", "F", Takes.NOTHING, "", "Go on where a person would be asked"),
    Option("wait", "w", Takes.NOTHING, "", "Wait until what a command began is done"),
    Option("history", "H", Takes.VALUE, "DIR|FILE", "Accepted"),
    Option("debug", "d", Takes.NOTHING, "", "Accepted"),
    Option("opt", "o", Takes.VALUE, "OPT=VAL", "Set a preference for this run"),
    Option("regression-tests", "R", Takes.NOTHING, "", "Show each line as it is read"),
    Option("version", "", Takes.NOTHING, "", "Show the version"),
    Option("help", "h", Takes.NOTHING, "", "Show this page"),
)
EXAMPLE = """\
Examples:
  crm status                          is all well?
  crm resource move web node2         move a service; 'crm resource clear web' undoes it
  crm node standby node1              empty a node
  crm configure show                  the configuration, one line an object
  crm -f changes.crm                  commands from a file
  crm                                 the interactive shell
"""


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """Run the shell; 0, 1 for a failed command, 2 for usage."""
    own, words = split_options(argv)
    try:
        line = parse(OPTIONS, own)
    except CommandError as problem:
        err.write(f"crm: {problem}; 'crm --help' lists them\n")
        return 2
    if line.has("version"):
        from cli.version import version_text

        out.write(version_text())
        return 0
    shell = Shell(
        out,
        err,
        env,
        stdin,
        force=line.has("force"),
        wait=line.has("wait"),
        trace=line.has("regression-tests"),
    )
    if line.has("help"):
        out.write(usage_text(shell))
        return 0
    wrong = _prepare(shell, line)
    if wrong:
        err.write(f"crm: {wrong}\n")
        return 2
    return _run(shell, line.value("file"), words)


def usage_text(shell: Shell) -> str:
    """What `crm --help` prints."""
    from cli.command_line import help_text

    head = help_text("The shell of the cluster.", OPTIONS, "crm")
    head = head.replace("crm [OPTION…]", "crm [OPTION…] [LEVEL... COMMAND ARGUMENTS]", 1)
    return f"{head}\n{level_help('crm', shell.level, True)}\n{EXAMPLE}"


def split_options(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The program's own options, which stand before the first word, and the words."""
    valued = {f"-{o.short}" for o in OPTIONS if o.takes is Takes.VALUE and o.short}
    valued |= {f"--{o.name}" for o in OPTIONS if o.takes is Takes.VALUE}
    at = 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] != "-":
        at += 2 if argv[at] in valued else 1
    return list(argv[:at]), list(argv[at:])


def _prepare(shell: Shell, line: CommandLine) -> str | None:
    """Apply the options; what is wrong with them, if anything."""
    shadow = line.value("cib")
    if shadow is not None:
        from cli.source import shadow_path

        if not shadow_path(shadow, shell.env).exists():
            return f"no shadow CIB '{shadow}'; 'crm cib list' shows those there are"
        shell.use_shadow(shadow)
    for setting in line.values("opt"):
        from cli.crm.options import set_for_this_run

        name, equals, value = setting.partition("=")
        if not (name and equals):
            return f"-o {setting}: want OPT=VAL"
        try:
            set_for_this_run(shell, name, value)
        except CommandError as problem:
            return f"-o {setting}: {problem}"
    return None


def _run(shell: Shell, file: str | None, words: list[str]) -> int:
    if file is not None and file != "-":
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            shell.err.write(f"crm: {file}: cannot read ({problem})\n")
            return 1
        return shell.script(text.splitlines())
    if words[:1] == ["lab"] and len(words) > 1 and words[1] not in ("help", "?"):
        from cli.lab.main import main as lab

        return int(lab(words[1:], shell.out, shell.err))
    if words:
        rc = shell.single(words)
        if rc is not None:
            return rc
    if not shell.stdin.isatty():
        return shell.script(shell.stdin)
    from cli.crm.interactive import converse

    return converse(shell)


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
