"""Operations on the CIB: a request and a document in, a new document and its patch out.

`perform` never changes the tree it is given: it works on a copy, checks the copy against the
schema and hands it out whole, or not at all.  It knows no disk (`cib.store`) and no clock; XPath
from outside is evaluated by the function that is passed in.  Where access control
is on, users whom it binds see what `cib.acl` lets them see and change what it lets them change.

Facts: cli.md section 6 (cibadmin), reliability.md section 8; what is found, created, merged and
counted was observed on the installed cibadmin (2.1.5) with CIB_file.  Version rule: a change of
the configuration raises `epoch` and sets `num_updates` to 0, any other change raises
`num_updates`; a whole document may only be replaced by one that is not older.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum

from lxml import etree

from cib import acl, digest, document, editing, patch, schema, upgrade
from cib.document import Version
from cib.editing import Refusal
from cib.results import Rc
from cib.schema import Problem
from cib.xmltree import attributes, take


class Call(Enum):
    """What is asked for; the value is the word on the wire."""

    QUERY = "query"
    CREATE = "create"
    MODIFY = "modify"
    REPLACE = "replace"
    DELETE = "delete"
    DELETE_ALL = "delete_all"
    PATCH = "patch"
    ERASE = "erase"
    BUMP = "bump"
    UPGRADE = "upgrade"


@dataclass(frozen=True, slots=True)
class Request:
    """One operation.

    `section` is a name of `cib.document.SECTIONS` (None: the whole CIB); `xpath` replaces it.
    `xml` is the element to create, merge, put in place or match.  `allow_create` lets modify
    create what is missing; `score` lets values like `x++` and `x+=2` count; `no_children` and
    `paths_only` shape the answer of a query; `force` lets upgrade run again.
    `user`, `client` and `origin` (a node) say who asks and are written into the document.
    """

    call: Call
    section: str | None = None
    xpath: str | None = None
    xml: str | None = None
    allow_create: bool = False
    score: bool = False
    no_children: bool = False
    paths_only: bool = False
    force: bool = False
    user: str = ""
    client: str = ""
    origin: str = ""

    def to_dict(self) -> dict[str, object]:
        """The request as a JSON object, defaults left out."""
        words: dict[str, object] = {"call": self.call.value}
        for name, value in asdict(self).items():
            if name != "call" and value not in (None, False, ""):
                words[name] = value
        return words


def request_from_dict(words: Mapping[str, object]) -> Request:
    """The request of a JSON object; raises ValueError naming the field that makes no sense."""
    kinds = {f.name: bool if f.type == "bool" else str for f in fields(Request)}
    values: dict[str, object] = {}
    for name, value in words.items():
        if name not in kinds:
            raise ValueError(f"request: unknown field '{name}'")
        if value is None:
            continue
        if not isinstance(value, kinds[name]):
            raise ValueError(f"request: field '{name}' has the wrong type")
        values[name] = value
    try:
        call = Call(values.pop("call", ""))
    except ValueError:
        raise ValueError(f"request: unknown call '{words.get('call')}'") from None
    return Request(call=call, **values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request.

    `cib` is the document afterwards: the same object as before unless `changed`; then it must be
    made durable if `configuration_changed` (or its version's first two numbers).  `answer` is the
    XML text for the caller (or lines of paths); `patch` leads from the old to the new document.
    `error` is one line for a person; `problems` are what the schema found, accepted or not.
    """

    rc: Rc
    cib: etree._Element
    answer: str | None = None
    changed: bool = False
    configuration_changed: bool = False
    patch: etree._Element | None = None
    error: str | None = None
    problems: tuple[Problem, ...] = ()
    trace: tuple[str, ...] = ()
    """How access control judged the change, in the reference's words; never for the wire."""

    def to_dict(self) -> dict[str, object]:
        """What a client is told, as a JSON object: `rc`, `xml`, `error`, `problems`."""
        return {
            "rc": int(self.rc),
            "xml": self.answer,
            "error": self.error,
            "problems": [str(problem) for problem in self.problems],
        }


XPathEvaluator = Callable[[etree._Element, str], list[etree._Element]]
"""Evaluates an expression from outside; raises ValueError if it is malformed or too costly."""


def evaluate_xpath(root: etree._Element, expression: str) -> list[etree._Element]:
    """Evaluate an expression right here, whatever it costs: for tools, never for a daemon."""
    try:
        found = root.getroottree().xpath(expression)
    except etree.XPathError as problem:
        raise ValueError(f"xpath '{expression}': {problem}") from problem
    if not isinstance(found, list):
        return []
    return [e for e in found if isinstance(e, etree._Element) and isinstance(e.tag, str)]


def perform(
    cib: etree._Element,
    request: Request,
    *,
    evaluate: XPathEvaluator = evaluate_xpath,
    now: float | None = None,
) -> Outcome:
    """Carry out a request on a document.

    `now` (seconds since the epoch) is written into `cib-last-written` with a change of the
    configuration; None leaves it, as tools do that work on a file.
    """
    trace: tuple[str, ...] = ()
    is_bound = acl.binds(cib, request.user)
    try:
        if request.call is Call.QUERY:
            seen = _seen(cib, request.user, evaluate) if is_bound else cib
            return Outcome(Rc.OK, cib, answer=_query(seen, request, evaluate))
        tree = _changed_copy(cib, request, evaluate)
        if tree is cib:
            return Outcome(Rc.OK, cib)
        if is_bound:
            judgement = acl.judge(cib, tree, request.user, evaluate)
            trace = tuple(judgement.trace)
            if judgement.denied:
                text = f"user '{request.user}' may not change {judgement.denied[0]}"
                raise Refusal(Rc.INSUFFICIENT_PRIV, text)
    except Refusal as refusal:
        return Outcome(refusal.rc, cib, answer=refusal.answer, error=str(refusal), trace=trace)
    return replace(_accept(cib, tree, request, now), trace=trace)


def _seen(cib: etree._Element, user: str, evaluate: XPathEvaluator) -> etree._Element:
    """What a bound user may see; raises Refusal where that is nothing."""
    seen = acl.visible(cib, acl.access(cib, user, evaluate))
    if seen is None:
        raise Refusal(Rc.INSUFFICIENT_PRIV, f"user '{user}' may see nothing of the CIB")
    return seen


# Queries


def _query(cib: etree._Element, request: Request, evaluate: XPathEvaluator) -> str:
    found = _found(cib, request, evaluate)
    if not found:
        raise Refusal(Rc.NOSUCH, f"{_where(request)}: no such object")
    if request.paths_only:
        return "".join(path_of(element) + "\n" for element in found)
    if request.no_children:
        found = [_alone(element) for element in found]
    if len(found) == 1:
        return document.to_text(found[0])
    wrapper = etree.Element("xpath-query")
    wrapper.extend(copy.deepcopy(element) for element in found)
    document.strip_blanks(wrapper)
    return document.to_text(wrapper)


def _alone(element: etree._Element) -> etree._Element:
    alone = etree.Element(element.tag)
    for name, value in attributes(element):
        alone.set(name, value)
    return alone


def path_of(element: etree._Element) -> str:
    """`/cib/configuration/resources/primitive[@id='vip']`: the path of an element."""
    path = ""
    for ancestor in [*reversed(list(element.iterancestors())), element]:
        path = patch.step(path, ancestor)
    return path


def _found(cib: etree._Element, request: Request, evaluate: XPathEvaluator) -> list[etree._Element]:
    if request.xpath is not None:
        try:
            return evaluate(cib, request.xpath)
        except ValueError as problem:
            raise Refusal(Rc.NOSUCH, str(problem)) from problem
    if request.section is None:
        return [cib]
    if request.section not in document.SECTIONS:
        known = ", ".join(sorted(document.SECTIONS))
        raise Refusal(Rc.USAGE, f"scope '{request.section}' is none of: {known}")
    found = document.section(cib, request.section)
    return [] if found is None else [found]


def _where(request: Request) -> str:
    if request.xpath is not None:
        return f"xpath '{request.xpath}'"
    return f"section '{request.section or 'cib'}'"


# Changes


def _changed_copy(
    cib: etree._Element, request: Request, evaluate: XPathEvaluator
) -> etree._Element:
    if request.call is Call.PATCH:
        return _patched(cib, request)
    if request.call is Call.UPGRADE:
        return _upgraded(cib)
    if request.call is Call.ERASE:
        return _erased(cib)
    tree = copy.deepcopy(cib)
    if request.call is Call.BUMP:
        _raise_epoch(tree)
        return tree
    found = _found(tree, request, evaluate)
    match request.call:
        case Call.CREATE:
            editing.create(_first_or_new(tree, request, found), _given(request))
        case Call.MODIFY:
            options = editing.Merge(request.allow_create, request.score)
            given = _given(request)
            whole = given.tag == request.section
            target = _first_or_new(tree, request, found) if whole else _first(found, request)
            editing.modify(target, given, options)
        case Call.REPLACE:
            return _replaced(tree, request, _first(found, request))
        case Call.DELETE if request.xpath is not None:
            editing.delete_elements(found[:1])
        case Call.DELETE_ALL if request.xpath is not None:
            editing.delete_elements(found)
        case _:
            if found:
                editing.delete_matching(found[0], _given(request))
    return tree


def _given(request: Request) -> etree._Element:
    if request.xml is None:
        raise Refusal(Rc.USAGE, f"{request.call.value}: no XML given; use -X, -x or -p")
    try:
        return document.parse(request.xml)
    except document.DocumentError as problem:
        raise Refusal(Rc.DATAERR, str(problem)) from problem


def _first(found: list[etree._Element], request: Request) -> etree._Element:
    if not found:
        raise Refusal(Rc.NOSUCH, f"{_where(request)}: no such object")
    return found[0]


def _first_or_new(
    tree: etree._Element, request: Request, found: list[etree._Element]
) -> etree._Element:
    """The section asked for; a section of the configuration that is missing is made."""
    configuration = tree.find("configuration")
    missing = request.section in document.CONFIGURATION_SECTIONS and request.xpath is None
    if not found and missing and configuration is not None:
        return etree.SubElement(configuration, str(request.section))
    return _first(found, request)


def _replaced(tree: etree._Element, request: Request, target: etree._Element) -> etree._Element:
    given = _given(request)
    by_section = request.section is not None and request.xpath is None
    if given.tag == "cib" and target is not tree and by_section:
        assert request.section is not None
        inside = document.section(given, request.section)
        given = given if inside is None else inside
    if given.tag != "cib":
        editing.replace(target, given, exact=request.xpath is not None)
        return tree
    if target is not tree:
        raise Refusal(Rc.NOSUCH, f"{_where(request)}: a whole <cib> does not go there")
    ours, theirs = document.version_of(tree), document.version_of(given)
    if theirs < ours:
        raise Refusal(
            Rc.OLD,
            f"replace: version {theirs} is older than the present {ours}; "
            "take it anew (cibadmin -Q), or raise its epoch",
        )
    return given


def _patched(cib: etree._Element, request: Request) -> etree._Element:
    try:
        return patch.apply(_given(request), cib)
    except patch.PatchError as problem:
        rc = {patch.Misfit.VERSION: Rc.OLD, patch.Misfit.DIGEST: Rc.DIGEST}
        raise Refusal(rc.get(problem.why, Rc.DATAERR), str(problem)) from problem


def _upgraded(cib: etree._Element) -> etree._Element:
    if not _is_known_and_old(cib):
        return cib
    try:
        return upgrade.upgrade(cib).root
    except upgrade.UpgradeError as problem:
        raise Refusal(Rc.CONFIG, str(problem)) from problem


def _is_known_and_old(cib: etree._Element) -> bool:
    try:
        return upgrade.needs_upgrade(cib)
    except upgrade.UpgradeError as problem:
        raise Refusal(Rc.CONFIG, str(problem)) from problem


def _erased(cib: etree._Element) -> etree._Element:
    was = document.version_of(cib)
    tree = document.empty(
        cib.get("validate-with", document.DEFAULT_SCHEMA),
        Version(was.admin_epoch + 1, was.epoch, was.num_updates),
    )
    version = document.version_of(tree)
    tree.attrib.clear()
    tree.attrib.update(cib.attrib)
    document.set_version(tree, version)
    for name in digest.VOLATILE:
        take(tree, name)
    return tree


def _raise_epoch(tree: etree._Element) -> None:
    was = document.version_of(tree)
    document.set_version(tree, Version(was.admin_epoch, was.epoch + 1, 0))


# Acceptance


_DURABLE = ("admin_epoch", "epoch", "validate-with", "crm_feature_set")


def _accept(
    cib: etree._Element, tree: etree._Element, request: Request, now: float | None
) -> Outcome:
    reconfigured = request.call in (Call.BUMP, Call.UPGRADE) or _differ(
        cib.find("configuration"), tree.find("configuration")
    )
    reshaped = _outline(cib) != _outline(tree)
    if not (reconfigured or reshaped) and not _differ(cib.find("status"), tree.find("status")):
        return Outcome(Rc.OK, cib)
    problems: tuple[Problem, ...] = ()
    if reconfigured or reshaped:
        problems = tuple(schema.validate(tree))
        errors = [p for p in problems if p.fatal]
        if errors and tree.get("validate-with") != "none":
            return Outcome(Rc.CONFIG, cib, error=str(errors[0]), problems=problems)
    _count(tree, request, reconfigured)
    if reconfigured and now is not None:
        _sign(tree, request, now)
    return Outcome(
        Rc.OK,
        tree,
        changed=True,
        configuration_changed=reconfigured or any(cib.get(n) != tree.get(n) for n in _DURABLE),
        patch=patch.make(cib, tree),
        problems=problems,
    )


def _differ(a: etree._Element | None, b: etree._Element | None) -> bool:
    if a is None or b is None:
        return a is not b
    return document.compact(a) != document.compact(b)


def _outline(root: etree._Element) -> tuple[object, ...]:
    """The root's attributes and what stands directly below it."""
    below = [(child.tag, child.text if isinstance(child, etree._Comment) else "") for child in root]
    return (attributes(root), below)


def _count(tree: etree._Element, request: Request, reconfigured: bool) -> None:
    """Raise the version, unless the request brought one of its own (patch, bump)."""
    if request.call in (Call.PATCH, Call.BUMP):
        return
    now = document.version_of(tree)
    if reconfigured:
        document.set_version(tree, Version(now.admin_epoch, now.epoch + 1, 0))
    else:
        document.set_version(tree, Version(now.admin_epoch, now.epoch, now.num_updates + 1))


def _sign(tree: etree._Element, request: Request, now: float) -> None:
    tree.set("cib-last-written", time.asctime(time.gmtime(now)))
    for name, value in (
        ("update-origin", request.origin),
        ("update-client", request.client),
        ("update-user", request.user),
    ):
        if value:
            tree.set(name, value)
