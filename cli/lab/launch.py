"""From a caller's process to a running lab: namespaces of the lab itself, then its server.

`python -m cli.lab.launch` is started by `cli.lab.session`; it prints one JSON line on the ready
descriptor.  Without root a user namespace comes first, in which the caller is root.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from pathlib import Path

from cli.lab import kernel
from cli.lab.plan import LabError, LabPlan, NodePlan

FORCE_PLAIN = "PACEKEEPER_LAB_PLAIN"
"""Set to anything: behave as where namespaces are not allowed."""

_LAB = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cli.lab.launch")
    parser.add_argument("--name", required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--node", action="append", default=[])
    parser.add_argument("--watch", action="append", default=[])
    parser.add_argument("--config", type=Path)
    parser.add_argument("--daemon", action="append", default=[])
    parser.add_argument("--leash", type=int, required=True)
    parser.add_argument("--ready", type=int, required=True)
    return parser.parse_args(argv)


def enter_user_namespace() -> None:
    """Become root of a new user namespace that maps only the caller.  Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def start_time(pid: int) -> str:
    """Start time of a process in clock ticks since boot: with the pid, its identity."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def main(argv: list[str]) -> int:
    args = _parse(argv)
    nodes = tuple(NodePlan(name, i) for i, name in enumerate(args.node, start=1))
    plan = LabPlan(args.name, args.state, nodes, tuple(args.watch))
    is_root = os.geteuid() == 0
    try:
        if os.environ.get(FORCE_PLAIN):
            raise OSError(f"{FORCE_PLAIN} is set")
        if not is_root:
            enter_user_namespace()
        kernel.unshare(_LAB)
    except OSError as e:
        return _serve_plain(plan, args, str(e))
    child = os.fork()
    if child:
        identity = f"{child} {start_time(child)}\n"
        plan.pid_file.write_text(identity)
        return 0
    return _serve(plan, args, is_root)


def _serve(plan: LabPlan, args: argparse.Namespace, is_root: bool) -> int:
    from cli.lab.server import DAEMON, Desk, Server

    os.setsid()
    kernel.set_name("lab-server")
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc")
    try:
        server = Server(plan, args.config, tuple(args.daemon) or DAEMON)
        server.build(is_root)
        desk = Desk(server, args.leash)
    except (LabError, OSError) as e:
        _tell(args.ready, str(e))
        return 1
    except Exception:  # noqa: BLE001 - the one place of this process: tell the caller, then end
        _tell(args.ready, traceback.format_exc())
        return 1
    _tell(args.ready, "")
    desk.serve()
    return 0


def _serve_plain(plan: LabPlan, args: argparse.Namespace, reason: str) -> int:
    from cli.lab.plain import NOTE, PlainServer
    from cli.lab.server import Desk

    if os.fork():
        return 0
    os.setsid()
    plan.pid_file.write_text(f"{os.getpid()} {start_time(os.getpid())}\n")
    server = PlainServer(plan, args.config)
    try:
        server.build()
        desk = Desk(server, args.leash)
    except (LabError, OSError) as e:
        server.end()
        _tell(args.ready, str(e))
        return 1
    _tell(args.ready, "", f"namespaces are not allowed here ({reason}): {NOTE}")
    desk.serve()
    return 0


def _tell(fd: int, error: str, note: str = "") -> None:
    os.write(fd, json.dumps({"ok": not error, "error": error, "note": note}).encode() + b"\n")
    os.close(fd)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
