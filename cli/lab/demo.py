"""`make demo`: the pair of the Heartbeat handbooks, imported, run, moved, killed, measured.

Everything it does is a command a person could type in the lab; it prints each one.  It checks
what it claims: the exit status is 0 only if every step came out as told.  Bounded in time, and it
leaves nothing behind.  What is a stand-in is said when it is used (docs/lab.md).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from cli.lab.plan import LabError, nodes_of_ha_cf
from cli.lab.session import Lab
from cli.lab.timeline import Record, Row, render

HANDBOOK = Path(__file__).with_name("handbook")
LIMIT_S = 150
GROUP, GROUP_IP, LAST = "grp_mysql-master_1", "172.16.1.164", "ip_172_16_1_164_start_0"
OTHER_IP = "172.16.1.165"
MEMBERS = ("drbd_data", "fs_data", "svc_rsdata", "ip_172_16_1_164")
MASTER, BACKUP = "mysql-master", "mysql-backup"


class DemoError(Exception):
    """A step did not come out as announced."""


class Demo:
    """The steps, on one lab; `out` is where people read."""

    def __init__(self, lab: Lab, out: TextIO) -> None:
        self._lab = lab
        self._out = out
        self._began = time.monotonic()
        self._rows: list[Row] = []

    def say(self, text: str) -> None:
        """One line of progress."""
        self._out.write(f"[{time.monotonic() - self._began:5.1f} s] {text}\n")
        self._out.flush()

    def command(self, node: str, *argv: str, shows: bool = True) -> str:
        """Run a command in a node, print it and its output.  Raises DemoError if it fails."""
        self._out.write(f"          {node}# {' '.join(argv)}\n")
        status, text = self._lab.output(node, *argv, timeout_s=60)
        if shows or status:
            self._out.writelines(f"          | {line}\n" for line in text.splitlines())
        self._out.flush()
        if status:
            raise DemoError(f"'{' '.join(argv)}' on {node} ended with status {status}")
        return text

    def wait(self, what: str, condition: Callable[[], bool], limit_s: float = 20.0) -> None:
        """Until the condition holds.  Raises DemoError."""
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                raise DemoError(f"{what}: not within {limit_s:.0f} s")
            time.sleep(0.05)

    # --- what is true -----------------------------------------------------------------------

    def record(self) -> Record:
        """All logs of now."""
        states = self._lab.ask({"op": "status"})["nodes"]
        lines = []
        for node in states:
            logs = self._lab.disk(node["name"]) / "var/log/pacekeeper"
            for path in sorted(logs.iterdir()) if logs.is_dir() else []:
                lines += self._lab.lines(path)
        client = self._lab.lines(self._lab.state / "client.log")
        return Record(lines, client, {n["index"]: n["name"] for n in states})

    def expect_at(self, node: str, since: float, *, stops: bool) -> None:
        """The group runs on `node`, and got there in the order of its line."""
        self.wait(f"{GROUP_IP} on {node}", lambda: self._lab.holders(GROUP_IP) == [node])
        self.wait(
            f"start of all of {GROUP}",
            lambda: ("start", MEMBERS[-1]) in self.record().executed(since),
        )
        done = [pair for pair in self.record().executed(since) if pair[1] in MEMBERS]
        wanted = [("stop", r) for r in reversed(MEMBERS)] if stops else []
        wanted += [("start", r) for r in MEMBERS]
        if done != wanted:
            raise DemoError(f"executed {done}, expected {wanted}")
        names = " -> ".join(("" if a == "start" else "stop ") + r for a, r in done)
        self.say(f"executed: {names}")

    def measure(self, event: str, at: float, victim: str = "") -> None:
        """Note a row of the table once the client has seen the address again."""

        def row() -> Row:
            return self.record().row(event, at, GROUP_IP, LAST, victim)

        self.wait("answer to the client", lambda: row().outage_ms is not None)
        self._rows.append(row())
        self.say(f"the client waited {self._rows[-1].outage_ms:.0f} ms")

    # --- the steps --------------------------------------------------------------------------

    def start(self) -> None:
        names = nodes_of_ha_cf((HANDBOOK / "ha.cf").read_text())
        self.say(f"a lab with {' and '.join(names)}, from {HANDBOOK}")
        for name in ("ha.cf", "haresources"):
            lines = (HANDBOOK / name).read_text().splitlines()
            self._out.writelines(f"          {name}: {line}\n" for line in lines)
        self._lab.up(names, HANDBOOK, [GROUP_IP, OTHER_IP])
        if self._lab.note:
            raise DemoError(f"{self._lab.note}; the demo needs addresses and mounts")
        status = self._lab.ask({"op": "status"})
        self.say(f"two nodes run, each in its own namespaces; shared disk: {status['disk']}")
        self.say(
            "drbdadm is the lab's stand-in (no kernel module needed); agents are the real ones"
        )
        self.wait("formation of the cluster", self._is_formed, 30)
        self.say("both nodes are members of one cluster")

    def _is_formed(self) -> bool:
        status, text = self._lab.output(MASTER, "crm_mon", "-1")
        return status == 0 and f"Online: [ {BACKUP} {MASTER} ]" in text

    def import_files(self) -> None:
        self.say("import of the old files (H020, no fencing, has to be accepted by name)")
        words = ("haresources2cib", "--style", "compat", "--accept", "H020", "--apply")
        self.command(MASTER, *words, "/etc/ha.d")
        self.command(MASTER, "crm_resource", "--wait", shows=False)
        self.expect_at(MASTER, 0.0, stops=False)
        if self._lab.holders(OTHER_IP) != [BACKUP]:
            raise DemoError(f"{OTHER_IP} is not on {BACKUP}")
        self.command(MASTER, "crm", "status")

    def move(self) -> None:
        self.say(f"planned move of the group to {BACKUP}")
        at = time.monotonic()
        self.command(MASTER, "crm_resource", "--resource", GROUP, "--move", "--node", BACKUP)
        self.expect_at(BACKUP, at, stops=True)
        self.measure(f"move to {BACKUP}", at)
        at = time.monotonic()
        self.command(MASTER, "crm_resource", "--resource", GROUP, "--clear")
        self.command(MASTER, "crm_resource", "--wait", shows=False)
        if self.record().executed(at):
            raise DemoError("clearing the constraint restarted something")
        self.say("constraint cleared; nothing was restarted, the group stays (auto_failback off)")

    def kill(self) -> None:
        self.say(f"power cut of {BACKUP}, which runs everything now")
        at = float(self._lab.ask({"op": "kill", "node": BACKUP})["at"])
        self.expect_at(MASTER, at, stops=False)
        self.measure(f"kill -9 of {BACKUP}", at, BACKUP)
        self.command(MASTER, "crm_resource", "--wait", shows=False)
        self.command(MASTER, "crm", "status")
        if self._lab.holders(OTHER_IP) != [MASTER]:
            raise DemoError(f"{OTHER_IP} was not taken over")
        self.say(f"both addresses answer from {MASTER}")

    def table(self) -> None:
        self._out.write("\n" + render(self._rows))
        self._out.write(
            "deadtime is 1 s; detection runs from the kill, decision to the first order, agents\n"
            "to the end of the last start; the outage is what a client saw, asking every 5 ms.\n"
        )

    def play(self) -> None:
        """All of it."""
        for step in (self.start, self.import_files, self.move, self.kill, self.table):
            step()


def _too_late(*_: object) -> None:
    raise DemoError(f"not done in {LIMIT_S} s")


def main(argv: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Exit status 0 if everything came out as told."""
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(LIMIT_S)
    lab = Lab(f"demo-{os.getpid()}")
    demo = Demo(lab, out)
    try:
        demo.play()
    except (DemoError, LabError) as e:
        err.write(f"demo: {e}\n")
        if kept := os.environ.get("PACEKEEPER_LAB_LOGS"):
            lab.keep_logs(Path(kept) / lab.name)
            err.write(f"demo: logs are in {kept}/{lab.name}\n")
        return 1
    except KeyboardInterrupt:
        err.write("\ndemo: interrupted\n")
        return 130
    finally:
        signal.alarm(0)
        lab.down()
        demo.say("the lab is gone; nothing stays behind")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
