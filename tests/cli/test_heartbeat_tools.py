"""cl_status, hb_standby, hb_addnode and the like on a scripted node: the original's words."""

from __future__ import annotations

import io
import os
import socket
import threading

import pytest

from cli import (
    cl_status,
    hb_addnode,
    hb_delnode,
    hb_standby,
    hb_takeover,
    heartbeat,
    pacekeeper_heartbeat,
)
from crmd.daemon import ipc
from crmd.daemon.paths import Paths

SNAPSHOT = {
    "event": "snapshot",
    "node": "alice",
    "status": "active",
    "clients": ["haresources"],
    "nodes": [
        {
            "name": "bob",
            "state": "alive",
            "status": "active",
            "links": [{"name": "eth0", "up": True}, {"name": "eth1", "up": False}],
            "clients": [],
        }
    ],
    "pings": [{"name": "10.0.0.254", "state": "alive"}],
    "links": ["eth0", "eth1"],
}
STATE = {"ok": True, "claim": "local", "settled": True, "groups": []}
PARAMETERS = {"keepalive": "200ms"}


class Node:
    """Answers on both sockets like the daemons."""

    def __init__(self, root):
        self.paths = Paths(root)
        self.paths.run.mkdir(parents=True)
        self.asked = []
        self.state = dict(STATE)
        self._serve(self.paths.heartbeat_socket, self._heartbeat, greets=True)
        self._serve(self.paths.haresources_socket, self._haresources)

    def _serve(self, path, answer, greets=False):
        listening = ipc.listen(path)
        listening.setblocking(True)
        thread = threading.Thread(target=self._loop, args=(listening, answer, greets), daemon=True)
        thread.start()

    def _loop(self, listening, answer, greets):
        while True:
            connection, _ = listening.accept()
            connection.setblocking(True)
            with connection:
                if greets:
                    connection.sendall(ipc.encode(SNAPSHOT))
                self._converse(connection, answer)

    def _converse(self, connection: socket.socket, answer):
        decoder = ipc.Decoder()
        try:
            while data := connection.recv(65536):
                for message in decoder.feed(data):
                    connection.sendall(ipc.encode(answer(message)))
        except OSError:
            return  # the tool has ended

    def _heartbeat(self, message):
        if message["op"] in ("addnode", "delnode"):
            self.asked.append(message)
            if "alice" in message["nodes"]:
                why = "node alice is not dead"
                return {"event": "refused", "op": message["op"], "reason": why}
            return {"event": "changed", "nodes": ["alice", "bob", *message["nodes"]]}
        value = PARAMETERS.get(message.get("name"))
        return {"event": "parameter", "name": message.get("name"), "value": value}

    def _haresources(self, message):
        if message["op"] == "status":
            return self.state
        self.asked.append(message)
        return {"ok": True}


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def call(module, root, *words):
    out, err = io.StringIO(), io.StringIO()
    env = {"PACEKEEPER_ROOT": str(root)}
    code = module.main(list(words), out, err, env, io.StringIO())
    return code, out.getvalue(), err.getvalue()


ANSWERS = [
    ("hbstatus", 0, "Heartbeat is running on this machine.\n"),
    ("listnodes", 0, "alice\nbob\n10.0.0.254\n"),
    ("listnodes -n", 0, "alice\nbob\n"),
    ("listnodes -p", 0, "10.0.0.254\n"),
    ("listnodes -m -n", 0, "The nodes are as follow:\nalice\nbob\n"),
    ("nodestatus bob", 0, "active\n"),
    ("nodestatus BOB -m", 0, "The cluster node bob is active\n"),
    ("nodestatus 10.0.0.254", 0, "ping\n"),
    ("nodetype bob", 0, "normal\n"),
    ("nodetype bob -m", 0, "The node bob's type: normal\n"),
    ("nodetype 10.0.0.254", 0, "ping\n"),
    ("nodeweight bob", 0, "100\n"),
    ("nodesite bob", 0, "\n"),
    ("listhblinks bob", 0, "\teth0\n\teth1\n"),
    ("listhblinks bob -v", 0, "\teth0\tup\n\teth1\tdead\n"),
    ("hblinkstatus bob eth0", 0, "up\n"),
    ("hblinkstatus bob eth1", 1, "dead\n"),
    ("hblinkstatus bob eth0 -m", 0, "The node bob's heartbeat link eth0 is up\n"),
    ("clientstatus alice haresources", 0, "online\n"),
    ("clientstatus bob ipfail 100", 1, "offline\n"),
    ("rscstatus", 0, "local\n"),
    ("rscstatus -m", 0, "This node is holding local resources.\n"),
    ("hbparameter -p keepalive", 0, "200ms\n"),
]


@pytest.mark.parametrize(("words", "code", "text"), ANSWERS)
def test_cl_status_answers_as_the_original(node, words, code, text):
    assert call(cl_status, node.paths.root, *words.split()) == (code, text, "")


REFUSALS = [
    ("nodestatus ghost", 11, "Error. May be due to incorrect node name\n"),
    ("nodestatus", 11, "Not enough parameters.\n"),
    ("nodetype ghost", 11, "Error. May be due to incorrect node name\n"),
    ("hblinkstatus bob", 11, "No enough parameter.\n"),
    ("bogus", 11, "cl_status: ERROR: bogus: invalid sub-command.\n"),
    ("hbparameter", 11, "cl_status: ERROR: parameter name required\n"),
]


@pytest.mark.parametrize(("words", "code", "text"), REFUSALS)
def test_cl_status_refuses_as_the_original(node, words, code, text):
    assert call(cl_status, node.paths.root, *words.split()) == (code, "", text)


def test_cl_status_names_an_unknown_link_and_parameter(node):
    code, _, err = call(cl_status, node.paths.root, "hblinkstatus", "bob", "eth9")
    assert code == 13 and "ERROR: Cannot get heartbeat link status" in err
    code, _, err = call(cl_status, node.paths.root, "hbparameter", "-p", "node")
    assert code == 1 and "ERROR: Cannot get parameter node's value" in err


def test_cl_status_says_transition_while_something_moves(node):
    node.state["settled"] = False
    assert call(cl_status, node.paths.root, "rscstatus") == (0, "transition\n", "")


def test_the_verbose_status_lists_links_as_the_original(node):
    code, out, _ = call(cl_status, node.paths.root, "hbstatus", "-v")
    assert code == 0 and 'managed by:\t"haresources"\n' in out
    assert "\nbob\tactive\t(nodetype: normal)\n\teth0\tup\n\teth1\tdead\n" in out
    assert "\n10.0.0.254\tping\t(nodetype: ping)\n\t10.0.0.254\tup\n" in out


def test_a_stopped_node_is_said_to_be_stopped(tmp_path):
    assert call(cl_status, tmp_path, "hbstatus") == (
        1,
        "Heartbeat is stopped on this machine.\n",
        "",
    )
    assert call(cl_status, tmp_path, "listnodes")[0] == 12
    assert call(heartbeat, tmp_path, "-s") == (3, "heartbeat is stopped. No process\n", "")
    assert call(heartbeat, tmp_path, "-k") == (0, "", "INFO: Heartbeat already stopped.\n")
    assert call(pacekeeper_heartbeat, tmp_path, "status")[0] == 3


@pytest.mark.parametrize("module", [hb_standby, hb_takeover])
def test_the_tools_ask_for_what_was_typed_and_for_all_by_default(node, module):
    op = module.TOOL.removeprefix("hb_")
    for words, which in (((), "all"), (("local",), "local"), (("failback",), "failback")):
        assert call(module, node.paths.root, *words) == (0, "", "")
        assert node.asked[-1] == {"op": op, "which": which}


@pytest.mark.parametrize("module", [hb_standby, hb_takeover])
def test_the_tools_refuse_other_words_as_the_original(node, module):
    tool = module.TOOL
    usage = f"{tool} [all|foreign|local|failback]\n"
    wrong = f"{tool}: wrong resources(bogus).\nusage:\n"
    assert call(module, node.paths.root, "bogus") == (1, wrong, usage)
    many = f"{tool}: too many arguments\nusage:\n"
    assert call(module, node.paths.root, "all", "x") == (1, many, usage)
    assert node.asked == []


def test_where_nobody_listens_the_tool_ends_at_once_and_says_so(tmp_path):
    code, out, err = call(hb_standby, tmp_path)
    assert (code, out) == (1, "") and "haresources is not run on this node" in err


def test_waiting_ends_when_the_claim_is_as_asked(node):
    node.state["claim"] = "none"
    assert call(hb_standby, node.paths.root, "--wait=2", "all")[0] == 0
    code, _, err = call(hb_takeover, node.paths.root, "--wait=0.3", "all")
    assert code == 1 and "not done within 0.3 s" in err


def test_crm_on_replaces_every_other_word_and_keeps_the_old_file(tmp_path):
    ha_cf = tmp_path / "ha.cf"
    ha_cf.write_text("node a b\ncrm no\nbcast eth0\n")
    saved = pacekeeper_heartbeat.write_crm_on(ha_cf)
    assert ha_cf.read_text() == "node a b\nbcast eth0\ncrm on\n"
    assert saved is not None and saved.read_text() == "node a b\ncrm no\nbcast eth0\n"
    assert pacekeeper_heartbeat.write_crm_on(ha_cf) is None


def test_a_running_node_is_known_by_the_lock_on_its_pid_file(tmp_path):
    from crmd.daemon.supervisor import take_pid_file

    paths = Paths(tmp_path)
    paths.run.mkdir(parents=True)
    held = take_pid_file(paths)
    code, out, _ = call(heartbeat, tmp_path, "-s")
    assert code == 0 and out.startswith(f"heartbeat OK [pid {os.getpid()} et al] is running on ")
    os.close(held)
    assert call(heartbeat, tmp_path, "-s") == (1, "heartbeat is stopped. No process\n", "")


@pytest.mark.parametrize("module", [hb_addnode, hb_delnode])
def test_the_node_tools_print_the_usage_of_the_original_and_ask_for_what_was_typed(node, module):
    usage = f"usage: {module.TOOL} <node> <node> ...\n"
    assert call(module, node.paths.root) == (1, usage, "")
    code, out, _ = call(module, node.paths.root, "--help")
    assert code == 0 and out.startswith(usage)
    op = module.TOOL.removeprefix("hb_")
    assert call(module, node.paths.root, "carol", "dave") == (0, "", "")
    assert call(module, node.paths.root, "--check", "carol") == (0, "", "")
    assert node.asked == [
        {"op": op, "nodes": ["carol", "dave"]},
        {"op": op, "nodes": ["carol"], "check": True},
    ]


def test_a_refused_change_of_nodes_says_why(node, tmp_path_factory):
    told = "hb_delnode: node alice is not dead; nothing is changed\n"
    assert call(hb_delnode, node.paths.root, "alice") == (1, "", told)
    code, out, err = call(hb_addnode, tmp_path_factory.mktemp("empty"), "carol")
    assert (code, out) == (1, "") and "Heartbeat does not run on this machine" in err
