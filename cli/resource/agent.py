"""Commands of `crm_resource` about agents: which there are, and one run of them here and now.

A run goes past the cluster; what the cluster believes is asked first.  Facts: cli.md section 4, the
recorded `agents` cases and the installed tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli import agents
from cli.command_line import CommandError
from cli.exits import Exit, describe
from cli.resource.context import PERFORMING, Context, Refused

if TYPE_CHECKING:
    from lxml import etree

    from ocf.calls import AgentRef, AgentResult

FORCED = {
    "force-start": "start",
    "force-stop": "stop",
    "force-demote": "demote",
    "force-promote": "promote",
    "force-check": "monitor",
    "validate": "validate-all",
}
"""Option -> operation of the agent."""
_DEFAULT_MS = 20_000


# --- lists ----------------------------------------------------------------------------------


def standards(context: Context) -> Exit:
    """Classes of agents."""
    return _list(context, list(agents.STANDARDS), "list", "item", name="standards")


def providers(context: Context) -> Exit:
    """Providers of OCF agents."""
    return _list(context, agents.providers(context.env), "providers", "provider", standard="ocf")


def alternatives(context: Context) -> Exit:
    """Providers of one OCF agent."""
    name = context.option("list-ocf-alternatives") or ""
    found = agents.providers(context.env, name)
    if not found:
        raise Refused(Exit.NOSUCH, f"No OCF providers found for {name}")
    return _list(context, found, "providers", "provider", **{"for": name})


def list_agents(context: Context) -> Exit:
    """Agents of a class, or of one provider."""
    standard, _, provider = (context.option("list-agents") or "").partition(":")
    try:
        found = agents.agents(context.env, standard, provider or None)
    except CommandError:
        found = []
    if not found:
        by = f" and provider '{provider}'" if provider else ""
        text = f"No agents found for standard '{standard}'{by}"
        raise Refused(Exit.ERROR, text, PERFORMING + Exit.ERROR.words)
    about = {"standard": standard} | ({"provider": provider} if provider else {})
    return _list(context, found, "agents", "agent", **about)


def _list(context: Context, names: list[str], tag: str, item: str, **about: str) -> Exit:
    context.reply.say("".join(f"{name}\n" for name in names))
    if not context.reply.is_text:
        from lxml import etree

        listed = etree.Element(tag, about)
        if tag == "list":
            listed.set("count", str(len(names)))
        for name in names:
            etree.SubElement(listed, item).text = name
        context.reply.put(listed)
    return Exit.OK


def metadata(context: Context) -> Exit:
    """What an agent says of itself."""
    text = context.option("show-metadata") or ""
    if text.count(":") < 1:
        raise Refused(Exit.NOSUCH, f"'{text}' is not a valid agent specification")
    try:
        said = agents.metadata_text(context.env, agents.reference(text))
    except CommandError as problem:
        raise Refused(problem.code, str(problem)) from problem
    context.reply.show("metadata", said if said.endswith("\n") else said + "\n")
    return Exit.OK


# --- one run --------------------------------------------------------------------------------


def forced(context: Context, option: str) -> Exit:
    """Run an agent's operation here; the status is the agent's."""
    if context.option("agent") is not None or context.option("class") is not None:
        agent, params, timeout_ms = _described(context)
        return _run(context, option, agent, None, params, {}, timeout_ms)
    rsc = context.rsc_id
    resource = context.resource()
    kind = resource.variant.value
    if kind in ("group", "bundle"):
        raise Refused(
            Exit.UNIMPLEMENT_FEATURE,
            f"Sorry, the {option} option doesn't support {kind} resources",
            PERFORMING + Exit.UNIMPLEMENT_FEATURE.words,
        )
    if kind == "clone" and option in ("force-start", "force-demote", "force-promote"):
        if resource.is_active() and not context.has("force"):
            raise Refused(
                Exit.UNSAFE,
                f"It is not safe to {option} {rsc} here: the cluster claims it is already active",
                "Try setting target-role=Stopped first or specifying the force option\n"
                + PERFORMING
                + Exit.UNSAFE.words,
            )
    element = _definition(context, rsc)
    agent = _agent(element)
    params, meta = _parameters(context, element), {"name": FORCED[option]}
    return _run(context, option, agent, element.get("id"), params, meta, _timeout_ms(context))


def _definition(context: Context, rsc: str) -> etree._Element:
    """The primitive that is meant: what a clone holds speaks for it."""
    from cli.resource.looking import configured, expanded

    element = configured(context, rsc)
    if element is None:
        raise context.unknown(rsc)
    if element.tag != "primitive":
        inner = element.find(".//primitive")
        if inner is None:
            raise context.unknown(rsc)
        element = inner
    return expanded(context, element)


def _agent(element: etree._Element) -> AgentRef:
    from ocf.calls import AgentRef

    return AgentRef(element.get("class", ""), element.get("type", ""), element.get("provider"))


def _parameters(context: Context, element: etree._Element) -> dict[str, str]:
    """The parameters of a resource as they hold on this node, then those of the command line."""
    import os
    import time

    from cib import dates, nvsets
    from cib.refs import References
    from cib.rules import RuleInput

    node = os.uname().nodename
    given = RuleInput(
        dates.local(time.time()), References(context.cib), node_attributes={"#uname": node}
    )
    params: dict[str, str] = {}
    nvsets.unpack(element, "instance_attributes", given, params)
    return params | _overrides(context)


def _overrides(context: Context) -> dict[str, str]:
    """`--option NAME=VALUE` and NAME=VALUE words."""
    pairs = {}
    for text in [*context.line.values("option"), *context.line.words]:
        name, equals, value = text.partition("=")
        if not equals:
            raise CommandError(Exit.USAGE, f"'{text}': want NAME=VALUE")
        pairs[name] = value
    return pairs


def _described(context: Context) -> tuple[AgentRef, dict[str, str], int]:
    """An agent given by class, provider and type; OCF_RESKEY_ variables are its parameters."""
    from ocf.calls import AgentRef

    klass, name = context.option("class"), context.option("agent")
    provider = context.option("provider")
    if klass is None or name is None or (klass == "ocf" and provider is None):
        shown = ":".join(part or "" for part in (klass, provider, name))
        raise CommandError(Exit.USAGE, f"{shown} is not a known resource")
    prefix = "OCF_RESKEY_"
    params = {k[len(prefix) :]: v for k, v in context.env.items() if k.startswith(prefix)}
    return AgentRef(klass, name, provider), params | _overrides(context), _timeout_ms(context)


def _timeout_ms(context: Context) -> int:
    from cli.resource.upkeep import seconds

    text = context.option("timeout")
    return _DEFAULT_MS if text is None else round(seconds(text) * 1000)


def _run(
    context: Context,
    option: str,
    agent: AgentRef,
    rsc: str | None,
    params: Mapping[str, str],
    meta: Mapping[str, str],
    timeout_ms: int,
) -> Exit:
    name = rsc or "test"
    result, said = agents.run(context.env, agent, FORCED[option], name, params, meta, timeout_ms)
    code = Exit(result.rc) if result.rc in {int(e) for e in Exit} else Exit.ERROR
    _tell(context, option, agent, rsc, result, said)
    if code is not Exit.OK:
        context.reply.error(f"{PERFORMING}{describe(result.rc)}")
    return code


def _tell(
    context: Context,
    option: str,
    agent: AgentRef,
    rsc: str | None,
    result: AgentResult,
    said: str,
) -> None:
    from cli.status.results import status_text
    from ocf.calls import ExecStatus
    from ocf.codes import EXIT_REASON_PREFIX

    words = describe(result.rc)
    about = f" for {rsc}" if rsc is not None else ""
    reason = f": {result.exit_reason}" if result.exit_reason else ""
    if result.status is ExecStatus.DONE:
        text = f"returned {result.rc} ({words}{reason})"
    else:
        text = f"could not be executed ({status_text(result.status.value)}{reason})"
    context.reply.say(f"Operation {option}{about} ({agent}) {text}\n")
    if context.has("verbose"):
        context.reply.say(f"{result.output}{said}")
    elif result.rc != 0:
        told = EXIT_REASON_PREFIX + result.exit_reason
        lines = [line for line in said.splitlines() if line.strip() != told]
        context.reply.say("".join(f"{line}\n" for line in lines))
    if context.reply.is_text:
        return
    from lxml import etree

    element = etree.Element("resource-agent-action", {"action": option, "class": agent.klass})
    element.set("type", agent.type)
    if rsc is not None:
        element.set("rsc", rsc)
    if agent.provider is not None:
        element.set("provider", agent.provider)
    overrides = etree.SubElement(element, "overrides")
    for key, value in _overrides(context).items():
        etree.SubElement(overrides, "override", {"name": key, "value": value})
    status = etree.SubElement(element, "agent-status", {"code": str(result.rc), "message": words})
    status.set("execution_code", str(result.status.value))
    status.set("execution_message", status_text(result.status.value))
    if result.exit_reason:
        status.set("reason", result.exit_reason)
    if result.output or said:
        command = etree.SubElement(element, "command", {"code": str(result.rc)})
        for source, output in (("stdout", result.output), ("stderr", said)):
            if output:
                etree.SubElement(command, "output", {"source": source}).text = output
    context.reply.put(element)
