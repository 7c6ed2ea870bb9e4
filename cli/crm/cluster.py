"""The level `cluster`: the cluster's own processes, and the way in from Heartbeat.

It starts and stops nothing by itself on other machines.  Facts: cli.md sections 7 and 8.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.crm.heartbeat_files import check, keygen
from cli.crm.levels import Command, Level, UsageError, want
from cli.exits import Exit
from cli.source import ask_cluster

if TYPE_CHECKING:
    from cli.crm.shell import Shell

DAEMONS = ("heartbeat", "execd", "schedulerd", "crmd")
STARTUP_S = 10.0
_POLL_S = 0.2


def _status(shell: Shell, args: Sequence[str]) -> int:
    from crmd.daemon import ipc
    from crmd.daemon.paths import Paths

    want(args, 0, 0)
    run = Paths.from_environment(shell.env.get("PACEKEEPER_ROOT")).run
    up = 0
    for name in DAEMONS:
        try:
            with ipc.Client(run / f"{name}.sock", 5.0):
                up += 1
                shell.out.write(f"{name:<12} running\n")
        except ipc.NotRunning:
            shell.out.write(f"{name:<12} not running\n")
        except ipc.IpcError as problem:
            shell.out.write(f"{name:<12} {problem}\n")
    if up < len(DAEMONS):
        return 1
    state = ask_cluster(shell.env, {"op": "status"})
    members = ", ".join(str(m) for m in state.get("members", []))
    quorum = "with quorum" if state.get("quorum") else "WITHOUT quorum"
    shell.out.write(f"\nthis node {state.get('node')}, DC {state.get('dc') or 'not elected'}, ")
    shell.out.write(f"members {members}, {quorum}\n")
    return 0


def _start(shell: Shell, args: Sequence[str]) -> int:
    text = (
        "the service manager of each node starts the cluster there: "
        "'systemctl start pacekeeper', or run pacekeeperd; "
        "then 'crm cluster wait_for_startup' waits for it"
    )
    raise CommandError(Exit.UNIMPLEMENT_FEATURE, f"{shell.where}: {text}")


def _stop(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    payload: dict[str, object] = {"op": "shutdown"}
    if args:
        payload["node"] = args[0]
    ask_cluster(shell.env, payload)
    node = args[0] if args else "this node"
    shell.info(f"{node} hands over its resources and leaves; 'crm status' shows when it is done")
    return 0


def _wait_for_startup(shell: Shell, args: Sequence[str]) -> int:
    want(args, 0, 1)
    try:
        limit = float(args[0]) if args else STARTUP_S
    except ValueError as problem:
        raise UsageError(f"'{args[0]}': want a number of seconds") from problem
    deadline = time.monotonic() + limit
    while True:
        try:
            if ask_cluster(shell.env, {"op": "status"}, 5.0).get("dc"):
                return 0
            why = "no DC is elected yet"
        except CommandError as problem:
            why = str(problem)
        if time.monotonic() >= deadline:
            raise CommandError(Exit.TIMEOUT, f"not up within {limit:g} s: {why}")
        time.sleep(_POLL_S)


def _import(shell: Shell, args: Sequence[str]) -> int:
    from cli import haresources2cib

    prog = "crm cluster import-heartbeat"
    return int(haresources2cib.main(args, shell.out, shell.err, shell.env, shell.stdin, prog=prog))


LEVEL = Level(
    "cluster",
    "the cluster's own processes; import from Heartbeat",
    (
        Command("status", _status, "", "Daemons and membership of this node",
                "crm cluster status"),
        Command("start", _start, "", "How to start it", "crm cluster start"),
        Command("stop", _stop, "[NODE]", "Let a node hand over its resources and leave",
                "crm cluster stop node2", (), (), ("node",)),
        Command("wait_for_startup", _wait_for_startup, "[SECONDS]", "Wait until a DC is elected",
                "crm cluster wait_for_startup 30"),
        Command("keygen", keygen, "[sha1|sha256] [FILE]", "Make authkeys with a new secret",
                "crm cluster keygen sha256"),
        Command("check", check, "[DIR [HARESOURCES...]]",
                "What is wrong or risky in ha.cf, authkeys and haresources",
                "crm cluster check /etc/ha.d haresources.of-node2"),
        Command("import-heartbeat", _import, "[OPTIONS of haresources2cib] [DIR]",
                "Turn Heartbeat's files into a CIB", "crm cluster import-heartbeat /etc/ha.d"),
    ),
)  # fmt: skip
