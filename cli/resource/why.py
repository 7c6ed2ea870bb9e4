"""`--why`: the reasons that the configuration and the status give for a resource's state.

The score sums behind a placement come from the scheduler: `crm_simulate --explain`.
Facts: cli.md section 9 and the installed tool asked with files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.exits import Exit
from cli.resource.context import Context, every

if TYPE_CHECKING:
    from lxml import etree

    from cli.status.model import NodeStatus, ResourceStatus


def why(context: Context) -> Exit:
    """Tell for one resource, or for all, whether it runs and what keeps it from running."""
    from lxml import etree

    node = context.node()
    top = etree.Element("reason")
    if context.option("resource") is not None:
        resource = context.resource()
        running = _runs(resource, node)
        if node is None:
            top.set("running", "true" if running else "false")
        _say(context, resource, node, running)
        _checks(context, top, resource, node)
    else:
        for resource in _listed(context, node):
            running = _runs(resource, node)
            element = etree.SubElement(top, "resource")
            element.set("id", resource.id)
            element.set("running", "true" if running else "false")
            if node is not None:
                element.set("host", node.name)
            _say(context, resource, node, running)
            _checks(context, element, resource, node)
    if not context.reply.is_text:
        context.reply.put(top)
    return Exit.OK


def _listed(context: Context, node: NodeStatus | None) -> list[ResourceStatus]:
    if node is None:
        return list(context.status.resources)
    parts = [p for top in context.status.resources for p in top.primitives()]
    return [p for p in parts if any(place.node == node.name for place in p.active)]


def _runs(resource: ResourceStatus, node: NodeStatus | None) -> bool:
    if node is None:
        return resource.is_active()
    return any(place.node == node.name for p in resource.primitives() for place in p.active)


def _say(
    context: Context, resource: ResourceStatus, node: NodeStatus | None, running: bool
) -> None:
    verb = "is running" if running else "is not running"
    where = f" on host {node.name}" if node else ""
    context.reply.say(f"Resource {resource.id} {verb}{where}\n")


def _checks(
    context: Context, parent: etree._Element, resource: ResourceStatus, node: NodeStatus | None
) -> None:
    """The known obstacles, nearest cause first."""
    from lxml import etree

    from cli.status.model import Role

    chain = _ancestry(context, resource)
    cause = next((r for r in chain if r.target is not None), None)
    found: list[tuple[str, str, str]] = []
    if cause is not None and cause.target is Role.STOPPED:
        text = f"Configuration specifies '{cause.id}' should remain stopped"
        found.append((cause.id, "remain_stopped", text))
    elif cause is not None and cause.target is Role.UNPROMOTED and cause.promotable:
        text = f"Configuration specifies '{cause.id}' should not be promoted"
        found.append((cause.id, "promotable", text))
    if not resource.managed:
        text = f"Configuration prevents cluster from stopping or starting unmanaged '{resource.id}'"
        found.append((resource.id, "unmanaged", text))
    if resource.locked_to:
        text = f"'{resource.id}' is locked to node {resource.locked_to.node} due to shutdown"
        found.append((resource.id, "locked-to", text))
    if node is not None and node.health < 0:
        text = f"'{resource.id}' cannot run on {node.name} due to node health"
        found.append((resource.id, "unhealthy", text))
    for name, word, text in found:
        context.reply.say(text + "\n")
        check = etree.SubElement(parent, "check")
        check.set("id", name)
        value = resource.locked_to.node if word == "locked-to" and resource.locked_to else "true"
        if word == "promotable":
            value = "false"
        check.set(word, value or "")


def _ancestry(context: Context, resource: ResourceStatus) -> list[ResourceStatus]:
    """The resource, then what contains it, outwards."""
    for top in context.status.resources:
        if resource not in every(top):
            continue
        chain = [top]
        while chain[-1] is not resource and chain[-1] != resource:
            inner = next(p for p in chain[-1].parts if resource in every(p))
            chain.append(inner)
        return list(reversed(chain))
    return [resource]
