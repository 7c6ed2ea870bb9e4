"""Rules: `rule [$id=] [$role=] SCORE: EXPRESSION [and|or EXPRESSION]...`.

Facts: cli.md section 7.1 and the recorded sessions of the crm shell.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from cli.configure.ids import is_automatic
from cli.configure.words import (
    INFINITY,
    Words,
    is_score,
    pair,
    quoted,
    score_value,
    score_word,
)

COMPARISONS = ("lt", "gt", "lte", "gte", "eq", "ne")
TYPES = ("string", "number", "integer", "version")
PERIOD = (
    "years", "months", "weeks", "days", "hours", "minutes", "seconds", "monthdays", "weekdays",
    "yearsdays", "yeardays", "weekyears", "moon",
)  # fmt: skip
_NAMED = {
    "rsc": ("rsc_expression", ("class", "provider", "type")),
    "op": ("op_expression", ("name", "interval")),
}


def read_rule(words: Words, parent: etree._Element) -> None:
    """Read what follows the word `rule` and add the rule to `parent`."""
    rule = etree.SubElement(parent, "rule")
    while True:
        reference = words.option("$id-ref")
        if reference is not None:
            rule.set("id-ref", reference)
            return
        for name, attribute in (("$id", "id"), ("$role", "role"), ("role", "role")):
            value = words.option(name)
            if value is not None:
                rule.set(attribute, value)
                break
        else:
            break
    _read_score(words, rule)
    operator = None
    while True:
        _read_expression(words, rule)
        joined = words.accept("and", "or")
        if joined is None:
            break
        if operator not in (None, joined):
            raise words.problem("a rule joins its expressions all by 'and' or all by 'or'")
        operator = joined
    if operator == "or":
        rule.set("boolean-op", "or")


def _read_score(words: Words, rule: etree._Element) -> None:
    word = words.peek()
    if word.endswith(":") and len(word) > 1:
        words.take("score")
        text = word[:-1]
        rule.set(*(("score", score_value(text)) if is_score(text) else ("score-attribute", text)))
    else:
        rule.set("score", INFINITY)


def _read_expression(words: Words, rule: etree._Element) -> None:
    first = words.take("an expression")
    following = words.peek().rpartition(":")[2]
    if first in ("defined", "not_defined") and following not in COMPARISONS:
        etree.SubElement(
            rule, "expression", {"operation": first, "attribute": words.take("an attribute")}
        )
    elif first == "date" and (following not in COMPARISONS or following in ("lt", "gt")):
        _read_date(words, rule)
    elif first in _NAMED and following not in COMPARISONS:
        tag, known = _NAMED[first]
        etree.SubElement(rule, tag, dict(_options(words, known)))
    else:
        kind, _, comparison = words.take("a comparison").rpartition(":")
        if comparison not in COMPARISONS or (kind and kind not in TYPES):
            words.at -= 1
            raise words.problem(f"Expected one of {', '.join(COMPARISONS)}")
        expression = etree.SubElement(
            rule, "expression", {"operation": comparison, "attribute": first}
        )
        if kind:
            expression.set("type", kind)
        expression.set("value", words.take("a value"))


def _options(words: Words, known: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    while words and words.peek().partition("=")[0] in known and "=" in words.peek():
        name, _, value = words.take("").partition("=")
        yield name, value


def _read_date(words: Words, rule: etree._Element) -> None:
    expression = etree.SubElement(rule, "date_expression")
    operation = words.take("lt, gt, in or spec")
    if operation in ("lt", "gt"):
        expression.set("operation", operation)
        name = "end" if operation == "lt" else "start"
        value = words.option(name)
        expression.set(name, value if value is not None else words.take("a date"))
    elif operation in ("in", "in_range"):
        expression.set("operation", "in_range")
        for name, value in _options(words, ("start", "end")):
            expression.set(name, value)
        duration = dict(_options(words, PERIOD))
        if duration:
            etree.SubElement(expression, "duration", duration)
    elif operation in ("spec", "date_spec"):
        expression.set("operation", "date_spec")
        etree.SubElement(expression, "date_spec", dict(_options(words, PERIOD)))
    else:
        words.at -= 1
        raise words.problem("Expected lt, gt, in or spec")


# --- showing --------------------------------------------------------------------------------


def rule_text(rule: etree._Element, owner: str) -> str:
    """A rule as words, the word `rule` included."""
    reference = rule.get("id-ref")
    if reference is not None:
        return f"rule {pair('$id-ref', reference)}"
    words = ["rule"]
    if not is_automatic(rule, owner):
        words.append(pair("$id", rule.get("id")))
    if rule.get("role") is not None:
        words.append(pair("$role", rule.get("role")))
    score, attribute = rule.get("score"), rule.get("score-attribute")
    if attribute is not None:
        words.append(quoted(f"{attribute}:"))
    elif score not in (None, INFINITY):
        words.append(f"{score_word(score)}:")
    joined = f" {rule.get('boolean-op', 'and')} "
    words.append(joined.join(_expression_text(e) for e in rule if isinstance(e.tag, str)))
    return " ".join(words)


def _expression_text(expression: etree._Element) -> str:
    operation = expression.get("operation", "")
    if expression.tag == "date_expression":
        return _date_text(expression, operation)
    for word, (tag, known) in _NAMED.items():
        if expression.tag == tag:
            return " ".join([word, *_attributes(expression, known)])
    attribute = quoted(expression.get("attribute", ""))
    if operation in ("defined", "not_defined"):
        return f"{operation} {attribute}"
    kind = expression.get("type")
    operator = f"{kind}:{operation}" if kind else operation
    return f"{attribute} {operator} {quoted(expression.get('value', ''))}"


def _attributes(element: etree._Element, known: tuple[str, ...]) -> list[str]:
    return [pair(str(k), str(v)) for k, v in element.attrib.items() if k in known]


def _date_text(expression: etree._Element, operation: str) -> str:
    if operation in ("lt", "gt"):
        name = "end" if operation == "lt" else "start"
        return f"date {operation} {quoted(expression.get(name, ''))}"
    words = ["date", "in" if operation == "in_range" else "spec"]
    words += _attributes(expression, ("start", "end"))
    for child in expression:
        words += _attributes(child, PERIOD)
    return " ".join(words)
