"""`pacekeeper-heartbeat`: the node as a service, and its way from haresources to a CIB.

start, stop, restart, reload, status and standby as Heartbeat's init script, with LSB exit statuses;
`confirm` is a person's word that a silent node is down; `conflicts` names addresses that another
machine claims; `switch-to-crm` replaces haresourcesd by crmd without stopping a resource.
Facts: heartbeat-v1.md section 15, docs/migration.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cli import heartbeat
from cli.command_line import CommandError, Option, Takes, help_text, parse
from cli.streams import run_tool

if TYPE_CHECKING:
    from crmd.daemon.paths import Paths

TOOL = "pacekeeper-heartbeat"
SUMMARY = "Run this node as a service, and lead it from haresources to a CIB"
OPTIONS = (
    Option("help", "h", Takes.NOTHING, "", "Show this text"),
    Option("version", "V", Takes.NOTHING, "", "Show the version"),
    Option("force", "f", Takes.NOTHING, "", "switch-to-crm: also while resources move"),
)
NOTES = """\
start, stop, restart, reload, force-reload, status
standby         as hb_standby all
conflicts       addresses of this node that another machine claims; status 1 if there are any
confirm NODE    NODE is down, I have looked: take over its resources
switch-to-crm   end haresourcesd, start crmd; resources stay as they are.  On every node, then:
                haresources2cib --apply (on one)

Examples:

What does the service do?
        # pacekeeper-heartbeat status

The other node is silent and takeover is manual, or its fencing failed:
        # pacekeeper-heartbeat confirm mysql-master
"""
SWITCH_S = 60.0
RESTART_PAUSE_S = 1.0
LSB_USAGE = 2
_POLL_S = 0.2


def _service(word: str, paths: Paths, out: TextIO, err: TextIO) -> int:
    match word:
        case "start":
            return heartbeat.start(paths, out, err, foreground=False)
        case "stop":
            return heartbeat.stop(paths, out, err)
        case "restart":
            code = heartbeat.stop(paths, out, err)
            time.sleep(RESTART_PAUSE_S)
            return code or heartbeat.start(paths, out, err, foreground=False)
        case "reload" | "force-reload":
            return heartbeat.reload(paths, out, err)
        case _:
            code = heartbeat.status(paths, out)
            return 3 if code == 1 else code


def _ask(path: Path, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer with `ok`.  Raises CommandError."""
    from cli.exits import Exit
    from crmd.daemon import ipc

    try:
        with ipc.Client(path, 10.0) as client:
            answer = client.call(request)
    except ipc.IpcError as problem:
        raise CommandError(Exit.ERROR, str(problem)) from problem
    if not answer.get("ok"):
        raise CommandError(Exit.ERROR, str(answer.get("error")))
    return answer


def conflicts(paths: Paths, out: TextIO) -> int:
    """Print what execd heard on the wire.  Raises CommandError."""
    found = _ask(paths.execd_socket, {"op": "conflicts"})["conflicts"]
    out.writelines(f"{each['ip']}\t{each['nic']}\t{each['mac']}\n" for each in found)
    return 1 if found else 0


def switch_to_crm(paths: Paths, out: TextIO, force: bool) -> int:
    """Have crmd manage what haresourcesd managed.  Raises CommandError; nothing is stopped."""
    from cli.exits import Exit

    state = _ask(paths.haresources_socket, {"op": "status"})
    if not state["settled"] and not force:
        text = "resources move just now; wait until cl_status rscstatus no longer says transition"
        raise CommandError(Exit.ERROR, f"{text}, or use --force")
    saved = write_crm_on(paths.ha_cf)
    out.write(f"{paths.ha_cf} says crm on now" + (f"; the old one is {saved}\n" if saved else "\n"))
    _ask(paths.supervisor_socket, {"op": "hand_over"})
    end = time.monotonic() + SWITCH_S
    while time.monotonic() < end:
        told = _ask(paths.supervisor_socket, {"op": "status"})
        if told["is_ready"] and "crmd" in told["daemons"]:
            active = [group["key"] for group in state["groups"] if group["active"]]
            out.write("crmd runs; untouched: " + (", ".join(active) or "nothing ran") + "\n")
            return 0
        time.sleep(_POLL_S)
    raise CommandError(Exit.ERROR, f"crmd is not ready after {SWITCH_S:g} s; see its log")


def write_crm_on(ha_cf: Path) -> Path | None:
    """Make ha.cf say `crm on`; returns where the former file is, None if it said so already.

    Raises CommandError.
    """
    from cli.exits import Exit
    from cli.source import write_in_one_step

    try:
        old = ha_cf.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        text = f"{ha_cf}: cannot be read ({problem.strerror})"
        raise CommandError(Exit.ERROR, text) from problem
    lines = [line for line in old.splitlines() if line.split()[:1] not in (["crm"], ["pacemaker"])]
    new = "\n".join([*lines, "crm on"]) + "\n"
    if new == old:
        return None
    saved = ha_cf.with_name(f"ha.cf.before-crm-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
    write_in_one_step(saved, old.encode("utf-8", "surrogateescape"))
    write_in_one_step(ha_cf, new.encode("utf-8", "surrogateescape"))
    return saved


def main(
    argv: Sequence[str], out: TextIO, err: TextIO, env: Mapping[str, str], stdin: TextIO
) -> int:
    """The command."""
    from crmd.daemon.paths import Paths

    paths = Paths.from_environment(env.get("PACEKEEPER_ROOT"))
    try:
        given = parse(OPTIONS, argv)
        if given.has("help"):
            out.write(help_text(SUMMARY, OPTIONS, TOOL, NOTES))
            return 0
        if given.has("version"):
            from cli.version import version_text

            out.write(version_text())
            return 0
        match given.words:
            case ("start" | "stop" | "restart" | "reload" | "force-reload" | "status" as word,):
                return _service(word, paths, out, err)
            case ("standby",):
                _ask(paths.haresources_socket, {"op": "standby", "which": "all"})
                return 0
            case ("confirm", node):
                _ask(paths.haresources_socket, {"op": "confirm", "node": node})
                return 0
            case ("conflicts",):
                return conflicts(paths, out)
            case ("switch-to-crm",):
                return switch_to_crm(paths, out, given.has("force"))
            case _:
                said = " ".join(given.words) or "nothing"
                err.write(f"{TOOL}: {said!r}: see {TOOL} --help\n")
                return LSB_USAGE
    except CommandError as problem:
        err.write(f"{TOOL}: {problem}\n")
        return int(problem.code)


def run() -> int:
    """Entry point."""
    return run_tool(main)


if __name__ == "__main__":
    sys.exit(run())
