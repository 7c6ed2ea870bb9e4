"""A real cluster in a lab, for tests: load a configuration, look where things really run."""

import json
import re
import sys
import tempfile
import time

from cli.lab.plan import REPOSITORY
from cli.lab.timeline import Record
from crmd.daemon.supervisor import DAEMONS

ASK = f"""
import json, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from crmd.daemon import ipc
with ipc.Client(Path(sys.argv[1]), 60) as client:
    print(json.dumps(client.call(json.loads(sys.stdin.read()))))
"""
HANDBOOK = REPOSITORY / "cli/lab/handbook"
GROUP_IP, OTHER_IP = "172.16.1.164", "172.16.1.165"
GROUP = ["drbd_data", "fs_data", "svc_rsdata", "ip_172_16_1_164"]


def wait_until(condition, seconds=15.0, what="condition"):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.03)
    return value


class Cluster:
    """Nodes of a lab with pacekeeperd in each."""

    def __init__(self, lab):
        self.lab = lab
        self.names = []

    def up(self, names=None, config=None, watch=()):
        self.names = list(names or ["mysql-master", "mysql-backup"])
        self.lab.up(self.names, config, watch)
        wait_until(lambda: len(self.members()) == len(self.names), what="formation")
        return self

    # --- asking -----------------------------------------------------------------------------

    def request(self, node, message, socket="crmd.sock"):
        """One request to a daemon of a node; None while it is not there."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as got:
            given.write(json.dumps(message).encode())
            given.seek(0)
            words = [sys.executable, "-IS", "-c", ASK, f"/run/pacekeeper/{socket}"]
            fds = (given.fileno(), got.fileno(), got.fileno())
            status = self.lab.execute(node, words, fds, 90)
            got.seek(0)
            text = got.read().decode()
        if status:
            assert "nobody listens" in text or "closed the conn" in text or "went away" in text, (
                text
            )
            return None
        return json.loads(text)

    def alive(self):
        states = self.lab.ask({"op": "status"})["nodes"]
        return [n["name"] for n in states if n["state"] == "on"]

    def status(self, node=None):
        return self.request(node or self.alive()[0], {"op": "status"}) or {}

    def members(self):
        return self.status().get("members", [])

    def dc(self):
        return self.status().get("dc")

    def cib(self, **request):
        answer = self.request(self.alive()[0], {"op": "cib", "request": request})
        assert answer is not None and answer["ok"], answer
        return answer["outcome"].get("answer")

    def configure(self, cib_xml):
        """Replace the configuration by that of a CIB."""
        part = re.search(r"<configuration>.*</configuration>", cib_xml, re.DOTALL)[0]
        self.cib(call="replace", section="configuration", xml=part)
        self.settle()

    def settle(self, seconds=40):
        answer = self.request(self.alive()[0], {"op": "wait", "timeout_s": seconds})
        assert answer is not None and answer["ok"] and answer["idle"], answer

    def import_haresources(self, *options):
        """Convert the node's own /etc/ha.d and load the result."""
        words = ["haresources2cib", "--quiet", "--style", "compat", "--accept", "H020", *options]
        status, text = self.lab.output(self.alive()[0], *words, "/etc/ha.d")
        assert status == 0, text
        self.configure(text)

    # --- the truth --------------------------------------------------------------------------

    def holders(self, address):
        """Nodes that really have the address on an interface."""
        return self.lab.holders(address)

    def holders_of(self, names, address):
        return [n for n in names if self.lab.has_address(n, address)]

    def kill(self, node, *pids):
        """SIGKILL by the shell's own `kill` (the program is not everywhere)."""
        self.lab.output(node, "sh", "-c", 'kill -9 "$@"', "sh", *(str(p) for p in pids))

    def service_answer(self):
        """What the service behind the group's address says to the client."""
        code = (
            "import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(1);"
            f"s.sendto(b'?',('{GROUP_IP}',7777));print(s.recv(99).decode().strip())"
        )
        status, text = self.lab.output("client", sys.executable, "-IS", "-c", code)
        return text.strip() if status == 0 else ""

    def daemons(self, node):
        answer = self.request(node, {"op": "status"}, socket="pacekeeperd.sock")
        return {n: d["pid"] for n, d in answer["daemons"].items()} if answer else {}

    def kill_daemon(self, node, name):
        pid = self.daemons(node)[name]
        self.kill(node, pid)
        return pid

    def record(self):
        lines = []
        for name in self.names:
            for path in sorted((self.lab.disk(name) / "var/log/pacekeeper").iterdir()):
                lines += [{**line, "on": name} for line in self.lab.lines(path)]
        states = self.lab.ask({"op": "status"})["nodes"]
        names = {n["index"]: n["name"] for n in states}
        return Record(lines, self.lab.lines(self.lab.state / "client.log"), names)

    def actions(self, since, *kinds):
        """(node, action, resource) of finished agent calls, in the order of their ends."""
        ends = [
            line
            for line in self.record().daemons
            if line.get("event") == "agent.end" and line["mono"] >= since
        ]
        ends.sort(key=lambda line: line["mono"])
        wanted = kinds or ("start", "stop")
        return [(e["on"], e["action"], e["rsc"]) for e in ends if e["action"] in wanted]


__all__ = ["DAEMONS", "GROUP", "GROUP_IP", "HANDBOOK", "OTHER_IP", "Cluster", "wait_until"]
