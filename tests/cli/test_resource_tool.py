"""`crm_resource`: agents, digests, relations, values of what belongs together."""

import io

import pytest
from lxml import etree

from cli.crm_resource import main
from tests.cli.crm.session import Session
from tests.shared_data import need


class Tool(Session):
    def run(self, *words, **env):
        out, err = io.StringIO(), io.StringIO()
        code = main(words, out, err, {**self.env, **env}, io.StringIO())
        self.out, self.err = out.getvalue(), err.getvalue()
        return int(code)


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def test_classes_providers_and_agents_are_listed(tool):
    assert tool.run("--list-standards") == 0
    assert tool.out.split() == ["heartbeat", "lsb", "ocf", "service", "stonith", "systemd"]
    assert tool.run("--list-agents", "ocf:heartbeat") == 0
    assert "IPaddr2" in tool.out.split()
    assert tool.run("--list-ocf-alternatives", "IPaddr2") == 0
    assert "heartbeat" in tool.out.split()
    assert tool.run("--list-agents", "nonsense") == 1
    assert tool.run("--list-ocf-alternatives", "Nonsense") == 105


def test_metadata_is_printed_as_the_agent_gives_it(tool):
    assert tool.run("--show-metadata", "ocf:heartbeat:IPaddr2") == 0
    assert etree.fromstring(tool.out.encode()).get("name") == "IPaddr2"
    assert tool.run("--show-metadata", "ocf:heartbeat:Nonsense") == 105
    assert tool.run("--show-metadata", "nonsense") == 105


def test_an_agent_judges_given_parameters(tool):
    agent = ("--validate", "--class", "ocf", "--provider", "heartbeat", "--agent", "IPaddr2")
    assert tool.run(*agent, "--option", "ip=nonsense") == 6
    assert "Operation validate (ocf:heartbeat:IPaddr2) returned 6 (Not configured: ip=" in tool.out
    assert tool.run("--validate", "--class", "ocf", "--agent", "IPaddr2") == 64
    assert tool.run("-r", "p1", "--class", "ocf", "--provider", "x", "--agent", "y") == 64


def test_an_agent_is_run_past_the_cluster_and_its_status_is_ours(tool, tmp_path):
    state = tmp_path / "p1.state"
    assert tool.run("-r", "p1", "-p", "state", "-v", str(state)) == 0
    assert tool.run("-r", "p1", "--force-check") == 7
    assert tool.run("-r", "p1", "--force-start") == 0
    assert tool.out.startswith("Operation force-start for p1 (ocf:heartbeat:Dummy) returned 0 (OK")
    assert state.exists()
    assert tool.run("-r", "p1", "--force-check") == 0
    assert tool.run("-r", "p1", "--force-stop") == 0
    assert not state.exists()


def test_a_group_is_not_run_as_a_whole(tool):
    assert tool.run("-r", "g1", "--force-start") == 3
    assert "doesn't support group resources" in tool.err


def test_digests_are_those_of_the_history(tmp_path):
    path = need("cli-cases", "crm_resource_digests.xml")
    tool = Tool(tmp_path, path.read_text())
    assert tool.run("--digests", "-r", "rsc1", "-N", "node1") == 0
    assert tool.out == (
        "3acdbe4c12734ebeb1251a59545af936 (all parameters)\n"
        "279c477dbc38c621904a00ab9e599b2f (non-private parameters)\n"
        "5de1fd72a2e7762ed41543231034f6d7 (non-reloadable parameters)\n"
    )
    assert tool.run("--digests", "-r", "rsc1") == 64
    assert tool.run("--digests", "-r", "rsc1", "-N", "node1", "nonsense") == 64


def test_only_what_is_active_counts_as_an_active_operation(tmp_path):
    path = need("cli-cases", "crm_resource_digests.xml")
    tool = Tool(tmp_path, path.read_text())
    assert tool.run("-O", "-N", "node3") == 0
    assert "rsc1_stop_0" not in tool.out
    assert tool.run("-o", "-N", "node3") == 0
    assert "rsc1_stop_0" in tool.out


def test_a_role_is_set_for_all_that_must_run_with_it(tool):
    tool.crm("configure", "colocation", "c", "inf:", "p1", "c1")
    tool.crm("configure", "colocation", "d", "100:", "g1", "c1")
    assert tool.run("-r", "c1", "-m", "-p", "target-role", "-v", "Stopped", "--recursive") == 0
    roles = tool.values("target-role")
    assert (roles["c1"], roles["p1"]) == ("Stopped", "Stopped")
    assert "g1" not in roles


def test_documented_options_are_listed(tool):
    assert tool.run("--list-options=primitive") == 0
    assert "* migration-threshold: " in tool.out
    assert tool.run("--list-options=fencing", "--all", "--output-as=xml") == 0
    names = [p.get("name") for p in etree.fromstring(tool.out.encode()).iter("parameter")]
    assert "pcmk_host_map" in names and "pcmk_off_timeout" in names
    assert tool.run("--list-options=nonsense") == 64


def test_a_name_that_does_not_exist_is_refused_with_help_and_no_change(tool):
    before = tool.path.read_bytes()
    assert tool.run("--move", "-r", "zzz", "-N", "node1") == 105
    assert tool.err.splitlines() == [
        "crm_resource: Resource 'zzz' not found",
        "Error performing operation: No such object",
        "'crm_resource --list' shows all",
    ]
    assert tool.run("--move", "-r", "p1", "-N", "elsewhere") == 105
    assert tool.err.splitlines()[2] == "The cluster has: node1, node2"
    assert tool.run("--move", "-r", "zzz", "-N", "node1", PCMK_stderr="1") == 105
    assert tool.err.splitlines()[-1] == "Error performing operation: No such object"
    assert tool.path.read_bytes() == before
