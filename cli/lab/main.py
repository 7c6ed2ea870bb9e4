"""`crm lab`: words in, requests to the lab's server out, answers for people.

It decides nothing.  See docs/lab.md for what a lab is and is not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from cli.exits import Exit
from cli.lab.plan import NETWORKS, LabError, default_names, nodes_of_ha_cf
from cli.lab.session import Lab, all_labs
from crmd.daemon.ipc import IpcError


def parser() -> argparse.ArgumentParser:
    """The whole command line of `crm lab`."""
    top = argparse.ArgumentParser(
        prog="crm lab", description="Throw-away clusters in namespaces on this machine."
    )
    top.add_argument("--name", default="default", help="which lab (default: 'default')")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="make a network and start the nodes")
    up.add_argument("--nodes", type=int, default=None, help="how many (default 3, or as in ha.cf)")
    up.add_argument("--config", type=Path, help="directory with ha.cf, authkeys, haresources, ...")
    up.add_argument("--watch", action="append", default=[], help="address the client asks")
    up.add_argument("--foreground", action="store_true", help="stay; Ctrl-C takes the lab down")
    down = verbs.add_parser("down", help="stop everything and leave nothing behind")
    down.add_argument("--all", action="store_true", help="all labs of this user, also crashed ones")
    status = verbs.add_parser("status", help="nodes, cables, cuts")
    status.add_argument("--json", action="store_true")
    for verb, words in (
        ("kill", "power cut of a node"),
        ("start", "power on"),
        ("pause", "stop all processes of a node (SIGSTOP)"),
        ("resume", "let them go on (SIGCONT)"),
    ):
        verbs.add_parser(verb, help=words).add_argument("node")
    cut = verbs.add_parser("cut", help="pull a node's cables, or cut it off from one other")
    cut.add_argument("node")
    cut.add_argument("peer", nargs="?")
    cut.add_argument("--net", action="append", choices=sorted(NETWORKS), default=[])
    cut.add_argument("--one-way", action="store_true", help="only what NODE sends to PEER")
    verbs.add_parser("heal", help="all cables in, all cuts off")
    run = verbs.add_parser("exec", help="run a command in a node, or in 'client'")
    run.add_argument("node")
    run.add_argument("command", nargs=argparse.REMAINDER)
    client = verbs.add_parser("client", help="what the client saw; --watch changes what it asks")
    client.add_argument("--watch", action="append", default=[])
    client.add_argument("--follow", action="store_true")
    fence = verbs.add_parser("fence", help="the lab's power switch")
    fence.add_argument("node")
    fence.add_argument("action", nargs="?", default="reboot", choices=["on", "off", "reboot"])
    log = verbs.add_parser("log", help="where the logs of a node are, or their last lines")
    log.add_argument("node")
    log.add_argument("daemon", nargs="?")
    return top


def main(argv: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Run one `crm lab` command; exit statuses as in cli.md section 3."""
    try:
        options = parser().parse_args(argv)
    except SystemExit as e:
        return Exit.OK if not e.code else Exit.USAGE
    lab = None
    try:
        lab = Lab(options.name)
        return int(_VERBS.get(options.verb, _fault)(lab, options, out))
    except (LabError, IpcError) as e:
        err.write(f"crm lab: {e}\n")
        return Exit.ERROR
    except KeyboardInterrupt:
        err.write("\ncrm lab: interrupted\n")
        return 128 + signal.SIGINT


def _up(lab: Lab, options: argparse.Namespace, out: TextIO) -> int:
    names = default_names(options.nodes or 3)
    if options.config is not None:
        ha_cf = options.config / "ha.cf"
        try:
            found = nodes_of_ha_cf(ha_cf.read_text())
        except OSError as e:
            raise LabError(f"{ha_cf}: {e.strerror}; --config wants Heartbeat's directory") from e
        if not found:
            raise LabError(f"{ha_cf}: no 'node' line; name the nodes there")
        if options.nodes not in (None, len(found)):
            raise LabError(f"{ha_cf} names {len(found)} nodes, --nodes says {options.nodes}")
        names = found
    began = time.monotonic()
    lab.up(names, options.config, options.watch, stays=not options.foreground)
    if lab.note:
        out.write(f"{lab.note}\n")
    out.write(f"lab '{lab.name}' is up in {time.monotonic() - began:.1f} s\n")
    _write_status(lab.ask({"op": "status"}), out)
    if not options.foreground:
        out.write("'crm lab exec NODE -- crm status' asks the cluster, 'crm lab down' ends it\n")
        return Exit.OK
    out.write("Ctrl-C ends it\n")
    out.flush()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            while lab.is_running():
                time.sleep(0.5)
    finally:
        lab.down()
    return Exit.OK


def _down(lab: Lab, options: argparse.Namespace, out: TextIO) -> int:
    labs = all_labs() if options.all else [lab]
    for each in labs:
        existed = each.state.exists()
        each.down()
        out.write(f"lab '{each.name}' is down\n" if existed else f"no lab '{each.name}'\n")
    return Exit.OK


def _status(lab: Lab, options: argparse.Namespace, out: TextIO) -> int:
    answer = lab.ask({"op": "status"})
    if options.json:
        out.write(json.dumps(answer, indent=2) + "\n")
    else:
        _write_status(answer, out)
    return Exit.OK


def _write_status(answer: dict[str, Any], out: TextIO) -> None:
    for node in answer["nodes"]:
        pulled = f"  cables out: {', '.join(node['pulled'])}" if node["pulled"] else ""
        out.write(
            f"  {node['name']:<16} {node['state']:<7} eth0 {node['service']:<13}"
            f" eth1 {node['heartbeat']}{pulled}\n"
        )
    for network, source, target in answer["cuts"]:
        out.write(f"  cut: {source} -> {target} on {network}\n")
    out.write(f"  shared disk: {answer['disk']}; files in {answer['state_directory']}\n")


def _fault(lab: Lab, options: argparse.Namespace, out: TextIO) -> int:
    request: dict[str, Any] = {"op": options.verb}
    for field in ("node", "peer", "action", "one_way"):
        if getattr(options, field, None) is not None:
            request[field] = getattr(options, field)
    if getattr(options, "net", None):
        request["networks"] = options.net
    answer = lab.ask(request)
    words = {"kill": "off", "start": "on", "pause": "paused", "resume": "on"}
    state = answer.get("state") or words.get(options.verb, "done")
    out.write(f"{options.verb} {getattr(options, 'node', '')}: {state}\n".replace(" :", ":"))
    return Exit.OK


def _exec(lab: Lab, options: argparse.Namespace, out: TextIO) -> int:
    command = [w for i, w in enumerate(options.command) if not (i == 0 and w == "--")]
    if not command:
        raise LabError(f"exec {options.node}: no command; 'crm lab exec {options.node} -- CMD'")
    out.flush()
    return lab.execute(options.node, command)


def _client(lab: Lab, options: argparse.Namespace, out: TextIO) -> int:
    if options.watch:
        lab.ask({"op": "watch", "addresses": options.watch})
    status = lab.ask({"op": "status"})
    out.write(f"client asks {', '.join(status['watched']) or 'nothing'} every 5 ms\n")
    names = {n["index"]: n["name"] for n in status["nodes"]}
    shown = 0
    while True:
        lines = lab.lines(lab.state / "client.log")
        for line in lines[shown:]:
            out.write(_outage_line(line, names))
        shown = len(lines)
        if not options.follow:
            return Exit.OK
        out.flush()
        time.sleep(0.2)


def _outage_line(line: dict[str, Any], names: dict[int, str]) -> str:
    node = names.get(line.get("node_index", 0), "?")
    stamp = str(line.get("timestamp", ""))[11:23]
    if line.get("event") == "client.outage":
        return f"{stamp} {line['address']} silent {line['outage_ms']} ms, answers from {node}\n"
    return f"{stamp} {line.get('address')} answers from {node}\n"


def _log(lab: Lab, options: argparse.Namespace, out: TextIO) -> int:
    if not lab.disk(options.node).is_dir():
        raise LabError(f"{options.node}: no such node in lab '{lab.name}'")
    place = lab.disk(options.node) / "var/log/pacekeeper"
    if options.daemon is None:
        for path in sorted(place.glob("*.log")):
            out.write(f"{path}\n")
        return Exit.OK
    try:
        lines = (place / f"{options.daemon}.log").read_text(errors="replace").splitlines()
    except OSError as e:
        raise LabError(f"{place / options.daemon}.log: {e.strerror}") from e
    out.writelines(f"{line}\n" for line in lines[-50:])
    return Exit.OK


_VERBS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "exec": _exec,
    "client": _client,
    "log": _log,
}


def run() -> int:
    """Entry point of `python -m cli.lab.main`."""
    return main(sys.argv[1:], sys.stdout, sys.stderr)


if __name__ == "__main__":
    sys.exit(run())
