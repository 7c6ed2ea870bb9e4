"""Resource agents as the tools use them: which there are, what they say of themselves, one run.

The runs are here and now, past the cluster.  Lookup and execution are `ocf`'s.
Facts: cli.md sections 4 and 7, ocf.md section 4 (meta-data).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.command_line import CommandError
from cli.exits import Exit

if TYPE_CHECKING:
    from lxml import etree

    from ocf.calls import AgentRef, AgentResult
    from ocf.environment import Places

STANDARDS = ("heartbeat", "lsb", "ocf", "service", "stonith", "systemd")
META_DATA_MS = 30_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an agent."""

    name: str
    required: bool
    unique: bool
    kind: str
    default: str | None
    short: str
    long: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advised:
    """An operation with the values that the agent advises."""

    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AgentData:
    """What an agent says of itself."""

    name: str
    short: str
    long: str
    parameters: tuple[Parameter, ...]
    actions: tuple[Advised, ...]


def places(env: Mapping[str, str]) -> Places:
    """Where agents are looked up."""
    from ocf.environment import Places

    root = Path(env.get("PACEKEEPER_ROOT") or "/")
    resource_d = root / "etc/ha.d/resource.d"
    roots = tuple(Path(p) for p in env.get("OCF_ROOT", "/usr/lib/ocf").split(":") if p)
    return Places(
        ocf_roots=roots,
        resource_d=resource_d,
        use_system_agents=env.get("PACEKEEPER_AGENTS") == "system",
    )


def reference(text: str) -> AgentRef:
    """The agent that `[CLASS:[PROVIDER:]]TYPE` names."""
    from cli.configure.resources import agent_parts
    from ocf.calls import AgentRef

    klass, provider, kind = agent_parts(text)
    return AgentRef(klass, kind, provider)


def providers(env: Mapping[str, str], agent: str | None = None) -> list[str]:
    """Providers of OCF agents, or of the agent named."""
    from ocf.classes import PYTHON_AGENTS

    found = {p for k, p, t in PYTHON_AGENTS if k == "ocf" and p and agent in (None, t)}
    for root in places(env).ocf_roots:
        folder = root / "resource.d"
        if folder.is_dir():
            found |= {
                e.name for e in folder.iterdir()
                if e.is_dir() and (agent is None or (e / agent).is_file())
            }  # fmt: skip
    return sorted(found)


def agents(env: Mapping[str, str], standard: str, provider: str | None = None) -> list[str]:
    """Names of the agents of a class; raises CommandError (105) for an unknown class."""
    from ocf.classes import list_agents

    if standard not in STANDARDS:
        raise CommandError(
            Exit.NOSUCH, f"no class '{standard}' of agents; there are {', '.join(STANDARDS)}"
        )
    if standard == "systemd":
        return _units()
    if standard == "service":
        return sorted({*_units(), *list_agents("lsb", None, places(env))})
    if standard == "ocf" and provider is None:
        return sorted({a for p in providers(env) for a in list_agents("ocf", p, places(env))})
    return list_agents(standard, provider, places(env))


def _units() -> list[str]:
    names = set()
    for folder in ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system"):
        path = Path(folder)
        if path.is_dir():
            names |= {e.name.removesuffix(".service") for e in path.glob("*.service")}
    return sorted(names)


def run(
    env: Mapping[str, str],
    agent: AgentRef,
    operation: str,
    rsc: str = "pacekeeper",
    params: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
    timeout_ms: int = META_DATA_MS,
) -> tuple[AgentResult, str]:
    """Run one operation of an agent here and now; the result, and what went to standard error."""
    import asyncio

    from ocf.calls import AgentCall
    from ocf.executor import Executor

    heard: list[str] = []
    executor = Executor(places(env), heard=lambda call, text: heard.append(text))
    call = AgentCall(0, rsc, agent, operation, params or {}, meta or {}, timeout_ms)
    result = asyncio.run(executor.run(call))
    return result, "".join(heard)


def metadata_text(env: Mapping[str, str], agent: AgentRef) -> str:
    """The meta-data as the agent prints it; raises CommandError (105, 5)."""
    from ocf.calls import ExecStatus

    operation = "metadata" if agent.klass == "stonith" else "meta-data"
    result, _ = run(env, agent, operation)
    if result.status is ExecStatus.DONE and result.rc == 0 and result.output.strip():
        return result.output
    if agent.klass in ("lsb", "systemd", "service", "heartbeat") and result.rc != 5:
        return _plain_metadata(agent)
    code = Exit.NOSUCH if result.rc == 5 else Exit.ERROR
    raise CommandError(code, f"Metadata query for {agent} failed: {result.exit_reason or 'none'}")


def _plain_metadata(agent: AgentRef) -> str:
    """Agents of these classes have no meta-data: what holds for all of the class."""
    actions = "".join(
        f'<action name="{name}" timeout="{timeout}"{interval}/>'
        for name, timeout, interval in (
            ("start", "100s", ""), ("stop", "100s", ""), ("monitor", "100s", ' interval="60s"'),
        )
    )  # fmt: skip
    return (
        f'<?xml version="1.0"?>\n<resource-agent name="{agent.type}" version="1">'
        f"<version>1.1</version><longdesc>{agent}: takes no parameters</longdesc>"
        f"<shortdesc>{agent}</shortdesc><parameters/><actions>{actions}</actions>"
        "</resource-agent>\n"
    )


def metadata(env: Mapping[str, str], agent: AgentRef) -> AgentData:
    """What an agent says of itself; raises CommandError (105, 65)."""
    from cib.document import DocumentError, parse

    text = metadata_text(env, agent)
    start = text.find("<resource-agent")
    try:
        root = parse(text[max(start, 0) :], str(agent))
    except DocumentError as problem:
        raise CommandError(Exit.DATAERR, f"{agent}: broken meta-data: {problem}") from problem
    return AgentData(
        root.get("name", agent.type),
        _text(root, "shortdesc"),
        _text(root, "longdesc"),
        tuple(_parameter(p) for p in root.iterfind("parameters/parameter")),
        tuple(
            Advised(a.get("name", ""), {str(k): str(v) for k, v in a.attrib.items() if k != "name"})
            for a in root.iterfind("actions/action")
        ),
    )


def _text(element: etree._Element, tag: str) -> str:
    found = element.find(tag)
    return "" if found is None else " ".join((found.text or "").split("\n")).strip()


def _parameter(element: etree._Element) -> Parameter:
    content = element.find("content")
    kind = "string" if content is None else content.get("type", "string")
    default = None if content is None else content.get("default")
    options = () if content is None else content.iterfind("option")
    long = element.find("longdesc")
    return Parameter(
        element.get("name", ""),
        element.get("required", "0") in ("1", "true"),
        element.get("unique", "0") in ("1", "true"),
        kind,
        default,
        _text(element, "shortdesc"),
        "" if long is None else (long.text or "").strip(),
        tuple(option.get("value", "") for option in options),
    )
