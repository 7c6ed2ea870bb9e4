"""Serial lines as heartbeat media: raw mode, one stream of packets, nothing that blocks.

Facts: heartbeat-v1.md section 12.2 (`serial`, `baud`).  A line slower than the traffic loses whole
packets, newest first: what waits to be written is bounded.  A line that fails is opened again.
"""

from __future__ import annotations

import contextlib
import os
import stat
import termios
import tty
from dataclasses import dataclass, field

from crmd.heartbeat.media import Serial
from crmd.heartbeat.serial_frames import FrameSplitter

MOST_WAITING = 16 * 1024
REOPEN_EVERY_S = 1.0


class SerialError(Exception):
    """A line cannot be opened; the text names it and the remedy."""


@dataclass(slots=True)
class SerialLink:
    """One tty."""

    medium: Serial
    descriptor: int = -1
    lost: int = 0
    problem: str = ""
    reopen_at: float = 0.0
    splitter: FrameSplitter = field(default_factory=FrameSplitter)
    _waiting: bytearray = field(default_factory=bytearray)

    @property
    def name(self) -> str:
        return self.medium.name

    @property
    def wants_to_write(self) -> bool:
        return bool(self._waiting)

    def open(self) -> None:
        """Open the tty in raw mode at its rate.  Raises SerialError."""
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self.descriptor = os.open(self.medium.device, flags)
        except OSError as error:
            self.problem = error.strerror or str(error)
            raise SerialError(
                f"serial {self.name}: cannot be opened ({self.problem}); correct the device"
            ) from error
        try:
            if not stat.S_ISCHR(os.fstat(self.descriptor).st_mode):
                raise SerialError(f"serial {self.name}: not a terminal device; correct the line")
            tty.setraw(self.descriptor)
            mode = termios.tcgetattr(self.descriptor)
            mode[2] |= termios.CLOCAL | termios.CREAD
            mode[4] = mode[5] = getattr(termios, f"B{self.medium.baud}")
            termios.tcsetattr(self.descriptor, termios.TCSANOW, mode)
            termios.tcflush(self.descriptor, termios.TCIOFLUSH)
        except termios.error as error:
            self.close()
            raise SerialError(f"serial {self.name}: cannot be set up ({error})") from error
        except SerialError:
            self.close()
            raise
        self.problem, self._waiting, self.splitter = "", bytearray(), FrameSplitter()

    def send(self, data: bytes) -> None:
        """Queue a packet and write what the line takes."""
        if self.descriptor < 0 or len(self._waiting) + len(data) > MOST_WAITING:
            self.lost += 1
            return
        self._waiting += data
        self.write()

    def write(self) -> None:
        """Write what waits, as far as the line takes it."""
        try:
            while self._waiting:
                written = os.write(self.descriptor, self._waiting)
                del self._waiting[:written]
        except BlockingIOError:
            return  # the selector says when there is room
        except OSError as error:
            self._failed(error)

    def receive(self) -> list[bytes]:
        """The packets that have come in completely."""
        try:
            data = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return []
        except OSError as error:
            self._failed(error)
            return []
        return self.splitter.feed(data)

    def _failed(self, error: OSError) -> None:
        self.problem = error.strerror or str(error)
        self.close()

    def reopen(self, now: float) -> bool:
        """Try a failed line again; True if it is open now."""
        if self.descriptor >= 0 or now < self.reopen_at:
            return False
        self.reopen_at = now + REOPEN_EVERY_S
        with contextlib.suppress(SerialError):
            self.open()
        return self.descriptor >= 0

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
