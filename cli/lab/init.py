"""Process 1 of a lab node: starts pacekeeperd, starts it again when it is killed, reaps orphans.

What systemd does on a real node, and nothing more.  It runs as a plain script (`python -I -S`),
so it imports almost nothing.  SIGKILL to it takes the whole node down at once.
Arguments: PID_FILE ALIVE_FILE LOG_FILE COMMAND...; with `-` for COMMAND it only reaps.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time

RESTART_S = 0.05
RESTART_LOOP_S = 1.0


def spawn(command: list[str], log: str) -> int:
    """Start `command` in its own session, output appended to `log`."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.execvp(command[0], command)
    except OSError as e:
        os.write(2, f"{command[0]}: {e.strerror}\n".encode())
    os._exit(127)


def hold(alive_file: str) -> int:
    """A lock that the kernel drops when this node dies: how stand-ins know who is alive."""
    fd = os.open(alive_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with open("/proc/sys/kernel/random/uuid", "rb") as f:
        life = f.read()
    os.ftruncate(fd, 0)
    os.write(fd, life)  # another one for each life of the node
    return fd


def main(argv: list[str]) -> None:
    pid_file, alive_file, log, *command = argv
    watched = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    hold(alive_file)
    daemon, started, is_wanted = 0, 0.0, command != ["-"]
    while True:
        if is_wanted and not daemon:
            started = time.monotonic()
            daemon = spawn(command, log)
            with open(pid_file, "w") as f:
                f.write(f"{daemon}\n")
        caught = signal.sigtimedwait(watched, 3600)
        if caught is not None and caught.si_signo == signal.SIGTERM:
            is_wanted = False
            if daemon:
                os.kill(daemon, signal.SIGTERM)
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not ended:
                break
            if ended == daemon:
                daemon = 0
                if not os.WIFSIGNALED(status):
                    is_wanted = False
                elif time.monotonic() - started < RESTART_LOOP_S:
                    time.sleep(RESTART_LOOP_S)
                else:
                    time.sleep(RESTART_S)


if __name__ == "__main__":
    main(sys.argv[1:])
