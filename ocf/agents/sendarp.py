"""ocf:heartbeat:SendArp: announces an address without owning it.  Source: ocf.md 12.6."""

from __future__ import annotations

import os
import sys

from ocf.agent import Action, Agent, AgentError, Param, Rc, is_true, main
from ocf.announce import Announcer
from ocf.background import background_pid, in_background, stop_background

TASK = "send_arp"
COUNT, INTERVAL_MS = 5, 200


class SendArp(Agent):
    """A pseudo resource; start sends the announcements."""

    name = "SendArp"
    short = "Broadcasts unsolicited ARP announcements"
    long = "Sends gratuitous ARP for an address that something else manages."
    params = (
        Param("ip", "The address to announce.", "", required=True),
        Param("nic", "The interface to announce it on.", "", required=True),
        Param("background", "Do not wait until all are sent.", "true", "boolean"),
    )
    actions = (
        Action("start"),
        Action("stop"),
        Action("monitor", "20s", "10s", "0"),
        Action("meta-data", "5s"),
        Action("validate-all"),
    )

    @property
    def pid_file(self) -> str:
        return f"{self.state_dir}/send_arp-{self.p['ip']}"

    @property
    def marker(self) -> str:
        return f"{self.state_dir}/SendArp-{self.instance}"

    def validate(self) -> None:
        for name in ("ip", "nic"):
            if not self.p[name]:
                raise AgentError(Rc.CONFIGURED, f"{name}: missing; it is required")

    def monitor(self) -> Rc:
        is_sending = background_pid(self.pid_file, TASK) is not None
        return Rc.SUCCESS if is_sending or os.path.exists(self.marker) else Rc.NOT_RUNNING

    def start(self) -> None:
        is_background = is_true(self.p["background"])
        try:
            announcer = Announcer(self.p["ip"], self.p["nic"], COUNT, INTERVAL_MS)
            announcer.first()
            if is_background:
                in_background(announcer.rest, self.pid_file, TASK, keep=(announcer.fd,))
            else:
                announcer.rest()
            announcer.close()
        except OSError as e:
            text = f"{self.p['ip']} is not announced on {self.p['nic']}: {e}"
            if not is_background:
                raise AgentError(Rc.GENERIC, text) from e
            self.log("WARN", text)
        with open(self.marker, "w", encoding="ascii"):
            pass

    def stop(self) -> None:
        stop_background(self.pid_file, TASK)
        try:
            os.unlink(self.marker)
        except FileNotFoundError:
            pass


if __name__ == "__main__":
    sys.exit(main(SendArp))
