"""Is a CIB valid?  Grammar (RELAX NG, in `cib/schema/`), unique ids, references that exist.

It changes nothing, and it does not judge what the scheduler can make of the configuration.
One grammar takes the series 3 and 4; older series are upgraded first (`cib.upgrade`).
Facts: the accepted and refused forms were compared with the installed `crm_verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from lxml import etree

from cib import document, schema_model
from cib.xmltree import attributes, line_of

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and what to do.  Not `fatal`: a warning."""

    line: int
    tag: str
    id: str | None
    text: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        named = f"<{self.tag}>" if self.id is None else f"<{self.tag}> '{self.id}'"
        return f"line {self.line}: {named}: {self.text}; {self.remedy}"


def _problem(element: etree._Element, text: str, remedy: str, *, fatal: bool = True) -> Problem:
    tag, ident = str(element.tag), element.get("id")
    return Problem(line_of(element), tag, ident, text, remedy, fatal)


@cache
def _relaxng() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(schema_model.FOLDER / "cib.rng"))


def validate(root: etree._Element) -> list[Problem]:
    """What is wrong with a CIB, at most MAX_PROBLEMS, in document order per kind of check.

    An empty list, or one without a fatal problem, means: acceptable.
    """
    problems = _grammar_problems(root)
    configuration = root.find("configuration")
    if configuration is not None:
        ids = _ids(configuration)
        problems += _duplicate_ids(configuration)
        problems += _dangling_references(configuration, ids)
    return problems[:MAX_PROBLEMS]


def validator_log(root: etree._Element) -> list[etree._LogEntry]:
    """What the RELAX NG validator itself says of a CIB; empty where the grammar takes it."""
    relaxng = _relaxng()
    return [] if _accepts(relaxng, root) else list(relaxng.error_log)


def is_valid(root: etree._Element) -> bool:
    """Whether a CIB has no fatal problem."""
    return not any(problem.fatal for problem in validate(root))


# Grammar


def _accepts(relaxng: etree.RelaxNG, root: etree._Element) -> bool:
    """Whether the grammar takes a CIB; `status`, which may hold anything, is not walked.

    The validator's time grows with the square of the children of one element: 100,000 node states
    took it half a minute.  The document is whole again when this returns.
    """
    found = root.findall("status") if root.tag == "cib" else []
    if len(found) != 1:
        return bool(relaxng.validate(root))
    status, at = found[0], root.index(found[0])
    root.remove(status)
    try:
        return bool(relaxng.validate(root))
    finally:
        root.insert(at, status)


def _grammar_problems(root: etree._Element) -> list[Problem]:
    relaxng = _relaxng()
    if _accepts(relaxng, root):
        return []
    explained = list(_explain(root, schema_model.grammar()))
    if not explained:
        configuration = root.find("configuration")
        explained = list(_explain_combinations(root if configuration is None else configuration))
    return explained or [_from_validator(root, relaxng)]


def _explain(root: etree._Element, grammar: schema_model.Grammar) -> Iterator[Problem]:
    if root.tag != "cib":
        yield _problem(root, "the root must be <cib>", "give a whole CIB")
        return
    pending = [root]
    while pending:
        element = pending.pop()
        model = grammar.elements[str(element.tag)]
        if model.anything:
            continue
        yield from _explain_attributes(element, model, grammar)
        known = []
        for child in element.iterchildren(etree.Element):
            if child.tag in model.children or _may_contain(grammar, model, str(child.tag)):
                known.append(child)
            else:
                yield _problem(child, f"has no place in <{element.tag}>", _remedy_for(model))
        pending.extend(reversed(known))
        if element.get("id-ref") is None:
            yield from _explain_contents(element)


def _may_contain(grammar: schema_model.Grammar, model: schema_model.ElementModel, tag: str) -> bool:
    return tag in grammar.elements and tag in model.children


def _remedy_for(model: schema_model.ElementModel) -> str:
    if not model.children:
        return "remove it"
    return f"only {', '.join(sorted(model.children))} may stand there"


def _explain_attributes(
    element: etree._Element, model: schema_model.ElementModel, grammar: schema_model.Grammar
) -> Iterator[Problem]:
    for name, value in attributes(element):
        patterns = model.values.get(name)
        if patterns is None:
            allowed = ", ".join(sorted(model.values)) or "none"
            yield _problem(element, f"unknown attribute {name}=\"{value}\"",
                           f"remove it (allowed: {allowed})")  # fmt: skip
        elif not any(grammar.accepts(p, value) for p in patterns):
            wanted = ", ".join(dict.fromkeys(grammar.describe(p) for p in patterns))
            yield _problem(element, f'{name}="{value}" is not valid', f"use {wanted}")
    if element.get("id-ref") is None:
        for name in sorted(model.required - set(element.attrib)):
            yield _problem(element, f"has no attribute {name}", f'add {name}="..."')


_NEEDS_MEMBERS = {
    "group": ("primitive",),
    "clone": ("primitive", "group"),
    "master": ("primitive", "group"),
    "resource_set": ("resource_ref",),
    "tag": ("obj_ref",),
    "rule": ("expression", "date_expression", "rsc_expression", "op_expression", "rule"),
    "bundle": ("docker", "podman", "rkt"),
    "configuration": ("crm_config", "nodes", "resources", "constraints"),
}
_AT_MOST_ONE = {
    "primitive": ("operations",),
    "template": ("operations",),
    "clone": ("primitive", "group"),
    "master": ("primitive", "group"),
    "bundle": ("network", "storage", "primitive"),
    "meta_attributes": ("rule",),
    "instance_attributes": ("rule",),
    "utilization": ("rule",),
    "cluster_property_set": ("rule",),
}


def _explain_contents(element: etree._Element) -> Iterator[Problem]:
    tag = str(element.tag)
    tags = [str(c.tag) for c in element.iterchildren(etree.Element)]
    wanted = _NEEDS_MEMBERS.get(tag, ())
    if tag == "configuration":
        missing = [w for w in wanted if w not in tags]
        if missing:
            yield _problem(element, f"has no <{missing[0]}>", f"add <{missing[0]}/>")
    elif wanted and not any(t in wanted for t in tags):
        yield _problem(element, "is empty", f"add {' or '.join(f'<{w}>' for w in wanted)}")
    single = _AT_MOST_ONE.get(tag, ())
    for name in single:
        if tags.count(name) > 1:
            yield _problem(element, f"has more than one <{name}>", "keep one")
    for name in document.CONFIGURATION_SECTIONS if tag == "configuration" else ():
        if tags.count(name) > 1:
            yield _problem(element, f"has more than one <{name}>", "merge them into one")


def _has(element: etree._Element, *names: str) -> bool:
    return all(element.get(name) is not None for name in names)


def _one_of(element: etree._Element, *names: str) -> bool:
    return sum(element.get(name) is not None for name in names) == 1


def _with_sets(element: etree._Element, *names: str) -> bool:
    return (element.find("resource_set") is not None) != _has(element, *names)


def _agent_fits(element: etree._Element) -> bool:
    if element.get("template") is not None:
        return not any(_has(element, name) for name in ("class", "provider", "type"))
    return _has(element, "class", "type") and (element.get("class") == "ocf") == _has(
        element, "provider"
    )


def _location_fits(element: etree._Element) -> bool:
    whom = _one_of(element, "rsc", "rsc-pattern") != (element.find("resource_set") is not None)
    ruled = element.find("rule") is not None
    return (
        whom and (ruled != _has(element, "node", "score")) and not (ruled and _has(element, "node"))
    )


def _date_fits(element: etree._Element) -> bool:
    match element.get("operation", "in_range"):
        case "gt":
            return _has(element, "start") and not _has(element, "end")
        case "lt":
            return _has(element, "end") and not _has(element, "start")
        case "date_spec":
            return element.find("date_spec") is not None
        case _:
            return _has(element, "start") or _has(element, "end")


_COMBINATIONS: dict[str, tuple[Callable[[etree._Element], bool], str]] = {
    "primitive": (
        _agent_fits,
        "give class and type (and provider if the class is ocf, only then), or a template",
    ),
    "template": (
        lambda e: _agent_fits(e) and not _has(e, "template"),
        "give class and type (and provider if the class is ocf, only then)",
    ),
    "op": (lambda e: _has(e, "id", "name", "interval"), "give id, name and interval"),
    "nvpair": (lambda e: _has(e, "id", "name"), "give id and name, or id-ref"),
    "rule": (
        lambda e: _has(e, "id") and not _has(e, "score", "score-attribute"),
        "give an id, and score or score-attribute but not both",
    ),
    "date_expression": (
        _date_fits,
        "lt needs end, gt needs start, in_range start or end, date_spec a <date_spec>",
    ),
    "rsc_location": (
        _location_fits,
        "give rsc, rsc-pattern or resource sets, and either node with score or rules",
    ),
    "rsc_colocation": (
        lambda e: _with_sets(e, "rsc", "with-rsc"),
        "give rsc and with-rsc, or resource sets",
    ),
    "rsc_order": (
        lambda e: _with_sets(e, "first", "then") and not _has(e, "kind", "score"),
        "give first and then, or resource sets; kind or score but not both",
    ),
    "rsc_ticket": (lambda e: _with_sets(e, "rsc"), "give rsc or resource sets"),
    "acl_permission": (
        lambda e: _one_of(e, "xpath", "reference", "object-type"),
        "give one of xpath, reference, object-type",
    ),
    "fencing-level": (
        lambda e: _one_of(e, "target", "target-pattern", "target-attribute"),
        "give one of target, target-pattern, target-attribute with target-value",
    ),
    "port-mapping": (lambda e: _one_of(e, "port", "range"), "give port or range"),
    "storage-mapping": (
        lambda e: _one_of(e, "source-dir", "source-dir-root"),
        "give source-dir or source-dir-root",
    ),
    **{
        tag: (lambda e: _has(e, "id"), "give it an id, or id-ref")
        for tag in (
            "meta_attributes",
            "instance_attributes",
            "utilization",
            "cluster_property_set",
            "resource_set",
        )
    },
}


def _explain_combinations(root: etree._Element) -> Iterator[Problem]:
    for element in root.iter(*_COMBINATIONS):
        fits, remedy = _COMBINATIONS[str(element.tag)]
        if element.get("id-ref") is None and not fits(element):
            yield _problem(element, "its attributes do not go together", remedy)


def _from_validator(root: etree._Element, relaxng: etree.RelaxNG) -> Problem:
    """The validator's own words, where ours know nothing better."""
    said = [f"line {e.line}: {e.message}" for e in relaxng.error_log]
    text = said[0] if said else "does not conform to the schema"
    return _problem(root, text, "compare that place with the documentation")


# Ids and references

_REFERRING = frozenset({"resource_ref", "obj_ref", "role"})
_OWN_ID_SPACE = frozenset({"node", "acl_target", "acl_group"})
_REFERENCES = {
    "rsc_location": ("rsc",),
    "rsc_colocation": ("rsc", "with-rsc"),
    "rsc_order": ("first", "then"),
    "rsc_ticket": ("rsc",),
    "resource_ref": ("id",),
    "role": ("id",),
    "primitive": ("template",),
    "acl_permission": ("reference",),
}


def _ids(configuration: etree._Element) -> set[str]:
    return {
        ident
        for e in configuration.iter(etree.Element)
        if (ident := e.get("id")) is not None and e.tag not in _REFERRING
    }


def _duplicate_ids(configuration: etree._Element) -> Iterator[Problem]:
    seen: dict[tuple[str, str], etree._Element] = {}
    for element in configuration.iter(etree.Element):
        ident = element.get("id")
        if ident is None or element.tag in _REFERRING:
            continue
        space = str(element.tag) if element.tag in _OWN_ID_SPACE else ""
        first = seen.setdefault((space, ident), element)
        if first is not element:
            yield _problem(
                element,
                f"the id is also that of <{first.tag}> in line {line_of(first)}",
                "give one of them another id",
            )


def _dangling_references(configuration: etree._Element, ids: set[str]) -> Iterator[Problem]:
    for element in configuration.iter(etree.Element):
        names = _REFERENCES.get(str(element.tag), ())
        for name in names:
            wanted = element.get(name)
            if wanted is not None and wanted not in ids:
                yield _problem(
                    element,
                    f'{name}="{wanted}" does not exist',
                    f"create '{wanted}' or remove this",
                )
        wanted = element.get("id-ref")
        if wanted is not None and wanted not in ids:
            yield _problem(
                element, f'id-ref="{wanted}" does not exist', f"create '{wanted}' or remove this"
            )
        if element.tag == "obj_ref" and element.get("id") not in ids:
            yield _problem(element, "refers to nothing", "remove it or create it", fatal=False)
