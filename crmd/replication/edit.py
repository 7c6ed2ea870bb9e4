"""A client's operation on the CIB, as the DC carries it out: document in, new document out.

The work is `cib.operations.perform`; here is only what a live cluster adds: the status section
belongs to the cluster and survives the replacement of a whole document, and outcomes become JSON.
Source: cli.md section 6.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cib import document
from cib.operations import Call, Outcome, Request, XPathEvaluator, perform, request_from_dict
from crmd.replication.version import Tree

EXIT_USAGE = 64


class EditError(ValueError):
    """The request cannot be carried out; `code` is the exit code for its client."""

    def __init__(self, code: int, text: str, outcome: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Edited:
    """`root` is the new document, None if nothing has changed."""

    root: Tree | None
    outcome: Mapping[str, Any]


def is_query(payload: Mapping[str, Any]) -> bool:
    """Whether a `cib` request only reads."""
    request = payload.get("request")
    return isinstance(request, Mapping) and request.get("call") == Call.QUERY.value


def query(root: Tree, words: Mapping[str, Any], evaluate: XPathEvaluator) -> Mapping[str, Any]:
    """The outcome of a request that only reads. Raises EditError."""
    try:
        request = request_from_dict(words)
    except ValueError as e:
        raise EditError(EXIT_USAGE, str(e)) from e
    outcome = perform(root, request, evaluate=evaluate)
    if outcome.rc:
        text = outcome.error or outcome.rc.name.lower()
        raise EditError(int(outcome.rc), text, outcome_words(outcome))
    return outcome_words(outcome)


def edit(
    root: Tree,
    words: Mapping[str, Any],
    wall: float,
    origin: str,
    user: str,
    evaluate: XPathEvaluator,
) -> Edited:
    """Carry out a request. Raises EditError; the document given is never changed."""
    try:
        request = request_from_dict(words)
    except ValueError as e:
        raise EditError(EXIT_USAGE, str(e)) from e
    request = replace(request, origin=origin, user=user)
    outcome = perform(root, _with_status(request, root), evaluate=evaluate, now=wall)
    if outcome.rc:
        text = outcome.error or outcome.rc.name.lower()
        raise EditError(int(outcome.rc), text, outcome_words(outcome))
    return Edited(outcome.cib if outcome.changed else None, outcome_words(outcome))


def _with_status(request: Request, root: Tree) -> Request:
    """A replacement of the whole document gets the live status section."""
    if request.call is not Call.REPLACE or request.section not in (None, "cib") or request.xpath:
        return request
    try:
        given = document.parse(request.xml or "")
    except document.DocumentError:
        return request  # `perform` says what is wrong with it
    if given.tag != "cib":
        return request
    for old in given.findall("status"):
        given.remove(old)
    status = root.find("status")
    if status is not None:
        given.append(copy.deepcopy(status))
    for name in ("have-quorum", "dc-uuid"):
        value = root.get(name)
        if value is not None:
            given.set(name, value)
    return replace(request, xml=document.compact(given).decode())


def outcome_words(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a JSON object."""
    return {
        "rc": int(outcome.rc),
        "xml": outcome.answer,
        "changed": outcome.changed,
        "error": outcome.error,
        "problems": [str(p) for p in outcome.problems],
    }
