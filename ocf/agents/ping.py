"""ocf:pacemaker:ping and ocf:heartbeat:pingd: how many reference hosts a node can reach.

The number, times `multiplier`, is a transient attribute of the node, for rules of location
constraints.  All hosts are asked at once.  `dampen` and `debug` are handed to attrd_updater;
`use_fping` has no effect; with `options` the program `ping` asks one host after the other.
Sources: ocf.md 12.5 and annex A, the manual page ocf_pacemaker_ping(7).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping

from ocf.agent import Action, Agent, AgentError, Param, Rc, is_true, main

_SECONDS = re.compile(r"(\d+)\s*(ms|s|sec|m|min|)\Z")
PATIENCE_S = 3.0
"""How long attrd_updater is called again while nobody answers it."""
TRY_S, DELETE_S = 1.5, 1.0
"""What one call may take: to set, to delete.  A loser of a split waits for the call under way."""
_SCALE = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "": 1.0}


class Ping(Agent):
    """Runs while its pid file exists; each monitor asks the hosts and publishes the result."""

    name = "ping"
    version = "1.2"
    api = "1.1"
    short = "node connectivity"
    long = (
        "Every time the monitor action is run, this agent records in the CIB how many of the "
        "hosts of host_list answer an ICMP echo, as a transient attribute of the node. Rules "
        "of location constraints can move resources to nodes that are better connected."
    )
    params: tuple[Param, ...] = (
        Param(
            "pidfile",
            "File that exists while the resource runs.",
            "/var/run/ping-{instance}",
            unique_group="pidfile",
            short="PID file",
        ),
        Param(
            "dampen",
            "The time to wait for further changes.",
            "5s",
            "integer",
            short="Dampening interval",
            reloadable=True,
        ),
        Param(
            "name",
            "The attribute to set, and to use in constraints.",
            "pingd",
            unique_group="name",
            short="Attribute name",
        ),
        Param(
            "multiplier",
            "The number of hosts that answer is multiplied by this.",
            "1",
            "integer",
            short="Value multiplier",
        ),
        Param("host_list", "Hosts to ask, separated by blanks.", "", required=True),
        Param(
            "attempts",
            "Requests to each host before it counts as dead.",
            "3",
            "integer",
            short="Number of attempts",
            reloadable=True,
        ),
        Param(
            "timeout",
            "Seconds to wait for the answer to one request.",
            "2",
            "integer",
            short="Timeout in seconds",
            reloadable=True,
        ),
        Param("options", "Options for the program ping, used instead then.", ""),
        Param(
            "failure_score",
            "Fail if the value is below this; by default never.",
            "",
            "integer",
        ),
        Param("use_fping", "Without effect: all hosts are asked at once.", "1", "boolean"),
        Param("debug", "Verbose attrd_updater.", "false", reloadable=True),
    )
    actions: tuple[Action, ...] = (
        Action("start", "60s"),
        Action("stop", "20s"),
        Action("reload-agent", "20s"),
        Action("monitor", "60s", "10s", "0"),
        Action("meta-data", "5s"),
        Action("validate-all", "30s"),
    )

    @property
    def pid_file(self) -> str:
        if self.given("pidfile"):
            return self.p["pidfile"]
        instance = self.instance
        if self.is_clone and self.meta("globally_unique") != "true":
            instance = instance.partition(":")[0]
        return f"{self.run_dir}/ping-{instance}"

    def number(self, name: str) -> int:
        """A parameter as a number.  Raises AgentError."""
        if not self.p[name].isdigit():
            text = f"{name}={self.p[name]!r}: want a whole number"
            raise AgentError(Rc.CONFIGURED, text)
        return int(self.p[name])

    @property
    def hosts(self) -> list[str]:
        return self.p["host_list"].replace(",", " ").split()

    def wait_s(self) -> float:
        """How long to wait for one answer."""
        text = self.p["timeout"] if self.given("timeout") else ""
        found = _SECONDS.match(text or "2")
        if found is None:
            raise AgentError(Rc.CONFIGURED, f"timeout={text!r}: want seconds, as timeout=2")
        seconds = int(found[1]) * _SCALE[found[2]]
        if seconds < 1:
            return 5.0
        return seconds if seconds <= 1000 else 300.0

    def validate(self) -> None:
        if not self.hosts:
            raise AgentError(Rc.CONFIGURED, "host_list: empty; name hosts to ask")
        for name in ("multiplier", "attempts"):
            self.number(name)
        self.wait_s()
        directory = os.path.dirname(self.pid_file)
        if self.check_level >= 10 and not os.access(directory, os.W_OK | os.X_OK):
            raise AgentError(Rc.ARGS, f"pidfile={self.pid_file!r}: cannot write in {directory!r}")

    def monitor(self) -> Rc:
        if not os.path.exists(self.pid_file):
            return Rc.NOT_RUNNING
        return self._publish("-U")

    def start_once(self) -> Rc:
        """Ask once, publish at once."""
        self.validate()
        with open(self.pid_file, "a", encoding="ascii"):
            pass
        return self._publish("-B")

    def stop_once(self) -> Rc:
        """Nothing is asked on the way out."""
        if os.path.exists(self.pid_file):
            os.unlink(self.pid_file)
        self._tell("-D")
        return Rc.SUCCESS

    def reload_agent(self) -> Rc:
        return self._publish("-B")

    # -- the value

    def _publish(self, how: str) -> Rc:
        value = len(self._alive()) * self.number("multiplier")
        if not self._tell(how, str(value)):
            return Rc.GENERIC
        low = self.p["failure_score"]
        if low.lstrip("-").isdigit() and value < int(low):
            raise AgentError(
                Rc.GENERIC, f"{self.p['name']} is {value}, less than failure_score={low}"
            )
        return Rc.SUCCESS

    def _alive(self) -> list[str]:
        attempts, wait_s = max(1, self.number("attempts")), self.wait_s()
        if self.p["options"]:
            return [host for host in self.hosts if self._by_program(host, attempts, wait_s)]
        from ocf.echo import answering

        return sorted(answering(self.hosts, attempts, wait_s))

    def _by_program(self, host: str, attempts: int, wait_s: float) -> bool:
        from ocf.command import CommandFailed, run

        program = "ping6" if ":" in host else "ping"
        words = ("-n", "-q", "-W", str(int(wait_s)), "-c", str(attempts))
        try:
            run(program, *words, *self.p["options"].split(), host)
        except CommandFailed:
            return False
        return True

    def _updater(self) -> list[str]:
        """The attrd_updater beside this very package: one of another cluster may be installed."""
        root = os.path.dirname(self.run_dir)
        places = [place for place in sys.path if place not in ("", "/")]
        code = (
            f"import os,sys;sys.path[:0]={places!r};os.environ['PACEKEEPER_ROOT']={root!r};"
            "from cli.attrd_updater import run;sys.exit(run())"
        )
        return [sys.executable, "-c", code]

    def _tell(self, *words: str) -> bool:
        """Set or delete the attribute; whether that worked.

        While crmd is being restarted nobody answers: no reason to fail, for that moves resources.
        The deletion is tried once and not waited for long: it must not delay a stop.
        """
        import subprocess

        argv = [*self._updater(), "-n", self.p["name"], *words]
        is_stop = words[0] == "-D"
        if not is_stop:
            argv += ["-d", self.p["dampen"]]
        if is_true(self.p["debug"]):
            argv.append("-V")
        end = time.monotonic() + (0.0 if is_stop else min(PATIENCE_S, self.timeout_s / 3))
        while True:
            try:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=DELETE_S if is_stop else TRY_S,
                )
                if done.returncode == 0:
                    return True
                why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            except subprocess.TimeoutExpired:
                why = "no answer in time"
            if time.monotonic() >= end:
                self.log("WARN" if is_stop else "ERROR", f"attribute {self.p['name']}: {why}")
                return False
            time.sleep(0.3)


class Pingd(Ping):
    """The old name, with the parameters of that agent that have a meaning here."""

    name = "pingd"
    version, api = "1.0", "1.0"
    params: tuple[Param, ...] = (
        Param("pidfile", "File that exists while the resource runs.", "/run/pingd-{instance}"),
        Param("user", "Without effect.", "root"),
        Param("dampen", "The time to wait for further changes.", "1s", "integer"),
        Param("set", "Without effect.", "", "integer"),
        Param("name", "The attribute to set.", "pingd"),
        Param("section", "Without effect: always the status section.", "", "integer"),
        Param("multiplier", "The number of hosts that answer is multiplied by this.", "1"),
        Param("host_list", "Hosts to ask.", "", required=True),
        Param("ignore_deprecation", "Without effect.", "false", "boolean"),
    )
    actions: tuple[Action, ...] = (
        Action("start", "20s"),
        Action("stop", "20s"),
        Action("monitor", "20s", "10s", "0"),
        Action("meta-data", "5s"),
        Action("validate-all", "20s"),
    )

    def __init__(self, environ: Mapping[str, str], action: str = "monitor") -> None:
        super().__init__(environ, action)
        fixed = {"attempts": "2", "timeout": "2", "options": "", "failure_score": ""}
        self.p.update(fixed, debug="false", use_fping="0")


if __name__ == "__main__":
    is_old = os.path.basename(sys.argv[0]) == "pingd"
    sys.exit(main(Pingd if is_old else Ping))
