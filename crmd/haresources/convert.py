"""From haresources and ha.cf to a cluster: pure, every decision recorded.

It does not read files, judge them (see `lint`) or write XML (see `render`).
Source: cli.md section 8.2 to 8.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.haresources.agents import Translated, base_id, translate, xml_name
from crmd.haresources.model import (
    AlertRule,
    Clone,
    ColocationRule,
    Decision,
    Finding,
    Group,
    HeartbeatSettings,
    HostFacts,
    LocationRule,
    Op,
    OrderRule,
    Plan,
    Primitive,
    Severity,
    Style,
)
from crmd.haresources.parse import Haresources, Place, ResourceLine, ResourceWord
from ocf.calls import AgentRef

PREFERENCE = "100"
STICKY = "1000"
_KEPT = "kept in the membership layer's configuration"
_PROPERTIES = {"disklock": "disk-lock", "disklock_release": "disk-lock-release"}
"""Our own directives that are cluster properties with a CIB."""
_WITHOUT_EFFECT = frozenset({"respawn", "apiauth", "crm", "pacemaker", "compression", "hopfudge"})


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller may choose."""

    style: Style = Style.AUTO
    fix_order: bool = False
    prefer: str = ""
    """`ocf`, `systemd`, `lsb`, or empty for no preference."""
    move_on_first_failure: bool = False
    ignore_quorum: bool = False
    comment_ids: bool = False
    """A one-word comment behind a line names its group or resource (old haresources2cib)."""


@dataclass(slots=True)
class _Draft:
    """Everything collected so far; private to one `convert` call."""

    options: Options
    facts: HostFacts
    ids: set[str] = field(default_factory=set)
    resources: list[Primitive | Group | Clone] = field(default_factory=list)
    locations: list[LocationRule] = field(default_factory=list)
    colocations: list[ColocationRule] = field(default_factory=list)
    orders: list[OrderRule] = field(default_factory=list)
    alerts: list[AlertRule] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def fresh_id(self, base: str) -> str:
        """`base`, or `base_2`, `base_3` ... if taken."""
        name, number = base, 1
        while name in self.ids:
            number += 1
            name = f"{base}_{number}"
        self.ids.add(name)
        return name

    def decide(self, place: Place | None, source: str, became: str, why: str, change: str) -> None:
        self.decisions.append(Decision(place, source, became, why, change))


def convert(
    file: Haresources, settings: HeartbeatSettings, facts: HostFacts, options: Options
) -> Plan:
    """The cluster that the files describe. Findings here are only those of the conversion."""
    draft = _Draft(options, facts)
    counts: dict[str, int] = {}
    canonical = {name.lower(): name for name in settings.nodes}
    for line in file.lines:
        counts[line.node] = counts.get(line.node, 0) + 1
        _line(draft, line, canonical.get(line.node, line.node), counts[line.node])
    _pings(draft, settings)
    fenced = _fencing(draft, settings)
    _directives(draft, settings)
    return Plan(
        nodes=settings.nodes,
        resources=tuple(draft.resources),
        locations=tuple(draft.locations),
        colocations=tuple(draft.colocations),
        orders=tuple(draft.orders),
        alerts=tuple(draft.alerts),
        properties=_properties(draft, settings, fenced),
        rsc_defaults=_defaults(draft, settings),
        decisions=tuple(draft.decisions),
        findings=tuple(draft.findings),
    )


def _uses_drbd_clone(draft: _Draft) -> bool:
    style = draft.options.style
    if style is Style.AUTO:
        return "linbit:drbd" in draft.facts.ocf_agents
    return style is Style.MODERN


def _line(draft: _Draft, line: ResourceLine, node: str, number: int) -> None:
    words = _ordered(draft, line)
    members: list[Primitive] = []
    drbd: list[Clone] = []
    style = draft.options.style
    addresses = {w.args[0].split("/")[0] for w in words if _is_address(w) and w.args}
    for word in words:
        if word.script in ("drbddisk", "drbdupper") and _uses_drbd_clone(draft):
            drbd.append(_drbd_clone(draft, word))
        elif word.script == "MailTo" and style is Style.MODERN and word.args:
            _alert(draft, word)
        elif _redundant_arp(word, addresses, style):
            why = "IPaddr2 of that address on the same line sends gratuitous ARP itself"
            draft.decide(word.place, word.word, "nothing", why, "--style exact")
        else:
            members.append(_primitive(draft, word))
    target = _collect(draft, line, members, node, number)
    anchors = [target] if target else []
    _tie_drbd(draft, drbd, anchors)
    wanted = [(target, None)] if target else [(c.id, "Promoted") for c in drbd]
    for rsc, role in wanted:
        rule = LocationRule(f"loc_{rsc}_on_{xml_name(node)}", rsc, PREFERENCE, node, role)
        draft.locations.append(rule)
        why = f"{line.node} is the preferred node of this line, score {PREFERENCE}"
        draft.decide(line.place, line.node, f"location {rule.id}", why, "change the score")


def _is_address(word: ResourceWord) -> bool:
    return word.script in ("IPaddr", "IPaddr2", "IPv6addr")


def _redundant_arp(word: ResourceWord, addresses: set[str], style: Style) -> bool:
    if word.script != "SendArp" or style is Style.EXACT or not word.args:
        return False
    return word.args[0].split("/")[0] in addresses


def _ordered(draft: _Draft, line: ResourceLine) -> list[ResourceWord]:
    words = list(line.resources)
    if not draft.options.fix_order:
        return words
    devices = [w for w in words if w.script in ("drbddisk", "drbdupper", "Raid1", "LVM")]
    mounts = [w for w in words if w.script == "Filesystem"]
    last = [w for w in words if _is_address(w)]
    rest = [w for w in words if w not in devices and w not in mounts and w not in last]
    fixed = devices + mounts + rest + last
    if fixed != words:
        text = " ".join(w.word for w in fixed)
        why = "--fix-order puts devices first, then file systems, services, and addresses last"
        draft.decide(line.place, "order of the line", text, why, "leave out --fix-order")
    return fixed


def _primitive(draft: _Draft, word: ResourceWord) -> Primitive:
    found: Translated = translate(word, draft.options.style, draft.facts, draft.options.prefer)
    rsc = Primitive(
        draft.fresh_id(found.base),
        found.agent,
        found.params,
        found.ops,
        source=word.word,
        place=word.place,
    )
    shown = ", ".join(f"{name}={value}" for name, value in found.params)
    became = f"{found.agent} id={rsc.id}" + (f" ({shown})" if shown else "")
    draft.decide(word.place, word.word, became, found.why, found.change)
    return rsc


def _collect(
    draft: _Draft, line: ResourceLine, members: list[Primitive], node: str, number: int
) -> str | None:
    """Put the members of one line into the draft; the id that constraints then name."""
    if not members:
        return None
    named = line.comment if draft.options.comment_ids and _one_word(line.comment) else ""
    if len(members) == 1:
        draft.resources.append(members[0])
        return members[0].id
    group = Group(draft.fresh_id(xml_name(named or f"grp_{node}_{number}")), tuple(members))
    draft.resources.append(group)
    why = f"{len(members)} resources of one line, started left to right, stopped right to left"
    draft.decide(line.place, f"line of {line.node}", f"group {group.id}", why, "")
    return group.id


def _one_word(text: str) -> bool:
    return bool(text) and len(text.split()) == 1


def _drbd_clone(draft: _Draft, word: ResourceWord) -> Clone:
    name = word.args[0] if word.args else "all"
    child = Primitive(
        draft.fresh_id(base_id(word)),
        AgentRef("ocf", "drbd", "linbit"),
        (("drbd_resource", name),),
        (
            Op("monitor", 29, 20, "Promoted"),
            Op("monitor", 31, 20, "Unpromoted"),
            Op("start", 0, 240),
            Op("stop", 0, 100),
        ),
        source=word.word,
        place=word.place,
    )
    meta = (
        ("promotable", "true"),
        ("promoted-max", "1"),
        ("promoted-node-max", "1"),
        ("clone-max", "2"),
        ("clone-node-max", "1"),
        ("notify", "true"),
    )
    clone = Clone(draft.fresh_id(f"ms_{child.id}"), child, meta)
    draft.resources.append(clone)
    why = "ocf:linbit:drbd promotes one node and keeps the other in sync"
    draft.decide(word.place, word.word, f"promotable clone {clone.id}", why, "--style compat")
    note = Finding(
        "H032",
        Severity.INFO,
        word.place,
        f"{word.word} became a promotable clone of ocf:linbit:drbd",
        "check that drbd.conf does not promote at start and has a fence-peer handler",
    )
    draft.findings.append(note)
    return clone


def _tie_drbd(draft: _Draft, clones: list[Clone], anchors: list[str]) -> None:
    for clone in clones:
        for rsc in anchors:
            draft.colocations.append(
                ColocationRule(f"col_{rsc}_with_{clone.child.id}", rsc, clone.id, "Promoted")
            )
            draft.orders.append(
                OrderRule(f"ord_{clone.child.id}_before_{rsc}", clone.id, "promote", rsc)
            )


def _alert(draft: _Draft, word: ResourceWord) -> None:
    recipient = word.args[0]
    rule = AlertRule(draft.fresh_id(xml_name(f"alert_{recipient}")), "alert_mail", recipient)
    draft.alerts.append(rule)
    why = "a mail is no service: it needs no place in the start order"
    draft.decide(word.place, word.word, f"alert {rule.id}", why, "--style compat")
    draft.findings.append(
        Finding("H041", Severity.INFO, word.place, f"{word.word} became an alert", "nothing to do")
    )


def _pings(draft: _Draft, settings: HeartbeatSettings) -> None:
    if not settings.pings or not settings.ipfail:
        for ping in settings.pings:
            why = "without ipfail, Heartbeat only watches it"
            draft.decide(ping.place, f"ping {ping.name}", _KEPT, why, "add ipfail")
        return
    hosts = " ".join(address for ping in settings.pings for address in ping.addresses)
    child = Primitive(
        draft.fresh_id("ping"),
        AgentRef("ocf", "ping", "pacemaker"),
        (("host_list", hosts), ("dampen", "5s"), ("multiplier", "1000"), ("attempts", "2")),
        (Op("monitor", 10, 60), Op("start", 0, 60), Op("stop", 0, 20)),
        source="ping",
        place=settings.pings[0].place,
    )
    targets = [r.id for r in draft.resources if not isinstance(r, Clone)]
    draft.resources.append(Clone(draft.fresh_id("ping-clone"), child, ()))
    why = "ipfail moved resources off a node that lost its ping nodes; this does the same"
    draft.decide(child.place, f"ping {hosts} + ipfail", "clone ping-clone of ping", why, "")
    for rsc in targets:
        rule = LocationRule(f"loc_{rsc}_connected", rsc, "-INFINITY", undefined_attribute="pingd")
        draft.locations.append(rule)


def _fencing(draft: _Draft, settings: HeartbeatSettings) -> bool:
    for line in settings.stonith:
        params = [("hostlist", " ".join(settings.nodes) if line.host == "*" else line.host)]
        params += [(f"p{n}", arg) for n, arg in enumerate(line.args, start=1)]
        name = draft.fresh_id(xml_name(f"fence_{line.type.split('/')[-1]}"))
        agent = AgentRef("stonith", line.type)
        ops = (Op("monitor", 60, 20), Op("start", 0, 20), Op("stop", 0, 15))
        rsc = Primitive(name, agent, tuple(params), ops, source="stonith", place=line.place)
        draft.resources.append(rsc)
        why = "parameter names are the plugin's own: the file gives only their order (p1, p2, ...)"
        draft.decide(line.place, f"stonith {line.type}", f"{agent} id={name}", why, "name them")
        remedy = f"give {name} the parameter names that `stonith -t {line.type} -n` prints"
        text = f"the parameters of stonith type {line.type} are known by position only"
        finding = Finding("H051", Severity.WARNING, line.place, text, remedy)
        draft.findings.append(finding)
    return bool(settings.stonith)


def _directives(draft: _Draft, settings: HeartbeatSettings) -> None:
    for item in settings.directives:
        if item.name in _WITHOUT_EFFECT:
            why = "has no counterpart in a CRM cluster"
            draft.decide(item.place, f"{item.name} {item.value}", "without effect", why, "")
            text = f"{item.name} has no counterpart"
            draft.findings.append(Finding("H051", Severity.INFO, item.place, text, "nothing to do"))
        elif item.name in _PROPERTIES:
            prop, why = _PROPERTIES[item.name], "the same lock, asked by crmd"
            draft.decide(item.place, f"{item.name} {item.value}", f"{prop}={item.value}", why, "")
        elif item.name == "watchdog":
            why = "watchdog fencing can be had: have-watchdog and stonith-watchdog-timeout"
            draft.decide(item.place, f"watchdog {item.value}", _KEPT, why, "")
        else:
            why = "the membership layer reads ha.cf itself"
            draft.decide(item.place, f"{item.name} {item.value}", _KEPT, why, "")


def _properties(
    draft: _Draft, settings: HeartbeatSettings, fenced: bool
) -> tuple[tuple[str, str], ...]:
    policy = (
        "ignore" if len(settings.nodes) == 2 and (fenced or draft.options.ignore_quorum) else "stop"
    )
    why = {
        "ignore": "two nodes with fencing: the survivor fences, then goes on",
        "stop": "the membership's two-node rule keeps a lone survivor quorate",
    }[policy]
    draft.decide(None, f"{len(settings.nodes)} nodes", f"no-quorum-policy={policy}", why, "")
    if not fenced:
        why = "no stonith line in ha.cf: THE DATA IS NOT SAFE IN A SPLIT without fencing"
        draft.decide(None, "no stonith", "stonith-enabled=false", why, "configure a fence device")
    properties = [
        ("stonith-enabled", "true" if fenced else "false"),
        ("no-quorum-policy", policy),
        ("start-failure-is-fatal", "true"),
    ]
    properties += [
        (_PROPERTIES[item.name], item.value)
        for item in settings.directives
        if item.name in _PROPERTIES
    ]
    if settings.initdead_s is not None:
        properties.append(("dc-deadtime", f"{settings.initdead_s:g}s"))
        why = "initdead is how long a starting node waits for the others"
        draft.decide(None, "initdead", f"dc-deadtime={settings.initdead_s:g}s", why, "")
    return tuple(properties)


def _defaults(draft: _Draft, settings: HeartbeatSettings) -> tuple[tuple[str, str], ...]:
    off = settings.auto_failback == "off"
    stickiness = STICKY if off else "0"
    if off:
        why = "more than the preference of 100 that would pull it back, less than INFINITY"
    else:
        why = "so that a group goes back to its preferred node"
    source = f"auto_failback {settings.auto_failback or '(absent, legacy)'}"
    draft.decide(None, source, f"resource-stickiness={stickiness}", why, "rsc_defaults")
    if settings.auto_failback in (None, "legacy"):
        text = "auto_failback is absent or legacy: read as on, the old default"
        remedy = "say on or off in ha.cf"
        draft.findings.append(Finding("H040", Severity.WARNING, None, text, remedy))
    exact = draft.options.style is Style.EXACT
    threshold = "1" if exact or draft.options.move_on_first_failure else "3"
    why = "Heartbeat never saw a failed service: restart in place, move at this many failures"
    draft.decide(None, "service failures", f"migration-threshold={threshold}", why, "")
    return (
        ("resource-stickiness", stickiness),
        ("migration-threshold", threshold),
        ("failure-timeout", "600s"),
    )
