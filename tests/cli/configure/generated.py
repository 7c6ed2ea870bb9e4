"""Random configurations, as hypothesis strategies: every kind of object the language knows.

Values are wild (blanks, quotes, backslashes, what looks like a keyword), ids are XML names.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from lxml import etree

NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,6}\Z")
VALUES = st.one_of(
    st.sampled_from(["", "params", "meta", "op", "rule", "a b", 'it"s', "x=y", "\\", "$id=1",
                     "and", "#uname", "@ref", "inf:", "100:", "(", "]", "tab\there", "{}"]),
    st.text(st.characters(blacklist_categories=("Cs", "Cc"), max_codepoint=0x17F), max_size=8),
)  # fmt: skip
WORDS = st.sampled_from(["name", "value", "role", "timeout", "ip", "target-role", "x.y", "rule"])
SCORES = st.sampled_from(["INFINITY", "-INFINITY", "0", "100", "-5", "+7", "1e3"])
ROLES = st.sampled_from(["Started", "Stopped", "Promoted", "Unpromoted", "Master"])


def element(tag: str, /, *children: Any, **attributes: str | None) -> etree._Element:
    """An element; `_` in attribute names is `-`, None leaves one out."""
    made = etree.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), value)
    made.extend(c for c in children if c is not None)
    return made


def maybe(strategy: Any) -> Any:
    return st.one_of(st.none(), strategy)


@st.composite
def expressions(draw: Any, owner: str) -> etree._Element:
    kind = draw(st.sampled_from(["value", "defined", "date", "range", "spec", "rsc", "op"]))
    name = draw(NAMES)
    if kind == "value":
        return element("expression", id=name, attribute=draw(st.one_of(NAMES, st.just("#uname"))),
                       operation=draw(st.sampled_from(["eq", "ne", "lt", "gte"])),
                       type=draw(maybe(st.sampled_from(["string", "number", "version"]))),
                       value=draw(VALUES))  # fmt: skip
    if kind == "defined":
        operation = draw(st.sampled_from(["defined", "not_defined"]))
        return element("expression", id=name, attribute=draw(NAMES), operation=operation)
    if kind == "date":
        operation = draw(st.sampled_from(["lt", "gt"]))
        moment = draw(st.sampled_from(["2020-01-01", "2020-01-01 10:00:00Z"]))
        attributes = {"end" if operation == "lt" else "start": moment}
        return element("date_expression", id=name, operation=operation, **attributes)
    if kind == "range":
        duration = element("duration", id=f"{name}-d", months=draw(st.sampled_from(["1", "6"])))
        return element("date_expression", duration if draw(st.booleans()) else None, id=name,
                       operation="in_range", start="2020-01-01", end=draw(maybe(st.just("2021"))))  # fmt: skip  # noqa: E501
    if kind == "spec":
        spec = element(
            "date_spec", id=f"{name}-s", hours="9-17", weekdays=draw(maybe(st.just("1-5")))
        )
        return element("date_expression", spec, id=name, operation="date_spec")
    if kind == "rsc":
        return element("rsc_expression", id=name, class_="ocf", type=draw(maybe(NAMES)))
    return element("op_expression", id=name, name=draw(NAMES), interval=draw(maybe(st.just("10s"))))


@st.composite
def rules(draw: Any, owner: str, with_role: bool = False) -> etree._Element:
    if draw(st.integers(0, 9)) == 0:
        return element("rule", id_ref=draw(NAMES))
    name = draw(st.one_of(st.just(f"{owner}-rule"), NAMES))
    inner = draw(st.lists(expressions(name), min_size=1, max_size=3))
    inner = [e for n, e in enumerate(inner) if e.tag != "rule"]
    score = draw(st.booleans())
    return element("rule", *inner, id=name, score=draw(SCORES) if score else None,
                   score_attribute=None if score else draw(NAMES),
                   role=draw(maybe(ROLES)) if with_role else None,
                   boolean_op=draw(maybe(st.sampled_from(["and", "or"]))) )  # fmt: skip


@st.composite
def sets(draw: Any, tag: str, owner: str, ruled: bool = True) -> etree._Element:
    if draw(st.integers(0, 14)) == 0:
        return element(tag, id_ref=draw(NAMES))
    name = draw(st.one_of(st.just(f"{owner}-{tag}"), NAMES))
    names = draw(st.lists(st.one_of(WORDS, NAMES), min_size=0, max_size=4, unique=True))
    pairs = [element("nvpair", id=f"{name}-{n}", name=n, value=draw(VALUES)) for n in names]
    rule = draw(maybe(rules(name))) if ruled else None
    return element(tag, rule, *pairs, id=name, score=draw(maybe(st.just("10"))))


@st.composite
def operations(draw: Any, rsc: str) -> etree._Element:
    made = []
    for number in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["monitor", "start", "stop", "notify"]))
        inner = [draw(sets("instance_attributes", f"{rsc}-{number}", ruled=False))]
        made.append(
            element("op", *(inner if draw(st.integers(0, 3)) == 0 else []), id=f"{rsc}-{number}",
                    name=name, interval=draw(st.sampled_from(["0", "0s", "10s", "1min"])),
                    timeout=draw(maybe(st.just("20s"))), role=draw(maybe(ROLES)),
                    on_fail=draw(maybe(st.just("restart"))))
        )  # fmt: skip
    named = draw(st.booleans())
    return element("operations", *made, id=f"{rsc}-ops" if named else None)


@st.composite
def primitives(draw: Any, name: str, tag: str = "primitive") -> etree._Element:
    agent = draw(st.sampled_from([
        ("ocf", "heartbeat", "Dummy"), ("ocf", "pacemaker", "Stateful"), ("lsb", None, "httpd"),
        ("systemd", None, "a@b"), ("stonith", None, "fence_x"), ("heartbeat", None, "drbddisk"),
    ]))  # fmt: skip
    inside = [
        *draw(st.lists(sets("instance_attributes", name), max_size=2)),
        *draw(st.lists(sets("meta_attributes", name), max_size=2)),
        *draw(st.lists(sets("utilization", name, ruled=False), max_size=1)),
        draw(maybe(operations(name))),
    ]
    template = draw(maybe(NAMES)) if tag == "primitive" else None
    if template is not None and draw(st.booleans()):
        return element(tag, *inside, id=name, template=template)
    return element(tag, *inside, id=name, class_=agent[0], provider=agent[1], type=agent[2],
                   description=draw(maybe(VALUES)))  # fmt: skip


@st.composite
def resource_sets(draw: Any, owner: str, qualifier: str, values: Any) -> list[etree._Element]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
        sequential = draw(maybe(st.sampled_from(["true", "false"])))
        made.append(
            element("resource_set", *(element("resource_ref", id=n) for n in names),
                    id=f"{owner}-{number}", sequential=sequential,
                    require_all=draw(maybe(st.just("false"))), **{qualifier: draw(maybe(values))})
        )  # fmt: skip
    return made


@st.composite
def constraints(draw: Any, name: str) -> etree._Element:
    kind = draw(st.sampled_from(["location", "rules", "colocation", "order", "ticket"]))
    some_sets = draw(st.booleans())
    if kind == "location":
        about = draw(st.sampled_from([{"rsc": "web"}, {"rsc-pattern": "a b.*"}, {}]))
        inner = [] if about else draw(resource_sets(name, "role", ROLES))
        made = element("rsc_location", *inner, id=name, score=draw(SCORES), node=draw(NAMES),
                       role=draw(maybe(ROLES)))  # fmt: skip
        made.attrib.update(about)
        return made
    if kind == "rules":
        inner = draw(st.lists(rules(name, with_role=True), min_size=1, max_size=2))
        return element("rsc_location", *inner, id=name, rsc=draw(NAMES))
    if kind == "colocation":
        if some_sets:
            inner = draw(resource_sets(name, "role", ROLES))
            return element("rsc_colocation", *inner, id=name, score=draw(SCORES))
        return element("rsc_colocation", id=name, score=draw(SCORES), rsc=draw(NAMES),
                       with_rsc=draw(NAMES), rsc_role=draw(maybe(ROLES)),
                       with_rsc_role=draw(maybe(ROLES)), node_attribute=draw(maybe(VALUES)))  # fmt: skip  # noqa: E501
    actions = st.sampled_from(["start", "stop", "promote", "demote"])
    if kind == "order":
        order = draw(maybe(st.sampled_from(["Mandatory", "Optional", "Serialize"])))
        symmetrical = draw(maybe(st.sampled_from(["true", "false"])))
        if some_sets:
            inner = draw(resource_sets(name, "action", actions))
            return element("rsc_order", *inner, id=name, kind=order, symmetrical=symmetrical)
        return element("rsc_order", id=name, kind=order, first=draw(NAMES), then=draw(NAMES),
                       first_action=draw(maybe(actions)), then_action=draw(maybe(actions)),
                       symmetrical=symmetrical, score=draw(maybe(SCORES)))  # fmt: skip
    if some_sets:
        inner = draw(resource_sets(name, "role", ROLES))
        return element("rsc_ticket", *inner, id=name, ticket=draw(VALUES))
    return element("rsc_ticket", id=name, ticket=draw(NAMES), rsc=draw(NAMES),
                   rsc_role=draw(maybe(ROLES)), loss_policy=draw(maybe(st.just("stop"))))  # fmt: skip  # noqa: E501


@st.composite
def others(draw: Any, name: str) -> tuple[str, etree._Element]:
    kind = draw(st.sampled_from(["node", "tag", "property", "rsc_defaults", "op_defaults", "role",
                                 "target", "alert", "topology"]))  # fmt: skip
    refs = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    if kind == "node":
        inner = [draw(maybe(sets("instance_attributes", name, ruled=False))),
                 draw(maybe(sets("utilization", name, ruled=False)))]  # fmt: skip
        same = draw(st.booleans())
        return "nodes", element("node", *inner, id=name if same else "1", uname=name,
                                type=draw(maybe(st.sampled_from(["member", "remote"]))))  # fmt: skip  # noqa: E501
    if kind == "tag":
        return "tags", element("tag", *(element("obj_ref", id=r) for r in refs), id=name)
    if kind == "property":
        return "crm_config", draw(sets("cluster_property_set", name))
    if kind in ("rsc_defaults", "op_defaults"):
        return kind, draw(sets("meta_attributes", name))
    if kind == "role":
        inner = [element("acl_permission",
                         id=f"{name}-{n}", kind=draw(st.sampled_from(["read", "deny"])),
                         **draw(st.sampled_from([{"xpath": "//a[@id='x y']"}, {"reference": "web"},
                                                 {"object_type": "nvpair", "attribute": "value"}])))
                 for n in range(draw(st.integers(1, 3)))]  # fmt: skip
        return "acls", element("acl_role", *inner, id=name, description=draw(maybe(VALUES)))
    if kind == "target":
        return "acls", element("acl_target", *(element("role", id=r) for r in refs), id=name)
    if kind == "alert":
        inner = [draw(maybe(sets("instance_attributes", name, ruled=False))),
                 draw(maybe(sets("meta_attributes", name, ruled=False))),
                 element("recipient", id=f"{name}-recipient-1", value=draw(VALUES))]  # fmt: skip
        return "alerts", element("alert", *inner, id=name, path=draw(VALUES))
    levels = [element("fencing-level", id=f"{name}-{n}", index=str(n + 1), devices=",".join(refs),
                      **draw(st.sampled_from([{"target": "n1"}, {"target_pattern": "n.*"}])))
              for n in range(draw(st.integers(1, 3)))]  # fmt: skip
    return "fencing-topology", element("fencing-topology", *levels)


@st.composite
def objects(draw: Any) -> tuple[str, etree._Element]:
    """Section and element of one object; collectives hold references to their members."""
    name = draw(NAMES)
    kind = draw(st.sampled_from(["primitive", "template", "group", "clone", "constraint", "other"]))
    if kind in ("primitive", "template"):
        return "resources", draw(primitives(name, kind))
    if kind in ("group", "clone"):
        count = 1 if kind == "clone" else draw(st.integers(1, 3))
        members = draw(st.lists(NAMES, min_size=count, max_size=count, unique=True))
        inner = draw(st.lists(sets("meta_attributes", name), max_size=2))
        return "resources", element(kind, *inner, *(element("member", id=m) for m in members),
                                    id=name, description=draw(maybe(VALUES)))  # fmt: skip
    if kind == "constraint":
        return "constraints", draw(constraints(name))
    return draw(others(name))
