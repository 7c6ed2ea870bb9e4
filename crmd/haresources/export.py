"""The way back: a CIB as lines of haresources, where such lines can say it.

Reads a CIB's XML, decides what each resource was or would be as a word, and lists what haresources
cannot say.  It writes no ha.cf and no authkeys.  The inverse of `agents` and `convert`: importing
the text again gives the same resources.  Source: cli.md sections 8.1, 8.2 and 8.7.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from crmd.haresources.agents import ROWS, xml_name
from crmd.haresources.parse import is_bare_address

_ADDRESS = ("ip", "cidr_netmask", "nic", "iflabel", "broadcast", "lvs_support")
_FROM_HA_CF = "comes from ha.cf"


@dataclass(frozen=True, slots=True)
class Exported:
    """The text, what was left out because Heartbeat has nothing like it, what prevents a text."""

    text: str
    lost: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(slots=True)
class _Line:
    rsc: str
    words: list[str]
    is_group: bool


class _Unsaid(ValueError):
    """A resource that no word of haresources can name; the text says why."""


@dataclass(slots=True)
class _Work:
    root: etree._Element
    lines: list[_Line] = field(default_factory=list)
    drbd: dict[str, str] = field(default_factory=dict)
    """Clone id -> word of its device."""
    placed: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def to_haresources(root: etree._Element) -> Exported:
    """What a CIB is as haresources; `text` is empty if anything prevents it."""
    work = _Work(root)
    for element in root.iterfind("configuration/resources/*"):
        _resource(work, element)
    _drbd_devices(work)
    _constraints(work)
    _alerts(work)
    text = _text(work)
    if work.refused:
        text = ""
    if any(True for _ in root.iterfind("configuration/resources//op")):
        work.lost.append("operations: Heartbeat has no monitors and no timeouts of its own")
    return Exported(text, tuple(work.lost), tuple(work.refused))


# -- resources ----------------------------------------------------------------------------------


def _resource(work: _Work, element: etree._Element) -> None:
    name, tag = element.get("id", ""), str(element.tag)
    if tag == "primitive" and element.get("class") == "stonith":
        work.lost.append(f"{name}: fencing {_FROM_HA_CF} (stonith_host)")
        return
    if tag in ("primitive", "group"):
        members = [element] if tag == "primitive" else element.findall("primitive")
        try:
            words = [_word(member) for member in members]
        except _Unsaid as problem:
            work.refused.append(str(problem))
            return
        work.lines.append(_Line(name, words, tag == "group"))
        return
    child = element.find("primitive")
    agent = () if child is None else (child.get("provider"), child.get("type"))
    if child is not None and tag in ("clone", "master") and agent == ("linbit", "drbd"):
        try:
            word = _joined(child, ("drbddisk", _params(child).get("drbd_resource", "")))
        except _Unsaid as problem:
            work.refused.append(str(problem))
            return
        work.drbd[name] = word
        work.lines.append(_Line(name, [word], False))
        return
    if child is not None and tag == "clone" and agent == ("pacemaker", "ping"):
        hosts = _params(child).get("host_list", "")
        work.lost.append(f"{name}: {_FROM_HA_CF} (ping {hosts}, and ipfail)")
        return
    work.refused.append(f"{name}: haresources has no {tag}; every resource runs once")


def _params(primitive: etree._Element) -> dict[str, str]:
    pairs = primitive.iterfind("instance_attributes/nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def _joined(primitive: etree._Element, parts: tuple[str, ...]) -> str:
    """Parts as one word; raises _Unsaid for what Heartbeat would read otherwise."""
    name = primitive.get("id")
    for part in parts:
        if not part:
            raise _Unsaid(f"{name}: an empty argument vanishes in haresources")
        if "::" in part or "#" in part or part != "".join(part.split()):
            raise _Unsaid(f"{name}: '{part}' cannot be an argument (blank, '#' or '::' in it)")
    word = "::".join(parts)
    if word.endswith("\\"):
        raise _Unsaid(f"{name}: '{word}' would continue the line (it ends in a backslash)")
    if len(parts) == 1 and is_bare_address(word):
        raise _Unsaid(f"{name}: '{word}' would be read as an address")
    return word


def _word(primitive: etree._Element) -> str:
    name, kind = primitive.get("id"), primitive.get("type", "")
    if primitive.find("instance_attributes/rule") is not None:
        raise _Unsaid(f"{name}: parameters that depend on a rule")
    params = _params(primitive)
    match primitive.get("class"), primitive.get("provider"):
        case ("heartbeat", _):
            args = [params[key] for key in sorted(params, key=_number)]
            if list(map(str, range(1, len(args) + 1))) != sorted(params, key=_number):
                raise _Unsaid(f"{name}: parameters of a Heartbeat script must be 1, 2, ...")
            return _joined(primitive, (kind, *args))
        case ("lsb" | "systemd" | "service", _):
            return _joined(primitive, (kind,))
        case ("ocf", "heartbeat"):
            return _ocf_word(primitive, kind, params)
        case (klass, provider):
            agent = ":".join(part for part in (klass, provider, kind) if part)
            raise _Unsaid(f"{name}: haresources has no word for {agent}")


def _number(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdigit() and len(text) < 10 else (1 << 30, text)


def _ocf_word(primitive: etree._Element, kind: str, params: Mapping[str, str]) -> str:
    if kind in ("IPaddr2", "IPaddr", "IPv6addr"):
        return _address_word(primitive, dict(params))
    if kind == "LVM-activate" and set(params) <= {"vgname", "vg_access_mode"}:
        return _joined(primitive, ("LVM", params.get("vgname", "")))
    if kind == "SendArp" and set(params) == {"ip", "nic"}:
        return _joined(primitive, (kind, f"{params['ip']}/{params['nic']}"))
    if kind == "AudibleAlarm" and set(params) == {"nodelist"}:
        return _joined(primitive, (kind, *params["nodelist"].split()))
    if kind == "WAS" and len(params) == 1 and set(params) <= {"config", "snoop"}:
        return _joined(primitive, (kind, *params.values()))
    row = ROWS.get(kind)
    if row is not None:
        names = row.params[: len(params)]
        if set(names) != set(params):
            odd = ", ".join(sorted(set(params) - set(row.params))) or "one in between is missing"
            raise _Unsaid(f"{primitive.get('id')}: parameters of {kind} without a place: {odd}")
        return _joined(primitive, (kind, *(params[key] for key in names)))
    if params:
        raise _Unsaid(f"{primitive.get('id')}: haresources has no word for {kind}'s parameters")
    return _joined(primitive, ("OCF", kind))


def _address_word(primitive: etree._Element, params: dict[str, str]) -> str:
    """`IP[/BITS[/NIC[:LABEL]][/BROADCAST]]` after the script that such parameters come from."""
    name = primitive.get("id")
    if "ipv6addr" in params:
        params["ip"] = params.pop("ipv6addr")
    odd = sorted(set(params) - set(_ADDRESS))
    if odd:
        raise _Unsaid(f"{name}: parameters of an address without a place: {', '.join(odd)}")
    script, ip = "IPaddr", params.get("ip", "")
    if params.get("lvs_support") == "true":
        script = "IPaddr2"
    if ":" in ip:
        try:
            ip = ipaddress.IPv6Address(ip).exploded if "::" in ip else ip
        except ValueError as problem:
            raise _Unsaid(f"{name}: ip='{ip}' is no address ({problem})") from problem
        script = "IPv6addr"
    nic = params.get("nic", "")
    if params.get("iflabel"):
        nic += f":{params['iflabel']}"
    if nic[:1].isdigit() or "/" in nic or (params.get("iflabel") and not params.get("nic")):
        raise _Unsaid(f"{name}: nic='{nic}' would be read as a broadcast address")
    parts = [ip, params.get("cidr_netmask", "")]
    parts += [part for part in (nic, params.get("broadcast", "")) if part]
    return _joined(primitive, (script, "/".join(parts).rstrip("/")))


# -- what ties them -----------------------------------------------------------------------------


def _drbd_devices(work: _Work) -> None:
    """Put each device before what runs where it is promoted; it then has no line of its own."""
    for rule in work.root.iterfind("configuration/constraints/rsc_colocation"):
        rsc, device = rule.get("rsc", ""), rule.get("with-rsc", "")
        line = next((line for line in work.lines if line.rsc == rsc and rsc not in work.drbd), None)
        fits = rule.get("with-rsc-role") in ("Promoted", "Master") and device in work.drbd
        if line is not None and fits:
            at = sum(word in work.drbd.values() for word in line.words)
            line.words.insert(at, work.drbd[device])
            work.placed.add(device)
        else:
            work.refused.append(f"{rule.get('id')}: haresources has no colocation but a line")
    work.lines = [line for line in work.lines if line.rsc not in work.placed]


def _constraints(work: _Work) -> None:
    for rule in work.root.iterfind("configuration/constraints/*"):
        name, tag = rule.get("id"), str(rule.tag)
        if tag == "rsc_order" and rule.get("first") not in work.drbd:
            work.refused.append(f"{name}: haresources has no order but that of a line")
        elif tag == "rsc_location" and rule.get("node") is None:
            if not any(e.get("attribute") == "pingd" for e in rule.iter("expression")):
                work.refused.append(f"{name}: haresources has no rules")
        elif tag not in ("rsc_order", "rsc_location", "rsc_colocation"):
            work.refused.append(f"{name}: haresources has no {tag}")


def _preferred(work: _Work, rsc: str) -> str | None:
    """The node with the highest positive score; of equals the first in the document."""
    best: tuple[int, str] | None = None
    for rule in work.root.iterfind("configuration/constraints/rsc_location"):
        node, text = rule.get("node"), rule.get("score", "0").lstrip("+")
        if rule.get("rsc") != rsc or node is None:
            continue
        score = 1_000_000 if text.upper() == "INFINITY" else _score(text)
        if score <= 0:
            work.lost.append(f"{rule.get('id')}: haresources knows no node to be avoided")
        elif best is None or score > best[0]:
            best = (score, node)
    return None if best is None else best[1]


def _score(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 10 else -1


def _alerts(work: _Work) -> None:
    for alert in work.root.iterfind("configuration/alerts/alert"):
        if "mail" not in alert.get("path", ""):
            work.lost.append(f"{alert.get('id')}: haresources has no alerts but MailTo")
            continue
        for recipient in alert.iterfind("recipient"):
            if work.lines:
                work.lines[0].words.append(f"MailTo::{recipient.get('value')}")


def _text(work: _Work) -> str:
    nodes = [node.get("uname", "") for node in work.root.iterfind("configuration/nodes/node")]
    counts: dict[str, int] = {}
    out: list[str] = []
    keys: set[str] = set()
    for line in work.lines:
        node = _preferred(work, line.rsc)
        if node is None:
            node = nodes[0] if nodes else ""
            if not node:
                work.refused.append(f"{line.rsc}: no preferred node, and the CIB names no node")
            else:
                work.lost.append(f"{line.rsc}: prefers no node; the first, {node}, was taken")
        if line.words[:1] and line.words[0] in keys:
            work.refused.append(f"{line.rsc}: two lines would begin with {line.words[0]}")
        keys.update(line.words[:1])
        counts[node] = counts.get(node, 0) + 1
        usual = f"grp_{xml_name(node)}_{counts[node]}"
        comment = f" #{line.rsc}" if line.is_group and line.rsc != usual else ""
        out.append(f"{node} {' '.join(line.words)}{comment}\n")
    return "".join(out)
