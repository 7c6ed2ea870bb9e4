"""The plan as pcs commands and as a page."""

import shlex

from lxml import etree

from crmd.haresources.convert import Options
from crmd.haresources.model import HeartbeatSettings, PingTarget, Style
from crmd.haresources.render_html import to_html
from crmd.haresources.render_pcs import to_pcs
from tests.haresources.test_convert import SETTINGS, plan


def commands(made):
    """Each command, its words joined by single blanks again."""
    lines = to_pcs(made).splitlines()
    return [" ".join(shlex.split(line)) for line in lines if line.startswith("pcs ")]


def test_pcs_commands_have_every_object_with_its_id_and_source():
    made = plan(options=Options(Style.MODERN))
    found = commands(made)
    created = [c.split()[3] for c in found if c.startswith("pcs resource create ")]
    assert created == [rsc.id for rsc in made.primitives()]
    assert (
        "pcs constraint colocation add grp_mysql-master_1 with Promoted ms_drbd_data INFINITY "
        "id=col_grp_mysql-master_1_with_drbd_data" in found
    )
    assert (
        "pcs constraint order promote ms_drbd_data then start grp_mysql-master_1 "
        "id=ord_drbd_data_before_grp_mysql-master_1" in found
    )
    assert (
        "pcs constraint location add loc_grp_mysql-master_1_on_mysql-master "
        "grp_mysql-master_1 mysql-master 100" in found
    )
    assert "# haresources:1:14: drbddisk::data\n" in to_pcs(made)
    (drbd,) = [c for c in found if c.startswith("pcs resource create drbd_data ")]
    assert " promotable ms_drbd_data promoted-max=1 " in drbd
    assert drbd.endswith(" --no-default-ops")


def test_a_class_that_pcs_cannot_run_is_said_and_rules_are_written_out():
    settings = HeartbeatSettings(
        nodes=SETTINGS.nodes, pings=(PingTarget("gw", ("10.0.0.9",)),), ipfail=True
    )
    made = plan(settings=settings)
    assert "# heartbeat:drbddisk: pcs and Pacemaker cannot run this class" in to_pcs(made)
    rules = [c for c in commands(made) if "pingd" in c]
    assert rules[0].endswith("score=-INFINITY not_defined pingd or pingd lte number 0")


def test_the_page_is_well_formed_and_escapes_what_it_shows():
    made = plan("mysql-master script::<b>&x\n")
    page = to_html(made)
    tree = etree.fromstring(page.replace("<!DOCTYPE html>", ""), etree.HTMLParser(recover=False))
    rows = tree.findall(".//tr")
    assert len(rows) == 1 + len(made.decisions)
    assert "script::&lt;b&gt;&amp;x" in page and "<b>" not in page
