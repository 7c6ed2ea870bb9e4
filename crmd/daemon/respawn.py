"""Programs of `respawn` and `failfast` lines: started as their user, watched, started again.

Facts: heartbeat-v1.md sections 10.1 and 12.2.  They are started in order once the node is up;
status 100 means "not again"; more than ten lives in a row of less than 30 s are too many; an
abnormal end of a `failfast` program reboots the node.  `ipfail` is no program here: haresourcesd
does its work itself.  Policy is pure; `start` forks.
"""

from __future__ import annotations

import enum
import os
import pwd
import subprocess
from dataclasses import dataclass, field
from pathlib import PurePath

from crmd.daemon.paths import Paths
from crmd.daemon.processes import SAFE_PATH, Process
from crmd.heartbeat.settings import Child, Config

NOT_AGAIN = 100
SHORT_LIFE_S = 30.0
MOST_SHORT_LIVES = 10


class After(enum.Enum):
    """What to do when a program has ended."""

    AGAIN = "again"
    DONE = "done"
    GIVE_UP = "respawning too fast"
    REBOOT = "reboot"


@dataclass(slots=True)
class Lives:
    """The record of one program."""

    failfast: bool = False
    short: int = 0
    started_at: float = field(default=float("-inf"))

    def started(self, now: float) -> None:
        self.started_at = now

    def ended(self, status: int | None, now: float) -> After:
        """What follows; `status` None: it was adopted, and nobody knows how it ended."""
        if status == NOT_AGAIN:
            return After.DONE
        if self.failfast and status:
            return After.REBOOT
        self.short = self.short + 1 if now - self.started_at < SHORT_LIFE_S else 0
        return After.GIVE_UP if self.short > MOST_SHORT_LIVES else After.AGAIN


def children_of(config: Config | None) -> tuple[Child, ...]:
    """The programs that pacekeeperd runs."""
    children = () if config is None else config.children
    return tuple(c for c in children if PurePath(c.argv[0]).name != "ipfail")


def start(name: str, child: Child, paths: Paths) -> Process:
    """Start a program as its user, in a session of its own.  Raises OSError, worded."""
    try:
        who = pwd.getpwnam(child.user)
    except KeyError:
        raise OSError(f"user {child.user!r} of {child.argv[0]} is not known here") from None
    change = who.pw_uid != os.geteuid()
    if change and os.geteuid() != 0:
        raise OSError(f"{child.argv[0]}: only root can start it as {child.user}")
    output = paths.log / f"{name}.err"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    errors = os.open(output, flags, 0o640)
    try:
        process = subprocess.Popen(
            child.argv,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            cwd="/",
            env={"PATH": SAFE_PATH, "LC_ALL": "C", "HOME": who.pw_dir, "USER": child.user},
            start_new_session=True,
            user=who.pw_uid if change else None,
            group=who.pw_gid if change else None,
            extra_groups=os.getgrouplist(child.user, who.pw_gid) if change else None,
        )
    finally:
        os.close(errors)
    process.returncode = 0  # its end is collected by Process: Popen shall not wait for it as well
    return Process(name, process.pid, os.pidfd_open(process.pid), is_child=True)
