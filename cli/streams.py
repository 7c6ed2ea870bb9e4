"""The process around a command: its streams, and how it ends when they break."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

Main = Callable[[Sequence[str], TextIO, TextIO, Mapping[str, str], TextIO], int]


def run_tool(main: Main) -> int:
    """Run a command on this process's streams; the exit status.

    A reader that goes away ends the command as it ends any filter; Ctrl-C gives 130.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        return int(main(sys.argv[1:], sys.stdout, sys.stderr, os.environ, sys.stdin))
    except KeyboardInterrupt:
        return 130
