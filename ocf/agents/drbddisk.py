"""drbddisk: makes a DRBD resource primary here, as Heartbeat's resource script does.

Two faces: a Heartbeat script (`drbddisk [resource] start|stop|status`) and an OCF agent.  Both
call the real `drbdadm`.  Source: ocf.md 12.9 (first paragraph) and 9.4.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from ocf import command
from ocf.agent import Action, Agent, AgentError, Param, Rc, main
from ocf.command import CommandFailed

START_TRIES, STOP_TRIES = 6, 3
RETRY_S = 1.0
EX_NO_RESOURCE = 10
EX_STOPPED, EX_UNKNOWN = 3, 4


def role(resource: str) -> str:
    """The local role as drbdadm prints it (`Primary/Secondary` or `Primary`: first half).

    An empty text when drbdadm cannot tell.
    """
    try:
        _, text = command.run("drbdadm", "role", resource)
    except CommandFailed:
        return ""
    lines = text.split()
    return lines[0].partition("/")[0] if lines else ""


def set_role(resource: str, word: str, tries: int) -> None:
    """`drbdadm primary|secondary`, again after a second if it fails.  Raises CommandFailed."""
    for left in range(tries - 1, -1, -1):
        try:
            command.run("drbdadm", word, resource)
            return
        except CommandFailed:
            if not left:
                raise
            time.sleep(RETRY_S)


class DrbdDisk(Agent):
    """Runs while the DRBD resource is primary on this node."""

    name = "drbddisk"
    short = "Makes a DRBD resource primary"
    long = "Promotes a configured and connected DRBD resource on start, demotes it on stop."
    params = (Param("drbd_resource", "Name of the DRBD resource.", "", required=True, unique=True),)
    actions = (
        Action("start", "30s"),
        Action("stop", "30s"),
        Action("monitor", "20s", "15s", "0"),
        Action("meta-data", "5s"),
        Action("validate-all", "20s"),
    )

    @property
    def resource(self) -> str:
        if not self.p["drbd_resource"]:
            raise AgentError(Rc.CONFIGURED, "drbd_resource: missing; give its name")
        return self.p["drbd_resource"]

    def validate(self) -> None:
        role(self.resource)

    def monitor(self) -> Rc:
        found = role(self.resource)
        if found == "Primary":
            return Rc.SUCCESS
        if found in ("Secondary", "Unconfigured") or not _kernel_knows_primary():
            return Rc.NOT_RUNNING
        raise AgentError(
            Rc.GENERIC, f"{self.resource}: role {found or 'unknown'}, but DRBD has a primary"
        )

    def start(self) -> None:
        try:
            set_role(self.resource, "primary", START_TRIES)
        except CommandFailed as e:
            raise AgentError(Rc.GENERIC, str(e)) from e

    def stop(self) -> None:
        try:
            set_role(self.resource, "secondary", STOP_TRIES)
        except CommandFailed as e:
            raise AgentError(Rc.GENERIC, str(e)) from e


def script(argv: Sequence[str]) -> int:
    """The Heartbeat script; its exit code."""
    words = list(argv)
    action = words.pop() if words else ""
    resource = words[0] if words else ""
    try:
        if action in ("start", "stop"):
            word, tries = (
                ("primary", START_TRIES)
                if action == "start"
                else (
                    "secondary",
                    STOP_TRIES,
                )
            )
            set_role(resource or "all", word, tries)
            return 0
        if action == "status":
            return _status(resource)
    except (CommandFailed, AgentError) as e:
        sys.stderr.write(f"drbddisk: {e}\n")
        return 1
    sys.stderr.write("usage: drbddisk [resource] {start|stop|status}\n")
    return 1


def _status(resource: str) -> int:
    if not resource:
        sys.stderr.write("drbddisk: status needs the name of the resource\n")
        return EX_NO_RESOURCE
    found = role(resource)
    if found == "Primary":
        sys.stdout.write(f"running ({found})\n")
        return 0
    if found in ("Secondary", "Unconfigured"):
        sys.stdout.write(f"stopped ({found})\n")
        return EX_STOPPED
    if _kernel_knows_primary():
        sys.stdout.write(f"cannot tell the role of {resource}; it may be running\n")
        return EX_UNKNOWN
    sys.stdout.write(f"stopped ({found or 'role unknown, DRBD has no primary'})\n")
    return EX_STOPPED


def _kernel_knows_primary() -> bool:
    try:
        with open("/proc/drbd", encoding="ascii", errors="replace") as f:
            return "Primary" in f.read()
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main(DrbdDisk))
