"""A helper thread for small files that may be late: a disk may stall, a heartbeat may not.

Only the newest text of a file counts, so what waits is bounded by the number of files.  A write
that cannot be done is counted in `lost`, its reason kept in `problem`; nothing is raised.
"""

from __future__ import annotations

import threading
from pathlib import Path

from crmd.daemon.heartbeatd_files import write_durably

CLOSE_AT_MOST_S = 1.0


class Writer:
    """Replaces files in the background (temp + rename, without sync)."""

    def __init__(self) -> None:
        self.lost = 0
        self.problem = ""
        self._waiting: dict[Path, bytes] = {}
        self._changed = threading.Condition()
        self._is_open = True
        self._is_busy = False
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    @property
    def native_id(self) -> int:
        """Kernel id of the thread: it must be in the same class as the loop.

        A thread of the normal class that is preempted while it holds the interpreter lock would
        make the real-time loop wait for it.
        """
        return self._thread.native_id or 0

    def replace(self, path: Path, data: bytes, *, wait: bool = False) -> None:
        """Write `data` to `path` soon; with `wait`, return when done or after one second."""
        with self._changed:
            self._waiting[path] = data
            self._changed.notify_all()
            if wait:
                self._changed.wait_for(self._is_quiet, CLOSE_AT_MOST_S)

    def _is_quiet(self) -> bool:
        return not self._waiting and not self._is_busy

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or not self._is_open)
                if not self._waiting:
                    return
                path, data = self._waiting.popitem()
                self._is_busy = True
            try:
                write_durably(path, data, 0o600, sync=False)
            except OSError as error:
                self.lost += 1
                self.problem = f"{path}: {error.strerror}"
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def close(self) -> None:
        """Write what waits, for one second at most."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        self._thread.join(CLOSE_AT_MOST_S)
