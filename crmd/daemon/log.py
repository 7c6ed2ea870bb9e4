"""Logs of the daemons: one JSON line per decision, and the classic ha-log line.

Event names are fixed dotted words, facts are fields with units.  A full disk, a stalled pipe or a
deleted file costs lines, never the daemon.  Two front ends write the same lines: `setup` (through
structlog) and `PlainLog` (no import at all, for heartbeatd).
Every line carries `mono`, CLOCK_MONOTONIC in seconds, which nodes on one machine share: the lab
computes its table of delays from it.  Facts: style.md 3.7, heartbeat-v1.md section 16,
reliability.md section 8 (1,000 lines/s).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO, cast

LINES_PER_SECOND = 1000
REOPEN_CHECK_S = 1.0

_HA_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "WARN",
    "error": "ERROR",
    "critical": "CRIT",
}


class SafeSink:
    """An open descriptor as a log target; what cannot be written is counted in `lost`.

    More than LINES_PER_SECOND lines in one second are dropped; one line then says how many.
    """

    def __init__(self, fd: int) -> None:
        self.fd, self.lost = fd, 0
        self._second = 0
        self._lines = 0
        self._suppressed = 0

    def write(self, line: str) -> None:
        second = int(time.monotonic())
        if second != self._second:
            suppressed, self._suppressed = self._suppressed, 0
            self._second, self._lines = second, 0
            if suppressed:
                self._put(json.dumps({"event": "log.suppressed", "lines": suppressed}) + "\n")
        if line.strip() and self._lines >= LINES_PER_SECOND:
            self._suppressed += 1
            return
        self._lines += 1
        self._put(line)

    def _put(self, line: str) -> None:
        try:
            os.write(self.fd, line.encode("utf-8", "backslashreplace"))
        except OSError:  # a full disk; BlockingIOError of a stalled reader
            self.lost += 1

    def flush(self) -> None: ...


class FileSink(SafeSink):
    """A log file; reopened within a second when it was rotated or deleted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._checked = time.monotonic()
        super().__init__(self._open())

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.path, flags | os.O_NONBLOCK, 0o660)

    def write(self, line: str) -> None:
        now = time.monotonic()
        if now - self._checked >= REOPEN_CHECK_S:
            self._checked = now
            self._reopen_if_moved()
        super().write(line)

    def _reopen_if_moved(self) -> None:
        try:
            ours = os.fstat(self.fd)
            try:
                there = os.stat(self.path)
                is_same = (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
            except FileNotFoundError:
                is_same = False
            if not is_same:
                fresh = self._open()
                os.close(self.fd)
                self.fd = fresh
        except OSError:
            self.lost += 1


def _with_clock(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["mono"] = round(time.monotonic(), 6)
    return event


class HaLogRenderer:
    """`Mmm dd HH:MM:SS HOST heartbeat: [PID]: LEVEL: TEXT`, heartbeat-v1.md section 16.1.

    Not `is_syslog` (ha.cf: syslogmsgfmt false): `heartbeat[PID]: DATE_TIME LEVEL: TEXT`, 16.2.
    """

    def __init__(self, host: str, program: str = "heartbeat", *, is_syslog: bool = True) -> None:
        self._host, self._program, self._is_syslog = host, program, is_syslog

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> str:
        fields = dict(event)
        name = str(fields.pop("event", ""))
        level = _HA_LEVELS.get(str(fields.pop("level", "info")), "info")
        for unwanted in ("timestamp", "mono", "node", "daemon"):
            fields.pop(unwanted, None)
        text = " ".join([name, *(f"{k}={_plain(v)}" for k, v in fields.items())])
        if not self._is_syslog:
            stamp = time.strftime("%Y/%m/%d_%H:%M:%S")
            return f"{self._program}[{os.getpid()}]: {stamp} {level}: {text}"
        stamp = time.strftime("%b %d %H:%M:%S")
        return f"{stamp} {self._host} {self._program}: [{os.getpid()}]: {level}: {text}"


def _plain(value: Any) -> str:
    text = str(value)
    return json.dumps(text) if text == "" or any(c.isspace() or c in "\"'=" for c in text) else text


def setup(sink: SafeSink, ha_log_host: str | None = None, **always: Any) -> Any:
    """A structlog logger that writes to `sink`; `always` is bound to every line.

    With `ha_log_host` lines have Heartbeat's classic form instead of JSON.
    """
    import structlog

    p = structlog.processors
    renderer: Any = HaLogRenderer(ha_log_host) if ha_log_host else p.JSONRenderer(default=str)
    structlog.configure(
        processors=[p.add_log_level, p.TimeStamper(fmt="iso", utc=True), _with_clock, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, sink)),
        cache_logger_on_first_use=False,
    )
    return structlog.get_logger().bind(**always)


class PlainLog:
    """The same lines without structlog, for the process that must stay small."""

    def __init__(self, sink: SafeSink, **always: Any) -> None:
        self._sink = sink
        self._always = always

    def line(self, level: str, event: str, **fields: Any) -> None:
        """Write one line."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        record = {
            **self._always,
            **fields,
            "event": event,
            "level": level,
            "timestamp": stamp,
            "mono": round(time.monotonic(), 6),
        }
        self._sink.write(json.dumps(record, default=str) + "\n")

    def info(self, event: str, **fields: Any) -> None:
        self.line("info", event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.line("warning", event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self.line("error", event, **fields)
