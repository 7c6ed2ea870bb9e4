"""`crm lab`: the words go to `cli.lab.main` as they are.  Facts: docs/lab.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cli.crm.levels import Command, Level

if TYPE_CHECKING:
    from cli.crm.shell import Shell

_VERBS = (
    ("up", "[--nodes N] [--config DIR]", "Make a network and start the nodes"),
    ("down", "[--all]", "Stop everything and leave nothing behind"),
    ("status", "[--json]", "Nodes, cables, cuts"),
    ("kill", "NODE", "Power cut of a node"),
    ("start", "NODE", "Power on"),
    ("pause", "NODE", "Stop all processes of a node"),
    ("resume", "NODE", "Let them go on"),
    ("cut", "NODE [PEER] [--net NET] [--one-way]", "Pull cables"),
    ("heal", "", "All cables in, all cuts off"),
    ("exec", "NODE -- COMMAND...", "Run a command in a node"),
    ("client", "[--watch ADDRESS] [--follow]", "What the client saw"),
    ("fence", "NODE [on|off|reboot]", "The lab's power switch"),
    ("log", "NODE [DAEMON]", "Logs of a node"),
)


def _verb(name: str) -> Callable[[Shell, Sequence[str]], int]:
    def run(shell: Shell, args: Sequence[str]) -> int:
        from cli.lab.main import main

        return int(main([name, *args], shell.out, shell.err))

    return run


LEVEL = Level(
    "lab",
    "a throw-away cluster on this machine",
    tuple(
        Command(name, _verb(name), words, summary, f"crm lab {name} {words}".split(" [")[0])
        for name, words, summary in _VERBS
    ),
)
