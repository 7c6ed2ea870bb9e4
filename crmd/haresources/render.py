"""A plan as CIB XML, as crm shell text, and as a report for people.

Nothing is decided here.  Ids follow the automatic naming of cli.md section 7.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cib.document import DEFAULT_SCHEMA, NEW_FEATURE_SET
from crmd.haresources.model import (
    AlertRule,
    Clone,
    ColocationRule,
    Group,
    LocationRule,
    Op,
    OrderRule,
    Plan,
    Primitive,
    Severity,
)

SCHEMA = DEFAULT_SCHEMA
_Pairs = Iterable[tuple[str, str]]


def to_cib(plan: Plan, schema: str = SCHEMA) -> bytes:
    """The whole CIB as an XML document, indented by two, ending in a newline."""
    from lxml import etree

    def add(parent: Any, tag: str, **attributes: str | None) -> Any:
        node = etree.SubElement(parent, tag)
        for name, value in attributes.items():
            if value is not None:
                node.set(name.rstrip("_").replace("_", "-"), value)
        return node

    cib = etree.Element("cib")
    for name, value in (
        ("validate-with", schema),
        ("crm_feature_set", NEW_FEATURE_SET),
        ("admin_epoch", "0"),
        ("epoch", "1"),
        ("num_updates", "0"),
    ):
        cib.set(name, value)
    configuration = add(cib, "configuration")
    crm_config = add(configuration, "crm_config")
    options = add(crm_config, "cluster_property_set", id="cib-bootstrap-options")
    _nvpairs(options, plan.properties)
    nodes = add(configuration, "nodes")
    for number, name in enumerate(plan.nodes, start=1):
        add(nodes, "node", id=str(number), uname=name)
    resources = add(configuration, "resources")
    for item in plan.resources:
        _resource(resources, item)
    _constraints(add(configuration, "constraints"), plan)
    defaults = add(configuration, "rsc_defaults")
    _nvpairs(add(defaults, "meta_attributes", id="rsc-options"), plan.rsc_defaults)
    if plan.alerts:
        alerts = add(configuration, "alerts")
        for alert in plan.alerts:
            _alert(alerts, alert)
    add(cib, "status")
    text: bytes = etree.tostring(cib, pretty_print=True)
    return text


def _sub(parent: Any, tag: str, attributes: _Pairs) -> Any:
    from lxml import etree

    node = etree.SubElement(parent, tag)
    for name, value in attributes:
        node.set(name, value)
    return node


def _nvpairs(parent: Any, pairs: _Pairs) -> None:
    set_id = parent.get("id")
    for name, value in pairs:
        _sub(parent, "nvpair", (("id", f"{set_id}-{name}"), ("name", name), ("value", value)))


def _resource(parent: Any, item: Primitive | Group | Clone) -> None:
    match item:
        case Primitive():
            _primitive(parent, item)
        case Group(id=name, members=members):
            group = _sub(parent, "group", (("id", name),))
            for member in members:
                _primitive(group, member)
        case Clone(id=name, child=child, meta=meta):
            clone = _sub(parent, "clone", (("id", name),))
            if meta:
                _nvpairs(_sub(clone, "meta_attributes", (("id", f"{name}-meta_attributes"),)), meta)
            _primitive(clone, child)


def _primitive(parent: Any, rsc: Primitive) -> None:
    agent = rsc.agent
    attributes = [("id", rsc.id), ("class", agent.klass)]
    if agent.provider:
        attributes.append(("provider", agent.provider))
    attributes.append(("type", agent.type))
    node = _sub(parent, "primitive", attributes)
    if rsc.params:
        set_id = f"{rsc.id}-instance_attributes"
        _nvpairs(_sub(node, "instance_attributes", (("id", set_id),)), rsc.params)
    if rsc.meta:
        _nvpairs(_sub(node, "meta_attributes", (("id", f"{rsc.id}-meta_attributes"),)), rsc.meta)
    if rsc.ops:
        operations = _sub(node, "operations", ())
        for op in rsc.ops:
            _operation(operations, rsc, op)


def _operation(parent: Any, rsc: Primitive, op: Op) -> None:
    interval = f"{op.interval_s}s" if op.interval_s else "0s"
    attributes = [("id", f"{rsc.id}-{op.name}-{interval}"), ("name", op.name)]
    attributes += [("interval", interval), ("timeout", f"{op.timeout_s}s")]
    if op.role:
        attributes.append(("role", op.role))
    _sub(parent, "op", attributes)


def _constraints(parent: Any, plan: Plan) -> None:
    for rule in plan.locations:
        _location(parent, rule)
    for together in plan.colocations:
        attributes = [("id", together.id), ("rsc", together.rsc), ("with-rsc", together.with_rsc)]
        if together.with_role:
            attributes.append(("with-rsc-role", together.with_role))
        _sub(parent, "rsc_colocation", [*attributes, ("score", "INFINITY")])
    for order in plan.orders:
        _sub(
            parent,
            "rsc_order",
            (
                ("id", order.id),
                ("first", order.first),
                ("first-action", order.first_action),
                ("then", order.then),
                ("then-action", order.then_action),
            ),
        )


def _location(parent: Any, rule: LocationRule) -> None:
    attributes = [("id", rule.id), ("rsc", rule.rsc)]
    if rule.node is not None:
        if rule.role:
            attributes.append(("role", rule.role))
        _sub(parent, "rsc_location", [*attributes, ("node", rule.node), ("score", rule.score)])
        return
    node = _sub(parent, "rsc_location", attributes)
    name = rule.undefined_attribute or ""
    rule_id = f"{rule.id}-rule"
    expression = _sub(node, "rule", (("id", rule_id), ("score", rule.score), ("boolean-op", "or")))
    first = (("id", f"{rule_id}-expression"), ("attribute", name), ("operation", "not_defined"))
    _sub(expression, "expression", first)
    second = (
        ("id", f"{rule_id}-expression-2"),
        ("attribute", name),
        ("operation", "lte"),
        ("value", "0"),
        ("type", "number"),
    )
    _sub(expression, "expression", second)


def _alert(parent: Any, alert: AlertRule) -> None:
    node = _sub(parent, "alert", (("id", alert.id), ("path", alert.path)))
    _sub(node, "recipient", (("id", f"{alert.id}-recipient"), ("value", alert.recipient)))


# -- crm shell text -----------------------------------------------------------------------------


def to_crm(plan: Plan) -> str:
    """The plan as input for `crm configure load update`, each object with its source."""
    out = [f"node {number}: {name}" for number, name in enumerate(plan.nodes, start=1)]
    for rsc in plan.primitives():
        if rsc.source:
            out.append(f"# {rsc.place}: {rsc.source}")
        out.append(_crm_primitive(rsc))
    for item in plan.resources:
        match item:
            case Group(id=name, members=members):
                out.append(f"group {name} " + " ".join(m.id for m in members))
            case Clone(id=name, child=child, meta=meta):
                tail = f" meta {_crm_pairs(meta)}" if meta else ""
                out.append(f"clone {name} {child.id}{tail}")
            case _:
                continue
    out += [_crm_location(rule) for rule in plan.locations]
    out += [_crm_colocation(rule) for rule in plan.colocations]
    out += [_crm_order(rule) for rule in plan.orders]
    out += [f"alert {a.id} {a.path} to {a.recipient}" for a in plan.alerts]
    out.append("property cib-bootstrap-options: " + _crm_pairs(plan.properties))
    out.append("rsc_defaults rsc-options: " + _crm_pairs(plan.rsc_defaults))
    return "\n".join(out) + "\n"


def _quoted(value: str) -> str:
    return f'"{value}"' if not value or any(c in value for c in " \t'#") else value


def _crm_pairs(pairs: _Pairs) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in pairs)


def _crm_primitive(rsc: Primitive) -> str:
    parts = [f"primitive {rsc.id} {rsc.agent}"]
    if rsc.params:
        parts.append(f"params {_crm_pairs(rsc.params)}")
    for op in rsc.ops:
        interval = f"{op.interval_s}s" if op.interval_s else "0s"
        role = f" role={op.role}" if op.role else ""
        parts.append(f"op {op.name} interval={interval} timeout={op.timeout_s}s{role}")
    return " \\\n\t".join(parts)


def _crm_location(rule: LocationRule) -> str:
    if rule.node is None:
        name = rule.undefined_attribute
        return (
            f"location {rule.id} {rule.rsc} rule {rule.score}: "
            f"not_defined {name} or {name} number:lte 0"
        )
    role = f" role={rule.role}" if rule.role else ""
    return f"location {rule.id} {rule.rsc}{role} {rule.score}: {rule.node}"


def _crm_colocation(rule: ColocationRule) -> str:
    role = f":{rule.with_role}" if rule.with_role else ""
    return f"colocation {rule.id} inf: {rule.rsc} {rule.with_rsc}{role}"


def _crm_order(rule: OrderRule) -> str:
    return (
        f"order {rule.id} Mandatory: {rule.first}:{rule.first_action} "
        f"{rule.then}:{rule.then_action}"
    )


# -- report -------------------------------------------------------------------------------------

RANK = {Severity.CRITICAL: 0, Severity.ERROR: 1, Severity.WARNING: 2, Severity.INFO: 3}


def to_report(plan: Plan) -> str:
    """Decisions in file order, then findings, worst first."""
    out = ["Decisions"]
    out += [f"  {decision}" for decision in plan.decisions]
    out += ["", "Findings" if plan.findings else "Findings: none"]
    ranked = sorted(plan.findings, key=lambda f: RANK[f.severity])
    out += [f"  {finding}" for finding in ranked]
    return "\n".join(out) + "\n"


def to_json(plan: Plan) -> str:
    """Decisions and findings as one JSON document."""
    import json

    document = {
        "decisions": [
            {
                "place": str(d.place) if d.place else None,
                "source": d.source,
                "became": d.became,
                "why": d.why,
                "change": d.change,
            }
            for d in plan.decisions
        ],
        "findings": [
            {
                "code": f.code,
                "severity": f.severity.value,
                "place": str(f.place) if f.place else None,
                "text": f.text,
                "remedy": f.remedy,
            }
            for f in plan.findings
        ],
    }
    return json.dumps(document, indent=1) + "\n"
