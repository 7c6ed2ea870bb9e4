"""ocf:heartbeat:Stateful and ocf:pacemaker:Stateful: a promotable resource in a state file.

Facts: ocf.md 12.4 and annex A (the odd codes there are the reference's and kept).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from ocf.agent import Action, Agent, AgentError, Param, Rc, main

PROMOTED_SCORE = "10"
UNPROMOTED_SCORE = "5"
_PROMOTED_WORDS = ("Promoted", "master", "Master")
_UNPROMOTED_WORDS = ("Unpromoted", "slave", "Slave")


class Stateful(Agent):
    """Its state file holds the role in one word."""

    name = "Stateful"
    short = "Example stateful resource agent"
    long = "An example agent with the two roles promoted and unpromoted."
    params: tuple[Param, ...] = (
        Param(
            "state",
            "Absolute path of the state file.",
            "/run/resource-agents/Stateful-{instance}.state",
            unique=True,
            short="State file",
        ),
    )
    actions: tuple[Action, ...] = (
        Action("start"),
        Action("stop"),
        Action("promote"),
        Action("demote"),
        Action("monitor", "20s", "10s", "0"),
        Action("meta-data", "5s"),
        Action("validate-all"),
    )

    @property
    def state(self) -> str:
        if self.given("state"):
            return self.p["state"]
        return f"{self.state_dir}/Stateful-{self.instance}.state"

    def validate(self) -> None:
        directory = os.path.dirname(self.state)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise AgentError(Rc.ARGS, f"state={self.state!r}: cannot write in {directory!r}")

    def role(self) -> Rc:
        """SUCCESS unpromoted, RUNNING_PROMOTED, NOT_RUNNING without file, else GENERIC."""
        try:
            with open(self.state, encoding="utf-8", errors="replace") as f:
                word = f.read().strip()
        except FileNotFoundError:
            return Rc.NOT_RUNNING
        if word in _PROMOTED_WORDS:
            return Rc.RUNNING_PROMOTED
        if word in _UNPROMOTED_WORDS:
            return Rc.SUCCESS
        raise AgentError(Rc.GENERIC, f"{self.state}: unknown role {word!r}")

    def _become(self, word: str, score: str) -> Rc:
        with open(self.state, "w", encoding="ascii") as f:
            f.write(word + "\n")
        self.publish(score)
        return Rc.SUCCESS

    def publish(self, score: str | None) -> None:
        """Set the promotion score of this instance on this node; None removes it."""
        if not self.is_promotable:
            return
        what = ["-D"] if score is None else ["-v", score]
        try:
            done = subprocess.run(
                ["crm_attribute", "--promotion", *what], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            self.log("WARN", "crm_attribute is not installed; no promotion score published")
            return
        if done.returncode != 0:
            said = " ".join(done.stderr.split())
            self.log("WARN", f"crm_attribute {' '.join(what)}: {said or done.returncode}")

    def monitor(self) -> Rc:
        rc = self.role()
        if self.is_probe and rc is not Rc.NOT_RUNNING:
            promoted = rc is Rc.RUNNING_PROMOTED
            self.publish(PROMOTED_SCORE if promoted else UNPROMOTED_SCORE)
        return rc

    def start_once(self) -> Rc:
        rc = self.role()
        if rc is Rc.RUNNING_PROMOTED:
            return rc
        return self._become("Unpromoted", UNPROMOTED_SCORE)

    def stop_once(self) -> Rc:
        rc = self.role()
        if rc is Rc.RUNNING_PROMOTED:
            return rc
        self.publish(None)
        if rc is Rc.SUCCESS:
            os.unlink(self.state)
        return Rc.SUCCESS

    def promote(self) -> Rc:
        rc = self.role()
        return rc if rc is Rc.NOT_RUNNING else self._become("Promoted", PROMOTED_SCORE)

    def demote(self) -> Rc:
        rc = self.role()
        return rc if rc is Rc.NOT_RUNNING else self._become("Unpromoted", UNPROMOTED_SCORE)


class PacemakerStateful(Stateful):
    """The same with notify, reload-agent and a way to force the monitor's code."""

    version = "1.2"
    api = "1.1"
    params: tuple[Param, ...] = (
        Param(
            "state",
            "Absolute path of the state file.",
            "/var/run/Stateful-{instance}.state",
            unique_group="state",
            short="State file",
        ),
        Param("envfile", "File that gets the environment of each call.", "", reloadable=True),
        Param("notify_delay", "Seconds that notify sleeps.", "", reloadable=True),
    )
    actions: tuple[Action, ...] = (
        Action("start"),
        Action("stop"),
        Action("monitor", "20s", "10s", "0", "Promoted"),
        Action("monitor", "20s", "11s", "0", "Unpromoted"),
        Action("promote", "10s"),
        Action("demote", "10s"),
        Action("notify", "5s"),
        Action("meta-data", "5s"),
        Action("reload-agent", "10s"),
        Action("validate-all", "30s"),
    )

    @property
    def state(self) -> str:
        if self.given("state"):
            return self.p["state"]
        return f"{self.run_dir}/Stateful-{self.instance}.state"

    def run(self) -> Rc:
        if self.p["envfile"] and self.action != "meta-data":
            lines = [f"{name}={value}\n" for name, value in sorted(self.env.items())]
            try:
                with open(self.p["envfile"], "a", encoding="utf-8") as out:
                    out.writelines([f"### {self.action}\n", *lines])
            except OSError as e:
                self.log("WARN", f"envfile={self.p['envfile']!r}: not written ({e.strerror})")
        return super().run()

    def monitor(self) -> Rc:
        rc = super().monitor()
        if rc is not Rc.NOT_RUNNING:
            try:
                with open(self.state + ".rc", encoding="ascii", errors="replace") as f:
                    text = f.read().strip()
            except FileNotFoundError:
                return rc
            if text.isdigit() and int(text) in list(Rc):
                return Rc(int(text))
        return rc

    def notify(self) -> Rc:
        if self.p["notify_delay"].isdigit():
            time.sleep(int(self.p["notify_delay"]))
        return Rc.SUCCESS

    def reload_agent(self) -> Rc:
        return Rc.SUCCESS


if __name__ == "__main__":
    provider = os.environ.get("OCF_RESOURCE_PROVIDER", "")
    sys.exit(main(PacemakerStateful if provider == "pacemaker" else Stateful))
