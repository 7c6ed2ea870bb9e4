"""Which program answers for an agent reference, class by class.

Our own Python agents come first for the names they implement; `Places.use_system_agents` turns
that round.  For class `heartbeat` a script in resource.d is the administrator's word and wins
over ours.  This module only looks up; `ocf.executor` runs.  Facts: ocf.md sections 1 and 9.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ocf.calls import AgentRef, ExecStatus
from ocf.codes import Rc
from ocf.environment import Places

PYTHON_AGENTS: dict[tuple[str, str | None, str], str] = {
    ("ocf", "heartbeat", "Delay"): "ocf.agents.delay:Delay",
    ("ocf", "heartbeat", "Dummy"): "ocf.agents.dummy:Dummy",
    ("ocf", "heartbeat", "Filesystem"): "ocf.agents.filesystem:Filesystem",
    ("ocf", "heartbeat", "IPaddr"): "ocf.agents.ipaddr:IPaddr",
    ("ocf", "heartbeat", "IPaddr2"): "ocf.agents.ipaddr2:IPaddr2",
    ("ocf", "heartbeat", "SendArp"): "ocf.agents.sendarp:SendArp",
    ("ocf", "heartbeat", "Stateful"): "ocf.agents.stateful:Stateful",
    ("ocf", "heartbeat", "pingd"): "ocf.agents.ping:Pingd",
    ("ocf", "heartbeat", "drbddisk"): "ocf.agents.drbddisk:DrbdDisk",
    ("ocf", "pacemaker", "Dummy"): "ocf.agents.dummy:PacemakerDummy",
    ("ocf", "pacemaker", "Stateful"): "ocf.agents.stateful:PacemakerStateful",
    ("ocf", "pacemaker", "ping"): "ocf.agents.ping:Ping",
    ("heartbeat", None, "Delay"): "ocf.resource_d:delay",
    ("heartbeat", None, "Filesystem"): "ocf.resource_d:filesystem",
    ("heartbeat", None, "OCF"): "ocf.resource_ocf:script",
    ("heartbeat", None, "IPaddr"): "ocf.resource_d:ipaddr",
    ("heartbeat", None, "IPaddr2"): "ocf.resource_d:ipaddr2",
    ("heartbeat", None, "SendArp"): "ocf.resource_d:sendarp",
    ("heartbeat", None, "drbddisk"): "ocf.agents.drbddisk:script",
}
"""Agent -> `module:attribute` of the Python class (or, for heartbeat scripts, function)."""

FENCE_DIRECTORY = Path(__file__).resolve().parent / "fence"
SYSTEMD_RUNNING = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """One of our own agents; `target` is `module:attribute`."""

    target: str


@dataclass(frozen=True, slots=True)
class Program:
    """An executable file."""

    path: Path


@dataclass(frozen=True, slots=True)
class SystemdUnit:
    """A unit, by full name."""

    unit: str


@dataclass(frozen=True, slots=True)
class Missing:
    """There is nothing to run; what the result of a call is then."""

    rc: Rc
    status: ExecStatus
    reason: str


Resolved = PythonTarget | Program | SystemdUnit | Missing


def resolve(agent: AgentRef, places: Places) -> Resolved:
    """What to run for `agent` on this node."""
    finders: dict[str, Callable[[AgentRef, Places], Resolved]] = {
        "ocf": _ocf,
        "lsb": _lsb,
        "heartbeat": _heartbeat,
        "stonith": _stonith,
        "systemd": _systemd,
        "service": _service,
    }
    find = finders.get(agent.klass)
    if find is None:
        known = ", ".join(sorted(finders))
        return Missing(
            Rc.INSTALLED,
            ExecStatus.NOT_INSTALLED,
            f"{agent}: class {agent.klass!r} is not supported; known: {known}",
        )
    bad = agent.type.split("/")[0] in ("", ".", "..") or (
        "/" in agent.type and agent.klass not in ("lsb", "stonith")
    )
    if bad:
        return Missing(Rc.CONFIGURED, ExecStatus.ERROR_FATAL, f"{agent}: not a name of an agent")
    return find(agent, places)


def _file(path: Path, agent: AgentRef) -> Program | Missing:
    if not path.is_file():
        return Missing(Rc.INSTALLED, ExecStatus.NOT_INSTALLED, f"{agent}: no file {path}")
    if not os.access(path, os.X_OK):
        return Missing(Rc.PERM, ExecStatus.ERROR, f"{path}: not executable; chmod 755 {path}")
    return Program(path)


def _first(paths: list[Path], agent: AgentRef) -> Program | Missing:
    for path in paths:
        if path.is_file():
            return _file(path, agent)
    looked = ", ".join(str(p.parent) for p in paths)
    return Missing(
        Rc.INSTALLED, ExecStatus.NOT_INSTALLED, f"{agent}: not installed; looked in {looked}"
    )


def _ocf(agent: AgentRef, places: Places) -> Resolved:
    provider = agent.provider or "heartbeat"
    own = PYTHON_AGENTS.get(("ocf", provider, agent.type))
    paths = [root / "resource.d" / provider / agent.type for root in places.ocf_roots]
    if own and (not places.use_system_agents or not any(p.is_file() for p in paths)):
        return PythonTarget(own)
    return _first(paths, agent)


def _lsb(agent: AgentRef, places: Places) -> Resolved:
    path = Path(agent.type)
    return _file(path if path.is_absolute() else places.init_d / path, agent)


def launcher_mark(target: str) -> str:
    """Line by which a launcher of `ocf.install` says what it stands for."""
    return f"# Pacekeeper's launcher of {target}"


def _is_launcher(script: Path, target: str) -> bool:
    """Whether a script only starts our own agent: then it need not be started to be run."""
    try:
        with script.open("rb") as f:
            head = f.read(1024).decode(errors="replace").splitlines()
    except OSError:
        return False
    return len(head) > 1 and head[1] == launcher_mark(target)


def _heartbeat(agent: AgentRef, places: Places) -> Resolved:
    script = places.resource_d / agent.type
    own = PYTHON_AGENTS.get(("heartbeat", None, agent.type))
    if script.is_file() and not (own and _is_launcher(script, own)):
        return _file(script, agent)
    if own:
        return PythonTarget(own)
    return _first([script, places.init_d / agent.type], agent)


def _stonith(agent: AgentRef, places: Places) -> Resolved:
    if "/" in agent.type:
        return Missing(
            Rc.INSTALLED,
            ExecStatus.NOT_INSTALLED,
            f"{agent}: plugins of cluster-glue are not supported; use a fence_* agent",
        )
    return _first([d / agent.type for d in (FENCE_DIRECTORY, *places.fence_dirs)], agent)


def _systemd(agent: AgentRef, places: Places) -> Resolved:
    if not SYSTEMD_RUNNING.is_dir():
        return Missing(
            Rc.INSTALLED, ExecStatus.NOT_INSTALLED, f"{agent}: systemd does not run on this node"
        )
    suffixes = (".service", ".socket", ".mount", ".timer", ".path")
    unit = agent.type if agent.type.endswith(suffixes) else f"{agent.type}.service"
    return SystemdUnit(unit)


def _service(agent: AgentRef, places: Places) -> Resolved:
    if (places.init_d / agent.type).is_file():
        return _lsb(agent, places)
    return _systemd(agent, places)


_LSB_STATUS = {
    0: Rc.SUCCESS,
    1: Rc.NOT_RUNNING,
    2: Rc.NOT_RUNNING,
    3: Rc.NOT_RUNNING,
    150: Rc.INSTALLED,
    151: Rc.PERM,
}


def lsb_rc(operation: str, code: int) -> Rc:
    """OCF code for the exit code of an LSB script (ocf.md 9.1)."""
    if operation in ("monitor", "status"):
        return _LSB_STATUS.get(code, Rc.GENERIC)
    return Rc(code) if 0 <= code <= 7 else Rc.GENERIC


def ocf_rc(operation: str, code: int) -> Rc:
    """The agent's code, if the standard knows it, else GENERIC."""
    return Rc(code) if code in Rc._value2member_map_ else Rc.GENERIC


_NOT_RUNNING = re.compile(r"[Nn][Oo][Tt][ \t]+[Rr]unning")


def heartbeat_says_running(stdout: str) -> bool:
    """Whether the text of `status` means running (cli.md 8.1; the exit code is ignored)."""
    if _NOT_RUNNING.search(stdout):
        return False
    return "running" in stdout or "Running" in stdout or "OK" in stdout


def list_agents(klass: str, provider: str | None, places: Places) -> list[str]:
    """Names of installed agents of a class (and provider), ours included, sorted."""
    directories = {
        "ocf": [root / "resource.d" / (provider or "heartbeat") for root in places.ocf_roots],
        "lsb": [places.init_d],
        "heartbeat": [places.resource_d],
        "stonith": [FENCE_DIRECTORY, *places.fence_dirs],
    }.get(klass, [])
    wanted = (provider or "heartbeat") if klass == "ocf" else None
    names = {t for k, p, t in PYTHON_AGENTS if (k, p) == (klass, wanted)}
    for directory in directories:
        if directory.is_dir():
            names |= {e.name for e in directory.iterdir() if _is_listed(e, klass)}
    return sorted(names)


def _is_listed(path: Path, klass: str) -> bool:
    if path.name.startswith(".") or (klass == "stonith" and not path.name.startswith("fence_")):
        return False
    return path.is_file() and os.access(path, os.X_OK)
