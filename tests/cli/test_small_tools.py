"""The small tools as function calls, on a CIB in a file."""

import importlib
import io

import pytest

from tests.cli.crm.session import CIB, Session


class Tools(Session):
    """Runs any tool on the session's CIB."""

    def tool(self, name: str, *words: str, stdin: str = "", **env: str) -> int:
        module = importlib.import_module(f"cli.{name}")
        out, err = io.StringIO(), io.StringIO()
        code = module.main(words, out, err, {**self.env, **env}, io.StringIO(stdin))
        self.out, self.err = out.getvalue(), err.getvalue()
        return int(code)


@pytest.fixture
def tools(tmp_path):
    return Tools(tmp_path)


def test_an_option_is_set_counted_up_shown_and_deleted(tools):
    assert tools.tool("crm_attribute", "-n", "batch-limit", "-v", "5") == 0
    assert tools.tool("crm_attribute", "-n", "batch-limit", "-v", "value+=2") == 0
    assert tools.tool("crm_attribute", "-n", "batch-limit", "-G") == 0
    assert tools.out == "scope=crm_config  name=batch-limit value=7\n"
    assert tools.tool("crm_attribute", "-n", "batch-limit", "-D") == 0
    assert tools.tool("crm_attribute", "-n", "batch-limit", "-G", "-q") == 105
    assert tools.tool("crm_attribute", "-n", "batch-limit", "-G", "-q", "-d", "0") == 0
    assert tools.out == "0\n"


def test_an_attribute_in_two_sets_must_be_chosen(tools):
    tools.tool("crm_attribute", "-n", "x", "-v", "1")
    tools.tool("crm_attribute", "-n", "x", "-v", "2", "-s", "other")
    before = tools.path.read_text()
    assert tools.tool("crm_attribute", "-n", "x", "-v", "3") == 109
    assert "Value: 2 \t(id=other-x)" in tools.out
    assert tools.path.read_text() == before


def test_a_promotion_score_is_a_transient_attribute(tools):
    words = ("-p", "-v", "10", "-N", "node1")
    assert tools.tool("crm_attribute", *words, OCF_RESOURCE_INSTANCE="db") == 0
    pair = tools.cib().find("status/node_state/transient_attributes//nvpair")
    assert (pair.get("name"), pair.get("value")) == ("master-db", "10")


def test_a_wrong_lifetime_section_or_pattern_is_refused(tools):
    assert tools.tool("crm_attribute", "-n", "x", "-v", "1", "-l", "sometimes", "-N", "node1") == 64
    assert tools.tool("crm_attribute", "-n", "x", "-v", "1", "-t", "nonsense") == 64
    assert tools.tool("crm_attribute", "-P", "(", "-G", "-N", "node1") == 64
    assert tools.tool("crm_attribute", "-n", "x", "-v", "1", "-N", "node9") == 105
    assert "did you mean 'node1'?" in tools.err or "did you mean 'node2'?" in tools.err


def test_all_options_are_listed_with_their_meaning(tools):
    from cib.options import OPTIONS

    assert tools.tool("crm_attribute", "--list-options=cluster", "--all") == 0
    for option in OPTIONS:
        assert f"* {option.name}: " in tools.out


def test_standby_is_read_from_both_lifetimes(tools):
    assert tools.tool("crm_standby", "-N", "node1", "-v", "true", "-l", "reboot") == 0
    assert tools.tool("crm_standby", "-N", "node1", "-G") == 0
    assert tools.out == "scope=status  name=standby value=on\n"
    assert tools.tool("crm_standby", "-N", "node1", "-D") == 0
    assert tools.tool("crm_standby", "-N", "node1", "-G", "-q") == 0
    assert tools.out == "off\n"
    assert tools.tool("crm_standby", "-N", "node1", "-v", "maybe") == 64


def test_fail_counts_of_operations_are_added(tools):
    for name, value in (("fail-count-p1#start_0", "2"), ("fail-count-p1#monitor_10000", "3")):
        tools.tool("crm_attribute", "-n", name, "-v", value, "-N", "node1", "-t", "status")
    assert tools.tool("crm_failcount", "-G", "-r", "p1", "-N", "node1", "-q") == 0
    assert tools.out == "5\n"
    words = ("-G", "-r", "p1", "-N", "node1", "-q", "-n", "monitor", "-I", "10s")
    assert tools.tool("crm_failcount", *words) == 0
    assert tools.out == "3\n"
    assert tools.tool("crm_failcount", "-D", "-r", "p1", "-N", "node1") == 0
    assert tools.tool("crm_failcount", "-G", "-r", "p1", "-N", "node1", "-q") == 0
    assert tools.out == "0\n"


def test_transient_attributes_are_set_and_shown_on_all_nodes(tools):
    assert tools.tool("attrd_updater", "-n", "pingd", "-U", "1000", "-N", "node1") == 0
    assert tools.tool("attrd_updater", "-n", "pingd", "-U", "value++", "-N", "node1") == 0
    assert tools.tool("attrd_updater", "-n", "pingd", "-Q", "-A") == 0
    assert tools.out == 'name="pingd" host="node1" value="1001"\n'
    assert tools.tool("attrd_updater", "-n", "pingd", "-D", "-N", "node1") == 0
    assert tools.tool("attrd_updater", "-n", "pingd", "-Q", "-N", "node1") == 105


def test_nodes_are_listed_found_by_id_and_forgotten(tools):
    assert tools.tool("crm_node", "-l") == 0
    assert tools.out == "1 node1 lost\n2 node2 lost\n"
    assert tools.tool("crm_node", "-N", "2") == 0
    assert tools.out == "node2\n"
    assert tools.tool("crm_node", "-R", "node2") == 64
    assert tools.tool("crm_node", "-R", "node2", "-f") == 0
    assert tools.tool("crm_node", "-N", "2") == 105
    assert tools.tool("crm_node") == 64


def test_without_a_cluster_the_controller_cannot_be_asked(tools, tmp_path):
    env = {"PACEKEEPER_ROOT": str(tmp_path), "CIB_file": ""}
    assert tools.tool("crmadmin", "-D", **env) == 102
    assert "is the cluster running" in tools.err


def test_a_ticket_needs_force_to_be_granted(tools):
    assert tools.tool("crm_ticket", "-t", "siteA", "-g") == 107
    assert "please specify --force" in tools.err
    assert tools.tool("crm_ticket", "-t", "siteA", "-g", "--force") == 0
    assert tools.tool("crm_ticket", "-L") == 0
    assert tools.out.startswith("siteA\tgranted\t(granted=true, last-granted='")
    assert tools.tool("crm_ticket", "-t", "siteA", "-C") == 107
    assert tools.tool("crm_ticket", "-t", "siteA", "-C", "--force") == 0
    assert tools.tool("crm_ticket", "-t", "siteA", "-q") == 105


def test_a_shadow_is_made_compared_committed_and_removed(tools, tmp_path):
    env = {"CIB_shadow_dir": str(tmp_path)}
    assert tools.tool("crm_shadow", "-b", "-c", "s", **env) == 0
    assert tools.tool("crm_shadow", "-b", "-c", "s", **env) == 73
    env["CIB_shadow"] = "s"
    assert tools.tool("crm_shadow", "-d", **env) == 0
    assert tools.tool("crm_attribute", "-n", "batch-limit", "-v", "5", **env) == 0
    assert tools.tool("crm_shadow", "-d", **env) == 1
    assert "++ /cib/configuration/crm_config" in tools.out
    assert tools.path.read_text() == CIB
    assert tools.tool("crm_shadow", "-C", "s", **env) == 64
    assert tools.tool("crm_shadow", "-C", "s", "-f", **env) == 0
    assert tools.values("batch-limit") == {"crm_config": "5"}
    assert tools.tool("crm_shadow", "-D", "s", "-f", **env) == 0
    assert tools.tool("crm_shadow", "-d", **env) == 105


def test_a_rule_is_judged_by_its_dates(tools):
    xml = (
        '<rule id="r" score="1"><date_expression id="d" operation="in_range" '
        'start="2020-01-01" end="2021-01-01"/></rule>'
    )
    for date, code in (("2019-06-01", 111), ("2020-06-01", 0), ("2022-06-01", 110)):
        assert tools.tool("crm_rule", "-c", "-r", "r", "-d", date, "-X", xml) == code
    assert tools.tool("crm_rule", "-c", "-r", "r", "-d", "nonsense", "-X", xml) == 65


def test_a_lifetime_is_added_to_a_date(tools):
    assert tools.tool("iso8601", "-d", "2026-01-31 00:00:00Z", "-D", "P1M") == 0
    assert tools.out.endswith("Duration ends at: 2026-02-28 00:00:00Z\n")
    assert tools.tool("iso8601", "-p", "2026-01-01/P1D") == 0
    assert tools.out == "Period: 2026-01-01 00:00:00Z to 2026-01-02 00:00:00Z\n"
    assert tools.tool("iso8601") == 64


def test_numbers_are_explained(tools):
    assert tools.tool("crm_error", "-X", "-n", "107") == 0
    assert tools.out == "CRM_EX_UNSAFE - Operation not safe\n"
    assert tools.tool("crm_error", "twelve") == 64


def test_a_simulation_is_stored_back_where_the_cib_came_from(tools):
    assert tools.tool("crm_simulate", "--live-check", "--in-place", "--node-up=node3") == 0
    assert tools.cib().find("configuration/nodes/node[@uname='node3']") is not None
    assert (tools.cib().get("epoch"), tools.cib().find("status/node_state") is None) == ("2", False)
