"""Heartbeat's resource scripts: positional arguments mapped to an OCF agent's parameters.

Each prints one line that Heartbeat's text rule understands, and exits with the OCF code.
Source: ocf.md 9.4.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from ocf.agent import Agent, Rc
from ocf.agents.delay import Delay
from ocf.agents.filesystem import Filesystem
from ocf.agents.ipaddr import IPaddr
from ocf.agents.ipaddr2 import IPaddr2
from ocf.agents.sendarp import SendArp

_ERRORS = {
    Rc.GENERIC: "Generic error",
    Rc.ARGS: "Illegal argument",
    Rc.UNIMPLEMENTED: "Function unimplemented",
    Rc.PERM: "User had insufficient privilege",
    Rc.INSTALLED: "Program is not installed",
    Rc.CONFIGURED: "Program is not configured",
}


def address_parameters(words: Sequence[str]) -> dict[str, str]:
    """`ip[/mask[/nic[:alias]][/broadcast]]`; a third part that begins with a digit is broadcast."""
    parts = [*(words[0] if words else "").split("/"), "", "", ""]
    ip, mask, third, fourth = parts[:4]
    nic, broadcast = ("", third) if third[:1].isdigit() else (third, fourth)
    found = {"ip": ip, "cidr_netmask": mask, "nic": nic.partition(":")[0], "broadcast": broadcast}
    return {name: value for name, value in found.items() if value}


def _named(*names: str) -> Callable[[Sequence[str]], dict[str, str]]:
    return lambda words: dict(zip(names, words, strict=False))


def _delay(words: Sequence[str]) -> dict[str, str]:
    start = words[0] if words else "10"
    stop = words[1] if len(words) > 1 else start
    return {"startdelay": start, "stopdelay": stop, "mondelay": "0"}


SCRIPTS: Mapping[str, tuple[type[Agent], Callable[[Sequence[str]], dict[str, str]]]] = {
    "Delay": (Delay, _delay),
    "Filesystem": (Filesystem, _named("device", "directory", "fstype", "options")),
    "IPaddr": (IPaddr, address_parameters),
    "IPaddr2": (IPaddr2, address_parameters),
    "SendArp": (SendArp, _named("ip", "nic")),
}


def run_script(name: str, argv: Sequence[str]) -> int:
    """Exit code of `name ARGS... start|stop|status`; prints the one line."""
    agent, parameters = SCRIPTS[name]
    words = list(argv)
    action = words.pop() if words else ""
    if action not in ("start", "stop", "status", "monitor"):
        sys.stderr.write(f"usage: {name} [arguments] {{start|stop|status}}\n")
        return int(Rc.GENERIC)
    found = parameters(words)
    env = {**os.environ, **{f"OCF_RESKEY_{k}": v for k, v in found.items()}}
    env["OCF_RESOURCE_INSTANCE"] = f"{name}_{'_'.join(words).replace('/', '_') or 'default'}"
    os.environ.update(env)
    call = agent(env, "monitor" if action == "status" else action)
    with contextlib.redirect_stdout(io.StringIO()):
        rc = call.run()
    sys.stdout.write(answer_line(rc, action) + "\n")
    return int(rc)


def answer_line(rc: Rc, action: str) -> str:
    """What Heartbeat's wrapper scripts print."""
    if rc is Rc.SUCCESS:
        return "INFO:  Running OK" if action in ("status", "monitor") else "INFO:  Success"
    if rc is Rc.NOT_RUNNING:
        return "INFO:  Resource is stopped"
    return f"ERROR:  {_ERRORS.get(rc, f'Unknown error: {int(rc)}')}"


def ipaddr(argv: Sequence[str]) -> int:
    """Script IPaddr."""
    return run_script("IPaddr", argv)


def ipaddr2(argv: Sequence[str]) -> int:
    """Script IPaddr2."""
    return run_script("IPaddr2", argv)


def filesystem(argv: Sequence[str]) -> int:
    """Script Filesystem."""
    return run_script("Filesystem", argv)


def delay(argv: Sequence[str]) -> int:
    """Script Delay."""
    return run_script("Delay", argv)


def sendarp(argv: Sequence[str]) -> int:
    """Script SendArp."""
    return run_script("SendArp", argv)
