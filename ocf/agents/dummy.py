"""ocf:heartbeat:Dummy and ocf:pacemaker:Dummy: a resource that is one state file.

For tests and as a template.  Source: ocf.md 12.4 and annex A.
"""

from __future__ import annotations

import os
import sys
import time

from ocf.agent import Action, Agent, AgentError, Param, Rc, main


class Dummy(Agent):
    """Runs while its state file exists."""

    name = "Dummy"
    short = "Example stateless resource agent"
    long = "Does nothing but keep track of whether it runs, in a state file. For tests."
    params: tuple[Param, ...] = (
        Param(
            "state",
            "Absolute path of the state file.",
            "/run/resource-agents/Dummy-{instance}.state",
            unique=True,
            short="State file",
        ),
        Param("fake", "A value without effect; changing it causes a reload.", "dummy"),
    )
    actions: tuple[Action, ...] = (
        Action("start"),
        Action("stop"),
        Action("monitor", "20s", "10s", "0"),
        Action("reload"),
        Action("migrate_to"),
        Action("migrate_from"),
        Action("meta-data", "5s"),
        Action("validate-all"),
    )

    @property
    def state(self) -> str:
        if self.given("state"):
            return self.p["state"]
        return f"{self.state_dir}/{self.name}-{self.instance}.state"

    def validate(self) -> None:
        directory = os.path.dirname(self.state)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise AgentError(Rc.ARGS, f"state={self.state!r}: cannot write in {directory!r}")

    def monitor(self) -> Rc:
        if os.path.exists(self.state):
            return Rc.SUCCESS
        if self.action == "monitor" and not self.is_probe:
            raise AgentError(Rc.NOT_RUNNING, f"No process state file found: {self.state}")
        return Rc.NOT_RUNNING

    def start_once(self) -> Rc:
        if self.monitor() is Rc.NOT_RUNNING:
            self.start()
        return Rc.SUCCESS

    def start(self) -> None:
        try:
            with open(self.state, "a", encoding="ascii"):
                pass
        except OSError as e:
            raise AgentError(
                Rc.GENERIC, f"state={self.state!r}: cannot be created ({e.strerror})"
            ) from e

    def stop(self) -> None:
        try:
            os.unlink(self.state)
        except FileNotFoundError:
            pass

    def reload(self) -> Rc:
        return Rc.SUCCESS

    def migrate_to(self) -> Rc:
        return self.stop_once()

    def migrate_from(self) -> Rc:
        return self.start_once()


class PacemakerDummy(Dummy):
    """The same with switches that make it slow or make it fail."""

    version = "2.1"
    api = "1.1"
    params: tuple[Param, ...] = (
        Param(
            "state",
            "Absolute path of the state file.",
            "/var/run/Dummy-{instance}.state",
            unique_group="state",
            short="State file",
        ),
        Param("passwd", "A password without effect.", "", reloadable=True),
        Param("fake", "A value without effect.", "dummy", reloadable=True),
        Param("op_sleep", "Seconds each action sleeps.", "0", reloadable=True),
        Param("fail_start_on", "Node on which start fails.", "", reloadable=True),
        Param("envfile", "File that gets the environment of each call.", "", reloadable=True),
    )
    actions: tuple[Action, ...] = (
        Action("start"),
        Action("stop"),
        Action("monitor", "20s", "10s", "0"),
        Action("reload"),
        Action("reload-agent"),
        Action("migrate_to"),
        Action("migrate_from"),
        Action("validate-all"),
        Action("meta-data", "5s"),
    )

    @property
    def state(self) -> str:
        if self.given("state"):
            return self.p["state"]
        return f"{self.run_dir}/Dummy-{self.instance}.state"

    def validate(self) -> None:
        if not self.p["op_sleep"].isdigit():
            raise AgentError(
                Rc.CONFIGURED, f"op_sleep={self.p['op_sleep']!r}: want whole seconds, as op_sleep=3"
            )
        super().validate()

    def run(self) -> Rc:
        if self.p["envfile"] and self.action != "meta-data":
            self._dump_environment()
        if self.action == "validate-all" and self.check_level < 10:
            # As the stock agent: a plain validate-all answers by its exit code alone.
            return Rc.SUCCESS if self.p["op_sleep"].isdigit() else Rc.CONFIGURED
        return super().run()

    def _dump_environment(self) -> None:
        lines = [f"### {self.action} {self.instance}\n"]
        lines += [f"{name}={value}\n" for name, value in sorted(self.env.items())]
        try:
            with open(self.p["envfile"], "a", encoding="utf-8", errors="surrogateescape") as out:
                out.writelines(lines)
        except OSError as e:
            self.log("WARN", f"envfile={self.p['envfile']!r}: not written ({e.strerror})")

    def _sleep(self) -> None:
        seconds = int(self.p["op_sleep"]) if self.p["op_sleep"].isdigit() else 0
        if seconds:
            time.sleep(seconds)

    def monitor(self) -> Rc:
        self._sleep()
        rc = super().monitor()
        if rc is Rc.SUCCESS and self.action == "monitor":
            return self._level(self.check_level)
        return rc

    def _level(self, level: int) -> Rc:
        if level == 10:
            time.sleep(30)
        elif level == 20 and os.urandom(1)[0] % 5 == 0:
            raise AgentError(Rc.GENERIC, "smoke test at level 20: one in five fails")
        elif level == 30:
            raise AgentError(Rc.GENERIC, "smoke test at level 30: always fails")
        elif level == 40:
            with open(self.state, encoding="ascii", errors="replace") as f:
                text = f.read().strip()
            if text.isdigit() and int(text) in list(Rc):
                return Rc(int(text))
        return Rc.SUCCESS

    def start(self) -> None:
        node = self.p["fail_start_on"]
        if node and node == (self.meta("on_node") or os.uname().nodename):
            raise AgentError(Rc.GENERIC, f"fail_start_on={node}: start fails here as asked")
        self._sleep()
        super().start()

    def stop(self) -> None:
        self._sleep()
        super().stop()

    def reload_agent(self) -> Rc:
        self.log("INFO", "reloaded the parameters")
        return Rc.SUCCESS

    def notify(self) -> Rc:
        return Rc.SUCCESS


if __name__ == "__main__":
    provider = os.environ.get("OCF_RESOURCE_PROVIDER", "")
    sys.exit(main(PacemakerDummy if provider == "pacemaker" else Dummy))
