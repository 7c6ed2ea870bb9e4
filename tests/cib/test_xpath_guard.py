import time

import pytest
from lxml import etree

from cib import document
from cib.xpath_guard import XPathError, evaluate, is_plain

TREE = document.parse(
    '<cib><!-- c --><configuration><resources><primitive id="a" class="ocf"/>'
    '<primitive id="b"/></resources></configuration></cib>'
)


@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ("//primitive", True),
        ("/cib/configuration/resources", True),
        ("//primitive[@id='a' and @class=\"ocf\"]", True),
        ("//*[@id]", True),
        ("//primitive[1]", True),
        ("//a//b//c", False),
        ("//*[count(.//ancestor::*//*)>0]", False),
        ("//primitive[following::x]", False),
        ("id('a')", False),
    ],
)
def test_only_simple_paths_are_plain(expression, plain):
    assert is_plain(expression) is plain


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("//primitive", ["a", "b"]),
        ("//primitive[@class='ocf']", ["a"]),
        ("//primitive[position()=2]", ["b"]),
        ("//primitive[starts-with(@id,'a')]", ["a"]),
        ("//nothing[last()]", []),
    ],
)
def test_both_ways_select_the_elements_of_the_document_itself(expression, ids):
    found = evaluate(TREE, expression)
    assert [e.get("id") for e in found] == ids
    assert all(e.getroottree().getroot() is TREE for e in found)


@pytest.mark.parametrize("expression", ["//[", "count(//*)", "//primitive[", "x" * 5000, "$v"])
def test_what_selects_no_elements_is_refused(expression):
    with pytest.raises(XPathError, match="xpath"):
        evaluate(TREE, expression)


def test_a_costly_expression_is_stopped():
    root = etree.Element("cib")
    for _ in range(3000):
        etree.SubElement(etree.SubElement(root, "a"), "nvpair")
    began = time.monotonic()
    with pytest.raises(XPathError, match="simpler"):
        evaluate(root, "//*[count(//*[count(//*) > 0]) > 0]")
    assert time.monotonic() - began < 10
