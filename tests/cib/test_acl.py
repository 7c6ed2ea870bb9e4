"""Access control: what a user sees, what a user may change, and that nothing leaks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cib import acl, patch
from cib.document import parse
from cib.operations import Call, Request, evaluate_xpath, perform
from cib.results import Rc

CIB = """
<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0"><configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o-a" name="enable-acl" value="true"/>
<nvpair id="o-s" name="secret" value="x"/></cluster_property_set></crm_config><nodes/>
<resources><primitive id="p" class="ocf" provider="heartbeat" type="Dummy">
<meta_attributes id="m"><nvpair id="m-t" name="target-role" value="Started"/></meta_attributes>
</primitive></resources><constraints/>
<acls>%s</acls></configuration><status/></cib>
"""


def cib(*permissions, user="ann"):
    listed = "".join(f'<acl_permission id="r-{n}" {text}/>' for n, text in enumerate(permissions))
    return parse(
        CIB
        % f'<acl_role id="r">{listed}</acl_role><acl_target id="{user}"><role id="r"/></acl_target>'
    )


def change(root, xml, user="ann", call=Call.MODIFY, section="configuration"):
    request = Request(call, section=section, xml=xml, allow_create=True, user=user)
    return perform(root, request)


SET_ROLE = (
    '<resources><primitive id="p"><meta_attributes id="m"><nvpair id="m-t" value="Stopped"/>'
    "</meta_attributes></primitive></resources>"
)


@pytest.mark.parametrize("user", ["", "root", "hacluster"])
def test_the_cluster_and_its_users_are_not_bound(user):
    assert change(cib(), SET_ROLE, user, section="resources").rc is Rc.OK


def test_who_is_not_listed_sees_and_changes_nothing():
    root = cib('kind="read" xpath="/cib"', user="somebody")
    assert perform(root, Request(Call.QUERY, user="ann")).rc is Rc.INSUFFICIENT_PRIV
    assert change(root, SET_ROLE, section="resources").rc is Rc.INSUFFICIENT_PRIV


def test_what_is_around_something_visible_keeps_its_id_only():
    seen = perform(cib('kind="read" xpath="//meta_attributes"'), Request(Call.QUERY, user="ann"))
    root = etree.fromstring(seen.answer)
    primitive = root.find("configuration/resources/primitive")
    assert dict(primitive.attrib) == {"id": "p"} and not root.attrib
    assert root.find("configuration/crm_config") is None
    assert root.find(".//nvpair").get("value") == "Started"


def test_the_nearest_permission_decides():
    both = cib('kind="write" xpath="/cib"', 'kind="deny" xpath="//resources"')
    assert change(both, SET_ROLE, section="resources").rc is Rc.INSUFFICIENT_PRIV
    other = cib('kind="deny" xpath="/cib"', 'kind="write" xpath="//resources"')
    assert change(other, SET_ROLE, section="resources").rc is Rc.OK


def test_reading_is_not_writing():
    root = cib('kind="read" xpath="/cib"')
    outcome = change(root, SET_ROLE, section="resources")
    assert outcome.rc is Rc.INSUFFICIENT_PRIV and outcome.cib is root
    assert "may not change /cib/configuration/resources/primitive[@id='p']" in outcome.error


def test_a_right_to_write_everything_does_not_reach_the_lists_themselves():
    root = cib('kind="write" xpath="/cib"')
    grab = '<acls><acl_target id="ann"><role id="x"/></acl_target></acls>'
    assert change(root, grab, section="acls").rc is Rc.INSUFFICIENT_PRIV
    explicit = cib('kind="write" xpath="/cib"', 'kind="write" xpath="//acls"')
    assert acl.access(explicit, "ann", evaluate_xpath).may_write(explicit.find(".//acl_role"))


def test_an_element_is_chosen_by_id_type_and_attribute():
    root = cib('kind="write" object-type="nvpair" attribute="value"', 'kind="read" reference="p"')
    rights = acl.access(root, "ann", evaluate_xpath)
    assert rights.may_write(root.find(".//nvpair[@id='m-t']"))
    assert rights.may_read(root.find(".//primitive"))
    assert not rights.may_write(root.find(".//primitive"))


def test_a_broken_denial_denies_all_and_a_broken_gift_gives_nothing():
    deny = cib('kind="write" xpath="/cib"', 'kind="deny" xpath="///["')
    assert not acl.access(deny, "ann", evaluate_xpath).may_write(deny)
    gift = cib('kind="write" xpath="///["')
    assert not acl.access(gift, "ann", evaluate_xpath).may_read(gift)


def test_a_group_gives_its_roles():
    root = parse(
        CIB % '<acl_role id="r"><acl_permission id="q" kind="read" xpath="/cib"/></acl_role>'
        '<acl_group id="staff"><role id="r"/></acl_group>'
    )
    assert not acl.access(root, "ann", evaluate_xpath).may_read(root)
    assert acl.access(root, "ann", evaluate_xpath, groups=["staff"]).may_read(root)


def test_deleting_needs_the_right_to_all_that_goes():
    root = cib('kind="write" xpath="//resources"', 'kind="deny" xpath="//meta_attributes"')
    xml = '<primitive id="p"/>'
    outcome = change(root, xml, call=Call.DELETE, section="resources")
    assert outcome.rc is Rc.INSUFFICIENT_PRIV


PATHS = ["/cib", "//resources", "//primitive", "//nvpair", "//meta_attributes", "//crm_config",
         "//nvpair[@name='secret']", "//acls", "//acl_role"]  # fmt: skip
PERMISSIONS = st.lists(
    st.tuples(st.sampled_from(["read", "write", "deny"]), st.sampled_from(PATHS)), max_size=4
)
EDITS = st.sampled_from(
    [
        (Call.MODIFY, "resources", SET_ROLE),
        (Call.DELETE, "resources", '<primitive id="p"/>'),
        (Call.DELETE, "crm_config", '<nvpair id="o-s"/>'),
        (Call.CREATE, "resources", '<primitive id="n" class="lsb" type="x"/>'),
        (Call.MODIFY, "crm_config", '<nvpair id="o-s" value="y"/>'),
        (Call.MODIFY, "crm_config", '<nvpair id="o-a" value="false"/>'),
        (Call.CREATE, "acls", '<acl_role id="z"/>'),
        (Call.REPLACE, "resources", "<resources/>"),
        (Call.ERASE, None, None),
    ]
)


@settings(max_examples=200, deadline=None)
@given(PERMISSIONS, EDITS)
def test_whatever_is_asked_denied_elements_stay_as_they_are(permissions, edit):
    root = cib(*(f'kind="{kind}" xpath="{path}"' for kind, path in permissions))
    rights = acl.access(root, "ann", evaluate_xpath)
    call, section, xml = edit
    outcome = perform(
        root, Request(call, section=section, xml=xml, user="ann", force=True, allow_create=True)
    )
    for element in root.iter(etree.Element):
        if rights.may_write(element) or element is root:
            continue
        kept = patch.find(outcome.cib, _path(element))
        assert kept is not None and dict(kept.attrib) == dict(element.attrib)


def _path(element):
    from cib.operations import path_of

    return path_of(element)


@settings(max_examples=200, deadline=None)
@given(PERMISSIONS)
def test_nothing_that_may_not_be_read_is_shown(permissions):
    root = cib(*(f'kind="{kind}" xpath="{path}"' for kind, path in permissions))
    rights = acl.access(root, "ann", evaluate_xpath)
    seen = acl.visible(root, rights)
    shown = [] if seen is None else list(seen.iter(etree.Element))
    hidden = {e.get("id") for e in root.iter(etree.Element) if not rights.may_read(e)} - {None}
    for element in shown:
        if element.get("id") in hidden:
            assert set(element.attrib) == {"id"}
