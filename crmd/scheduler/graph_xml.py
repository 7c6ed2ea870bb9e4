"""A transition as XML: what the controller executes and `crm_simulate --save-graph` writes.

Source: scheduler-2-actions.md section 13.6; scheduler-cases.md section 6.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from crmd.scheduler.transition import Action, Transition


def to_exp_xml(transition: Transition) -> bytes:
    """The graph, two blanks per level, ending in a newline."""
    out: list[str] = []
    head = "<transition_graph" + _attributes(transition.attributes)
    if not transition.synapses:
        return (head + "/>\n").encode()
    out.append(head + ">")
    by_id = {synapse.action.id: synapse.action for synapse in transition.synapses}
    by_id.update((action.id, action) for action in transition.outside)
    for synapse in transition.synapses:
        head = f'  <synapse id="{synapse.id}"'
        if synapse.priority > 0:
            head += f' priority="{synapse.priority}"'
        out.append(head + ">")
        out.append("    <action_set>")
        _write_action(synapse.action, out)
        out.append("    </action_set>")
        if synapse.inputs:
            out.append("    <inputs>")
            for number in synapse.inputs:
                out.append("      <trigger>")
                out.append(f"        <{_head(by_id[number], short=True)}/>")
                out.append("      </trigger>")
            out.append("    </inputs>")
        else:
            out.append("    <inputs/>")
        out.append("  </synapse>")
    out.append("</transition_graph>")
    return ("\n".join(out) + "\n").encode()


def _quote(value: str) -> str:
    return quoteattr(value, {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _attributes(pairs: tuple[tuple[str, str], ...]) -> str:
    return "".join(f" {name}={_quote(value)}" for name, value in pairs)


def _head(action: Action, *, short: bool) -> str:
    pairs: list[tuple[str, str]] = []
    if action.mode is not None:
        pairs.append(("mode", action.mode))
    pairs += [
        ("id", str(action.id)),
        ("operation", action.operation),
        ("operation_key", action.operation_key),
    ]
    if action.internal_operation_key is not None:
        pairs.append(("internal_operation_key", action.internal_operation_key))
    if action.on_node is not None:
        pairs.append(("on_node", action.on_node))
        pairs.append(("on_node_uuid", action.on_node_uuid or ""))
    if action.router_node is not None:
        pairs.append(("router_node", action.router_node))
    if action.shutdown_lock is not None and not short:
        pairs.append(("shutdown-lock", action.shutdown_lock))
    return action.kind.value + _attributes(tuple(pairs))


def _write_action(action: Action, out: list[str]) -> None:
    pad = "      "
    out.append(f"{pad}<{_head(action, short=False)}>")
    ref = action.resource
    if ref is not None:
        pairs = [("id", ref.id)]
        if ref.long_id is not None:
            pairs.append(("long-id", ref.long_id))
        if ref.klass:
            pairs.append(("class", ref.klass))
        if ref.provider is not None:
            pairs.append(("provider", ref.provider))
        if ref.type:
            pairs.append(("type", ref.type))
        out.append(f"{pad}  <primitive{_attributes(tuple(pairs))}/>")
    plain = tuple((n, v) for n, v in action.attributes if not n[:1].isdigit())
    numbered = [(n, v) for n, v in action.attributes if n[:1].isdigit()]
    if numbered:
        out.append(f"{pad}  <attributes{_attributes(plain)}>")
        for name, value in numbered:
            out.append(f"{pad}    <param name={_quote(name)} value={_quote(value)}/>")
        out.append(f"{pad}  </attributes>")
    else:
        out.append(f"{pad}  <attributes{_attributes(plain)}/>")
    if action.downed:
        out.append(f"{pad}  <downed>")
        out.extend(f"{pad}    <node id={_quote(node)}/>" for node in action.downed)
        out.append(f"{pad}  </downed>")
    if action.maintenance:
        out.append(f"{pad}  <maintenance>")
        out.extend(
            f"{pad}    <node id={_quote(node)} node_in_maintenance={_quote(value)}/>"
            for node, value in action.maintenance
        )
        out.append(f"{pad}  </maintenance>")
    out.append(f"{pad}</{action.kind.value}>")
