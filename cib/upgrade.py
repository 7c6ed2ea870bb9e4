"""Upgrade a configuration in memory to the newest schema series (4.x).

It does not validate (`cib.schema`) and writes nothing back.  Every step is idempotent and keeps
the meaning of the configuration; ids of new elements derive from the old ones.
Facts: scheduler-1-assignment.md section 28.  Known deviation, recommended there: `lifetime` of a
location constraint keeps its effect (28.5).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from cib import scores
from cib.upgrade_legacy import from_series_1_and_2
from cib.xmltree import Ids, children, remove, take

NEWEST = "pacemaker-4.0"
"""What `validate-with` says after an upgrade."""

KNOWN_VERSIONS: tuple[tuple[int, int], ...] = (
    *((1, minor) for minor in range(4)),
    *((2, minor) for minor in range(11)),
    *((3, minor) for minor in range(11)),
    (4, 0),
)

_SCHEMA_NAME = re.compile(r"pacemaker-([0-9]+)\.([0-9]+)\Z")
_OLD_NAMES = {"transitional-0.6": (1, 0), "pacemaker-0.7": (1, 0), "pacemaker-next": (4, 0)}
_SET_TAGS = frozenset(
    {"meta_attributes", "instance_attributes", "utilization", "cluster_property_set"}
)


class UpgradeError(ValueError):
    """The configuration cannot be upgraded; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The upgraded tree, what its schema was, and notes for people on what was changed."""

    root: etree._Element
    was: str
    notes: tuple[str, ...]


def schema_version(root: etree._Element) -> tuple[int, int] | None:
    """(series, minor) of `validate-with`; None if it says `none` or nothing.

    Raises UpgradeError for a name that is not known.
    """
    name = root.get("validate-with", "none")
    if name == "none":
        return None
    if name in _OLD_NAMES:
        return _OLD_NAMES[name]
    found = _SCHEMA_NAME.match(name)
    version = (scores.integer(found[1]), scores.integer(found[2])) if found else None
    if version not in KNOWN_VERSIONS:
        raise UpgradeError(
            f"cib: validate-with='{name}' is not a schema known here; the newest is {NEWEST}"
        )
    return version


def needs_upgrade(root: etree._Element) -> bool:
    """Whether the schema named is older than the newest series."""
    version = schema_version(root)
    return version is not None and version < (4, 0)


def upgrade(root: etree._Element, *, in_place: bool = False) -> Upgraded:
    """The configuration in the newest form; the given tree stays as it is unless `in_place`.

    A configuration without schema (`none`) gets the last step only and keeps its `none`.
    """
    version = schema_version(root)
    tree = root if in_place else copy.deepcopy(root)
    notes: list[str] = []
    configuration = tree.find("configuration")
    if configuration is not None:
        ids = Ids(configuration)
        if version is not None and version < (3, 0):
            from_series_1_and_2(configuration, ids, notes.append)
        if version is None or version < (4, 0):
            _to_series_4(configuration, ids, notes.append)
    if version is not None and version < (4, 0):
        tree.set("validate-with", NEWEST)
    return Upgraded(tree, root.get("validate-with", "none"), tuple(notes))


Note = Callable[[str], None]


def _to_series_4(configuration: etree._Element, ids: Ids, note: Note) -> None:
    _drop_unsupported_resources(configuration, note)
    _convert_masters(configuration, ids, note)
    _convert_bundles(configuration)
    _normalise_sets(configuration, ids, note)
    _rename_options(configuration, note)
    _drop_attributes(configuration, note)
    _convert_lifetimes(configuration, ids, note)
    _split_locations(configuration, ids)
    _convert_ping_nodes(configuration, ids, note)


# Resources


def _drop_unsupported_resources(configuration: etree._Element, note: Note) -> None:
    gone: set[str] = set()
    resources = configuration.find("resources")
    if resources is None:
        return
    for element in list(resources.iter("primitive", "template")):
        klass = element.get("class")
        if klass in ("nagios", "upstart"):
            _drop(element, gone, f"class {klass}", note)
    for bundle in list(resources.iter("bundle")):
        if bundle.find("rkt") is not None:
            _drop(bundle, gone, "container type rkt", note)
    if not gone:
        return
    while emptied := [e for e in resources.iter("group", "clone", "master") if not _has_members(e)]:
        for element in emptied:
            _drop(element, gone, "without members", note)
    for element in list(resources.iter("primitive")):
        if element.get("template") in gone:
            _drop(element, gone, "template dropped", note)
    _drop_references(configuration, gone)


def _has_members(element: etree._Element) -> bool:
    return next(element.iterchildren("primitive", "group", "clone", "master"), None) is not None


def _drop(element: etree._Element, gone: set[str], why: str, note: Note) -> None:
    for inner in element.iter("primitive", "group", "clone", "master", "bundle", "template"):
        gone.add(inner.get("id", ""))
    note(f"{element.tag} {element.get('id')}: {why} is no longer supported; dropped")
    if element.getparent() is not None:
        remove(element)


_RESOURCE_REFERENCES = ("rsc", "with-rsc", "first", "then")


def _drop_references(configuration: etree._Element, gone: set[str]) -> None:
    for element in list(configuration.iter("resource_ref", "obj_ref", "role")):
        if element.tag != "role" and element.get("id") in gone:
            remove(element)
    for tag in ("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"):
        for constraint in list(configuration.iter(tag)):
            if any(constraint.get(name) in gone for name in _RESOURCE_REFERENCES):
                remove(constraint)
    for parent in list(configuration.iter("resource_set", "tag")):
        if len(children(parent)) == 0:
            holder = parent.getparent()
            remove(parent)
            if parent.tag == "resource_set" and holder is not None:
                if holder.find("resource_set") is None and holder.get("rsc") is None:
                    remove(holder)


def _convert_masters(configuration: etree._Element, ids: Ids, note: Note) -> None:
    for master in list(configuration.iter("master")):
        ident = master.get("id", "")
        for block in master.iterchildren("meta_attributes"):
            for nvpair in list(block.iterchildren("nvpair")):
                if nvpair.get("name") == "promotable":
                    remove(nvpair)
        promoting = etree.Element(
            "meta_attributes",
            {
                "id": ids.unique(f"{ident}-promotable-meta_attributes"),
                "score": "INFINITY",
            },
        )
        etree.SubElement(
            promoting,
            "nvpair",
            {
                "id": ids.unique(f"{ident}-promotable"),
                "name": "promotable",
                "value": "true",
            },
        )
        master.insert(0, promoting)
        master.tag = "clone"
        note(f"master {ident}: now a clone with promotable=true")


def _convert_bundles(configuration: etree._Element) -> None:
    for container in configuration.iter("docker", "podman"):
        masters = take(container, "masters")
        if masters is not None and container.get("promoted-max") is None:
            container.set("promoted-max", masters)


# Name/value sets


def _normalise_sets(configuration: etree._Element, ids: Ids, note: Note) -> None:
    referenced = {e.get("id-ref") for e in configuration.iter("nvpair") if e.get("id-ref")}
    by_id: dict[str, etree._Element] = {}
    for nvpair in configuration.iter("nvpair"):
        by_id.setdefault(nvpair.get("id", ""), nvpair)
    parents: list[etree._Element] = []
    for block in configuration.iter(*_SET_TAGS):
        parent = block.getparent()
        if parent is not None and (not parents or parents[-1] is not parent):
            parents.append(parent)
        _inline_named_references(ids, block, by_id)
        _drop_dead_pairs(block, referenced, note)
    for parent in parents:
        for tag in sorted(_SET_TAGS):
            _order_by_score(parent, tag)


def _inline_named_references(
    ids: Ids, block: etree._Element, by_id: dict[str, etree._Element]
) -> None:
    for nvpair in block.iterchildren("nvpair"):
        name, wanted = nvpair.get("name"), nvpair.get("id-ref")
        target = by_id.get(wanted) if wanted is not None and name is not None else None
        if target is None or name is None:
            continue
        value = target.get("value")
        ident = ids.unique(f"{block.get('id', 'nvset')}-{name}")
        nvpair.attrib.clear()
        nvpair.set("id", ident)
        nvpair.set("name", name)
        if value is not None:
            nvpair.set("value", value)


def _drop_dead_pairs(block: etree._Element, referenced: set[str | None], note: Note) -> None:
    """Drop pairs without value, and pairs that an earlier one of the same name hides."""
    resetting = {p.get("name") for p in block.iterchildren("nvpair") if is_reset(p.get("value"))}
    seen: set[str] = set()
    for nvpair in list(block.iterchildren("nvpair")):
        if nvpair.get("id-ref") is not None:
            continue
        name = nvpair.get("name", "")
        dead = nvpair.get("value") is None or (name in seen and name not in resetting)
        seen.add(name)
        if dead and nvpair.get("id") not in referenced:
            note(f"nvpair {nvpair.get('id')}: {name} has no effect; dropped")
            remove(nvpair)


def is_reset(value: str | None) -> bool:
    """Whether a value means "as if nobody had set it"."""
    return value is not None and value.lower() == "#default"


def _order_by_score(parent: etree._Element, tag: str) -> None:
    """Put the sets of one kind into the order of their scores, ties as they were."""
    blocks = list(parent.iterchildren(tag))
    ordered = sorted(blocks, key=lambda b: -scores.parse(b.get("score")))
    if all(a is b for a, b in zip(blocks, ordered, strict=True)):
        return
    places = [parent.index(b) for b in blocks]
    for block in blocks:
        parent.remove(block)
    for place, block in zip(places, ordered, strict=True):
        parent.insert(place, block)


_RENAMED_OPTIONS = {
    "crmd-integration-timeout": "join-integration-timeout",
    "crmd-finalization-timeout": "join-finalization-timeout",
    "crmd-transition-delay": "transition-delay",
}


def _rename_options(configuration: etree._Element, note: Note) -> None:
    for block in configuration.iter("cluster_property_set"):
        present = {p.get("name") for p in block.iterchildren("nvpair")}
        for nvpair in list(block.iterchildren("nvpair")):
            name = nvpair.get("name", "")
            if name == "remove-after-stop":
                note("cluster option remove-after-stop: no longer supported; dropped")
                remove(nvpair)
            elif name in _RENAMED_OPTIONS:
                if _RENAMED_OPTIONS[name] in present:
                    remove(nvpair)
                else:
                    nvpair.set("name", _RENAMED_OPTIONS[name])
            elif name in ("stonith-action", "fencing-action") and nvpair.get("value") == "poweroff":
                nvpair.set("value", "off")


def _drop_attributes(configuration: etree._Element, note: Note) -> None:
    for spec in configuration.iter("date_spec"):
        take(spec, "moon")
    for level in list(configuration.iter("fencing-level")):
        index = scores.leading_integer(level.get("index", ""))
        if index is not None and index > 9:
            note(f"fencing-level {level.get('id')}: index {index} is above 9; dropped")
            remove(level)
    for operation in configuration.iter("op"):
        for name in ("can_fail", "role_after_failure"):
            take(operation, name)
        _drop_pairs(operation, ("can_fail", "role_after_failure"))
    for resource in configuration.iter("primitive", "group", "clone", "template", "bundle"):
        take(resource, "restart-type")
        _drop_pairs(resource, ("restart-type",))


def _drop_pairs(owner: etree._Element, names: tuple[str, ...]) -> None:
    for block in owner.iterchildren("meta_attributes", "instance_attributes"):
        if owner.tag != "op" and block.tag == "instance_attributes":
            continue
        for nvpair in list(block.iterchildren("nvpair")):
            if nvpair.get("name") in names:
                remove(nvpair)


# Constraints


def _convert_lifetimes(configuration: etree._Element, ids: Ids, note: Note) -> None:
    for lifetime in list(configuration.iter("lifetime")):
        constraint = lifetime.getparent()
        assert constraint is not None
        if constraint.tag == "rsc_location":
            _fold_lifetime(ids, constraint, lifetime)
        else:
            note(f"{constraint.tag} {constraint.get('id')}: lifetime is not supported; dropped")
        remove(lifetime)


_RULE_RESULTS = ("score", "score-attribute", "role")


def _fold_lifetime(ids: Ids, location: etree._Element, lifetime: etree._Element) -> None:
    """Make a location's rules (or its node and score) hold only while a lifetime rule does."""
    limits = list(lifetime.iterchildren("rule"))
    ident = location.get("id", "")
    rules = list(location.iterchildren("rule"))
    if not rules:
        rules = [_rule_of_node(ids, location)]
        location.append(rules[0])
    for number, rule in enumerate(rules):
        wrapper = etree.Element("rule", {"boolean-op": "and"})
        wrapper.set("id", ids.unique(f"{ident}-lifetime-rule-{number}"))
        for name in _RULE_RESULTS:
            value = take(rule, name)
            if value is not None:
                wrapper.set(name, value)
        location.replace(rule, wrapper)
        wrapper.append(rule)
        either = etree.SubElement(wrapper, "rule", {"boolean-op": "or"})
        either.set("id", ids.unique(f"{ident}-lifetime-any-{number}"))
        for limit in limits:
            limited = copy.deepcopy(limit)
            for name in _RULE_RESULTS:
                take(limited, name)
            either.append(limited)


def _rule_of_node(ids: Ids, location: etree._Element) -> etree._Element:
    ident = location.get("id", "")
    rule = etree.Element("rule", {"id": ids.unique(f"{ident}-rule")})
    rule.set("score", take(location, "score") or "0")
    etree.SubElement(
        rule,
        "expression",
        {
            "id": ids.unique(f"{ident}-rule-expr"),
            "attribute": "#uname",
            "operation": "eq",
            "value": take(location, "node") or "",
        },
    )
    return rule


def _split_locations(configuration: etree._Element, ids: Ids) -> None:
    """One constraint per top-level rule, in the same place, with the same attributes."""
    for location in list(configuration.iter("rsc_location")):
        rules = list(location.iterchildren("rule"))
        parent = location.getparent()
        if len(rules) < 2 or parent is None:
            continue
        place = parent.index(location)
        for number, rule in enumerate(rules[1:], start=1):
            part = etree.Element("rsc_location")
            part.attrib.update(location.attrib)
            part.set("id", ids.unique(f"{location.get('id')}-{number}"))
            for other in location:
                if other.tag != "rule":
                    part.append(copy.deepcopy(other))
            part.append(rule)
            parent.insert(place + number, part)


def _convert_ping_nodes(configuration: etree._Element, ids: Ids, note: Note) -> None:
    for node in configuration.iter("node"):
        if node.get("type") != "ping":
            continue
        node.set("type", "member")
        constraints = configuration.find("constraints")
        if constraints is None:
            constraints = etree.SubElement(configuration, "constraints")
        uname = node.get("uname", node.get("id", ""))
        etree.SubElement(
            constraints,
            "rsc_location",
            {
                "id": ids.unique(f"{node.get('id', uname)}-ping-node"),
                "rsc-pattern": ".*",
                "node": uname,
                "score": "-INFINITY",
                "resource-discovery": "never",
            },
        )
        note(f"node {uname}: ping nodes are members on which nothing may run now")
