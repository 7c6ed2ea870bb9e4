"""What Heartbeat files become."""

import pytest
from lxml import etree

from crmd.haresources.agents import address_parameters, netmask_bits
from crmd.haresources.convert import Options, convert
from crmd.haresources.model import (
    Directive,
    Group,
    HeartbeatSettings,
    HostFacts,
    PingTarget,
    Plan,
    Style,
)
from crmd.haresources.parse import parse
from crmd.haresources.render import to_cib, to_crm, to_report

HANDBOOK = (
    "mysql-master drbddisk::data Filesystem::/dev/drbd0::/data::ext3 rsdata "
    "IPaddr::172.16.1.164/24/eth0\n"
    "mysql-backup IPaddr::172.16.1.165/24/eth0\n"
)
SETTINGS = HeartbeatSettings(
    nodes=("mysql-master", "mysql-backup"), auto_failback="off", keepalive_s=2, deadtime_s=30
)
FACTS = HostFacts(resource_d=frozenset({"drbddisk", "rsdata"}))


def plan(
    text: str = HANDBOOK,
    settings: HeartbeatSettings = SETTINGS,
    facts: HostFacts = FACTS,
    options: Options | None = None,
) -> Plan:
    return convert(parse(text), settings, facts, options or Options())


def test_one_line_becomes_a_group_in_the_written_order() -> None:
    group, single = plan().resources
    assert isinstance(group, Group) and group.id == "grp_mysql-master_1"
    assert [m.id for m in group.members] == [
        "drbd_data",
        "fs_data",
        "svc_rsdata",
        "ip_172_16_1_164",
    ]
    assert [str(m.agent) for m in group.members] == [
        "heartbeat:drbddisk",
        "ocf:heartbeat:Filesystem",
        "heartbeat:rsdata",
        "ocf:heartbeat:IPaddr2",
    ]
    assert group.members[0].params == (("1", "data"),)
    assert group.members[1].params == (
        ("device", "/dev/drbd0"),
        ("directory", "/data"),
        ("fstype", "ext3"),
    )
    assert single.id == "ip_172_16_1_165"


def test_each_line_prefers_its_node_by_a_hundred() -> None:
    assert [(r.rsc, r.node, r.score) for r in plan().locations] == [
        ("grp_mysql-master_1", "mysql-master", "100"),
        ("ip_172_16_1_165", "mysql-backup", "100"),
    ]


@pytest.mark.parametrize(
    ("word", "stickiness"), [("on", "0"), ("off", "1000"), ("legacy", "0"), (None, "0")]
)
def test_auto_failback_becomes_stickiness(word: str | None, stickiness: str) -> None:
    settings = HeartbeatSettings(nodes=("mysql-master", "mysql-backup"), auto_failback=word)
    assert dict(plan(settings=settings).rsc_defaults)["resource-stickiness"] == stickiness


def test_a_disk_lock_becomes_cluster_properties() -> None:
    lines = (Directive("disklock", "/dev/vg/lock", None), Directive("disklock_release", "5", None))
    settings = HeartbeatSettings(nodes=("mysql-master", "mysql-backup"), directives=lines)
    made = dict(plan(settings=settings).properties)
    assert (made["disk-lock"], made["disk-lock-release"]) == ("/dev/vg/lock", "5")


def test_without_stonith_fencing_is_written_out_as_off() -> None:
    assert dict(plan().properties)["stonith-enabled"] == "false"
    assert "THE DATA IS NOT SAFE" in to_report(plan())


def test_drbd_becomes_a_promotable_clone_where_its_agent_is_installed() -> None:
    facts = HostFacts(
        resource_d=frozenset({"drbddisk", "rsdata"}), ocf_agents=frozenset({"linbit:drbd"})
    )
    made = plan(facts=facts)
    assert [r.id for r in made.resources][:2] == ["ms_drbd_data", "grp_mysql-master_1"]
    assert [(c.rsc, c.with_rsc, c.with_role) for c in made.colocations] == [
        ("grp_mysql-master_1", "ms_drbd_data", "Promoted")
    ]
    assert [(o.first, o.first_action, o.then) for o in made.orders] == [
        ("ms_drbd_data", "promote", "grp_mysql-master_1")
    ]


def test_exact_style_keeps_scripts_and_adds_no_monitor() -> None:
    made = plan(options=Options(style=Style.EXACT))
    assert {p.agent.klass for p in made.primitives()} == {"heartbeat"}
    assert all(op.name != "monitor" for p in made.primitives() for op in p.ops)
    assert dict(made.rsc_defaults)["migration-threshold"] == "1"


def test_fix_order_puts_the_address_last() -> None:
    text = "mysql-master 10.0.0.1 drbddisk::d Filesystem::/dev/drbd0::/d::ext3 rsdata\n"
    made = plan(text, options=Options(fix_order=True))
    (group,) = made.resources
    assert isinstance(group, Group)
    assert [m.source for m in group.members][-1] == "10.0.0.1"
    assert any("--fix-order" in d.why for d in made.decisions)


def test_ids_are_numbered_where_they_clash() -> None:
    made = plan("mysql-master web 10.0.0.1\nmysql-backup web2 web 10.0.0.2\n")
    assert [p.id for p in made.primitives()] == [
        "svc_web",
        "ip_10_0_0_1",
        "svc_web2",
        "svc_web_2",
        "ip_10_0_0_2",
    ]


def test_an_ipv6_word_keeps_the_address_that_was_meant() -> None:
    (rsc,) = plan("mysql-master IPv6addr::fd00::1/64/eth0\n").primitives()
    assert rsc.params == (("ip", "fd00::1"), ("cidr_netmask", "64"), ("nic", "eth0"))


def test_the_parts_of_an_address_word() -> None:
    assert address_parameters("10.0.0.1/24/10.0.0.255") == (
        ("ip", "10.0.0.1"),
        ("cidr_netmask", "24"),
        ("broadcast", "10.0.0.255"),
    )
    assert address_parameters("10.0.0.5/255.255.255.0/eth0:web/10.0.0.255") == (
        ("ip", "10.0.0.5"),
        ("cidr_netmask", "24"),
        ("nic", "eth0"),
        ("iflabel", "web"),
        ("broadcast", "10.0.0.255"),
    )
    assert netmask_bits("255.0.255.0") == "255.0.255.0"


def test_ping_with_ipfail_bans_nodes_without_the_network() -> None:
    settings = HeartbeatSettings(
        nodes=("mysql-master", "mysql-backup"),
        auto_failback="on",
        pings=(PingTarget("gw", ("172.16.1.1",)),),
        ipfail=True,
    )
    xml = etree.fromstring(to_cib(plan(settings=settings)))
    rules = xml.xpath("//rsc_location/rule[@score='-INFINITY']/expression/@operation")
    assert rules == ["not_defined", "lte", "not_defined", "lte"]
    assert xml.xpath("//clone[@id='ping-clone']/primitive/@type") == ["ping"]


def test_all_ids_of_the_cib_are_unique_and_stable() -> None:
    first, second = to_cib(plan()), to_cib(plan())
    assert first == second
    ids = etree.fromstring(first).xpath("//configuration//@id")
    assert len(ids) == len(set(ids))


def test_a_new_cib_is_readable_by_both_pacemaker_lines() -> None:
    assert etree.fromstring(to_cib(plan())).get("validate-with") == "pacemaker-3.9"


def test_crm_text_names_the_source_of_each_object() -> None:
    text = to_crm(plan())
    assert "# haresources:1:14: drbddisk::data\nprimitive drbd_data heartbeat:drbddisk" in text
    assert "group grp_mysql-master_1 drbd_data fs_data svc_rsdata ip_172_16_1_164\n" in text
    assert "location loc_ip_172_16_1_165_on_mysql-backup ip_172_16_1_165 100: mysql-backup" in text
