"""`--digests`: the hashes by which the cluster sees that parameters changed.

Computed by the scheduler's own functions; `NAME=VALUE` words stand in for present values.
Facts: cli.md section 4, scheduler-1-assignment.md 24.1, the recorded cases.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping

from lxml import etree

from cli.command_line import CommandError
from cli.exits import Exit
from cli.resource.context import Context, Refused
from cli.resource.table_order import table_order


def digests(context: Context) -> Exit:
    """Tell the digests of a resource's start on a node."""
    if context.option("node") is None:
        raise CommandError(Exit.USAGE, "Must supply a node name with -N")
    rsc = context.rsc_id
    context.resource()
    node = context.node()
    assert node is not None
    overrides = _overrides(context)
    interval_ms = _interval_ms(overrides)
    params = _merged(_parameters(context, rsc, node.name, interval_ms), overrides, interval_ms)
    entry = _history_entry(context, rsc, node.name)
    private = set(entry.get("op-secure-params", "").split())
    listed = entry.get("op-force-restart")
    restart = set(params) if listed is None else set(listed.split())
    plain = {n: v for n, v in params.items() if not n.startswith("CRM_meta_")}
    sets = (
        ("all", "all parameters", params),
        ("nonprivate", "non-private parameters", _without(plain, private)),
        (
            "nonreloadable",
            "non-reloadable parameters",
            {n: v for n, v in plain.items() if n in restart},
        ),
    )
    _tell(context, rsc, node.name, interval_ms, sets)
    return Exit.OK


def _overrides(context: Context) -> dict[str, str]:
    pairs = {}
    for word in context.line.words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CommandError(Exit.USAGE, f"'{word}': want NAME=VALUE")
        pairs[name] = value
    return pairs


def _interval_ms(overrides: Mapping[str, str]) -> int:
    text = overrides.get("CRM_meta_interval", "0")
    try:
        return int(text)
    except ValueError as problem:
        raise CommandError(Exit.USAGE, f"CRM_meta_interval={text}: want milliseconds") from problem


def _merged(
    given: Mapping[str, str], overrides: Mapping[str, str], interval_ms: int
) -> dict[str, str]:
    """Both sets, the overrides first; of the meta-attributes only what the digest counts."""
    own = (name for name in given if not name.startswith("CRM_meta_"))
    order = [*table_order(overrides), *table_order(own), *given]
    merged = {name: {**given, **overrides}[name] for name in order}
    plain = {name: value for name, value in merged.items() if not name.startswith("CRM_meta_")}
    if interval_ms and "CRM_meta_timeout" in merged:
        plain["CRM_meta_timeout"] = merged["CRM_meta_timeout"]
    return plain


def _without(params: Mapping[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name not in names}


def _parameters(context: Context, rsc: str, node: str, interval_ms: int) -> dict[str, str]:
    """The set that counts for a start, as the scheduler sees it."""
    from cib.upgrade import upgrade
    from crmd.scheduler.unpack import unpack_status
    from crmd.scheduler.unpack.digests import parameter_set

    root = upgrade(copy.deepcopy(context.cib), in_place=True).root
    if root.find("status") is None:
        etree.SubElement(root, "status")
    cluster = unpack_status(root, time.time())
    resource = cluster.by_id.get(rsc) or cluster.by_history_id.get(rsc)
    host = next((n for n in cluster.nodes if n.name == node), None)
    if resource is None or host is None or not resource.is_primitive:
        raise Refused(Exit.NOSUCH, f"{rsc} has no parameters on {node}: it is no primitive there")
    return dict(parameter_set(cluster, resource, host, "start", interval_ms).all)


def _history_entry(context: Context, rsc: str, node: str) -> etree._Element:
    """The newest record of a start or probe; an empty one where there is none."""
    plain = rsc.rsplit(":", 1)[0]
    for state in context.cib.iterfind("status/node_state"):
        if state.get("uname") != node:
            continue
        for history in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if history.get("id", "").rsplit(":", 1)[0] != plain:
                continue
            for entry in history.iterfind("lrm_rsc_op"):
                if entry.get("id", "").endswith("_last_0"):
                    return entry
    return etree.Element("lrm_rsc_op")


def _tell(
    context: Context,
    rsc: str,
    node: str,
    interval_ms: int,
    sets: tuple[tuple[str, str, dict[str, str]], ...],
) -> None:
    from cib.digest import parameters

    listed = etree.Element("digests", {"resource": rsc, "node": node, "task": "start"})
    listed.set("interval", f"{interval_ms}ms")
    for kind, words, values in sets:
        value = parameters(values)
        context.reply.say(f"{value} ({words})\n")
        made = etree.SubElement(listed, "digest", {"type": kind, "hash": value})
        etree.SubElement(made, "parameters", values)
    if not context.reply.is_text:
        context.reply.put(listed)
