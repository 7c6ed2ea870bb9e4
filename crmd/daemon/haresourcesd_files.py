"""The files of haresourcesd: ha.cf, haresources, what it holds, and the log people read.

Facts: heartbeat-v1.md sections 1, 12, 13 and 16.  What is held is kept in the run directory (gone
after a reboot, as the resources are), so that a restarted haresourcesd goes on where it was.
"""

from __future__ import annotations

import json
import os
import syslog
import time
from dataclasses import dataclass, replace
from pathlib import Path

from crmd.daemon import heartbeatd_files, processes
from crmd.daemon.heartbeatd_files import StartRefused
from crmd.daemon.paths import Paths
from crmd.haresources.claims import Claim, Group, claim_of, groups_of, repeated_keys
from crmd.haresources.parse import parse
from crmd.haresources.takeover_events import Keep, Policy
from crmd.heartbeat.settings import Config, Stonith

MAX_BYTES = 1024 * 1024
MANUAL_STONITH = "meatware"
"""The stonith type that is a person."""


@dataclass(frozen=True, slots=True)
class Setup:
    """All that haresourcesd starts from."""

    node: str
    config: Config
    groups: tuple[Group, ...]
    stonith: Stonith | None
    policy: Policy


def read_setup(paths: Paths, node: str) -> Setup:
    """Read ha.cf and haresources.  Raises StartRefused with all problems."""
    heartbeat = heartbeatd_files.read_setup(paths, node, None, 0.0)
    config = heartbeat.config
    refused: list[str] = []
    groups = read_groups(paths, config, refused)
    stonith = _stonith(config, heartbeat.node, str(paths.ha_cf), refused)
    if config.disklock is not None and len(config.nodes) != 2:
        names = " ".join(config.nodes)
        refused.append(f"{paths.ha_cf}: disklock is for two nodes, not for: {names}; remove it")
    if refused:
        raise StartRefused(refused)
    policy = Policy(
        auto_failback=config.auto_failback,
        has_stonith=stonith is not None,
        has_disklock=config.disklock is not None,
        takeover_delay_s=config.takeover_delay_s,
        takeover_manual=config.takeover_manual,
        nodes=config.nodes,
    )
    return Setup(heartbeat.node, config, groups, stonith, policy)


def read_groups(paths: Paths, config: Config, refused: list[str]) -> tuple[Group, ...]:
    """The groups of haresources; what keeps them from being run is added to `refused`."""
    path = paths.haresources
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        refused.append(f"{path}: cannot be read ({error.strerror}); an empty file holds no groups")
        return ()
    if len(data) > MAX_BYTES:
        refused.append(f"{path}: longer than {MAX_BYTES} bytes; this is no haresources file")
        return ()
    file = parse(data.decode("utf-8", "surrogateescape"), str(path))
    groups = groups_of(file)
    for line in file.lines:
        if line.node not in config.nodes:
            refused.append(
                f"{line.place}: Bad nodename in {path} [{line.node}]; ha.cf names it not"
            )
    for key in repeated_keys(groups):
        refused.append(f"{path}: '{key}' begins two lines; the first resource names the group")
    return groups


def _stonith(config: Config, node: str, file: str, refused: list[str]) -> Stonith | None:
    """The reset device of this node: the last line that names it or `*`."""
    usable = [line for line in config.stonith if line.host in ("*", node)]
    if not usable:
        return None
    last = usable[-1]
    if last.file is not None:
        last = _with_file(last, refused)
    if last.type != MANUAL_STONITH and not last.type.startswith("fence_"):
        refused.append(
            f"{file}: stonith type {last.type!r} is a plugin of cluster-glue, which cannot be run; "
            f"use a fence agent (stonith_host * fence_ipmilan ip=...) or {MANUAL_STONITH}"
        )
    return last


def _with_file(line: Stonith, refused: list[str]) -> Stonith:
    """`stonith TYPE FILE`: the parameters stand in the file, NAME=VALUE, one or more a line."""
    try:
        with open(line.file or "", "rb") as stream:
            text = stream.read(MAX_BYTES).decode("utf-8", "surrogateescape")
    except OSError as error:
        refused.append(f"{line.file}: parameters of stonith {line.type}: {error.strerror}")
        return line
    rows = [row.partition("#")[0] for row in text.split("\n")]
    return replace(line, parameters=tuple(word for row in rows for word in row.split()))


# --- what is held -------------------------------------------------------------------------------


class Memory:
    """The claim and the active groups, for the next haresourcesd of this boot."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.run / "haresources.json"
        self._life = processes.life_of_node()

    def keep(self, kept: Keep) -> None:
        """Write before the change is carried out.  Raises OSError."""
        data = {
            "life": self._life,
            "claim": kept.claim.word,
            "running": list(kept.running),
            "failback": kept.needs_failback,
        }
        fresh = self._file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(data, stream)
        os.replace(fresh, self._file)

    def forget(self) -> None:
        """Nothing is held any more, or another manager holds it."""
        self._file.unlink(missing_ok=True)

    def read(self) -> Keep | None:
        """What the former haresourcesd of this boot held; None: there was none."""
        try:
            data = json.loads(self._file.read_text())
            if data["life"] != self._life:
                return None
            claim = claim_of(data["claim"])
            running = tuple(str(key) for key in data["running"])
            return Keep(claim or Claim.NONE, running, bool(data["failback"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


# --- the log --------------------------------------------------------------------------------------


class HaLog:
    """The lines people know from Heartbeat, in the files and the facility that ha.cf names.

    What becomes of nodes and links heartbeatd writes there itself.  A full disk costs lines, never
    the daemon.
    """

    def __init__(self, config: Config, node: str, root: Path) -> None:
        self._node, self._is_syslog = node, config.syslogmsgfmt
        named = [name for name in (config.logfile, config.debugfile) if name is not None]
        self._files = [root / name.lstrip("/") for name in named]
        facility = (config.logfacility or "none").upper()
        self._facility = getattr(syslog, f"LOG_{facility}", None)
        self.lost = 0

    def line(self, level: str, text: str, tag: str = "") -> str:
        """Write one line, and return it as it stands in the log file."""
        node = self._node if self._is_syslog else ""
        made = ha_line(node, level, text, tag, os.getpid(), time.time())
        for path in self._files:
            self._append(path, made + "\n")
        if self._facility is not None:
            syslog.openlog(tag or "heartbeat", syslog.LOG_PID, self._facility)
            syslog.syslog(_SYSLOG.get(level, syslog.LOG_INFO), f"{level}: {text}")
        return made

    def _append(self, path: Path, text: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o640)
            try:
                os.write(descriptor, text.encode("utf-8", "backslashreplace"))
            finally:
                os.close(descriptor)
        except OSError:
            self.lost += 1


_SYSLOG = {
    "ALERT": syslog.LOG_ALERT,
    "CRIT": syslog.LOG_CRIT,
    "ERROR": syslog.LOG_ERR,
    "WARN": syslog.LOG_WARNING,
    "debug": syslog.LOG_DEBUG,
}


def ha_line(node: str, level: str, text: str, tag: str, pid: int, epoch_s: float) -> str:
    """`Mmm dd HH:MM:SS HOST heartbeat: [PID]: LEVEL: TEXT`, or a script's line (section 16).

    Without a `node` in the form of `syslogmsgfmt false`: `heartbeat[PID]: DATE_TIME LEVEL: TEXT`.
    """
    at = time.localtime(epoch_s)
    if tag:
        stamp = time.strftime("%Y/%m/%d_%H:%M:%S", at)
        return f"{stamp}\t{tag}(default)[{pid}]:    {level}: {text}"
    if not node:
        return f"heartbeat[{pid}]: {time.strftime('%Y/%m/%d_%H:%M:%S', at)} {level}: {text}"
    return f"{time.strftime('%b %d %H:%M:%S', at)} {node} heartbeat: [{pid}]: {level}: {text}"
