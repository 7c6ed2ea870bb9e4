"""ocf:heartbeat:Filesystem: mounts a file system, and gets it unmounted again.

Source: ocf.md 12.3 and annex A.  Needs only `mount` and `umount` (and `fsck.TYPE` where a check
is due); who uses the mount is read from /proc.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import stat
import sys
import time

from ocf import command, mounts
from ocf.agent import Action, Agent, AgentError, Param, Rc, is_true, main
from ocf.command import CommandFailed

NETWORK = frozenset(("nfs4", "nfs", "efs", "smbfs", "cifs"))
CLUSTERED = frozenset(("gfs2", "ocfs2", "ceph", "glusterfs", "lustre", "cvfs"))
CLONABLE = NETWORK | CLUSTERED | frozenset(("none", "tmpfs", "overlay", "overlayfs"))
REPLAYING = frozenset(("ext3", "ext4", "ext4dev", "reiserfs", "reiser4", "xfs", "jfs"))
"""Types that write to the device even when mounted read-only (observed: refused as clones)."""
NOT_BLOCK = NETWORK | frozenset(
    (
        "none",
        "glusterfs",
        "ceph",
        "tmpfs",
        "overlay",
        "overlayfs",
        "rozofs",
        "zfs",
        "cvfs",
        "lustre",
    )
)
JOURNALLED = frozenset(
    ("ext3", "ext4", "reiserfs", "reiser4", "nss", "xfs", "jfs", "btrfs", "f2fs", "gfs2", "ocfs2")
)
FAST_STOP_TRIES = 6
READ_BYTES = 4096

PARAMS = (
    Param("device", "Block device, network share, or -U UUID, -L LABEL.", "", required=True),
    Param("directory", "The mount point.", "", required=True),
    Param("fstype", "Type of file system, as ext4.", "", required=True),
    Param("options", "Mount options, as in `mount -o`.", ""),
    Param("statusfile_prefix", "Where monitor level 20 writes.", ".Filesystem_status/"),
    Param("run_fsck", "auto (only types without journal), force or no.", "auto"),
    Param("fast_stop", "Give up an unsuccessful stop after 6 tries.", "no", "boolean"),
    Param("force_clones", "Allow a clone of a local file system.", "false", "boolean"),
    Param("force_unmount", "Kill who uses it: yes, safe (by path) or no.", "true", "boolean"),
)


class Filesystem(Agent):
    """Runs while something is mounted at its directory."""

    name = "Filesystem"
    version = "1.1"
    short = "Manages filesystem mounts"
    long = "Mounts a file system on start and unmounts it on stop, ending its users if need be."
    no_action = Rc.ARGS
    params = PARAMS
    actions = (
        Action("start", "60s"),
        Action("stop", "60s"),
        Action("monitor", "40s", "20s", "0"),
        Action("validate-all", "5s"),
        Action("meta-data", "5s"),
    )

    def run(self) -> Rc:
        if self.action in ("start", "stop", "monitor", "status", "validate-all"):
            for name in ("device", "directory"):
                if not self.p[name] and not (name == "directory" and self._may_lack_directory):
                    self.is_strict = True
                    return self._answer(Rc.CONFIGURED, f"{name}: missing; it is required")
        return super().run()

    # -- what the parameters mean

    @property
    def _may_lack_directory(self) -> bool:
        return self.is_block and self.action != "start"

    @property
    def options(self) -> list[str]:
        return [o for o in self.p["options"].split(",") if o]

    @property
    def is_named(self) -> bool:
        """Whether the device is given by label or UUID."""
        return self.p["device"].startswith("-")

    @property
    def is_bind(self) -> bool:
        return bool({"bind", "rbind"} & set(self.options)) or os.path.isdir(self.p["device"])

    @property
    def is_block(self) -> bool:
        if self.p["fstype"] in NOT_BLOCK or "loop" in self.options or self.is_named:
            return False
        return not self.is_bind

    @property
    def directory(self) -> str:
        """The canonical mount point; that of the device where none was given."""
        if self.p["directory"]:
            return mounts.canonical(self.p["directory"])
        device = os.path.realpath(self.p["device"])
        table = mounts.mounts()
        return next((m.directory for m in table if os.path.realpath(m.source) == device), "")

    def validate(self) -> None:
        if self.p["run_fsck"] not in ("auto", "force", "no"):
            raise AgentError(
                Rc.CONFIGURED, f"run_fsck={self.p['run_fsck']!r}: want auto, force or no"
            )
        if self.is_clone and not self._may_be_cloned:
            raise AgentError(
                Rc.CONFIGURED,
                f"fstype={self.p['fstype']!r}: mounting it on two nodes destroys it; "
                "use no clone, or options=ro (a journal is replayed even then: force_clones=true)",
            )
        if self.action == "start":
            self._check_device()

    @property
    def _may_be_cloned(self) -> bool:
        fstype = self.p["fstype"]
        if fstype in REPLAYING:
            return is_true(self.p["force_clones"])
        return fstype in CLONABLE or "ro" in self.options

    def _check_device(self) -> None:
        device = self.p["device"]
        if self.is_block:
            try:
                mode = os.stat(device).st_mode
            except OSError as e:
                raise AgentError(Rc.INSTALLED, f"device={device!r}: {e.strerror}") from None
            if not stat.S_ISBLK(mode):
                raise AgentError(Rc.INSTALLED, f"device={device!r}: not a block device")
        elif "loop" in self.options and not os.path.exists(device):
            raise AgentError(Rc.INSTALLED, f"device={device!r}: no such file")

    # -- monitor

    def monitor(self) -> Rc:
        directory = self.directory
        found = mounts.mounted_at(directory, mounts.mounts()) if directory else None
        if found is None:
            if self.is_probe and self.is_block and not os.path.exists(self.p["device"]):
                self.log("INFO", f"device={self.p['device']!r}: not here")
            return Rc.NOT_RUNNING
        if self.action == "monitor":
            self._check_depth(self.check_level)
        return Rc.SUCCESS

    def _check_depth(self, level: int) -> None:
        if level == 0:
            return
        if level == 10:
            self._read_device()
        elif level == 20:
            self._write_file()
        else:
            raise AgentError(Rc.CONFIGURED, f"OCF_CHECK_LEVEL={level}: want 0, 10 or 20")

    def _read_device(self) -> None:
        """Read the device past the page cache."""
        device = self.p["device"]
        if not self.is_block:
            self.log("WARN", f"device={device!r}: not a block device, level 10 reads nothing")
            return
        fd = os.open(device, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        try:
            with mmap.mmap(-1, READ_BYTES) as aligned:
                if os.readv(fd, [aligned]) <= 0:
                    raise AgentError(Rc.GENERIC, f"device={device!r}: nothing to read")
        except OSError as e:
            raise AgentError(Rc.GENERIC, f"device={device!r}: {e.strerror}") from e
        finally:
            os.close(fd)

    def _write_file(self) -> None:
        """Write, sync, and read back a small file on the file system."""
        name = f"{self.p['statusfile_prefix']}{self.instance}_{os.uname().nodename}"
        path = os.path.join(self.directory, name)
        text = f"{self.instance} {time.time():.6f} {os.getpid()}\n".encode()
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            fd = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_SYNC | os.O_CLOEXEC, 0o600
            )
            try:
                os.write(fd, text)
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                if os.pread(fd, len(text) + 1, 0) != text:
                    raise AgentError(Rc.GENERIC, f"{path}: reads back something else")
            finally:
                os.close(fd)
        except OSError as e:
            raise AgentError(Rc.GENERIC, f"{path}: {e.strerror}") from e

    # -- start

    def start(self) -> None:
        directory = self.directory
        if mounts.mounted_below(directory, mounts.mounts()):
            raise AgentError(
                Rc.CONFIGURED, f"directory={directory!r}: something is mounted below it"
            )
        os.makedirs(directory, exist_ok=True)
        self._fsck()
        words = ["mount"]
        if self.p["fstype"] and not (self.is_bind and self.p["fstype"] == "none"):
            words += ["-t", self.p["fstype"]]
        options = self.options
        if self.is_bind and not {"bind", "rbind"} & set(options) and "loop" not in options:
            options = ["bind", *options] if self.p["fstype"] in ("none", "") else options
        if options:
            words += ["-o", ",".join(options)]
        words += self.p["device"].split() if self.is_named else [self.p["device"]]
        try:
            command.run(*words, directory)
        except CommandFailed as e:
            raise AgentError(self._mount_error(), str(e)) from e

    def _mount_error(self) -> Rc:
        """INSTALLED if the kernel does not know the type, even after the mount asked for it."""
        fstype = self.p["fstype"]
        if not fstype or fstype == "none":
            return Rc.GENERIC
        with open("/proc/filesystems", encoding="ascii", errors="replace") as f:
            known = {line.split()[-1] for line in f if line.strip()}
        helper = any(os.path.exists(f"{d}/mount.{fstype}") for d in ("/sbin", "/usr/sbin"))
        return Rc.GENERIC if fstype in known or helper else Rc.INSTALLED

    def _fsck(self) -> None:
        fstype, wish = self.p["fstype"], self.p["run_fsck"]
        is_due = wish == "force" or (wish == "auto" and fstype not in JOURNALLED)
        if not is_due or not self.is_block or not fstype or "ro" in self.options:
            return
        if not any(os.path.exists(f"{d}/fsck.{fstype}") for d in ("/sbin", "/usr/sbin")):
            self.log("INFO", f"fstype={fstype!r}: there is no fsck.{fstype}, not checked")
            return
        try:
            command.run(f"fsck.{fstype}", "-a", self.p["device"], ok=(0, 1, 2, 3))
        except CommandFailed as e:
            raise AgentError(Rc.GENERIC, str(e)) from e

    # -- stop

    def stop_once(self) -> Rc:
        directory = self.directory
        if not directory or mounts.mounted_at(directory, mounts.mounts()) is None:
            return Rc.SUCCESS
        for mount in mounts.mounted_below(directory, mounts.mounts()):
            self._unmount(mount.directory)
        while mounts.mounted_at(directory, mounts.mounts()) is not None:
            self._unmount(directory)
        return Rc.SUCCESS

    def _unmount(self, directory: str) -> None:
        """Unmount one directory.  Raises AgentError (GENERIC) naming who keeps it busy."""
        tries = FAST_STOP_TRIES if is_true(self.p["fast_stop"]) else max(2, int(self.timeout_s))
        words = ["umount", "-f"] if self.p["fstype"] in NETWORK else ["umount"]
        said, users = "", []
        for attempt in range(tries):
            before = len(mounts.mounts())
            try:
                command.run(*words, directory)
                return
            except CommandFailed as e:
                said = str(e)
            if mounts.mounted_at(directory, mounts.mounts()) is None:
                return
            if len(mounts.mounts()) < before:
                return  # one of several mounts on top of each other
            users = self._users(directory)
            number = signal.SIGTERM if attempt < tries / 2 else signal.SIGKILL
            self._end(users, number, wait_s=1.0)
        named = ", ".join(f"{pid} ({_comm(pid)})" for pid in users[:5])
        raise AgentError(Rc.GENERIC, f"{said}; {tries} tries; in use by: {named or 'unknown'}")

    def _users(self, directory: str) -> list[int]:
        wish = self.p["force_unmount"]
        if wish != "safe" and not is_true(wish):
            return []
        return mounts.users_of(directory, wish != "safe" and self._is_alone(directory))

    def _is_alone(self, directory: str) -> bool:
        """Whether its file system is mounted nowhere else, so that all its users are ours.

        Users of a bind mount's source, most of all of `/`, must not be killed.
        """
        table = mounts.mounts()
        mount = mounts.mounted_at(directory, table)
        return mount is not None and [m.device for m in table].count(mount.device) == 1

    def _end(self, pids: list[int], number: signal.Signals, wait_s: float) -> None:
        """Signal processes and wait until they are gone, at most `wait_s`."""
        end = time.monotonic() + wait_s
        handles: list[int] = []
        for pid in pids:
            try:
                handle = os.pidfd_open(pid)
                handles.append(handle)
                self.log("INFO", f"{number.name} to {pid} ({_comm(pid)}), which uses the mount")
                signal.pidfd_send_signal(handle, number)
            except ProcessLookupError:
                continue
        for handle in handles:
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            poller.poll(max(0, int((end - time.monotonic()) * 1000)))
            os.close(handle)
        if not handles:
            time.sleep(max(0.0, end - time.monotonic()))


def _comm(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except OSError:
        return "?"


if __name__ == "__main__":
    sys.exit(main(Filesystem))
