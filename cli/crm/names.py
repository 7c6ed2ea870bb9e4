"""Names that completion offers: ids of resources, nodes, objects; agents; preferences.

Facts: cli.md sections 7 and 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree

    from cli.crm.shell import Shell

_RESOURCES = ("primitive", "group", "clone", "master", "bundle")
META = (
    "target-role", "is-managed", "maintenance", "resource-stickiness", "migration-threshold",
    "failure-timeout", "priority", "critical", "multiple-active", "allow-migrate",
    "clone-max", "clone-node-max", "interleave", "ordered", "notify", "globally-unique",
    "promotable", "promoted-max", "promoted-node-max",
)  # fmt: skip


def names_of(kind: str, shell: Shell) -> list[str]:
    """All names of a kind; raises CommandError where the CIB cannot be had."""
    if kind == "meta":
        return list(META)
    if kind == "shadow":
        from cli.shadows import Shadows

        return Shadows(shell.real_env, shell.stdin).names()
    if kind in ("agent", "provider"):
        from cli import agents

        if kind == "provider":
            return agents.providers(shell.env)
        return [f"ocf:{p}:{a}" for p in agents.providers(shell.env)
                for a in agents.agents(shell.env, "ocf", p)]  # fmt: skip
    if kind == "property":
        from cib.options import OPTIONS

        return [f"{option.name}=" for option in OPTIONS]
    if kind not in ("resource", "node", "object"):
        return []
    from cli.attribute.place import node_names
    from cli.attribute.store import Store

    cib = shell.editor.tree if shell.editor else Store(shell.env, shell.stdin, "crm").cib()
    if kind == "node":
        return node_names(cib)
    tags = _RESOURCES if kind == "resource" else None
    return list(dict.fromkeys(_ids(cib, tags)))


def _ids(cib: etree._Element, tags: tuple[str, ...] | None) -> Iterator[str]:
    if tags is not None:
        for element in cib.iter(*tags):
            if element.get("id"):
                yield element.get("id", "")
        return
    yield from _ids(cib, (*_RESOURCES, "template", "tag"))
    for section in ("nodes", "constraints", "crm_config", "rsc_defaults", "op_defaults"):
        found = cib.find(f"configuration/{section}")
        for element in found if found is not None else ():
            name = element.get("uname") if section == "nodes" else element.get("id")
            if name:
                yield name
