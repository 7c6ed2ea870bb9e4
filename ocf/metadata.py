"""Meta-data of an agent as XML, strictly in the order of the OCF schema.

Written by hand with escaping: an agent process must not load lxml for it.
Source: ocf.md section 4.
"""

from __future__ import annotations

from ocf.agent import Action, Agent, Param

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}

_DOCTYPE = '<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">\n'
"""Agents of API 1.0 name the DTD of that time, which ocf-tester checks against."""


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in text)


def _attributes(pairs: list[tuple[str, str]]) -> str:
    return "".join(f' {name}="{_escaped(value)}"' for name, value in pairs if value)


def _parameter(param: Param, api: str) -> str:
    flags = [("name", param.name)]
    if param.unique_group:
        flags.append(("unique-group", param.unique_group))
    if api == "1.0":
        flags.append(("unique", "1" if param.unique else "0"))
    flags.append(("required", "1" if param.required else "0"))
    if param.reloadable:
        flags.append(("reloadable", "1"))
    content = [("type", param.type)]
    default = (
        "" if param.default is None else f' default="{_escaped(_shown_default(param.default))}"'
    )
    return (
        f"<parameter{_attributes(flags)}>\n"
        f'<longdesc lang="en">{_escaped(param.long)}</longdesc>\n'
        f'<shortdesc lang="en">{_escaped(param.short or param.name)}</shortdesc>\n'
        f"<content{_attributes(content)}{default}/>\n"
        "</parameter>\n"
    )


def _shown_default(text: str) -> str:
    return text.replace("{instance}", "RESOURCE_ID")


def _action(action: Action) -> str:
    pairs = [
        ("name", action.name),
        ("depth", action.depth),
        ("timeout", action.timeout),
        ("interval", action.interval),
        ("role", action.role),
    ]
    return f"<action{_attributes(pairs)}/>\n"


def resource_agent_xml(agent: type[Agent]) -> str:
    """The whole document. It needs no parameter and no helper program."""
    parameters = "".join(_parameter(p, agent.api) for p in agent.params)
    actions = "".join(_action(a) for a in agent.actions)
    doctype = _DOCTYPE if agent.api == "1.0" else ""
    return (
        '<?xml version="1.0"?>\n'
        f"{doctype}"
        f'<resource-agent name="{_escaped(agent.name)}" version="{_escaped(agent.version)}">\n'
        f"<version>{agent.api}</version>\n"
        f'<longdesc lang="en">{_escaped(agent.long or agent.short)}</longdesc>\n'
        f'<shortdesc lang="en">{_escaped(agent.short)}</shortdesc>\n'
        f"<parameters>\n{parameters}</parameters>\n"
        f"<actions>\n{actions}</actions>\n"
        "</resource-agent>\n"
    )
