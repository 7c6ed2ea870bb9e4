"""The constraints behind `--move`, `--ban` and `--clear`, as elements; pure.

It decides ids and shapes only; who may do what is decided in `moving`.
Facts: cli.md section 4 and the recorded `crm_resource` cases.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

PREFER = "cli-prefer-"
BAN = "cli-ban-"
STANDBY = "cli-standby-"
INFINITY = "INFINITY"


def prefer_id(rsc: str) -> str:
    """Id of the constraint that `--move --node` makes."""
    return f"{PREFER}{rsc}"


def ban_id(rsc: str, node: str) -> str:
    """Id of the constraint that `--ban` makes."""
    return f"{BAN}{rsc}-on-{node}"


def preference(
    rsc: str, node: str, promoted: bool = False, until: str | None = None
) -> etree._Element:
    """`rsc` must run on `node` if it can; `until` is an ISO 8601 moment."""
    ids = (f"cli-prefer-rule-{rsc}", f"cli-prefer-expr-{rsc}", f"cli-prefer-lifetime-end-{rsc}")
    return _location(prefer_id(rsc), rsc, node, INFINITY, promoted, until, ids)


def prohibition(
    rsc: str, node: str, promoted: bool = False, until: str | None = None
) -> etree._Element:
    """`rsc` must not run on `node`."""
    name = ban_id(rsc, node)
    ids = (f"{name}-rule", f"{name}-expr", f"{name}-lifetime")
    return _location(name, rsc, node, f"-{INFINITY}", promoted, until, ids)


def _location(
    name: str,
    rsc: str,
    node: str,
    score: str,
    promoted: bool,
    until: str | None,
    ids: tuple[str, str, str],
) -> etree._Element:
    element = etree.Element("rsc_location")
    element.set("id", name)
    element.set("rsc", rsc)
    element.set("role", "Promoted" if promoted else "Started")
    if until is None:
        element.set("node", node)
        element.set("score", score)
        return element
    rule_id, expression_id, lifetime_id = ids
    rule = etree.SubElement(element, "rule")
    for key, value in (("id", rule_id), ("score", score), ("boolean-op", "and")):
        rule.set(key, value)
    expression = etree.SubElement(rule, "expression")
    for key, value in (
        ("id", expression_id),
        ("attribute", "#uname"),
        ("operation", "eq"),
        ("value", node),
        ("type", "string"),
    ):
        expression.set(key, value)
    lifetime = etree.SubElement(rule, "date_expression")
    for key, value in (("id", lifetime_id), ("operation", "lt"), ("end", until)):
        lifetime.set(key, value)
    return element


def made_by_tools(cib: etree._Element, rsc: str, node: str | None = None) -> list[etree._Element]:
    """Constraints of `rsc` that `--move` or `--ban` made; with `node`, those that name it."""
    found = []
    for element in _locations(cib):
        name = element.get("id", "")
        is_ours = name == prefer_id(rsc) or (
            name.startswith(BAN) and name.startswith(f"{BAN}{rsc}-on-")
        )
        if not is_ours or element.get("rsc") != rsc:
            continue
        if node is None or node.lower() in {n.lower() for n in _nodes_named(element)}:
            found.append(element)
    return found


def bans_on(cib: etree._Element, rsc: str, node: str) -> list[etree._Element]:
    """Bans of `rsc` made by tools on `node`."""
    made = made_by_tools(cib, rsc, node)
    return [element for element in made if element.get("id", "").startswith(BAN)]


def expired(cib: etree._Element, now: float, rsc: str | None = None) -> list[etree._Element]:
    """Constraints made by tools whose lifetime has ended; `now` in seconds since the epoch."""
    from cib.dates import DateError, local, parse_date

    found = []
    for element in _locations(cib):
        if not element.get("id", "").startswith((PREFER, BAN)):
            continue
        if rsc is not None and element.get("rsc") != rsc:
            continue
        ends = [e.get("end", "") for e in element.iter("date_expression")]
        try:
            moments = [parse_date(end, local(now)).epoch_s for end in ends if end]
        except DateError:
            continue  # not one that a tool wrote: left alone
        if moments and max(moments) <= now:
            found.append(element)
    return found


def _locations(cib: etree._Element) -> Iterator[etree._Element]:
    constraints = cib.find("configuration/constraints")
    if constraints is not None:
        yield from constraints.iterfind("rsc_location")


def _nodes_named(element: etree._Element) -> set[str]:
    names = {element.get("node", "")}
    for expression in element.iter("expression"):
        if expression.get("attribute") == "#uname":
            names.add(expression.get("value", ""))
    return names - {""}
