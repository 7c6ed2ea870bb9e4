"""The watchdog device of ha.cf: it resets the machine when heartbeatd is late by the dead time.

Facts: heartbeat-v1.md section 12.2 (`watchdog`): opened at the start, kicked with each own beat,
timeout = deadtime rounded up to a second, `V` before it is closed.  A heartbeatd that was killed
is started again within that time and opens the device anew.  A device that cannot be used is told,
and heartbeatd goes on without it, as the original does.
"""

from __future__ import annotations

import fcntl
import math
import os
import struct
from pathlib import Path

_WDIOC_SETTIMEOUT = 0xC0045706
_ALLOWANCE_S = 0.01


class Watchdog:
    """One device; without one (path None) all calls do nothing."""

    def __init__(self, path: Path | None, deadtime_s: float) -> None:
        self.problem = ""
        self.timeout_s = math.ceil(deadtime_s + _ALLOWANCE_S)
        self._path = path
        self._descriptor = -1
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            self.problem = f"{path}: cannot be opened ({error.strerror}); the node goes unwatched"
            return
        try:
            fcntl.ioctl(self._descriptor, _WDIOC_SETTIMEOUT, struct.pack("i", self.timeout_s))
        except OSError as error:
            self.problem = (
                f"{path}: does not take a timeout of {self.timeout_s} s ({error.strerror}); it "
                "keeps its own"
            )

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def kick(self) -> None:
        """We are on time."""
        self._write(b"\0")

    def close(self) -> None:
        """An orderly end: the device shall rest."""
        if self.is_open:
            self._write(b"V")
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes) -> None:
        if self.is_open:
            try:
                os.write(self._descriptor, data)
            except OSError as error:
                self.problem = f"{self._path}: {error.strerror}"
