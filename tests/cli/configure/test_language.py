"""The configuration language: what is shown reads back, and how words are refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree

from cli.configure import language
from cli.configure.words import SyntaxProblem
from tests.cli.configure.generated import objects


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(objects())
def test_what_is_shown_reads_back_to_the_same_object(entry):
    section, element = entry
    text = language.show(section, element)
    where, again = language.parse(language.split(text))
    assert where == section
    assert language.same(again, element), text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(objects())
def test_showing_again_what_was_read_gives_the_same_words(entry):
    section, element = entry
    text = language.show(section, element)
    _, again = language.parse(language.split(text))
    from cli.configure.ids import give_ids

    give_ids(again, set())
    assert language.show(section, again) == text


@pytest.mark.parametrize(
    "text",
    [
        "primitive vip IPaddr2 \\\n\tparams ip=10.0.0.1 cidr_netmask=24 \\\n"
        "\tmeta target-role=Started \\\n\top monitor interval=10s timeout=20s",
        'primitive p systemd:httpd description="the web\'s server"',
        "group g a b c \\\n\tmeta target-role=Stopped",
        "clone c g \\\n\tmeta promotable=true",
        "location l web 100: node1",
        "location l { a b } -inf: node1",
        "location l web \\\n\trule $role=Promoted -inf: not_defined pingd or pingd number:lte 0",
        "colocation c inf: ( a b ) d:Promoted",
        "order o Mandatory: a:promote b:start symmetrical=false",
        "order o Serialize: [ a b ] c",
        "rsc_ticket t site: a b:Promoted loss-policy=fence",
        "fencing_topology \\\n\tn1: ipmi1 pdu1,pdu2 \\\n\tpattern:n.*: x",
        "property cib-bootstrap-options: \\\n\tstonith-enabled=false",
        "op_defaults op-options: \\\n\trule 100: op name=monitor \\\n\ttimeout=9s",
        "role r \\\n\tread xpath:/cib \\\n\tdeny type:nvpair attribute:value",
        "alert a /bin/x \\\n\tselect nodes attributes { cpu } \\\n\tto root@x",
        "bundle b \\\n\tdocker image=i replicas=2 \\\n\tnetwork ip-range-start=10.0.0.5 "
        "port-mapping port=80 \\\n\tprimitive httpd",
        "node 1: node1 \\\n\tattributes rack=7",
        "tag t a b",
    ],
)
def test_objects_are_shown_as_they_are_written(text):
    section, element = language.parse(language.split(text))
    assert language.show(section, element) == text


def test_what_has_no_words_is_shown_as_xml():
    nested = etree.fromstring(
        '<rsc_location id="l" rsc="a"><rule id="l-rule" score="1"><rule id="r2" boolean-op="or">'
        '<expression id="e" attribute="x" operation="defined"/></rule></rule></rsc_location>'
    )
    text = language.show("constraints", nested)
    assert text.startswith("xml '<rsc_location")
    assert language.same(language.parse(language.split(text))[1], nested)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("primitive", "Expected a resource id"),
        ("primitive p Dummy parms a=1", "Expected params, meta"),
        ("group g a a", "child a listed more than once in group g"),
        ("location l web node1", "expected <score>: <node>"),
        ("location l web rule x foo 5", "Expected one of lt, gt"),
        ("location l web rule a eq 1 and b eq 2 or c eq 3", "all by 'and' or all by 'or'"),
        ("colocation c inf: a", "at least two resources"),
        ("colocation c inf: ( a b", "Expected )"),
        ("order o Sometimes: a b", "Expected Mandatory, Optional, Serialize"),
        ("frobnicate x", "Unknown command"),
        ("xml <broken", "parsing"),
    ],
)
def test_broken_words_are_refused_naming_the_place(text, complaint):
    with pytest.raises(SyntaxProblem, match="syntax in") as caught:
        language.parse(language.split(text))
    assert complaint in str(caught.value)
