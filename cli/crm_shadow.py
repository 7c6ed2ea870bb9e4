"""`crm_shadow`: try changes of the configuration on a copy of it.

The copies themselves are `cli.shadows`.  Facts: cli.md section 6 and the recorded cases.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from cli.command_line import CommandError, CommandLine, Option, Takes
from cli.exits import Exit
from cli.reply import COMMON_OPTIONS, Reply
from cli.streams import run_tool
from cli.tool import Tool

if TYPE_CHECKING:
    from cli.shadows import Shadows

_QUERIES, _COMMANDS, _MORE = "Queries", "Commands", "Additional Options"
_OPTIONS = (
    Option("which", "w", Takes.NOTHING, "", "Show the name of the active shadow", _QUERIES),
    Option("display", "p", Takes.NOTHING, "", "Show the content of the active shadow", _QUERIES),
    Option("diff", "d", Takes.NOTHING, "", "Show what the active shadow changes", _QUERIES),
    Option("file", "F", Takes.NOTHING, "", "Show the file of the active shadow", _QUERIES),
    Option("create", "c", Takes.VALUE, "NAME", "Copy the active configuration", _COMMANDS),
    Option("create-empty", "e", Takes.VALUE, "NAME", "Make an empty configuration", _COMMANDS),
    Option("commit", "C", Takes.VALUE, "NAME", "Put a shadow in place of the configuration",
           _COMMANDS),
    Option("delete", "D", Takes.VALUE, "NAME", "Remove a shadow", _COMMANDS),
    Option("edit", "E", Takes.NOTHING, "", "Edit the active shadow with $EDITOR", _COMMANDS),
    Option("reset", "r", Takes.VALUE, "NAME", "Copy the active configuration again", _COMMANDS),
    Option("switch", "s", Takes.VALUE, "NAME", "Work on another shadow", _COMMANDS),
    Option("all", "a", Takes.NOTHING, "", "With --commit: the status too", _MORE),
    Option("batch", "b", Takes.NOTHING, "", "Do not start a shell", _MORE),
    Option("force", "f", Takes.NOTHING, "", "Do it although it is dangerous", _MORE),
    Option("validate-with", "v", Takes.VALUE, "SCHEMA", "With --create-empty: this schema", _MORE),
    *COMMON_OPTIONS,
)  # fmt: skip
_NOTES = """\
Examples:

Copy the running cluster's configuration, and work on the copy:
        # crm_shadow --create test

Show what was changed, and make it real:
        # crm_shadow --diff
        # crm_shadow --commit test --force
"""
_NAMED = ("create", "create-empty", "commit", "delete", "reset", "switch")
_PLAIN = ("which", "display", "diff", "file", "edit")


def _run(line: CommandLine, reply: Reply, env: Mapping[str, str], stdin: TextIO) -> Exit:
    from cli.shadows import Shadows

    given = [name for name, _ in line.options if name in (*_NAMED, *_PLAIN)]
    if not given:
        raise CommandError(Exit.USAGE, "No query or command given; --help lists them")
    command, shadows = given[-1], Shadows(env, stdin)
    if command in _NAMED:
        return _changing(command, line.value(command) or "", line, reply, env, shadows)
    name = env.get("CIB_shadow")
    if not name:
        raise CommandError(Exit.NOSUCH, "No active shadow configuration defined")
    return _looking(command, name, reply, env, shadows)


def _looking(
    command: str, name: str, reply: Reply, env: Mapping[str, str], shadows: Shadows
) -> Exit:
    from cib.document import to_text

    if command == "which":
        reply.say(f"{name}\n")
        reply.add("shadow", instance=name)
    elif command == "file":
        reply.say(f"{shadows.path(name)}\n")
        reply.add("shadow", instance=name, file=str(shadows.path(name)))
    elif command == "display":
        text = to_text(shadows.read(name))
        reply.say(text)
        _shadow(reply, name, "content", text)
    elif command == "edit":
        _edit(name, env, shadows)
    else:
        return _diff(name, reply, shadows)
    return Exit.OK


def _diff(name: str, reply: Reply, shadows: Shadows) -> Exit:
    from cib import patch
    from cib.document import to_text
    from cli.patch_text import patch_text

    shadow = shadows.read(name)
    difference = patch.make(_real(shadows), shadow, with_digest=False, track_order=False)
    if difference is None:
        _shadow(reply, name)
        return Exit.OK
    reply.say(patch_text(difference))
    _shadow(reply, name, "xml-patchset", to_text(difference))
    return Exit.ERROR


def _shadow(reply: Reply, name: str, tag: str = "", text: str = "") -> None:
    if reply.is_text:
        return
    from lxml import etree

    from cli.result import text_element

    element = etree.Element("shadow", {"instance": name})
    if tag:
        element.append(text_element(tag, text))
    reply.put(element)


def _real(shadows: Shadows):  # type: ignore[no-untyped-def]
    """The active configuration; a file that is not there counts as no connection."""
    try:
        return shadows.real()
    except CommandError as problem:
        if problem.code is Exit.NOSUCH:
            text = "Could not connect to CIB: No such device or address"
            raise CommandError(Exit.NOSUCH, text) from problem
        raise


def _edit(name: str, env: Mapping[str, str], shadows: Shadows) -> None:
    import subprocess

    shadows.read(name)
    program = env.get("EDITOR") or env.get("VISUAL") or "vi"
    done = subprocess.run(
        [*shlex.split(program), str(shadows.path(name))], env={**os.environ, **env}, check=False
    )
    if done.returncode != 0:
        raise CommandError(Exit.ERROR, f"{program} ended with status {done.returncode}")
    shadows.read(name)


_DANGER = {
    "commit": (
        "The commit command overwrites the active cluster configuration.",
        "cluster",
    ),
    "delete": ("The delete command removes the specified shadow file.", "shadow file"),
    "reset": (
        "The reset command overwrites the active shadow configuration.",
        "shadow file",
    ),
}


def _check(command: str, name: str, line: CommandLine, env: Mapping[str, str]) -> None:
    """What destroys something needs --force."""
    if command not in _DANGER or line.has("force"):
        return
    first, what = _DANGER[command]
    active = env.get("CIB_shadow")
    lines = [first]
    if active is not None and active != name:
        lines.append(
            f"Additionally, the supplied shadow instance ({name}) is not the same as the active "
            f"one ({active})."
        )
    lines.append(
        f"To prevent accidental destruction of the {what}, the --force flag is required in order "
        "to proceed."
    )
    raise CommandError(Exit.USAGE, "\n".join(lines))


def _changing(
    command: str,
    name: str,
    line: CommandLine,
    reply: Reply,
    env: Mapping[str, str],
    shadows: Shadows,
) -> Exit:
    _check(command, name, line, env)
    if command == "commit":
        root = shadows.read(name)
        _real(shadows)
        shadows.commit(name, everything=line.has("all"))
        del root
        return Exit.OK
    if command == "delete":
        if shadows.path(name).exists():
            shadows.delete(name)
        if env.get("CIB_shadow") == name:
            _instruct(
                reply,
                "Remember to unset the CIB_shadow variable by entering the following into your "
                "shell:\n\tunset CIB_shadow",
            )
        return Exit.OK
    if command == "switch":
        shadows.read(name)
        return _begin(name, "To switch to the named shadow instance", line, reply, env)
    _write(command, name, line, shadows)
    return _begin(name, "A new shadow instance was created. To begin using it", line, reply, env)


def _write(command: str, name: str, line: CommandLine, shadows: Shadows) -> None:
    if command != "reset" and shadows.path(name).exists() and not line.has("force"):
        raise CommandError(
            Exit.CANTCREAT,
            f"A shadow instance '{name}' already exists.\nTo prevent accidental destruction of "
            "the shadow file, the --force flag is required in order to proceed.",
        )
    if command == "create-empty":
        from cib.document import DEFAULT_SCHEMA, empty

        shadows.write(name, empty(line.value("validate-with") or DEFAULT_SCHEMA))
        return
    shadows.write(name, _real(shadows))


def _instruct(reply: Reply, text: str) -> None:
    reply.say(f"{text}\n")
    if not reply.is_text:
        from lxml import etree

        element = etree.Element("instruction")
        element.text = text
        reply.put(element)


def _begin(name: str, text: str, line: CommandLine, reply: Reply, env: Mapping[str, str]) -> Exit:
    """Tell how to use the shadow, or start a shell in which it is used."""
    if line.has("batch") or not sys.stdin.isatty():
        export = f"{text}, enter the following into your shell:\n\texport CIB_shadow={name}"
        _instruct(reply, export)
        return Exit.OK
    import subprocess

    shell = env.get("SHELL") or "/bin/sh"
    sys.stdout.write(f"Type Ctrl-D to exit the shell of shadow '{name}'\n")
    sys.stdout.flush()
    inner = {**os.environ, **env, "CIB_shadow": name, "PS1": f"shadow[{name}] # "}
    options = ["--norc", "--noprofile"] if shell.endswith("/bash") else []
    subprocess.run([shell, *options], env=inner, check=False)
    return Exit.OK


TOOL = Tool("crm_shadow", "Perform configuration changes in a sandbox", _OPTIONS, _NOTES, _run)

main = TOOL.main


def run() -> int:
    """Entry point of the installed script."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
