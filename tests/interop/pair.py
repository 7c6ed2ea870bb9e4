"""A pair with haresources, each node either Debian's heartbeat 3.0.6 or ours, and a client.

The namespaces are those of tests/heartbeat/interop_rig.py.  Node `real` is the home of the address
10.99.0.100, node `ours` of 10.99.0.101; each group has a script before the address that writes down
what was done to it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field

from crmd.daemon.ipc import Client, IpcError
from tests.heartbeat.daemons import REPO
from tests.heartbeat.interop_rig import Rig, Space, until

HOMES = {"10.99.0.100": "real", "10.99.0.101": "ours"}
HARESOURCES = """real Flag::a IPaddr2::10.99.0.100/24/eth0
ours Flag::b IPaddr2::10.99.0.101/24/eth0
"""
FLAG = """#!/bin/sh
# Flag NAME start|stop|status: a resource that is a file.
flag=/run/flag-$1
case $2 in
start) touch $flag; echo "$(date +%s.%N) start $1" >> /run/actions;;
stop) rm -f $flag; echo "$(date +%s.%N) stop $1" >> /run/actions;;
status) if [ -e $flag ]; then echo running; else echo stopped; fi;;
esac
"""
HEARTBEAT_DIR = "/usr/share/heartbeat"
NOISE = re.compile("Cannot lock ourselves into memory")


@dataclass
class Pair(Rig):
    """Which node runs what is decided when it is started."""

    mode: str = "on"
    media: str = "mcast eth0 225.0.0.64 694 1 0"
    client: Space = field(init=False)
    kinds: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.extra = self.media
        Rig.__post_init__(self)
        self.client = Space.make()
        self.client.run("ip", "link", "set", "lo", "up")
        pair = ("type", "veth", "peer", "name", "eth0", "netns", str(self.client.pid))
        self.switch.run_outside("ip", "link", "add", "port9", *pair)
        self.switch.run("ip", "link", "set", "port9", "master", "br0", "up")
        self.client.run("ip", "addr", "add", "10.99.0.9/24", "dev", "eth0")
        self.client.run("ip", "link", "set", "eth0", "up")

    def connect(self, name: str) -> None:
        Rig.connect(self, name)
        root = self.folder / name
        config = root / "etc/ha.d"
        text = (config / "ha.cf").read_text()
        (config / "ha.cf").write_text(
            text.replace("auto_failback on", f"auto_failback {self.mode}")
        )
        (config / "haresources").write_text(HARESOURCES)
        script = config / "resource.d/Flag"
        script.write_text(FLAG)
        script.chmod(0o755)
        (root / "run/resource-agents").mkdir(exist_ok=True)
        for flag in (root / "run").glob("flag-*"):
            flag.unlink()  # what a power cut clears

    # --- start and stop -------------------------------------------------------------------------

    def start(self, name: str, kind: str) -> None:
        """`kind`: real or ours."""
        self.kinds[name] = kind
        if kind == "real":
            self.start_real(name)
            return
        root = self.folder / name
        command = [sys.executable, "-m", "crmd.daemon.supervisor", "--foreground"]
        with (self.folder / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                self.spaces[name].enter(*command, "--root", str(root), "--node", name),
                cwd=REPO,
                env={**os.environ, "PYTHONPATH": str(REPO)},
                stdout=out,
                stderr=out,
            )

    def stop(self, name: str) -> None:
        """Cleanly, waiting for the end."""
        if self.kinds[name] == "real":
            self.spaces[name].run("/usr/libexec/heartbeat/heartbeat", "-k")
        else:
            pid = (self.folder / name / "run/pacekeeper/pacekeeperd.pid").read_text().strip()
            self.spaces[name].run("kill", "-TERM", pid)
        self.processes.pop(name).wait(30)

    def power_cycle(self, name: str) -> None:
        """Power off; it is connected again and runs nothing."""
        self.kill_node(name)
        self.connect(name)

    def signal(self, name: str, daemon: str, number: int) -> None:
        """Send a signal to one of our daemons."""
        pid = self.daemons(name)[daemon]["pid"]
        self.spaces[name].run("kill", f"-{int(number)}", str(pid))

    def daemons(self, name: str) -> dict[str, dict[str, int]]:
        """Our daemons as pacekeeperd knows them."""
        answer = self.ask(name, {"op": "status"}, "pacekeeperd.sock")
        daemons: dict[str, dict[str, int]] = answer["daemons"]
        return daemons

    def ask(self, name: str, request: dict[str, object], socket: str = "haresources.sock"):  # type: ignore[no-untyped-def]
        path = self.folder / name / "run/pacekeeper" / socket
        with Client(path, 10.0) as client:
            return client.call(request)

    # --- what people do -------------------------------------------------------------------------

    def tool(self, name: str, tool: str, *words: str) -> None:
        """hb_standby and the like, of the kind the node runs."""
        if self.kinds[name] == "real":
            self.spaces[name].run(f"{HEARTBEAT_DIR}/{tool}", *words)
            return
        module = f"cli.{tool}"
        command = [sys.executable, "-m", module, *words]
        environment = ("env", f"PYTHONPATH={REPO}", f"PACEKEEPER_ROOT={self.folder / name}")
        self.spaces[name].run(*environment, *command)

    # --- what is true ---------------------------------------------------------------------------

    def holders(self, address: str) -> list[str]:
        """Living nodes that have the address."""
        found = []
        for name, space in sorted(self.spaces.items()):
            listing = space.run("ip", "-o", "-4", "addr", check=False).stdout
            if f" {address}/" in listing:
                found.append(name)
        return found

    def placement(self) -> dict[str, list[str]]:
        return {address: self.holders(address) for address in HOMES}

    def seen_by_client(self, address: str) -> str:
        """The node whose hardware address the client finds behind `address`; empty: none."""
        self.client.run("ip", "neigh", "flush", "dev", "eth0", check=False)
        self.client.run("ping", "-c", "1", "-W", "1", address, check=False)
        line = self.client.run("ip", "neigh", "show", address, check=False).stdout
        for name, space in sorted(self.spaces.items()):
            link = space.run("ip", "-o", "link", "show", "eth0", check=False).stdout
            mac = re.search(r"link/ether (\S+)", link)
            if mac and mac[1] in line:
                return name
        return ""

    def wait(self, limit_s: float = 20.0, **wanted: str) -> float:
        """Until the addresses `a` and `b` are where they should be, and only there."""
        addresses = {"a": "10.99.0.100", "b": "10.99.0.101"}
        goal = {addresses[key]: [name] for key, name in wanted.items()}
        what = f"{wanted}"
        try:
            took = until(lambda: self.placement() == goal, limit_s, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; found {self.placement()}") from None
        for address, names in goal.items():
            assert [self.seen_by_client(address)] == names
        return took

    def settled(self, limit_s: float = 15.0) -> None:
        """Until both nodes say that nothing moves."""

        def look() -> bool:
            return all(self.claim(name) != "transition" for name in self.processes)

        until(look, limit_s, "both nodes settled")

    def claim(self, name: str) -> str:
        """As `cl_status rscstatus` says."""
        if self.kinds[name] == "real":
            return self.spaces[name].run("cl_status", "rscstatus", check=False).stdout.strip()
        try:
            answer = self.ask(name, {"op": "status"})
        except IpcError:
            return "transition"
        return str(answer["claim"]) if answer["settled"] else "transition"

    def real_log(self, name: str = "real") -> str:
        """The log file of ha.cf, whichever kind wrote it: ours puts it below the node's root."""
        own = self.folder / name / str(self.folder / name / "log/ha.log").lstrip("/")
        return Rig.real_log(self, name) + (own.read_text() if own.exists() else "")

    def complaints(self, name: str) -> list[str]:
        """ERROR and CRIT lines of a real node that a real peer would not have caused as well."""
        lines = self.real_log(name).splitlines()
        bad = [line for line in lines if re.search(r"\b(ERROR|CRIT): ", line)]
        return [line for line in bad if not NOISE.search(line)]

    def actions(self, name: str) -> list[str]:
        """What was done to the flags on a node, in order."""
        path = self.folder / name / "run/actions"
        return (
            [line.split(" ", 1)[1] for line in path.read_text().splitlines()]
            if path.exists()
            else []
        )

    def close(self) -> None:
        self.client.end()
        Rig.close(self)


KILL = signal.SIGKILL
