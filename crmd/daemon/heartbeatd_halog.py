"""The classic log of Heartbeat: the files and the syslog facility that ha.cf names.

Facts: heartbeat-v1.md sections 16 and 7 (texts).  Old habits and old scripts look for these lines;
the structured log stands beside it.  A helper thread writes: a disk or a syslog daemon may stall,
a heartbeat may not.  At the bound lines are lost and counted, never waited for.
"""

from __future__ import annotations

import syslog
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from crmd.daemon.log import FileSink, HaLogRenderer, SafeSink
from crmd.heartbeat.settings import Config

MOST_WAITING = 1000
CLOSE_AT_MOST_S = 1.0
_SYSLOG = {"debug": syslog.LOG_DEBUG, "warning": syslog.LOG_WARNING, "error": syslog.LOG_ERR}
Facts = dict[str, Any]


def classic_text(event: str, facts: Facts) -> str:
    """What Heartbeat writes for `event`; for what it has no words, our name and the facts."""
    peer, link = facts.get("node"), facts.get("link")
    match event:
        case "status":
            return f"Status update for node {peer}: status {facts['status']}"
        case "status.own":
            return f"Local status now set to: '{facts['status']}'"
        case "peer.down" if facts.get("why") == "silent":
            return f"node {peer}: is dead"
        case "peer.never-came":
            return f"node {peer}: is dead"
        case "peer.down" if facts.get("why") == "left":
            return f"Received shutdown notice from '{peer}'."
        case "peer.restarted":
            return f"Heartbeat restart on node {peer}"
        case "link.up":
            return f"Link {peer}:{link} up."
        case "link.down":
            return f"Link {peer}:{link} dead."
        case "beat.late":
            text = f"Late heartbeat: Node {peer}: interval {round(facts['interval_s'] * 1000)} ms"
            return text + (" (> deadtime)" if facts.get("beyond_deadtime") else "")
        case "node.added":
            return f"hb_add_one_node: Adding new node[{peer}] to configuration."
        case "node.add-refused":
            return f"hb_add_one_node: {facts['why']}"
        case "node.delete-refused":
            return f"deletion failed: {facts['why']}"
        case "node.deleted":
            return f"node {peer} is removed from the configuration."
        case "config.differs":
            parts = ", ".join(facts["parts"])
            return f"Node {peer} runs with another configuration than this one: {parts}"
        case "config.agrees":
            return f"Node {peer} runs with the same configuration again."
        case "packet.replay":
            generation = facts["number"][0]
            return f"should_drop_message: attempted replay attack [{peer}]? [gen = {generation}]"
        case "heartbeatd.started":
            return f"Heartbeat generation: {facts['generation']}"
        case "heartbeatd.stopped":
            return f"{facts['name']} Heartbeat shutdown complete."
    return " ".join([event, *(f"{key}={value}" for key, value in facts.items())])


class HaLog:
    """Writes classic lines to where ha.cf says, in the background."""

    def __init__(self, config: Config, host: str, root: Path) -> None:
        self.lost = 0
        self.problems: list[str] = []
        self._render = HaLogRenderer(host, is_syslog=config.syslogmsgfmt)
        self._files: list[tuple[SafeSink, bool]] = []
        self._unopened: list[tuple[Path, bool]] = []
        self._open_again_s, self._tried_at = config.conn_logd_time_s, time.monotonic()
        for name, with_debug in ((config.logfile, False), (config.debugfile, True)):
            if name is not None:
                self._open(root / name.lstrip("/"), with_debug)
        self._facility = _facility(config.logfacility)
        if self._facility is not None:
            syslog.openlog("heartbeat", syslog.LOG_PID | syslog.LOG_NDELAY, self._facility)
        self._waiting: deque[tuple[str, str]] = deque()
        self._changed = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._work, name="ha-log", daemon=True)
        self._thread.start()

    def _open(self, path: Path, with_debug: bool) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files.append((FileSink(path), with_debug))
        except OSError as error:
            self.problems.append(f"{path}: cannot be written ({error.strerror}); correct ha.cf")
            self._unopened.append((path, with_debug))

    def _open_again(self) -> None:
        if self._unopened and time.monotonic() - self._tried_at >= self._open_again_s:
            self._tried_at = time.monotonic()
            waiting, self._unopened = self._unopened, []
            for path, with_debug in waiting:
                self._open(path, with_debug)
            del self.problems[:]  # told at the start

    @property
    def native_id(self) -> int:
        """Kernel id of the thread; it must be in the class of the loop (see Writer)."""
        return self._thread.native_id or 0

    def line(self, level: str, event: str, facts: Facts) -> None:
        """Queue one line; `level` is debug, info, warning or error."""
        if not self._files and not self._unopened and self._facility is None:
            return
        text = self._render(None, "", {"event": classic_text(event, facts), "level": level})
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self.lost += 1
                return
            self._waiting.append((level, text))
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or not self._is_open)
                if not self._waiting:
                    return
                level, text = self._waiting.popleft()
            self._open_again()
            for sink, with_debug in self._files:
                if with_debug or level != "debug":
                    sink.write(text + "\n")
            if self._facility is not None:
                said = text.partition("]: ")[2]
                syslog.syslog(_SYSLOG.get(level, syslog.LOG_INFO), said)

    def close(self) -> None:
        """Write what waits, for one second at most."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._thread.join(CLOSE_AT_MOST_S)


def _facility(word: str | None) -> int | None:
    if word in (None, "none"):
        return None
    found = getattr(syslog, f"LOG_{str(word).upper()}", None)
    return found if isinstance(found, int) else syslog.LOG_DAEMON
