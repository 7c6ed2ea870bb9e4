"""The resource script `OCF`: `OCF::AGENT::INSTANCE` of haresources runs any OCF agent.

Parameters come from the file conf/OCF/AGENT/INSTANCE beside resource.d, lines NAME=VALUE.  The
answer is printed as by Heartbeat's other wrapper scripts.  Facts: heartbeat-v1.md 1 and 13.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocf.codes import Rc
from ocf.environment import EnvironmentFileError, read_environment_file
from ocf.resource_d import answer_line

PROVIDER = "heartbeat"
USAGE = "usage: OCF AGENT INSTANCE {start|stop|status}\n"


def parameter_file(agent: str, instance: str, environ: Mapping[str, str]) -> Path:
    """Where the parameters of an instance stand."""
    return Path(environ.get("HA_DIR", "/etc/ha.d")) / "conf/OCF" / agent / instance


def script(argv: Sequence[str]) -> int:
    """Exit code of the agent for `AGENT INSTANCE start|stop|status`; prints one line."""
    from ocf.classes import PYTHON_AGENTS

    if len(argv) != 3 or argv[2] not in ("start", "stop", "status", "monitor"):
        sys.stderr.write(USAGE)
        return int(Rc.GENERIC)
    agent, instance, word = argv
    if "/" in agent + instance or agent.startswith(".") or instance.startswith("."):
        sys.stderr.write(f"OCF::{agent}::{instance}: not a name of an agent and an instance\n")
        return int(Rc.CONFIGURED)
    path = parameter_file(agent, instance, os.environ)
    try:
        found = read_environment_file(path)
    except EnvironmentFileError as problem:
        sys.stderr.write(f"{problem}\n")
        return int(Rc.CONFIGURED)
    if not path.is_file():
        sys.stderr.write(f"{path}: no such file; put the parameters of {instance} there\n")
        return int(Rc.CONFIGURED)
    names = {k if k.startswith("OCF_RESKEY_") else f"OCF_RESKEY_{k}": v for k, v in found.items()}
    env = {**os.environ, **names, "OCF_ROOT": os.environ.get("OCF_ROOT", "/usr/lib/ocf")}
    env |= {"OCF_RESOURCE_INSTANCE": f"{agent}_{instance}", "OCF_RESOURCE_TYPE": agent}
    env["OCF_RESOURCE_PROVIDER"] = PROVIDER
    action = "monitor" if word == "status" else word
    own = PYTHON_AGENTS.get(("ocf", PROVIDER, agent))
    rc = _own(own, env, action) if own else _installed(agent, env, action)
    sys.stdout.write(answer_line(rc, action) + "\n")
    return int(rc)


def _own(target: str, env: dict[str, str], action: str) -> Rc:
    module, _, name = target.partition(":")
    os.environ.update(env)
    call = getattr(importlib.import_module(module), name)(env, action)
    with contextlib.redirect_stdout(io.StringIO()):
        return Rc(call.run())


def _installed(agent: str, env: dict[str, str], action: str) -> Rc:
    path = Path(env["OCF_ROOT"]) / "resource.d" / PROVIDER / agent
    try:
        code = subprocess.run(
            [str(path), action], env=env, stdout=subprocess.DEVNULL, check=False
        ).returncode
    except OSError as problem:
        sys.stderr.write(f"{path}: cannot be run ({problem.strerror})\n")
        return Rc.INSTALLED
    return Rc(code) if code in Rc._value2member_map_ else Rc.GENERIC
