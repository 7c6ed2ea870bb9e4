"""A plan as `pcs` commands, each with the line of haresources that it comes from.

Nothing is decided and nothing is run here.  The syntax is that of pcs 0.11 as its manual page has
it.  Source: cli.md section 8.7.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from crmd.haresources.model import (
    Clone,
    ColocationRule,
    Group,
    LocationRule,
    OrderRule,
    Plan,
    Primitive,
)

_Pairs = Iterable[tuple[str, str]]

HEAD = """\
#!/bin/sh
# Commands of pcs 0.11 for a cluster of the nodes: {nodes}
# Read them first; then run them once on one node of a cluster that has no resources yet.
set -e
"""


def to_pcs(plan: Plan) -> str:
    """The plan as a script of pcs commands."""
    out = [HEAD.format(nodes=" ".join(plan.nodes))]
    out += [_line("property", "set", *_pairs(plan.properties))] if plan.properties else []
    if plan.rsc_defaults:
        out.append(_line("resource", "defaults", "update", *_pairs(plan.rsc_defaults)))
    for item in plan.resources:
        match item:
            case Primitive():
                out += _create(item)
            case Group(id=name, members=members):
                for member in members:
                    out += _create(member, "--group", name)
            case Clone(id=name, child=child, meta=meta):
                is_promotable = ("promotable", "true") in meta
                rest = [pair for pair in meta if pair[0] != "promotable"]
                kind = "promotable" if is_promotable else "clone"
                out += _create(child, kind, name, *_pairs(rest))
    out += [_location(rule) for rule in plan.locations]
    out += [_colocation(rule) for rule in plan.colocations]
    out += [_order(rule) for rule in plan.orders]
    for alert in plan.alerts:
        out.append(_line("alert", "create", f"path={alert.path}", f"id={alert.id}"))
        out.append(_line("alert", "recipient", "add", alert.id, f"value={alert.recipient}"))
    return "\n".join(out) + "\n"


def _line(*words: str) -> str:
    return shlex.join(["pcs", *words])


def _pairs(pairs: _Pairs) -> list[str]:
    return [f"{name}={value}" for name, value in pairs]


def _create(rsc: Primitive, *more: str) -> list[str]:
    """The command for one resource; --no-default-ops keeps pcs from adding operations."""
    out = [f"# {rsc.place}: {rsc.source}"] if rsc.source else []
    if rsc.agent.klass == "heartbeat":
        out.append(
            f"# {rsc.agent}: pcs and Pacemaker cannot run this class; "
            "import with another --style, or wrap the script in an OCF agent"
        )
    words = ["resource", "create", rsc.id, str(rsc.agent), *_pairs(rsc.params)]
    for op in rsc.ops:
        words += ["op", op.name, f"interval={op.interval_s}s", f"timeout={op.timeout_s}s"]
        words += [f"role={op.role}"] if op.role else []
    if rsc.meta:
        words += ["meta", *_pairs(rsc.meta)]
    out.append(_line(*words, *more, "--no-default-ops"))
    return out


def _location(rule: LocationRule) -> str:
    if rule.node is not None and rule.role is None:
        return _line("constraint", "location", "add", rule.id, rule.rsc, rule.node, rule.score)
    words = ["constraint", "location", rule.rsc, "rule", f"constraint-id={rule.id}"]
    words += [f"role={rule.role}"] if rule.role else []
    words.append(f"score={rule.score}")
    if rule.node is not None:
        return _line(*words, "#uname", "eq", rule.node)
    name = rule.undefined_attribute or ""
    return _line(*words, "not_defined", name, "or", name, "lte", "number", "0")


def _colocation(rule: ColocationRule) -> str:
    target = [rule.with_role, rule.with_rsc] if rule.with_role else [rule.with_rsc]
    words = ("constraint", "colocation", "add", rule.rsc, "with", *target)
    return _line(*words, "INFINITY", f"id={rule.id}")


def _order(rule: OrderRule) -> str:
    words = (rule.first_action, rule.first, "then", rule.then_action, rule.then)
    return _line("constraint", "order", *words, f"id={rule.id}")
