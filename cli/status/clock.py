"""Moments as people read them."""

from __future__ import annotations

import time


def local_time(seconds: int) -> str:
    """`Tue May  5 12:04:36 2020`: local time for seconds since the epoch."""
    return time.asctime(time.localtime(seconds))
