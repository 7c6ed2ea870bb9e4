"""The level `ra`: resource agents, their parameters and advised operations.

Facts: cli.md section 7.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli import agents
from cli.command_line import CommandError
from cli.crm.levels import Command, Level, UsageError, want
from cli.exits import Exit

if TYPE_CHECKING:
    from cli.crm.shell import Shell

_WIDTH = 78


def _classes(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 0)
    for standard in agents.STANDARDS:
        if standard == "ocf":
            shell.out.write(f"ocf / {' '.join(agents.providers(shell.env))}\n")
        else:
            shell.out.write(f"{standard}\n")
    return 0


def _list(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 2)
    names = agents.agents(shell.env, args[0], args[1] if len(args) > 1 else None)
    if not names:
        raise CommandError(Exit.NOSUCH, f"no agents of {':'.join(args)}")
    width = max(len(name) for name in names) + 2
    columns = max(1, 80 // width)
    for start in range(0, len(names), columns):
        row = "".join(name.ljust(width) for name in names[start : start + columns])
        shell.out.write(row.rstrip() + "\n")
    return 0


def _providers(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 2)
    found = agents.providers(shell.env, args[0])
    if not found:
        raise CommandError(Exit.NOSUCH, f"no provider has an agent '{args[0]}'")
    shell.out.write(" ".join(found) + "\n")
    return 0


def _agent(args: Sequence[str]) -> str:
    """`info Dummy`, `info ocf:heartbeat:Dummy`, and `info Dummy ocf heartbeat`."""
    if len(args) == 1:
        return args[0]
    name, standard, *rest = args
    return ":".join([standard, *rest, name])


def _info(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1, 3)
    agent = agents.reference(_agent(args))
    data = agents.metadata(shell.env, agent)
    write = shell.out.write
    write(f"{data.short} ({agent})\n\n")
    write("\n".join(textwrap.wrap(data.long, _WIDTH)) + "\n\n")
    if data.parameters:
        write("Parameters (*: required, []: default):\n\n")
        ranked = sorted(data.parameters, key=lambda p: not p.required)
        for p in ranked:
            mark = "*" if p.required else ""
            default = "" if p.default is None else f", [{p.default}]"
            write(f"{p.name}{mark} ({p.kind}{default}): {p.short}\n")
            if p.values:
                write(f"    One of: {', '.join(p.values)}\n")
            for line in textwrap.wrap(" ".join(p.long.split()), _WIDTH - 4):
                write(f"    {line}\n")
            write("\n")
    write("Operations' defaults (advisory minimum):\n\n")
    for action in data.actions:
        if action.name in ("meta-data", "metadata", "validate-all"):
            continue
        shown = " ".join(f"{k}={v}" for k, v in action.attributes.items())
        write(f"    {action.name:<13} {shown}".rstrip() + "\n")
    return 0


def _validate(shell: Shell, args: Sequence[str]) -> int:
    want(args, 1)
    params = {}
    for word in args[1:]:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"'{word}': want NAME=VALUE")
        params[name] = value
    result, said = agents.run(shell.env, agents.reference(args[0]), "validate-all", params=params)
    shell.err.write(said)
    if result.rc != 0:
        raise CommandError(Exit.ERROR, f"{args[0]}: {result.exit_reason or f'status {result.rc}'}")
    shell.info(f"{args[0]}: the parameters are valid")
    return 0


LEVEL = Level(
    "ra",
    "resource agents and their parameters",
    (
        Command("classes", _classes, "", "Classes of agents, and OCF providers",
                "crm ra classes"),
        Command("list", _list, "CLASS [PROVIDER]", "Agents of a class", "crm ra list ocf heartbeat",
                completes=("|".join(agents.STANDARDS), "provider")),
        Command("info", _info, "[CLASS:[PROVIDER:]]TYPE", "What an agent does, its parameters",
                "crm ra info IPaddr2", ("meta",), completes=("agent",)),
        Command("providers", _providers, "TYPE", "Who provides an agent",
                "crm ra providers Dummy", completes=("agent",)),
        Command("validate", _validate, "[CLASS:[PROVIDER:]]TYPE NAME=VALUE...",
                "Ask an agent whether parameters make sense",
                "crm ra validate IPaddr2 ip=10.0.0.1", completes=("agent",)),
    ),
)  # fmt: skip
