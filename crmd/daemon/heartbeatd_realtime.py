"""Being on time: real-time class, locked memory, quiet garbage collector.

Facts: architecture.md, "Processes on a node" (largest gap at load 6: 392 ms in the normal class,
23.5 ms so).  Each step that is not permitted is reported in words and left out; the daemon runs
on without it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
from collections.abc import Iterable

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def be_punctual(priority: int, threads: Iterable[int]) -> list[str]:
    """Put `threads` (kernel ids, 0: the caller) into SCHED_RR at `priority` and lock memory.

    Returns what could not be done, worded for a person.
    """
    missed: list[str] = []
    try:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        for thread in threads:
            os.sched_setscheduler(thread, policy, os.sched_param(priority))
    except OSError as error:
        missed.append(f"no real-time class ({error.strerror}): beats may be late under load")
    problem = _lock_memory()
    if problem:
        missed.append(f"memory is not locked ({problem}): beats may be late when memory is short")
    return missed


def quiet_collector() -> None:
    """Keep the collector away from what lives as long as the process; young objects are few."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what reading the files and importing left behind
    gc.freeze()
    gc.set_threshold(10_000, 50, 1000)


def _lock_memory() -> str:
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    except (ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        if 0 <= hard < 128 << 20:
            # With a low limit MCL_FUTURE would make a later allocation fail, which is worse.
            return f"limit of {hard >> 10} kB"
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (max(soft, hard), hard))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0:
        return ""
    return os.strerror(ctypes.get_errno())


def core_files(wanted: bool | None, folder: str | None) -> list[str]:
    """`coredumps` and `coreroot` of ha.cf: whether this process may leave a core file, and where.

    Returns what could not be done, worded for a person.
    """
    missed: list[str] = []
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if wanted is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (hard if wanted else 0, hard))
        if wanted and hard == 0:
            missed.append("coredumps: the limit set by the system is 0; raise it (ulimit -c)")
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            missed.append(f"coreroot {folder}: {error.strerror}")
    return missed


class Reserve:
    """`memreserve` of ha.cf: memory that is there, locked, until it is needed."""

    def __init__(self, kilobytes: int) -> None:
        self._held: bytearray | None = bytearray(kilobytes * 1024) if kilobytes else None

    def release(self) -> bool:
        """Give it back.  False: there was none left."""
        had, self._held = self._held is not None, None
        return had
