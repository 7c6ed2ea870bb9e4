"""Commands that make the cluster forget, wait, or take a definition away.

Facts: cli.md section 4; cluster-behaviour.md sections 3 and 4 (what to beat: an event-driven wait).
"""

from __future__ import annotations

from cli.command_line import CommandError
from cli.exits import Exit
from cli.resource.context import Context, Refused, outermost
from cli.resource.looking import configured

DEFAULT_WAIT_S = 86_400.0
_KINDS = ("primitive", "group", "clone", "master", "bundle", "template")


def cleanup(context: Context, failures_only: bool) -> Exit:
    """Forget failures (`--cleanup`) or all history (`--refresh`); probes follow by themselves."""
    rsc = context.option("resource")
    node = context.node()
    name = "all resources"
    if rsc is not None:
        resource = context.resource()
        name = resource.plain_id
        if not failures_only and not context.has("force"):
            top = outermost(context.status, rsc)
            if top is not None and top.variant.value == "group" and top.id != rsc:
                name = top.id
    if not context.is_live:
        where = node.name if node else "all nodes"
        context.reply.say(f"Dry run: skipping clean-up of {name} on {where} due to CIB_file\n")
        return Exit.OK
    interval = context.option("interval")
    payload: dict[str, object] = {"op": "cleanup", "failures_only": failures_only}
    if rsc is not None:
        payload["rsc"] = name
    if node is not None:
        payload["node"] = node.name
    if context.option("operation") is not None:
        payload["operation"] = context.option("operation")
    if interval is not None:
        payload["interval_ms"] = _interval_ms(interval)
    answer = context.ask_cluster(payload)
    nodes = [str(n) for n in answer.get("nodes", [])]
    for cleaned in nodes:
        context.reply.say(f"Cleaned up {name} on {cleaned}\n")
    if not nodes:
        context.reply.say(f"Nothing to clean up for {name}\n")
    return Exit.OK


def _interval_ms(text: str) -> int:
    from cib.durations import parse_ms

    value = parse_ms(text)
    if value is None:
        raise CommandError(Exit.USAGE, f"Invalid interval: {text}; write 10s or a duration")
    return value


def wait(context: Context) -> Exit:
    """Until nothing is running or due; raises CommandError (124) when time is up."""
    text = context.option("timeout")
    limit = DEFAULT_WAIT_S if text is None else seconds(text)
    if not context.is_live:
        raise Refused(
            Exit.UNAVAILABLE,
            "--wait needs the running cluster",
            "it has no meaning with CIB_file or CIB_shadow",
        )
    answer = context.ask_cluster({"op": "wait", "timeout_s": limit}, limit + 10.0)
    if not answer.get("idle"):
        raise CommandError(Exit.TIMEOUT, f"the cluster was not idle within {limit:g} s")
    return Exit.OK


def seconds(text: str) -> float:
    """A duration of the command line in seconds; raises CommandError (64)."""
    from cib.durations import parse_ms

    value = parse_ms(text)
    if value is None:
        raise CommandError(Exit.USAGE, f"Invalid timeout: {text}; write 30s or a duration")
    return value / 1000.0


def delete(context: Context) -> Exit:
    """Remove the definition of a resource."""
    kind = context.option("resource-type")
    if context.option("resource") is None:
        raise CommandError(Exit.USAGE, "Must supply a resource id with -r")
    if kind is None:
        raise Refused(Exit.NOSUCH, "You need to specify a resource type with -t")
    element = configured(context, context.rsc_id)
    if element is None or kind not in _KINDS or element.tag != kind:
        raise context.unknown(context.rsc_id)
    context.change("delete", xpath=f"//resources//{kind}[@id='{element.get('id')}']")
    return Exit.OK


def restart(context: Context) -> Exit:
    """Stop a resource, wait until it is down, start it again, wait until it is up."""
    from cli.resource.parameters import remove_meta, set_meta

    resource = context.resource()
    if not context.is_live:
        raise Refused(Exit.UNAVAILABLE, "--restart needs the running cluster", "")
    if not resource.is_active():
        raise Refused(
            Exit.ERROR, f"{resource.plain_id} is not running and so cannot be restarted", ""
        )
    before = resource.target_role
    set_meta(context, resource.plain_id, "target-role", "Stopped")
    try:
        wait(context)
    finally:
        if before is None:
            remove_meta(context, resource.plain_id, "target-role")
        else:
            set_meta(context, resource.plain_id, "target-role", before)
    return wait(context)
