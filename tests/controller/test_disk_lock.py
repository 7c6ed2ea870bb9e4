"""What a node does that the disk lock denies to go on."""

from lxml import etree

from crmd.controller.release import cluster_option, with_stop_policy

CIB = b"""<cib><configuration><crm_config><cluster_property_set id="x">
<nvpair id="a" name="no-quorum-policy" value="ignore"/>
<nvpair id="b" name="stonith-enabled" value="false"/></cluster_property_set>
</crm_config><nodes/><resources/><constraints/></configuration><status/></cib>"""


def test_a_denied_node_plans_with_stop_whatever_the_cib_says_and_leaves_the_cib_alone():
    root = etree.fromstring(CIB)
    planned = etree.fromstring(with_stop_policy(root))
    assert cluster_option(planned, "no-quorum-policy", "") == "stop"
    assert cluster_option(planned, "stonith-enabled", "") == "false"
    assert cluster_option(root, "no-quorum-policy", "") == "ignore"
