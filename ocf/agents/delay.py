"""ocf:heartbeat:Delay: waits on start, stop and monitor.  Source: ocf.md 12.6 and annex A."""

from __future__ import annotations

import os
import sys
import time

from ocf.agent import Action, Agent, AgentError, Param, Rc, main


class Delay(Agent):
    """A pseudo resource; start, stop and monitor of a running one sleep a configured time."""

    name = "Delay"
    short = "Waits for a defined timespan"
    long = "A test resource that delays start, stop and monitor."
    unknown_action = Rc.ARGS
    is_strict = True
    no_action = Rc.ARGS
    params: tuple[Param, ...] = (
        Param("startdelay", "Seconds to wait on start.", "20", "integer", short="Start delay"),
        Param("stopdelay", "Seconds to wait on stop.", "30", "integer", short="Stop delay"),
        Param("mondelay", "Seconds to wait on monitor.", "30", "integer", short="Monitor delay"),
    )
    actions: tuple[Action, ...] = (
        Action("start", "30s"),
        Action("stop", "30s"),
        Action("status", "30s", "10s", "0"),
        Action("monitor", "30s", "10s", "0"),
        Action("meta-data", "5s"),
        Action("validate-all", "5s"),
    )

    @property
    def marker(self) -> str:
        return f"{self.state_dir}/Delay-{self.instance}"

    def seconds(self, name: str) -> float:
        """A wait in seconds, fractions allowed. Raises AgentError (ARGS) for anything else."""
        text = self.p[name]
        if not self.given(name) and self.given("startdelay"):
            text = self.p["startdelay"]
        if text.replace(".", "", 1).isdigit():
            return float(text)
        raise AgentError(Rc.ARGS, f"{name}={text!r}: want seconds, as {name}=10")

    def validate(self) -> None:
        for name in ("startdelay", "stopdelay", "mondelay"):
            self.seconds(name)

    def is_started(self) -> bool:
        return os.path.exists(self.marker)

    def monitor(self) -> Rc:
        if not self.is_started():
            return Rc.NOT_RUNNING
        time.sleep(self.seconds("mondelay"))
        return Rc.SUCCESS

    def start_once(self) -> Rc:
        self.validate()
        if not self.is_started():
            time.sleep(self.seconds("startdelay"))
            with open(self.marker, "a", encoding="ascii"):
                pass
        return Rc.SUCCESS

    def stop_once(self) -> Rc:
        if self.is_started():
            self.validate()
            time.sleep(self.seconds("stopdelay"))
            os.unlink(self.marker)
        return Rc.SUCCESS


if __name__ == "__main__":
    sys.exit(main(Delay))
