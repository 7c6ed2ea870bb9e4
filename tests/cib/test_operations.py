import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from cib import document, patch
from cib.document import Version
from cib.operations import Call, Request, perform, request_from_dict
from cib.results import Rc

TEXT = """
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="7"
     admin_epoch="1">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="o1" name="stonith-enabled" value="false"/>
      </cluster_property_set>
    </crm_config>
    <nodes><node id="1" uname="n1"/></nodes>
    <resources>
      <primitive id="d1" class="ocf" provider="heartbeat" type="Dummy">
        <operations><op id="d1-mon" name="monitor" interval="10"/></operations>
      </primitive>
      <primitive id="d2" class="ocf" provider="heartbeat" type="Dummy"/>
    </resources>
    <constraints/>
  </configuration>
  <status><node_state id="1" uname="n1"/></status>
</cib>"""
DUMMY = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy"/>'
WHOLE = (
    '<cib validate-with="pacemaker-3.9" admin_epoch="{}" epoch="{}" num_updates="{}">'
    "<configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
)


def cib():
    return document.parse(TEXT)


def do(call, **words):
    return perform(cib(), Request(call, **words))


def version(outcome):
    return document.version_of(outcome.cib)


def ids(outcome, path):
    return [e.get("id") for e in outcome.cib.findall(path)]


def test_a_query_answers_one_element_or_wraps_several():
    assert (
        do(Call.QUERY, section="nodes").answer == '<nodes>\n  <node id="1" uname="n1"/>\n</nodes>\n'
    )
    several = do(Call.QUERY, xpath="//primitive", no_children=True).answer
    assert several.splitlines()[0] == "<xpath-query>"
    assert several.count("<primitive") == 2 and "operations" not in several
    paths = do(Call.QUERY, xpath="//op", paths_only=True).answer
    assert paths == (
        "/cib/configuration/resources/primitive[@id='d1']/operations/op[@id='d1-mon']\n"
    )


@pytest.mark.parametrize("words", [{"xpath": "//nothing"}, {"xpath": "//["}, {"section": "tags"}])
def test_a_query_for_nothing_is_no_such_object(words):
    assert do(Call.QUERY, **words).rc is Rc.NOSUCH


def test_an_unknown_section_is_named():
    outcome = do(Call.QUERY, section="bogus")
    assert outcome.rc is Rc.USAGE and "'bogus'" in outcome.error


def test_a_change_of_the_configuration_raises_epoch_and_resets_num_updates():
    outcome = do(Call.CREATE, section="resources", xml=DUMMY.format("d3"))
    assert outcome.rc is Rc.OK and outcome.configuration_changed
    assert version(outcome) == Version(1, 6, 0)
    assert ids(outcome, "configuration/resources/primitive") == ["d1", "d2", "d3"]


def test_a_change_of_the_status_raises_num_updates_only():
    outcome = do(Call.MODIFY, section="status", xml='<node_state id="1" crmd="online"/>')
    assert version(outcome) == Version(1, 5, 8) and not outcome.configuration_changed


def test_a_change_that_changes_nothing_leaves_the_very_document():
    before = cib()
    outcome = perform(before, Request(Call.MODIFY, xml='<nvpair id="o1" value="false"/>'))
    assert outcome.rc is Rc.OK and outcome.cib is before and not outcome.changed


def test_the_document_given_is_never_changed():
    before = cib()
    perform(before, Request(Call.DELETE_ALL, xpath="//primitive"))
    assert document.compact(before) == document.compact(cib())


def test_create_refuses_what_exists_and_shows_it():
    outcome = do(Call.CREATE, section="resources", xml=DUMMY.format("d2"))
    assert outcome.rc is Rc.EXISTS and not outcome.changed
    assert 'reason="File exists"' in outcome.answer


def test_create_takes_a_whole_section_and_makes_a_missing_one():
    xml = f"<resources>{DUMMY.format('d3')}</resources>"
    assert ids(do(Call.CREATE, section="resources", xml=xml), ".//primitive")[-1] == "d3"
    tag = do(Call.CREATE, section="tags", xml='<tag id="t"><obj_ref id="d1"/></tag>')
    assert ids(tag, "configuration/tags/tag") == ["t"]
    assert do(Call.CREATE, xml=DUMMY.format("d3")).rc is Rc.NOSUCH


def test_create_below_an_xpath():
    xml = '<op id="d1-start" name="start" interval="0"/>'
    outcome = do(Call.CREATE, xpath="//operations", xml=xml)
    assert ids(outcome, ".//op") == ["d1-mon", "d1-start"]
    assert do(Call.CREATE, xpath="//nope", xml=xml).rc is Rc.NOSUCH


def test_modify_merges_wherever_the_element_stands():
    xml = (
        '<primitive id="d1"><operations><op id="d1-mon" timeout="5"/>'
        '<op id="d1-new" name="start" interval="0"/></operations></primitive>'
    )
    outcome = do(Call.MODIFY, xml=xml)
    monitor = outcome.cib.find(".//op[@id='d1-mon']")
    assert dict(monitor.attrib) == {
        "id": "d1-mon", "name": "monitor", "interval": "10", "timeout": "5",
    }  # fmt: skip
    assert ids(outcome, ".//op") == ["d1-mon", "d1-new"]


def test_modify_creates_only_where_it_may():
    words = {"section": "resources", "xml": DUMMY.format("d9")}
    assert do(Call.MODIFY, **words).rc is Rc.NOSUCH
    assert "d9" in ids(do(Call.MODIFY, allow_create=True, **words), ".//primitive")
    by_xpath = {"xpath": "//nvpair[@id='o1']", "xml": '<nvpair value="x"/>'}
    assert do(Call.MODIFY, **by_xpath).rc is Rc.NOSUCH


def test_modify_of_a_whole_section_makes_it_where_it_is_missing():
    xml = (
        '<acls><acl_role id="r"><acl_permission id="p" kind="read" xpath="/cib"/></acl_role></acls>'
    )
    outcome = do(Call.MODIFY, section="acls", xml=xml)
    assert outcome.rc is Rc.OK and ids(outcome, "configuration/acls/acl_role") == ["r"]
    assert do(Call.MODIFY, section="acls", xml='<acl_role id="r"/>').rc is Rc.NOSUCH


def test_values_count_where_asked_and_always_at_the_root():
    bumped = do(Call.MODIFY, xml='<cib admin_epoch="admin_epoch++"/>')
    assert version(bumped) == Version(2, 5, 8)
    added = do(Call.MODIFY, score=True, xml='<node id="1" score="score+=5"/>')
    assert added.cib.find(".//node").get("score") == "5"
    literal = do(Call.MODIFY, xml='<nvpair id="o1" value="value++"/>')
    assert literal.cib.find(".//nvpair").get("value") == "value++"


def test_replace_puts_an_element_in_the_place_of_the_old():
    xml = '<primitive id="d1" class="ocf" provider="pacemaker" type="Dummy"/>'
    outcome = do(Call.REPLACE, section="resources", xml=xml)
    assert [p.get("provider") for p in outcome.cib.iter("primitive")] == ["pacemaker", "heartbeat"]
    assert do(Call.REPLACE, section="resources", xml=DUMMY.format("d8")).rc is Rc.NOSUCH
    renamed = do(Call.REPLACE, xpath="//primitive[@id='d2']", xml=DUMMY.format("d7"))
    assert ids(renamed, ".//primitive") == ["d1", "d7"]


@pytest.mark.parametrize(
    ("stated", "rc", "result"),
    [
        ((1, 4, 0), Rc.OLD, Version(1, 5, 7)),
        ((1, 5, 6), Rc.OLD, Version(1, 5, 7)),
        ((0, 9, 9), Rc.OLD, Version(1, 5, 7)),
        ((1, 5, 7), Rc.OK, Version(1, 6, 0)),
        ((1, 9, 8), Rc.OK, Version(1, 10, 0)),
        ((2, 1, 8), Rc.OK, Version(2, 2, 0)),
    ],
)
def test_a_whole_document_may_not_be_older(stated, rc, result):
    outcome = do(Call.REPLACE, xml=WHOLE.format(*stated))
    assert outcome.rc is rc and version(outcome) == result


def test_delete_takes_the_first_match_and_nothing_is_fine():
    assert ids(do(Call.DELETE, xml='<primitive class="ocf"/>'), ".//primitive") == ["d2"]
    nothing = do(Call.DELETE, xml='<primitive id="d2" type="Stateful"/>')
    assert nothing.rc is Rc.OK and not nothing.changed
    assert ids(do(Call.DELETE, xpath="//primitive"), ".//primitive") == ["d2"]
    assert ids(do(Call.DELETE_ALL, xpath="//primitive"), ".//primitive") == []


@pytest.mark.parametrize(
    ("call", "words", "said"),
    [
        (Call.CREATE, {"section": "constraints",
                       "xml": '<rsc_location id="l" rsc="zz" node="n1" score="5"/>'}, "zz"),
        (Call.CREATE, {"section": "resources",
                       "xml": f'<group id="d2">{DUMMY.format("d3")}</group>'}, "'d2'"),
        (Call.DELETE, {"xml": "<constraints/>"}, "constraints"),
        (Call.MODIFY, {"xml": '<op id="d1-mon" on-fail="pray"/>'}, "pray"),
    ],
)  # fmt: skip
def test_what_the_schema_refuses_is_not_accepted(call, words, said):
    outcome = do(call, **words)
    assert outcome.rc is Rc.CONFIG and not outcome.changed
    assert said in outcome.error and outcome.problems


def test_without_a_schema_anything_is_accepted():
    tree = cib()
    tree.set("validate-with", "none")
    request = Request(Call.MODIFY, xml='<op id="d1-mon" on-fail="pray"/>')
    assert perform(tree, request).rc is Rc.OK


def test_bad_xml_is_bad_data():
    assert do(Call.CREATE, section="resources", xml="<primitive").rc is Rc.DATAERR
    bomb = '<!DOCTYPE x [<!ENTITY e "boom">]><primitive id="a"/>'
    outcome = do(Call.CREATE, section="resources", xml=bomb)
    assert outcome.rc is Rc.DATAERR and "DOCTYPE" in outcome.error


def test_erase_keeps_the_version_rising():
    outcome = do(Call.ERASE)
    assert version(outcome) == Version(2, 6, 0)
    assert len(outcome.cib.find("configuration/resources")) == 0


def test_bump_raises_the_epoch():
    assert version(do(Call.BUMP)) == Version(1, 6, 0)


def test_nothing_foreign_gets_in_below_the_root():
    outcome = do(Call.CREATE, xml="<cib><foo/></cib>")
    assert outcome.rc is Rc.CONFIG and "<foo>" in outcome.error


def test_a_change_that_must_be_durable_says_so():
    assert do(Call.MODIFY, xml='<cib admin_epoch="9"/>').configuration_changed
    assert do(Call.UPGRADE).configuration_changed
    assert not do(Call.MODIFY, xml='<cib have-quorum="1"/>').configuration_changed


def test_an_upgrade_of_the_newest_schema_changes_nothing():
    newest = do(Call.UPGRADE).cib
    assert perform(newest, Request(Call.UPGRADE, force=True)).cib is newest


def test_upgrade_goes_to_the_newest_schema():
    outcome = do(Call.UPGRADE)
    assert outcome.cib.get("validate-with") == "pacemaker-4.0"
    assert version(outcome) == Version(1, 6, 0)


def test_the_patch_of_an_outcome_can_be_applied_as_a_request():
    first = do(Call.CREATE, section="resources", xml=DUMMY.format("d3"))
    as_request = Request(Call.PATCH, xml=document.to_text(first.patch))
    second = perform(cib(), as_request)
    assert document.compact(second.cib) == document.compact(first.cib)
    assert perform(second.cib, as_request).rc is Rc.OLD
    broken = etree.fromstring(document.to_bytes(first.patch))
    broken.set("digest", "f" * 32)
    assert do(Call.PATCH, xml=document.to_text(broken)).rc is Rc.DIGEST


def test_a_change_of_the_configuration_is_signed_when_the_time_is_known():
    request = Request(Call.BUMP, user="ann", client="cibadmin", origin="n1")
    tree = perform(cib(), request, now=1_800_000_000.0).cib
    assert tree.get("cib-last-written") == "Fri Jan 15 08:00:00 2027"
    assert [tree.get(f"update-{k}") for k in ("origin", "client", "user")] == [
        "n1", "cibadmin", "ann",
    ]  # fmt: skip


def test_where_access_control_is_on_only_the_privileged_get_in():
    tree = cib()
    tree.find(".//nvpair").set("name", "enable-acl")
    tree.find(".//nvpair").set("value", "true")
    for call in (Call.QUERY, Call.BUMP):
        outcome = perform(tree, Request(call, user="tony"))
        assert outcome.rc is Rc.INSUFFICIENT_PRIV and outcome.answer is None
        assert not outcome.changed and "'tony'" in outcome.error
        for user in ("", "root", "hacluster"):
            assert perform(tree, Request(call, user=user)).rc is Rc.OK
    assert perform(cib(), Request(Call.QUERY, user="tony")).rc is Rc.OK


REQUESTS = st.builds(
    Request,
    call=st.sampled_from(list(Call)),
    section=st.none() | st.sampled_from(["resources", "status", "constraints", "bogus"]),
    xpath=st.none() | st.sampled_from(["//primitive", "//op[@id='d1-mon']", "//x", "/cib"]),
    xml=st.none()
    | st.sampled_from([DUMMY.format("d2"), "<op id='d1-mon'/>", "<cib/>", "<", "<status/>"]),
    allow_create=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(REQUESTS)
@example(Request(Call.REPLACE, section="bogus", xpath="//primitive", xml="<cib/>"))
def test_every_request_is_answered_and_its_patch_explains_the_change(request):
    before = cib()
    outcome = perform(before, request)
    assert request_from_dict(request.to_dict()) == request
    if outcome.changed:
        assert document.version_of(outcome.cib) > document.version_of(before)
        applied = patch.apply(outcome.patch, before)
        assert document.compact(applied) == document.compact(outcome.cib)
    else:
        assert outcome.cib is before
        assert outcome.rc is Rc.OK or outcome.error


@pytest.mark.parametrize("words", [{}, {"call": "dance"}, {"call": "query", "x": 1},
                                   {"call": "query", "xml": 5}])  # fmt: skip
def test_a_senseless_request_is_refused(words):
    with pytest.raises(ValueError, match="request: "):
        request_from_dict(words)
